"""How well the activations of a node predict the outcome of samples that it was not fitted on: correlation, RLIPP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from sklearn.linear_model import RidgeCV

from kgreg.decode.importance.inquiry import Inquiry
from kgreg.errors import DataError

#: Ridge penalties among which leave-one-out chooses, for features of standard deviation 1.
PENALTIES = np.logspace(-1, 4, 6)

#: The power of children below which a ratio is taken to this: of nothing, everything is a multiple.
LEAST_POWER = 0.05

#: Columns of :func:`predictive_power`.
COLUMNS = ("node", "output", "parent", "children", "ratio", "difference", "n")


def predictive_power(
    inquiry: Inquiry,
    target: NDArray[Any],
    reference_target: NDArray[Any],
    outputs: list[str],
    *,
    children: bool = True,
) -> pd.DataFrame:
    """Compare how a node's neurons predict the outcome with how its children's do: RLIPP, out of sample.

    Relative local improvement in predictive power (Ma et al. 2018; Kuenzi et al. 2020) asks whether a term makes more
    of its children than they bring along. A ridge regression is fitted to the neurons of the term, and another to those
    of its child terms with the inputs of its own genes, both on the training samples, the penalty chosen by
    leave-one-out among them; both predict the test samples. The power is Spearman's correlation of prediction and
    outcome there, at least 0; of a class or label, of its presence (0 or 1). As published, the score is parent over
    children; children below ``LEAST_POWER`` count as that. Published code (nest_vnn) fits and scores on the same
    samples, and on what the model predicts.

    Parameters
    ----------
    inquiry
        The network, the test samples (``readings``) and the training samples (``reference``).
    target, reference_target
        As ``Samples.target``, of both; NaN where a label is not known.
    outputs
        Names of the outputs.
    children
        Leave out to know ``parent`` alone, for genes too.

    Returns
    -------
    DataFrame
        ``node, output, parent, children, ratio, difference, n``: one row a node and output; ``n`` test samples. Terms,
        and without ``children`` the genes before them.

    Raises
    ------
    DataError
        If the outcome is a time to an event, or, with ``children``, the network has no node above others.
    """
    if inquiry.model.task == "survival":
        raise DataError(
            "Predictive power needs classes, labels or values; the outcome is a time to an event.",
            'Choose another measure, "ablation" for instance.',
        )
    train, test = _features(inquiry, inquiry.reference), _features(inquiry, inquiry.readings)
    sides = list(_outcomes(inquiry, target, reference_target, outputs))
    spans = [*inquiry.columns, *(np.arange(s.start, s.stop) + len(train[0].T) for s in inquiry.spans)]
    ids = [*inquiry.genes, *inquiry.model.network.term_ids]
    both = np.concatenate(train, axis=1), np.concatenate(test, axis=1)
    place = {node: number for number, node in enumerate(ids)}
    below = _children(inquiry, place) if children else {}
    rows = []
    for node in below if children else ids:
        own = _powers(both, spans[place[node]], sides)
        others = [float("nan")] * len(sides)
        if children:
            others = _powers(both, np.concatenate([spans[i] for i in below[node]]), sides)
        for (name, _, _, known, _), parent, child in zip(sides, own, others, strict=True):
            ratio = parent / max(child, LEAST_POWER)
            rows.append((node, name, parent, child, ratio, parent - child, int(known.sum())))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _features(inquiry: Inquiry, readings: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return scaled inputs ``[n, n_inputs]`` and activations ``[n, n_neurons]``."""
    inputs, hidden = [], []
    for start in range(0, len(readings), inquiry.batch_size):
        part = readings.rows(np.arange(start, min(start + inquiry.batch_size, len(readings))))
        inputs.append(inquiry.model.inputs_of(part).genes[0].numpy())  # type: ignore[index]
        hidden.append(inquiry.model.respond(part)[1].T)
    return np.concatenate(inputs), np.concatenate(hidden)


def _outcomes(
    inquiry: Inquiry, target: NDArray[Any], reference_target: NDArray[Any], outputs: list[str]
) -> Iterator[tuple[str, NDArray[np.bool_], NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]]:
    """Yield name, which training samples are known, their outcome, which test samples are known, their outcome."""
    for number, name in enumerate(outputs):
        sides: list[Any] = [name]
        for values in (reference_target, target):
            if inquiry.model.task == "classification":
                outcome = (values == number).astype(np.float64)
            elif values.ndim == 2:
                outcome = values[:, number].astype(np.float64)
            else:
                outcome = values.astype(np.float64)
            sides += [np.isfinite(outcome), outcome]
        yield tuple(sides)


def _children(inquiry: Inquiry, place: dict[str, int]) -> dict[str, list[int]]:
    """Return for every inner node the positions of the nodes that it stands above."""
    edges = inquiry.model.blueprint.edges
    inner = set(inquiry.model.network.term_ids)
    below: dict[str, list[int]] = {}
    for source, parent in zip(edges["source"], edges["target"], strict=True):
        if parent in inner and source in place:
            below.setdefault(parent, []).append(place[source])
    if not below:
        raise DataError(
            "RLIPP compares parents with children, and no node of this network stands above another.",
            'Choose another measure: "correlation" is the power of a node alone.',
        )
    return {node: below[node] for node in inquiry.model.network.term_ids if node in below}


def _powers(both: tuple[NDArray[Any], NDArray[Any]], columns: NDArray[Any], sides: list[Any]) -> list[float]:
    """Return how the features of some columns predict each outcome, fitted on the first of ``both``."""
    train, test = (values[:, columns].astype(np.float64) for values in both)
    mean, sd = train.mean(axis=0), train.std(axis=0)
    varies = sd > 1e-7
    if not varies.any():
        return [0.0] * len(sides)
    train, test = ((values[:, varies] - mean[varies]) / sd[varies] for values in (train, test))
    found = [0.0] * len(sides)
    # Outcomes that are known of the same samples are fitted together.
    groups: dict[bytes, list[int]] = {}
    for number, (_, known, outcome, _, _) in enumerate(sides):
        if known.sum() >= 3 and np.ptp(outcome[known]) > 0:
            groups.setdefault(known.tobytes(), []).append(number)
    for numbers in groups.values():
        known = sides[numbers[0]][1]
        outcome = np.stack([sides[i][2][known] for i in numbers], axis=1)
        ridge = RidgeCV(PENALTIES, alpha_per_target=True).fit(train[known], outcome)
        predicted = ridge.predict(test).reshape(len(test), -1)
        for column, number in enumerate(numbers):
            _, _, _, seen, truth = sides[number]
            found[number] = _correlation(predicted[seen, column], truth[seen])
    return found


def _correlation(predicted: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    """Return Spearman's correlation, at least 0; 0 where one of the two is constant."""
    if len(truth) < 3 or np.ptp(truth) == 0 or np.ptp(predicted) == 0:
        return 0.0
    return max(0.0, float(stats.spearmanr(predicted, truth).statistic))
