"""Importance of every node of one trained network: gradient x activation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from kgreg.data.targets import ONE_OUTPUT, Task
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
    a shift common to all classes; for a label it is the logit, for survival the log hazard. Genes are scored in the
    same way through their scaled input.

    Parameters
    ----------
    model
        A trained network.
    x, target
        ``[n, n_inputs]`` unscaled, and as ``Samples.target``: the held-out samples.
    reference
        ``[m, n_inputs]`` unscaled: the training samples, for the mean activations.
    outputs
        Names of the outputs.

    Returns
    -------
    DataFrame
        Index: node ids (inputs, then terms). Columns: for classes and labels one an output, the mean attribution to it
        over the samples that have it (signed: positive supports it; NaN if no sample has it), and ``all``, the mean
        over these outputs of the mean size of those attributions. For regression and survival only ``all``, the mean
        size of the attribution.
    """
    if not len(x):
        raise DataError("There are no samples to score the network on.")
    network = model.network
    mean = _mean_activation(model, reference, batch_size)
    n_nodes = network.n_inputs + len(network.term_ids)
    signed = np.zeros((n_nodes, len(outputs)))
    size = np.zeros((n_nodes, len(outputs)))
    own = samples_of_outputs(model.task, target, len(outputs))
    scaled = torch.from_numpy(model.scaler.transform(x))
    for c, members in enumerate(own):
        for start in range(0, len(members), batch_size):
            rows = members[start : start + batch_size]
            attribution = _attribute(model, scaled[torch.from_numpy(rows)], mean, c)
            signed[:, c] += attribution.sum(axis=1)
            size[:, c] += np.abs(attribution).sum(axis=1)
    counts = np.array([len(members) or np.nan for members in own])
    index = [*model.blueprint.inputs["node"], *network.term_ids]
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


def _attribute(model: FittedModel, scaled: Tensor, mean: Tensor, output: int) -> NDArray[np.float64]:
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
    genes = (scaled * gradients[0]).t().numpy()
    return np.concatenate([genes, per_term]).astype(np.float64)


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
