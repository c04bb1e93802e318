"""Importance of every node of one trained network: gradient x activation, or the gradient itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from kgreg.data.targets import ONE_OUTPUT, Task
from kgreg.decode.holders import Holders
from kgreg.errors import DataError
from kgreg.fit.fitted import FittedModel
from kgreg.fit.readings import Readings, as_readings
from kgreg.nn.inputs import NetworkOutput

#: Column of the importance that no single output is responsible for.
ALL = "all"

#: See :func:`node_importance`.
Measure = Literal["activation", "gradient"]


def node_importance(
    model: FittedModel,
    x: Readings | NDArray[np.float32],
    target: NDArray[Any],
    reference: Readings | NDArray[np.float32],
    outputs: list[str],
    batch_size: int = 512,
    measure: Measure = "activation",
) -> pd.DataFrame:
    """Score every gene and term of a network on samples it was not trained on.

    "activation": for output c and node t with neurons k the attribution of a sample is
    ``a = sum_k (h_k - mean h_k) d o_c / d h_k`` (the total derivative, through all paths), where the mean is taken
    over the reference samples and, for classes, ``o_c`` is the logit minus the mean logit, which makes it immune to
    a shift common to all classes; for a label it is the logit, for survival the log hazard. Genes are scored in the
    same way through their scaled inputs, the modalities of a gene together (the sum of their attributions); one that a
    sample lacks counts 0. Of motifs, what is shown of an output is only what supports it by being there (``h_k`` raises
    ``o_c``): otherwise the factor of one of two classes would lead the other class too, by its absence.

    "gradient": the mean over the samples of ``sum_k d y_c / d h_k``, where ``y_c`` is the prediction itself: the
    probability of a class or label, the value, the log hazard. It is the node weight of KPNN (Fortelny & Bock 2020),
    who approximate it by a central difference.

    Parameters
    ----------
    model
        A trained network.
    x, target
        The held-out samples, unscaled (``[n, n_inputs]`` if the network reads nothing else), and as ``Samples.target``.
    reference
        The training samples, unscaled, for the mean activations.
    outputs
        Names of the outputs.

    Returns
    -------
    DataFrame
        Index: node ids (genes, terms, and what holds motifs: see :class:`kgreg.decode.holders.Holders`). Columns: for
        classes and labels one an output, the mean attribution to it over the samples that have it (signed: positive
        supports it; NaN if no sample has it), and ``all``, the mean over these outputs of the mean size of those
        attributions. For regression and survival only ``all``, the mean size of the attribution. With "gradient", the
        mean derivative of every output over all samples, and ``all``, the mean over the outputs of the size of that.
    """
    if not len(x):
        raise DataError("There are no samples to score the network on.")
    readings = as_readings(x)
    if measure == "gradient":
        return _mean_gradients(model, readings, outputs, batch_size)
    mean, centre = _means(model, as_readings(reference), batch_size)
    gene_of, genes = pd.factorize(model.blueprint.inputs["node"])
    holders = Holders.of(model.blueprint, model.network.term_ids)
    n_nodes = len(genes) + len(model.network.term_ids) + len(holders.ids)
    signed = np.zeros((n_nodes, len(outputs)))
    size = np.zeros((n_nodes, len(outputs)))
    own = samples_of_outputs(model.task, target, len(outputs))
    by_presence = bool(len(model.blueprint.motifs))
    for c, members in enumerate(own):
        for start in range(0, len(members), batch_size):
            rows = members[start : start + batch_size]
            found = _attribute(model, readings.rows(rows), mean, centre, gene_of, c, by_presence)
            attribution, shown = (holders.extend(one) for one in found)
            signed[:, c] += shown.sum(axis=1)
            size[:, c] += np.abs(attribution).sum(axis=1)
    counts = np.array([len(members) or np.nan for members in own])
    index = [*genes, *model.network.term_ids, *holders.ids]
    overall = _mean_of_known(size / counts)
    if model.task in ONE_OUTPUT:
        return pd.DataFrame({ALL: overall}, index=index)
    return pd.DataFrame(signed / counts, index=index, columns=outputs).assign(**{ALL: overall})


def samples_of_outputs(task: Task, target: NDArray[Any], n_outputs: int) -> list[NDArray[np.int64]]:
    """Return for every output the positions of its samples: of a class or label those that have it, else all."""
    if task == "classification":
        return [np.flatnonzero(target == c) for c in range(n_outputs)]
    if task == "multilabel":
        return [np.flatnonzero(target[:, c] == 1) for c in range(n_outputs)]
    return [np.arange(len(target))]


def _mean_of_known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over the columns that are not NaN; NaN if all are."""
    known = ~np.isnan(values).all(axis=0)
    return values[:, known].mean(axis=1) if known.any() else np.full(len(values), np.nan)


