"""Importance of every node of one trained network: per node and output, per sample, per group of samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.data.targets import ONE_OUTPUT, Task
from kgreg.decode.importance.attention import node_attention
from kgreg.decode.importance.inquiry import Found, Inquiry, Pairs
from kgreg.decode.importance.methods import PER_SAMPLE, Measure, check_measure, is_signed
from kgreg.decode.importance.power import predictive_power
from kgreg.errors import DataError
from kgreg.fit.fitted import FittedModel
from kgreg.fit.readings import Readings, as_readings

#: Column of the importance that no single output is responsible for.
ALL = "all"

#: What samples come in: readings, or ``[n, n_inputs]`` unscaled where a network reads nothing else.
Given = Readings | NDArray[np.float32]


class SampleScores(NamedTuple):
    """Scores of some of the samples that count for one output.

    ``output``: its position; ``rows [n]``: positions of these samples; ``shown [n_nodes, n]``: the attribution, with
    its sign; ``size [n_nodes, n]``: the size of it, which counts for all outputs together. Float32; nodes as
    :func:`importance_nodes` has them.
    """

    output: int
    rows: NDArray[np.int64]
    shown: NDArray[np.float32]
    size: NDArray[np.float32]


def importance_nodes(model: FittedModel) -> list[str]:
    """Return the ids of the nodes that are scored: genes, inner nodes, and what holds motifs."""
    nothing = Readings(np.zeros((0, len(model.blueprint.inputs)), dtype=np.float32))
    return Inquiry(model, nothing, nothing).nodes


def samples_of_outputs(task: Task, target: NDArray[Any], n_outputs: int) -> list[NDArray[np.int64]]:
    """Return for every output the positions of its samples: of a class or label those that have it, else all."""
    if task == "classification":
        return [np.flatnonzero(target == c) for c in range(n_outputs)]
    if task == "multilabel":
        return [np.flatnonzero(target[:, c] == 1) for c in range(n_outputs)]
    return [np.arange(len(target))]


def sample_scores(
    model: FittedModel,
    x: Given,
    target: NDArray[Any],
    reference: Given,
    outputs: list[str],
    *,
    measure: Measure = "activation",
    batch_size: int = 512,
    seed: int = 0,
) -> Iterator[SampleScores]:
    """Yield the scores of the samples that count for every output, a batch at a time.

    Those are, of a class or label, the samples that have it; with "gradient" and "central_difference", and elsewhere,
    all. Parameters as of :func:`node_importance`.

    Raises
    ------
    DataError
        If there are no samples, or the measure does not apply to the network or has no scores of samples.
    """
    inquiry = _inquire(model, x, reference, batch_size, seed)
    check_measure(inquiry, measure, per_sample=True)
    for pairs, scores in _scored(inquiry, target, measure, len(outputs)):
        for c in np.unique(pairs.outputs):
            mine = pairs.outputs == c
            yield SampleScores(int(c), pairs.samples[mine], scores.shown[:, mine], np.abs(scores.every[:, mine]))


def _scored(inquiry: Inquiry, target: NDArray[Any], measure: Measure, n_outputs: int) -> Iterator[tuple[Pairs, Found]]:
    """Yield samples and outputs, and their scores, a batch at a time."""
    method = PER_SAMPLE[measure]
    everyone = [np.arange(len(inquiry.readings))] * n_outputs
    members = everyone if is_signed(measure) else samples_of_outputs(inquiry.model.task, target, n_outputs)
    # A derivative of the sum over samples is one of each: samples of all classes take one pass, and all outputs of a
    # sample share the way up. Labels that few samples have take a pass each.
    together = inquiry.model.task == "classification" or is_signed(measure)
    for group in [list(range(n_outputs))] if together else [[c] for c in range(n_outputs)]:
        samples = np.concatenate([members[c] for c in group])
        outputs = np.concatenate([np.full(len(members[c]), c) for c in group])
        for batch in inquiry.batches(Pairs(samples, outputs)):
            yield batch, method.scores(inquiry, batch)


def node_importance(
    model: FittedModel,
    x: Given,
    target: NDArray[Any],
    reference: Given,
    outputs: list[str],
    batch_size: int = 512,
    measure: Measure = "activation",
    *,
    reference_target: NDArray[Any] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Score every gene and term of a network on samples it was not trained on.

    An attribution of a sample to node t with neurons k explains an output: ``o_c``, of a class the logit minus the mean
    logit, which makes it immune to a shift common to all classes, of a label the logit, the value, or the log hazard.
    Genes are scored through their scaled inputs, the modalities of a gene together (the sum of their attributions); one
    that a sample lacks counts 0. Of motifs, what is shown of an output is only what supports it by being there (``h_k``
    raises ``o_c``): otherwise the factor of one of two classes would lead the other class too, by its absence.

    =======================  =======================================================================================
    measure                  attribution of a sample, or score of a set of samples
    =======================  =======================================================================================
    activation               ``sum_k (h_k - mean h_k) d o_c / d h_k``, the mean over the reference samples
    gradient_x_input         ``sum_k h_k d o_c / d h_k``
    integrated_gradients     see :func:`kgreg.decode.importance.paths.integrated_gradients`
    conductance              see :func:`kgreg.decode.importance.paths.conductance`
    expected_gradients       see :func:`kgreg.decode.importance.paths.expected_gradients`
    deeplift                 see :func:`kgreg.decode.importance.rescale.deeplift`
    ablation                 ``o_c`` minus ``o_c`` with the node at its mean over the reference samples
    gradient                 ``sum_k d y_c / d h_k``, where ``y_c`` is the prediction: a probability, the value, the
                             log hazard. KPNN's node weight (Fortelny & Bock 2020)
    central_difference       the same by shifting the node, as KPNN does
    rlipp                    power of the node over that of its children, out of sample: see
                             :func:`kgreg.decode.importance.power.predictive_power`; terms only
    correlation              power of the node itself; genes and terms
    attention                see :func:`kgreg.decode.importance.attention.node_attention`
    =======================  =======================================================================================

    Derivatives are total: through all paths.

    Parameters
    ----------
    model
        A trained network.
    x, target
        The held-out samples, unscaled (``[n, n_inputs]`` if the network reads nothing else), and as ``Samples.target``.
    reference
        The training samples, unscaled, that samples are held against.
    outputs
        Names of the outputs.
    reference_target
        As ``target``, of the training samples; "rlipp" and "correlation" need it.
    seed
        Of the draws of "expected_gradients".

    Returns
    -------
    DataFrame
        Index: node ids (genes, terms, and what holds motifs: see :class:`kgreg.decode.holders.Holders`) that the
        measure scores. Columns: for classes and labels one an output, the mean attribution to it over the samples that
        have it (signed: positive supports it; NaN if no sample has it), and ``all``, the mean over these outputs of the
        mean size of those attributions. For regression and survival only ``all``, the mean size of the attribution.
        With "gradient" and "central_difference", the mean derivative of every output over all samples, and ``all``, the
        mean over the outputs of the size of that. With measures of a set, the score of every output, and ``all``,
        their mean.

    Raises
    ------
    DataError
        If there are no samples, or the measure does not apply to the network.
    FitError
        If DeepLIFT has no rule for an operation of the network.
    """
    if measure not in PER_SAMPLE:
        return _of_sets(model, x, target, reference, outputs, batch_size, measure, reference_target)
    nodes = importance_nodes(model)
    shown, size = (np.zeros((len(nodes), len(outputs))) for _ in range(2))
    counts = np.zeros(len(outputs))
    for piece in sample_scores(model, x, target, reference, outputs, measure=measure, batch_size=batch_size, seed=seed):
        shown[:, piece.output] += piece.shown.sum(axis=1, dtype=np.float64)
        size[:, piece.output] += piece.size.sum(axis=1, dtype=np.float64)
        counts[piece.output] += len(piece.rows)
    counts[counts == 0] = np.nan
    shown, size = shown / counts, size / counts
    return _table(model.task, nodes, shown, np.abs(shown) if is_signed(measure) else size, outputs)


