"""In silico knockouts: what every output and every subsystem does when genes fall silent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import stats

from kgreg.data.targets import ONE_OUTPUT
from kgreg.decode.importance import ALL, samples_of_outputs
from kgreg.errors import DataError
from kgreg.fit.crossval import CrossValidation
from kgreg.fit.fitted import FittedModel
from kgreg.fit.readings import Readings, as_readings
from kgreg.fit.threads import limit_threads
from kgreg.nn.knockouts import KnockedOut
from kgreg.progress import Progress, no_progress


@dataclass(frozen=True)
class KnockoutEffect:
    """Effect on single samples.

    ``outputs [n, n_outputs]``: change of probability, value or log hazard. ``subsystems [n_terms, n]``: root mean
    square change of the term's neurons, in standard deviations of each neuron over the samples.
    """

    outputs: NDArray[np.float32]
    subsystems: NDArray[np.float32]


def knock_out(
    model: FittedModel,
    x: Readings | NDArray[np.float32],
    genes: Sequence[int],
    silent: NDArray[np.float32] | float = 0.0,
) -> KnockoutEffect:
    """Set input genes to ``silent`` and compare with the network's own prediction.

    Parameters
    ----------
    x
        Samples, unscaled (``[n, n_inputs]`` if the network reads nothing else).
    genes
        Positions among the inputs.
    silent
        The value of a gene that is not expressed, in the units of ``x``; one for all, or ``[len(genes)]``.
    """
    values = np.zeros(model.network.n_inputs, dtype=np.float32)
    values[list(genes)] = silent
    return next(knock_out_each(model, x, [genes], values))


def knock_out_each(
    model: FittedModel,
    x: Readings | NDArray[np.float32],
    knockouts: Sequence[Sequence[int]],
    silent: NDArray[np.float32],
) -> Iterator[KnockoutEffect]:
    """As :func:`knock_out`, for one set of inputs after the other; ``silent [n_inputs]``.

    Of the network only what reads a silenced input is computed again, and only in samples where it changes. A modality
    that a sample lacks stays missing there.
    """
    readings = as_readings(x)
    with torch.inference_mode():
        passed = model.network(model.preprocessing.apply(readings).everything())
    predicted, before = model.predicted(passed.outputs), passed.hidden.numpy()
    spread = before.astype(np.float64).std(axis=1)
    widths = model.network.term_widths
    for changes in _changes(model, readings, knockouts, silent):
        outputs = np.zeros_like(predicted)
        squares = np.zeros(before.shape)
        for rows, changed in changes:
            members = rows[changed.samples]
            if len(members):
                outputs[members] = model.predicted(changed.outputs) - predicted[members]
            at = np.ix_(changed.neurons, rows[changed.rows])
            with np.errstate(divide="ignore", invalid="ignore"):
                moved = (changed.hidden.numpy().astype(np.float64) - before[at]) / spread[changed.neurons, None]
            squares[at] = np.where(spread[changed.neurons, None] > 0, moved, 0.0) ** 2
        subsystems = squares[:0]
        if len(widths):
            subsystems = np.add.reduceat(squares, np.cumsum(widths) - widths, axis=0) / widths[:, None]
        yield KnockoutEffect(outputs, np.sqrt(subsystems).astype(np.float32))


def _changes(
    model: FittedModel, readings: Readings, knockouts: Sequence[Sequence[int]], silent: NDArray[np.float32]
) -> Iterator[list[tuple[NDArray[np.int64], KnockedOut]]]:
    """Yield for every knockout what it changes: parts of the samples, and the change in each.

    What a sample lacks stays as it is, so that samples with the same modalities are computed together.
    """
    scaler, presence = model.preprocessing.scaler, readings.presence
    values = ((silent - scaler.mean) / scaler.sd).astype(np.float32)
    groups = [(np.arange(len(readings)), values)]
    if presence is not None:
        patterns, which = np.unique(presence.present, axis=0, return_inverse=True)
        groups = [
            (np.flatnonzero(which.reshape(-1) == p), np.where(pattern[presence.modality_of] > 0, values, 0.0))
            for p, pattern in enumerate(patterns)
        ]
    sweeps = [
        model.network.knock_out(
            model.preprocessing.apply(readings.rows(rows)).everything(),
            knockouts,
            torch.from_numpy(own.astype(np.float32)),
        )
        for rows, own in groups
    ]
    for changed in zip(*sweeps, strict=True):
        yield [(rows, one) for (rows, _), one in zip(groups, changed, strict=True)]


def knockout_table(
    result: CrossValidation,
    knockouts: Mapping[str, Sequence[str]],
    progress: Progress = no_progress,
) -> pd.DataFrame:
    """Knock gene sets out of every network of the real graph, on its own test samples.

    Parameters
    ----------
    knockouts
        Name -> feature names, as in the data or as present symbols. All modalities of a gene fall silent.

    Returns
    -------
    DataFrame
        ``knockout, genes, kind`` (output or term), ``target`` (class, label, "risk" or term id), ``label``, ``group``
        (the class of the samples, a label that they have, or "all"), ``delta`` (see :class:`KnockoutEffect`; mean over
        the samples, then over the networks), ``low, high`` (95 %, Student's t over the networks), ``n`` (networks),
        ``samples`` and ``seed``.

    Raises
    ------
    DataError
        If a gene is not an input of the network; the message says what became of it.
    """
    positions = {name: _positions(result, genes) for name, genes in knockouts.items()}
    # Expression that was centred has no zero that means silence; a gene's lowest value is the nearest to it.
    silent = np.minimum(result.samples.columns(result.blueprint.inputs).min(axis=0), 0.0)
    fits = list(result.fits("graph"))
    effects: dict[str, dict[tuple[str, str], list[NDArray[np.float64]]]] = {name: {} for name in positions}
    seen: dict[str, set[int]] = {}
    # A network may have no activation of some: of the target that regulators lead to, say.
    computed = {term for _, model in fits[:1] for term in model.network.term_ids}
    terms = result.blueprint.terms
    terms = terms[terms["id"].isin(computed)]
    for done, (job, model) in enumerate(fits):
        place = {term: i for i, term in enumerate(model.network.term_ids)}
        rows = np.array([place[term] for term in terms["id"]], dtype=np.int64)
        groups = _groups(result, job.split.test)
        for group, members in groups.items():
            seen.setdefault(group, set()).update(job.split.test[members].tolist())
        with limit_threads(result.settings.threads):
            each = knock_out_each(model, result.inputs_of(job, job.split.test), list(positions.values()), silent)
            for i, (name, effect) in enumerate(zip(positions, each, strict=True)):
                progress(f"knocking out {name}", (done + i / len(positions)) / len(fits))
                for group, members in groups.items():
                    own = effects[name]
                    own.setdefault((group, "output"), []).append(effect.outputs[members].mean(axis=0))
                    if len(rows):
                        own.setdefault((group, "term"), []).append(effect.subsystems[rows][:, members].mean(axis=1))
    frames = []
    for name in positions:
        for (group, kind), values in effects[name].items():
            frame = _effect_rows(result, terms, kind, np.stack(values).astype(float))
            frames.append(
                frame.assign(knockout=name, genes=", ".join(knockouts[name]), group=group, samples=len(seen[group]))
            )
    if not frames:
        return pd.DataFrame(columns=[*_COLUMNS])
    return pd.concat(frames, ignore_index=True).assign(seed=result.seed)[list(_COLUMNS)]


_COLUMNS = (
    "knockout", "genes", "kind", "target", "label", "group", "delta", "low", "high", "n", "samples", "seed",
)  # fmt: skip


def _effect_rows(result: CrossValidation, terms: pd.DataFrame, kind: str, values: NDArray[np.float64]) -> pd.DataFrame:
    """Return target, label, delta, low, high and n for ``values [n_networks, n_targets]``, of outputs or ``terms``."""
    n = len(values)
    mean = values.mean(axis=0)
    half = np.full(values.shape[1], np.nan)
    if n > 1:
        half = stats.t.ppf(0.975, n - 1) * values.std(axis=0, ddof=1) / np.sqrt(n)
    if kind == "output":
        targets = labels = result.outputs
    else:
        targets, labels = terms["id"].tolist(), terms["label"].tolist()
    columns = {"target": targets, "label": labels, "delta": mean, "low": mean - half, "high": mean + half}
    return pd.DataFrame(columns).assign(kind=kind, n=n)


def _groups(result: CrossValidation, rows: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Return the samples of every class or label present, and all of them, as positions within ``rows``."""
    groups = {ALL: np.arange(len(rows))}
    samples = result.samples
    if samples.task not in ONE_OUTPUT:
        members = samples_of_outputs(samples.task, samples.target[rows], len(samples.outputs))
        groups |= {name: own for name, own in zip(samples.outputs, members, strict=True) if len(own)}
    return groups


def _positions(result: CrossValidation, genes: Sequence[str]) -> list[int]:
    inputs = result.blueprint.inputs
    label = result.blueprint.nodes.set_index("id")["label"]
    by_label = inputs.groupby(label.reindex(inputs["node"]).to_numpy()).indices
    place: dict[Any, Any] = {**by_label, **inputs.groupby("feature").indices}
    missing = [gene for gene in genes if gene not in place]
    if missing:
        raise DataError(
            f"Not inputs of the network: {', '.join(missing)}.",
            f"Choose among its {inputs['node'].nunique()} genes (`inputs.parquet` of the blueprint); a gene is missing "
            "when the data do not measure it, no symbol matched or no term annotates it.",
        )
    if not genes:
        raise DataError("A knockout names no gene.", "List at least one gene.")
    return [int(position) for gene in genes for position in place[gene]]