def _attribute(
    model: FittedModel,
    readings: Readings,
    mean: Tensor,
    centre: Tensor,
    gene_of: NDArray[np.intp],
    output: int,
    by_presence: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the attributions ``[n_nodes, batch]`` of samples to one output: all, and those that are shown of it."""

    def centred_logit(outputs: Tensor) -> Tensor:
        logit = outputs[:, output]
        return logit - outputs.mean(dim=1) if model.task == "classification" else logit

    x, slope, out, through = _derivatives(model, readings, centred_logit)
    neurons = (out.hidden.detach() - mean[:, None]) * through
    inputs = (x - centre) * slope
    every = _by_node(model, readings, inputs, neurons, gene_of)
    if not by_presence:
        return every, every
    return every, _by_node(model, readings, inputs, neurons * (through > 0), gene_of)


def _mean_gradients(model: FittedModel, readings: Readings, outputs: list[str], batch_size: int) -> pd.DataFrame:
    """Return the mean derivative of every prediction with respect to every node."""
    gene_of, genes = pd.factorize(model.blueprint.inputs["node"])
    holders = Holders.of(model.blueprint, model.network.term_ids)
    index = [*genes, *model.network.term_ids, *holders.ids]
    total = np.zeros((len(index), len(outputs)))
    for c in range(len(outputs)):

        def prediction(values: Tensor, c: int = c) -> Tensor:
            if model.task == "classification":
                return values.softmax(dim=1)[:, c]
            return values[:, c].sigmoid() if model.task == "multilabel" else values[:, c]

        for start in range(0, len(readings), batch_size):
            piece = readings.rows(np.arange(start, min(start + batch_size, len(readings))))
            _, slope, _, through = _derivatives(model, piece, prediction)
            total[:, c] += holders.extend(_by_node(model, piece, slope, through, gene_of)).sum(axis=1)
    mean = total / len(readings)
    overall = {ALL: np.abs(mean).mean(axis=1)}
    if model.task in ONE_OUTPUT:
        return pd.DataFrame(overall, index=index)
    return pd.DataFrame(mean, index=index, columns=outputs).assign(**overall)


def _derivatives(
    model: FittedModel, readings: Readings, value: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor, NetworkOutput, Tensor]:
    """Return derivatives of what ``value`` makes of the outputs ``[batch, n_outputs]``, one number a sample.

    Returns
    -------
    x, slope
        Scaled inputs and the derivatives with respect to them, ``[1, batch, n_inputs]``.
    out, through
        The pass, and the derivatives with respect to the neurons, ``[n_neurons, batch]``.
    """
    network = model.network
    given = model.inputs_of(readings)
    x: Tensor = given.genes.requires_grad_(True)  # type: ignore[union-attr]
    out, levels = network.trace(replace(given, genes=x))
    gradients = torch.autograd.grad(value(out.outputs).sum(), [x, *levels], allow_unused=True)
    reached = [torch.zeros_like(h) if g is None else g for h, g in zip(levels, gradients[1:], strict=True)]
    slope = torch.zeros_like(x) if gradients[0] is None else gradients[0]
    return x.detach(), slope, out, network.through(reached)


def _by_node(
    model: FittedModel, readings: Readings, inputs: Tensor, neurons: Tensor, gene_of: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return sums over the inputs of every gene and the neurons of every term, ``[n_nodes, batch]``."""
    rows = inputs[0].t().numpy()
    if readings.presence is not None:  # what was not measured says nothing
        rows = rows * readings.presence.mask.T
    genes = np.zeros((int(gene_of.max(initial=-1)) + 1, rows.shape[1]), dtype=np.float32)
    np.add.at(genes, gene_of, rows)
    per_term = _sums(neurons.detach().numpy(), model.network.term_widths)
    return np.concatenate([genes, per_term]).astype(np.float64)


def _sums(neurons: NDArray[Any], widths: NDArray[np.int64]) -> NDArray[Any]:
    """Return the sums over the neurons of every term; a network may have none."""
    return np.add.reduceat(neurons, np.cumsum(widths) - widths, axis=0) if len(widths) else neurons[:0]


def _means(model: FittedModel, reference: Readings, batch_size: int) -> tuple[Tensor, Tensor]:
    """Return the mean activation ``[n_neurons]`` and the mean scaled input ``[n_inputs]`` of the reference samples."""
    hidden = torch.zeros(int(model.network.term_widths.sum()), dtype=torch.float64)
    for start in range(0, len(reference), batch_size):
        rows = np.arange(start, min(start + batch_size, len(reference)))
        _, activations = model.respond(reference.rows(rows))
        hidden += torch.from_numpy(activations).sum(dim=1, dtype=torch.float64)
    scaler = model.preprocessing.scaler
    values = reference.x
    if reference.presence is None:
        mean = values.mean(axis=0)
    else:
        mask = reference.presence.mask
        mean = (values * mask).sum(axis=0) / np.maximum(mask.sum(axis=0), 1)
    centre = (mean - scaler.mean) / scaler.sd
    # An input that was centred has the mean 0, which rounding would blur.
    centre = np.where((scaler.mean != 0) & (np.abs(centre) < 1e-3), 0.0, centre)
    return (hidden / len(reference)).float(), torch.from_numpy(centre.astype(np.float32))
