"""Arms of the second stage: the contacts, and every graph they are held against, on the same chromosomes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from kgreg.data.contacts import (
    ContactGraph,
    joined_contacts,
    neighbour_graph,
    no_contacts,
    random_graph,
    rewired_contacts,
    shifted_contacts,
)
from kgreg.errors import DataError, FitError
from kgreg.fit.bootstrap import RESAMPLES, bootstrap_comparison, bootstrap_interval, resample, score_resamples
from kgreg.fit.contacts.checks import checked_parts, checked_target
from kgreg.fit.contacts.graphs import Chromosome, ContactSettings, chromosomes_of, fit_graph, gates_of, predict
from kgreg.fit.contacts.windows import TASK
from kgreg.fit.metrics import score
from kgreg.fit.seeding import mix
from kgreg.fit.threads import limit_threads
from kgreg.nn.contacts import WindowClassifier
from kgreg.progress import Progress, no_progress

#: The classifier of single windows, which no graph is part of.
WINDOW = "window"

#: The arm that verdicts are about.
CONTACTS = "contacts"

#: Arm -> its graph, from the contacts, the windows on either side that are neighbours, and a seed.
ARMS: dict[str, Callable[[ContactGraph, int, int], ContactGraph]] = {
    "none": lambda contacts, reach, seed: no_contacts(contacts.windows),
    "constant": lambda contacts, reach, seed: neighbour_graph(contacts.windows, reach),
    "random": lambda contacts, reach, seed: random_graph(contacts, seed),
    "rewired": lambda contacts, reach, seed: rewired_contacts(contacts, seed),
    "shifted": lambda contacts, reach, seed: shifted_contacts(contacts, seed),
    CONTACTS: lambda contacts, reach, seed: contacts,
    "both": lambda contacts, reach, seed: joined_contacts(contacts, neighbour_graph(contacts.windows, reach)),
}


@dataclass(frozen=True)
class ContactFit:
    """What :func:`fit_contacts` found.

    Attributes
    ----------
    metrics
        One row an arm, metric and label ("all": the mean over labels): ``arm, label, metric, value, low, high, n,
        seeds``. ``value`` is the mean over the seeds; the interval is the percentile bootstrap (95 %) over ``n`` units.
    comparisons
        Contacts against every other arm, paired: ``arm, metric, difference, low, high, n, p``.
    predictions
        Arm -> ``[seeds, n_test, n_labels]`` probabilities, windows in the order of ``test``.
    test
        Positions of the test windows.
    gates
        Of the contacts arm's test windows, ``[n_test, layers]``, mean over seeds: near 1 a window is described by its
        partners.
    units
        What was resampled.
    graphs
        Arm -> summary of its graph.
    """

    metrics: pd.DataFrame
    comparisons: pd.DataFrame
    predictions: dict[str, NDArray[np.float32]]
    test: NDArray[np.int64]
    gates: NDArray[np.float32]
    units: str
    graphs: dict[str, dict[str, Any]]


def fit_contacts(
    features: NDArray[np.float32],
    target: NDArray[Any],
    contacts: ContactGraph,
    parts: NDArray[Any],
    classifier: WindowClassifier,
    settings: ContactSettings | None = None,
    *,
    arms: Sequence[str] = tuple(ARMS),
    reach: int = 7,
    labels: Sequence[str] | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    units: Literal["chromosomes", "windows"] = "chromosomes",
    resamples: int = RESAMPLES,
    progress: Progress = no_progress,
) -> ContactFit:
    """Train graph networks on frozen features of windows over several graphs, and compare them on test chromosomes.

    The arms: "none" (the same network without partners), "constant" (the ``reach`` nearest windows on either side),
    "random" (as many random pairs), "rewired" (every window with as many partners), "shifted" (the contacts, turned
    along the chromosome: the distances stay), "contacts", "both" (contacts and constant). Beside them always "window",
    the classifier by itself. Random graphs are drawn anew for every seed.

    Parameters
    ----------
    features
        ``[n, n_features]`` or ``[n, strands, n_features]`` of the windows of ``contacts``, as the classifier reads
        them: :attr:`WindowFit.features`.
    target
        ``[n, n_labels]`` 0, 1 or NaN.
    parts
        ``[n]`` of "train", "valid", "test"; a chromosome lies in one of them.
    labels
        Names.
    seeds
        One network an arm and seed.
    units
        What is resampled for intervals: whole test chromosomes, which windows of a chromosome depend on each other by,
        or windows, where there are only few chromosomes; then intervals are too narrow.

    Raises
    ------
    DataError
        If features, labels, windows or parts do not fit each other, a part shares a chromosome with another, a contact
        joins two parts, or "chromosomes" are to be resampled and fewer than two are tested.
    FitError
        If an arm is unknown, or a network was never finite.
    """
    settings = settings or ContactSettings()
    windows = contacts.windows
    truth = checked_target(target, len(windows))
    given = np.asarray(features, dtype=np.float32)
    given = given[:, None] if given.ndim == 2 else given
    if given.ndim != 3 or len(given) != len(windows) or given.shape[2] != classifier.out.in_features:
        raise DataError(
            f"There are {len(windows)} windows and a classifier of {classifier.out.in_features} features, but features "
            f"of the shape {list(np.shape(features))}.",
            "Give the features that the classifier was trained on, a row a window.",
        )
    chromosome = windows.table["chrom"].to_numpy()
    rows = checked_parts(parts, len(windows), chromosome)
    _refuse_joined_parts(contacts, rows)
    unknown = [arm for arm in arms if arm not in ARMS]
    if unknown or not seeds or CONTACTS not in arms:
        raise FitError(
            f"There is no arm '{unknown[0]}'." if unknown else 'At least one seed and the arm "contacts" are needed.',
            f"Choose among {', '.join(ARMS)}.",
        )
    groups = chromosome[rows["test"]] if units == "chromosomes" else None
    n_units = len(rows["test"]) if groups is None else len(np.unique(groups))
    if n_units < 2:
        raise DataError(
            "Only one chromosome is tested, so that there is no interval over chromosomes.",
            'Test on several, or set units = "windows".',
        )
    predictions = {WINDOW: _of_classifier(classifier, given[rows["test"]])[None]}
    graphs: dict[str, dict[str, Any]] = {}
    gates: list[NDArray[np.float32]] = []
    with limit_threads(settings.threads):
        for done, (arm, seed) in enumerate((arm, seed) for arm in arms for seed in seeds):
            graph = ARMS[arm](contacts, reach, mix(seed, 1))
            graphs.setdefault(arm, graph.summary())
            batches = {part: chromosomes_of(graph, given, truth, own) for part, own in rows.items()}
            network, _ = fit_graph(classifier, batches["train"], batches["valid"], settings, mix(seed))
            tested = _in_order(batches["test"], predict(network, batches["test"]).sigmoid().numpy())
            predictions[arm] = np.concatenate([predictions.get(arm, tested[None][:0]), tested[None]])
            if arm == CONTACTS:
                gates.append(_in_order(batches["test"], gates_of(network, batches["test"])))
            progress(f"{arm}, seed {seed}", (done + 1) / (len(arms) * len(seeds)))
    weights = resample(len(rows["test"]), groups, mix(*seeds), resamples)
    names = list(labels) if labels is not None else [f"label {i + 1}" for i in range(truth.shape[1])]
    metrics, comparisons = _compared(truth[rows["test"]], predictions, weights, n_units, names)
    return ContactFit(metrics, comparisons, predictions, rows["test"], np.mean(gates, axis=0), units, graphs)


def _refuse_joined_parts(contacts: ContactGraph, rows: dict[str, NDArray[np.int64]]) -> None:
    part = np.empty(len(contacts.windows), dtype=object)
    for name, own in rows.items():
        part[own] = name
    across = int((part[contacts.one] != part[contacts.two]).sum())
    if across:
        raise DataError(
            f"{across} contacts join windows of two parts.",
            "Leave out contacts between chromosomes, or give chromosomes that they join to one part.",
        )


@torch.no_grad()
def _of_classifier(classifier: WindowClassifier, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return probabilities ``[windows, n_labels]`` of the mean logits over strands."""
    classifier.eval()
    each = [classifier(strand) for strand in torch.from_numpy(features).unbind(dim=1)]
    found: NDArray[np.float32] = torch.stack(each).mean(dim=0).sigmoid().numpy()
    return found