def attribute(
    model: FittedModel,
    x: Given,
    reference: Given,
    outputs: list[str],
    *,
    measure: Measure = "activation",
    batch_size: int = 512,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Return the attributions of every sample to every output, whatever it has, ``[n_nodes, n, n_outputs]``.

    Nodes as :func:`importance_nodes` has them, measures as of :func:`node_importance`. For many samples and outputs,
    :func:`sample_scores` holds a batch at a time.

    Raises
    ------
    DataError
        As :func:`sample_scores`.
    """
    inquiry = _inquire(model, x, reference, batch_size, seed)
    check_measure(inquiry, measure, per_sample=True)
    n = len(inquiry.readings)
    scores = np.empty((len(inquiry.nodes), n, len(outputs)), dtype=np.float32)
    pairs = Pairs(np.repeat(np.arange(n), len(outputs)), np.tile(np.arange(len(outputs)), n))
    for batch in inquiry.batches(pairs):
        scores[:, batch.samples, batch.outputs] = PER_SAMPLE[measure].scores(inquiry, batch).shown
    return scores


def group_importance(
    model: FittedModel,
    x: Given,
    groups: NDArray[Any] | pd.Series,
    reference: Given,
    outputs: list[str],
    *,
    measure: Measure = "activation",
    batch_size: int = 512,
    seed: int = 0,
) -> pd.DataFrame:
    """Return mean attributions over groups of samples: a donor, a treatment, a cluster, any column.

    Parameters
    ----------
    groups
        ``[n]``: the group of every sample; samples without one (None, NaN) are left out.

    Returns
    -------
    DataFrame
        ``node, group, output, score`` (mean attribution, signed), ``size`` (mean size), ``n`` (samples of the group).

    Raises
    ------
    DataError
        As :func:`sample_scores`, and if the groups are not as many as the samples, or none is known.
    """
    readings = as_readings(x)
    if len(groups) != len(readings):
        raise DataError(f"There are {len(readings)} samples and {len(groups)} groups.")
    number, names = pd.factorize(np.asarray(groups, dtype=object), sort=False)
    if not len(names):
        raise DataError("No sample has a group.", "Name a column that says something of the samples.")
    nodes = importance_nodes(model)
    frames = []
    for group, name in enumerate(names):
        own = attribute(
            model, readings.rows(np.flatnonzero(number == group)), reference, outputs,
            measure=measure, batch_size=batch_size, seed=seed,
        )  # fmt: skip
        for c, output in enumerate(outputs):
            frames.append(
                pd.DataFrame(
                    {
                        "node": nodes,
                        "group": name,
                        "output": output,
                        "score": own[:, :, c].mean(axis=1, dtype=np.float64),
                        "size": np.abs(own[:, :, c]).mean(axis=1, dtype=np.float64),
                        "n": own.shape[1],
                    }
                )
            )
    return pd.concat(frames, ignore_index=True)


def _inquire(model: FittedModel, x: Given, reference: Given, batch_size: int, seed: int) -> Inquiry:
    if not len(x):
        raise DataError("There are no samples to score the network on.")
    return Inquiry(model, as_readings(x), as_readings(reference), batch_size, seed)


def _of_sets(
    model: FittedModel,
    x: Given,
    target: NDArray[Any],
    reference: Given,
    outputs: list[str],
    batch_size: int,
    measure: Measure,
    reference_target: NDArray[Any] | None,
) -> pd.DataFrame:
    """Return the scores of a measure that scores sets of samples."""
    inquiry = _inquire(model, x, reference, batch_size, 0)
    check_measure(inquiry, measure)
    if measure == "attention":
        members = samples_of_outputs(model.task, target, len(outputs))
        scores = np.stack([node_attention(inquiry, own) for own in members], axis=1)
        known = np.isfinite(scores).any(axis=1)
        nodes = [inquiry.nodes[i] for i in np.flatnonzero(known)]
        return _table(model.task, nodes, scores[known], scores[known], outputs)
    if reference_target is None:
        raise DataError(f'The measure "{measure}" is fitted on the training samples; their target is missing.')
    found = predictive_power(inquiry, target, reference_target, outputs, children=measure == "rlipp")
    column = "ratio" if measure == "rlipp" else "parent"
    wide = found.pivot(index="node", columns="output", values=column).loc[found["node"].unique(), outputs]
    return _table(model.task, wide.index.tolist(), wide.to_numpy(), wide.to_numpy(), outputs)


def _table(
    task: Task, nodes: list[str], shown: NDArray[np.float64], size: NDArray[np.float64], outputs: list[str]
) -> pd.DataFrame:
    known = ~np.isnan(size).all(axis=0)
    overall = size[:, known].mean(axis=1) if known.any() else np.full(len(size), np.nan)
    if task in ONE_OUTPUT:
        return pd.DataFrame({ALL: overall}, index=nodes)
    return pd.DataFrame(shown, index=nodes, columns=outputs).assign(**{ALL: overall})
