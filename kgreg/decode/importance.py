"""Importance of every node of one trained network: gradient x activation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from kgreg.errors import DataError
from kgreg.fit.train import FittedModel

#: Column of the importance that no single output is responsible for.
ALL = "all"


def node_importance(
    model: FittedModel,
    x: NDArray[np.float32],
    target: NDArray[Any],
    reference: NDArray[np.float32],
    outputs: list[str],
    batch_size: int = 512,
) -> pd.DataFrame:
    """Score every gene and term of a network on samples it was not trained on.

    For output c and node t with neurons k the attribution of a sample is
    ``a = sum_k (h_k - mean h_k) d o_c / d h_k`` (the total derivative, through all paths), where the mean is taken
    over the reference samples and, for classes, ``o_c`` is the logit minus the mean logit, which makes it immune to
    a shift common to all classes. Genes are scored in the same way through their scaled input, the modalities of a
    gene together (the sum of their attributions).

    Parameters
    ----------
    model
        A trained network.
    x, target
        ``[n, n_inputs]`` unscaled, ``[n]`` class index (or value): the held-out samples.
    reference
        ``[m, n_inputs]`` unscaled: the training samples, for the mean activations.
    outputs
        Names of the outputs.

    Returns
    -------
    DataFrame
        Index: node ids (genes, then terms). Columns: for classes one an output, the mean attribution to the class
        over its own samples (signed: positive supports the class; NaN if no sample has it), and ``all``, the mean over
        the classes of the mean size of the attribution to a sample's own class. For regression only ``all``, the mean
        size of the attribution.
    """
    if not len(x):
        raise DataError("There are no samples to score the network on.")
    network = model.network
    mean = _mean_activation(model, reference, batch_size)
    centre = _mean_input(model, reference)
    gene_of, genes = pd.factorize(model.blueprint.inputs["node"])
    classes = model.task == "classification"
    n_nodes = len(genes) + len(network.term_ids)
    signed = np.zeros((n_nodes, len(outputs)))
    size = np.zeros((n_nodes, len(outputs)))
    group = target.astype(np.int64) if classes else np.zeros(len(x), dtype=np.int64)
    scaled = torch.from_numpy(model.scaler.transform(x))
    for c in np.unique(group):
        members = np.flatnonzero(group == c)
        for start in range(0, len(members), batch_size):
            rows = members[start : start + batch_size]
            attribution = _attribute(model, scaled[torch.from_numpy(rows)], mean, centre, gene_of, int(c))
            signed[:, c] += attribution.sum(axis=1)
            size[:, c] += np.abs(attribution).sum(axis=1)
    counts = np.bincount(group, minlength=len(outputs)).astype(float)
    counts[counts == 0] = np.nan
    index = [*genes, *network.term_ids]
    overall = np.nanmean(size / counts, axis=1)
    if not classes:
        return pd.DataFrame({ALL: overall}, index=index)
    return pd.DataFrame(signed / counts, index=index, columns=outputs).assign(**{ALL: overall})


def _attribute(
    model: FittedModel, scaled: Tensor, mean: Tensor, centre: Tensor, gene_of: NDArray[np.intp], output: int
) -> NDArray[np.float64]:
    """Return the attributions ``[n_nodes, batch]`` of ``scaled [batch, n_inputs]`` to one output."""
    network = model.network
    x = scaled.clone().requires_grad_(True)
    out = network(x)
    logit = out.outputs[:, output]
    if model.task == "classification":
        logit = logit - out.outputs.mean(dim=1)
    gradients = torch.autograd.grad(logit.sum(), [x, *out.hidden], allow_unused=True)
    through = [
        torch.zeros_like(h) if gradient is None else gradient
        for h, gradient in zip(out.hidden, gradients[1:], strict=True)
    ]
    neurons = (torch.cat(out.hidden).detach() - mean[:, None]) * torch.cat(through)
    per_term = np.add.reduceat(neurons.numpy(), _starts(network.term_widths), axis=0)
    inputs = ((scaled - centre) * gradients[0]).t().numpy()
    genes = np.zeros((int(gene_of.max()) + 1, inputs.shape[1]), dtype=np.float32)
    np.add.at(genes, gene_of, inputs)
    return np.concatenate([genes, per_term]).astype(np.float64)


def _mean_input(model: FittedModel, reference: NDArray[np.float32]) -> Tensor:
    """Return the mean of every scaled input ``[n_inputs]``: zero where it was centred, which rounding would blur."""
    mean = np.where(model.scaler.mean == 0, reference.mean(axis=0) / model.scaler.sd, 0.0)
    return torch.from_numpy(mean.astype(np.float32))


def _starts(widths: NDArray[np.int64]) -> NDArray[np.int64]:
    starts: NDArray[np.int64] = np.cumsum(widths) - widths
    return starts


def _mean_activation(model: FittedModel, reference: NDArray[np.float32], batch_size: int) -> Tensor:
    """Return the mean activation ``[n_neurons]`` over the reference samples."""
    scaled = torch.from_numpy(model.scaler.transform(reference))
    total = torch.zeros(int(model.network.term_widths.sum()), dtype=torch.float64)
    with torch.inference_mode():
        for start in range(0, len(scaled), batch_size):
            total += torch.cat(model.network(scaled[start : start + batch_size]).hidden).sum(dim=1, dtype=torch.float64)
    return (total / len(scaled)).float().clone()
