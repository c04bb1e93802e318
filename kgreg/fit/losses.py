"""Losses of every task, one value a head.

All take outputs ``[..., n_outputs, batch]`` and return ``[...]``: the outputs of a network are ``[n_outputs, batch]``
and give one value, the heads of its terms ``[n_terms, n_outputs, batch]`` and give one a term, in one call. The target
is the same for every head.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from kgreg.data.targets import Task
from kgreg.errors import FitError

#: What ``[training] loss`` may say; all but "auto" are for regression.
LossName = Literal["auto", "mse", "ccc", "huber"]
Ties = Literal["efron", "breslow"]

#: Takes outputs, target and the weights of classes or labels (or None).
Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]


def loss_function(task: Task, name: LossName = "auto") -> Loss:
    """Return the loss of a task: "auto" is cross-entropy, mean squared error, masked binary cross-entropy or Cox's.

    Raises
    ------
    FitError
        If ``name`` is for another task.
    """
    if name != "auto" and task != "regression":
        raise FitError(f'The loss "{name}" is for regression; the task is {task}.', 'Set loss = "auto".')
    if task == "classification":
        return cross_entropy
    if task == "multilabel":
        return binary_cross_entropy
    if task == "survival":
        return lambda outputs, target, weight: cox(outputs, target)
    regression = {"auto": mse, "mse": mse, "ccc": ccc, "huber": huber}[name]
    return lambda outputs, target, weight: regression(outputs, target)


def cross_entropy(outputs: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the mean cross-entropy, samples weighted by their class.

    Parameters
    ----------
    outputs
        ``[..., n_classes, batch]`` logits.
    target
        ``[batch]`` class index.
    weight
        ``[n_classes]``.
    """
    # Classes stand where torch expects them and samples where pixels do: the softmax runs over contiguous batches.
    flat = outputs.reshape(-1, *outputs.shape[-2:])
    each = F.cross_entropy(flat, target.expand(len(flat), -1), weight=weight, reduction="none")
    total = float(len(target)) if weight is None else weight[target].sum()
    return (each.sum(dim=-1) / total).reshape(outputs.shape[:-2])


def mse(outputs: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared error of ``outputs [..., 1, batch]`` from ``target [batch]``."""
    return (outputs[..., 0, :] - target).square().mean(dim=-1)


def huber(outputs: Tensor, target: Tensor, delta: float = 1.0) -> Tensor:
    """Return Huber's loss (1964): quadratic up to an error of ``delta``, in units of ``target``, linear beyond."""
    predicted = outputs[..., 0, :]
    return F.huber_loss(predicted, target.expand_as(predicted), delta=delta, reduction="none").mean(dim=-1)


def ccc(outputs: Tensor, target: Tensor) -> Tensor:
    """Return 1 - Lin's concordance correlation coefficient (1989), ``outputs [..., 1, batch]``, ``target [batch]``.

    ``CCC = 2 cov(x, y) / (var x + var y + (mean x - mean y)^2)`` with population variances (divided by n). It rewards
    correlation, and prediction on the scale of the target, which a correlation alone does not. Where neither varies
    and the means agree it is taken as 0.
    """
    predicted = outputs[..., 0, :]
    mean, centre = predicted.mean(dim=-1), target.mean()
    x, y = predicted - mean[..., None], target - centre
    spread = x.square().mean(dim=-1) + y.square().mean() + (mean - centre).square()
    return 1 - 2 * (x * y).mean(dim=-1) / spread.clamp_min(torch.finfo(spread.dtype).tiny)


def binary_cross_entropy(outputs: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the mean binary cross-entropy over the labels that are known.

    Parameters
    ----------
    outputs
        ``[..., n_labels, batch]`` logits.
    target
        ``[batch, n_labels]`` 0, 1, or NaN where the label is unknown. Without a single known label the loss is 0 and
        has no gradient.
    weight
        ``[n_labels]``: how much more a positive weighs than a negative.
    """
    truth = target.t()
    known = (~truth.isnan()).to(outputs.dtype)
    positive = truth.nan_to_num(0.0).to(outputs.dtype)
    if weight is not None:
        positive = positive * weight[:, None].to(outputs.dtype)
    negative = known * (truth == 0)
    # -log sigmoid(z) for a positive, z - log sigmoid(z) for a negative.
    each = negative * outputs - (positive + negative) * F.logsigmoid(outputs)
    return each.sum(dim=(-2, -1)) / known.sum().clamp_min(1)


def cox(outputs: Tensor, target: Tensor, ties: Ties = "efron") -> Tensor:
    """Return the negative partial log likelihood of Cox (1972), divided by the number of events.

    For the events at one time, with risks z, risk set R (all samples with that time or a later one) and D the d
    events themselves: ``sum_D z - sum_{l<d} log(sum_R exp z - (l / d) sum_D exp z)`` (Efron 1977), or without the
    subtracted part (Breslow 1974).

    Parameters
    ----------
    outputs
        ``[..., 1, batch]`` log partial hazards.
    target
        ``[batch, 2]``: time, and 1 for an event or 0 for a censored sample. Without events the loss is 0 and has no
        gradient. In a mini-batch the risk set is that of the batch.
    """
    time, event = target[:, 0], target[:, 1] > 0
    order = torch.argsort(time, descending=True, stable=True)
    z, died = outputs[..., 0, :].index_select(-1, order), event[order]
    # In order of falling time, the risk set of a time ends with the last sample that has it.
    _, group, size = torch.unique_consecutive(time[order], return_inverse=True, return_counts=True)
    last = size.cumsum(0) - 1
    log_risk = z.logcumsumexp(dim=-1).index_select(-1, last[group[died]])
    z, group = z[..., died], group[died]
    n_events = group.numel()
    each = log_risk - z
    if ties == "efron" and n_events:
        tied = torch.bincount(group, minlength=len(size))
        # An event's number among those of its time: l above.
        number = torch.arange(n_events, device=z.device) - (tied.cumsum(0) - tied)[group]
        if bool((number > 0).any()):
            share = torch.zeros(*z.shape[:-1], len(size), dtype=z.dtype, device=z.device)
            share = share.index_add(-1, group, torch.exp(z - log_risk))
            each = each + torch.log1p(-(number.to(z.dtype) / tied[group]) * share.index_select(-1, group))
    loss: Tensor = each.sum(dim=-1) / max(n_events, 1)
    return loss
