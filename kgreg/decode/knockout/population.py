"""Effects of knockouts on groups of held-out samples, in every network of the real graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.data.targets import ONE_OUTPUT
from kgreg.decode.importance import ALL, samples_of_outputs
from kgreg.decode.intervals import Interval, network_interval
from kgreg.decode.knockout.effects import Changes, Unchanged
from kgreg.decode.knockout.kernels import add_moved
from kgreg.decode.knockout.settings import Manipulation
from kgreg.fit.crossval import CrossValidation
from kgreg.fit.fitted import FittedModel
from kgreg.fit.threads import limit_threads
from kgreg.progress import Progress, no_progress

Index = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Population:
    """Mean effects of K knockouts on the test samples of R networks.

    Attributes
    ----------
    groups, samples
        Names of the G groups of samples ("all" first), and how many different samples each has, ``[G]``.
    outputs
        ``[R, K, G, n_outputs]`` change of probability, value or log hazard; NaN where a network's test samples have
        none of the group.
    terms
        ``[R, K, G, T]`` root mean square change of the neurons of every subsystem, in standard deviations, or
        ``[R, K, 1, T]`` of all samples alone.
    term_ids
        The T subsystems, those of the blueprint that the networks compute.
    folds
        Of every network, ``[R]``.
    """

    groups: list[str]
    samples: Index
    outputs: Floats
    terms: Floats
    term_ids: list[str]
    folds: Index


def population(
    result: CrossValidation,
    knockouts: Sequence[Index],
    how: Manipulation,
    *,
    grouped_terms: bool = True,
    threads: int | None = None,
    progress: Progress = no_progress,
) -> Population:
    """Knock sets of inputs out of every network of the real graph, on its own test samples.

    Parameters
    ----------
    knockouts
        Positions in ``blueprint.inputs``.
    grouped_terms
        Whether subsystems are followed in every group, or in all samples together alone.
    threads
        Default: those of the training.
    """
    fits = list(result.fits("graph"))
    computed = {term for _, model in fits[:1] for term in model.network.term_ids}
    terms = [term for term in result.blueprint.terms["id"] if term in computed]
    groups = groups_of(result, np.arange(len(result.samples)))
    names = list(groups)
    seen: dict[str, set[int]] = {name: set() for name in names}
    of_terms = names if grouped_terms else [ALL]
    outputs = np.full((len(fits), len(knockouts), len(names), len(result.outputs)), np.nan, dtype=np.float32)
    moved = np.full((len(fits), len(knockouts), len(of_terms), len(terms)), np.nan, dtype=np.float32)
    for r, (job, model) in enumerate(fits):
        members = groups_of(result, job.split.test)
        for name, rows in members.items():
            seen[name].update(job.split.test[rows].tolist())
        weight = _weights(members, names, len(job.split.test))
        with limit_threads(threads or result.settings.threads):
            unchanged = Unchanged.of(model, result.inputs_of(job, job.split.test))
            place = _term_rows(model, terms)
            for k, (of_outputs, of_subsystems) in enumerate(
                mean_effects(unchanged, knockouts, how, weight, len(of_terms) if terms else 0)
            ):
                progress("knocking out genes", (r + k / len(knockouts)) / len(fits))
                outputs[r, k] = of_outputs
                if terms:
                    moved[r, k] = of_subsystems[:, place]
        absent = [g for g, name in enumerate(names) if name not in members]
        outputs[r][:, absent] = np.nan
        if grouped_terms:
            moved[r][:, absent] = np.nan
    counts = np.array([len(seen[name]) for name in names], dtype=np.int64)
    folds = np.array([job.split.fold for job, _ in fits], dtype=np.int64)
    return Population(names, counts, outputs, moved, terms, folds)


def over_networks(values: NDArray[Any], folds: Index, overlap: float = 0.0) -> Interval:
    """Return mean, low and high (95 %) and n of ``values [R, ...]`` of networks that were trained in ``folds [R]``.

    NaN is left out; low and high are NaN for a single network. Effects on outputs need ``overlap``, the
    :func:`kgreg.decode.intervals.overlap_of` of the splits: how far a prediction moves follows from how sure the
    networks are, which folds have in common. Those on subsystems do not: they are measured in each network's own sd.
    """
    return network_interval(values.astype(np.float64), folds, overlap)


def groups_of(result: CrossValidation, rows: Index) -> dict[str, Index]:
    """Return the samples of every class or label present, and all of them, as positions within ``rows``."""
    groups = {ALL: np.arange(len(rows))}
    samples = result.samples
    if samples.task not in ONE_OUTPUT:
        members = samples_of_outputs(samples.task, samples.target[rows], len(samples.outputs))
        groups |= {name: own for name, own in zip(samples.outputs, members, strict=True) if len(own)}
    return groups


def terms_table(result: CrossValidation, term_ids: Sequence[str]) -> pd.DataFrame:
    """Return ``id, label`` of subsystems, in their order."""
    labels = result.blueprint.terms.set_index("id")["label"]
    return pd.DataFrame({"id": list(term_ids), "label": labels.reindex(list(term_ids)).to_numpy()})


def _weights(members: dict[str, Index], names: Sequence[str], n: int) -> NDArray[np.float64]:
    """Return the weight of every sample in the mean over a group, ``[G, n]``."""
    weight = np.zeros((len(names), n))
    for g, name in enumerate(names):
        if name in members:
            weight[g, members[name]] = 1 / len(members[name])
    return weight


def _term_rows(model: FittedModel, terms: Sequence[str]) -> Index:
    place = {term: i for i, term in enumerate(model.network.term_ids)}
    return np.array([place[term] for term in terms], dtype=np.int64)


def mean_effects(
    unchanged: Unchanged, knockouts: Sequence[Index], how: Manipulation, weight: NDArray[np.float64], n_groups: int
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield for every knockout the means ``[G, n_outputs]`` and, of all terms, ``[n_groups, n_terms]``."""
    widths = unchanged.model.network.term_widths
    last = np.cumsum(widths)
    of_terms = weight[:n_groups]
    for changes in unchanged.changes(knockouts, how):
        outputs = np.zeros((len(weight), unchanged.predicted.shape[1]))
        for rows, changed in changes:
            if len(changed.samples):
                at = rows[changed.samples]
                delta = unchanged.model.predicted(changed.outputs) - unchanged.predicted[at]
                outputs += weight[:, at] @ delta
        subsystems = np.zeros((len(widths), n_groups))
        if n_groups:
            _add_terms(unchanged, changes, last - widths, last, of_terms, subsystems)
        yield outputs, subsystems.T


def _add_terms(
    unchanged: Unchanged,
    changes: Changes,
    start: Index,
    stop: Index,
    weight: NDArray[np.float64],
    total: NDArray[np.float64],
) -> None:
    for rows, changed in changes:
        if not len(changed.neurons) or not len(changed.rows):
            continue
        # A knockout changes whole subsystems, whose neurons stand together.
        which = np.flatnonzero(np.isin(start, changed.neurons, assume_unique=True))
        first = np.searchsorted(changed.neurons, start[which])
        own, inverse = np.zeros((len(which), len(weight))), unchanged.inverse_spread.astype(unchanged.hidden.dtype)
        add_moved(
            changed.hidden.numpy(), unchanged.hidden, inverse, rows[changed.rows], first,
            first + (stop - start)[which], changed.neurons, weight, own,
        )  # fmt: skip
        total[which] += own