def _in_order(chromosomes: list[Chromosome], values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return values that stand chromosome after chromosome in the order of the windows."""
    return values[np.argsort(np.concatenate([one.rows for one in chromosomes]))]


def _compared(
    truth: NDArray[np.float32],
    predictions: dict[str, NDArray[np.float32]],
    weights: NDArray[np.float64],
    units: int,
    names: list[str],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables ``metrics`` and ``comparisons``."""
    rows, means, draws = [], {}, {}
    for arm, given in predictions.items():
        for label, columns in [("all", slice(None)), *((name, slice(i, i + 1)) for i, name in enumerate(names))]:
            each = [score(TASK, truth[:, columns], one[:, columns]) for one in given]
            drawn = [score_resamples(TASK, truth[:, columns], one[:, columns], weights) for one in given]
            for metric in each[0]:
                value = float(np.mean([one[metric] for one in each]))
                spread = np.mean([one[metric] for one in drawn], axis=0)
                interval = bootstrap_interval(value, spread, units)
                rows.append([arm, label, metric, value, interval.low, interval.high, units, len(given)])
                if label == "all":
                    means[arm, metric], draws[arm, metric] = value, spread
    metrics = pd.DataFrame(rows, columns=["arm", "label", "metric", "value", "low", "high", "n", "seeds"])
    compared = [
        {"arm": arm, "metric": metric}
        | bootstrap_comparison(
            means[CONTACTS, metric] - means[arm, metric], draws[CONTACTS, metric] - draws[arm, metric], units
        )
        for arm, metric in means
        if arm != CONTACTS
    ]
    return metrics, pd.DataFrame(compared)
