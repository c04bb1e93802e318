"""Late integration: a network a modality, trained by itself; their predictions are averaged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from kgreg.blueprint.model import Blueprint
from kgreg.nn.dense import Activation, Share, Width, count_dense
from kgreg.nn.design import Design
from kgreg.nn.guided import Given, GuidedNetwork, Passed, TaskLoss
from kgreg.nn.integration.encoders import Encoder, First, Views, count_views, presence_of
from kgreg.nn.readout import Link


class LateDesign(Design):
    """A network a modality, each trained on the samples that have it; predictions are averaged.

    ``first = "terms"`` begins each with a neuron a term that reads the genes of that term.
    """

    model: Literal["late"] = "late"
    first: First = "terms"
    widths: Annotated[tuple[Width, ...], Field(min_length=1)] = (32,)
    activation: Activation = "relu"
    norm: bool = True
    dropout: Share = 0.3

    def build(
        self, blueprint: Blueprint, n_outputs: int, *, covariates: Sequence[str] = (), link: Link = "identity"
    ) -> LateNetwork:
        """See :meth:`kgreg.nn.design.Design.build`."""
        return LateNetwork(self, blueprint, n_outputs, len(covariates), link)

    def size(self, blueprint: Blueprint, n_outputs: int) -> tuple[int, int]:
        """See :meth:`kgreg.nn.design.Design.size`."""
        sizes, links = count_views(blueprint, self.first)
        dense = sum(count_dense(n, [*self.widths, n_outputs]) for n in sizes)
        return links + dense, len(blueprint.inputs) + sum(sizes) + 4 * len(sizes) * sum(self.widths)


class LateNetwork(GuidedNetwork):
    """See :class:`LateDesign`.

    The outputs are those whose prediction is the mean prediction over the modalities that a sample has: of
    probabilities for classes and labels, of values or log hazards otherwise. A sample that has none is predicted by
    all, from zeros. The loss is the mean over the modalities of the task's loss of each one's own outputs on the
    samples that have it, so that no network learns from another.

    The named nodes are the terms of the graph, or for ``first = "dense"`` the modalities, with the neurons of the last
    hidden layer.
    """

    def __init__(self, design: LateDesign, blueprint: Blueprint, n_outputs: int, n_covariates: int, link: Link) -> None:
        views = Views(blueprint, design.first, design.norm)
        n_views = len(views.names)
        nodes = (
            (views.terms, [n_views] * len(views.terms)) if views.terms else (views.names, [design.widths[-1]] * n_views)
        )
        super().__init__(blueprint, n_outputs, *nodes, n_covariates)
        self.views, self.link = views, link
        self.encoders = nn.ModuleList(
            Encoder(size, design.widths, design.activation, design.norm, design.dropout) for size in views.sizes
        )
        self.heads = nn.ModuleList(nn.Linear(design.widths[-1] + n_covariates, n_outputs) for _ in views.names)

    def compute(self, given: Given) -> Passed:
        """See :meth:`kgreg.nn.guided.GuidedNetwork.compute`."""
        views, terms = self.views(given, self.changed)
        beside = [] if given.covariates is None else [given.covariates]
        hidden = [self.encoders[m](x, presence_of(given, m)) for m, x in enumerate(views)]
        if terms is None:
            hidden = self.changed(hidden)
        each = torch.stack([head(torch.cat([h, *beside], dim=1)) for head, h in zip(self.heads, hidden, strict=True)])
        return Passed(average_outputs(each, given.present, self.link), hidden if terms is None else [terms], each)

    def loss(self, passed: Passed, given: Given, target: Tensor, task_loss: TaskLoss) -> Tensor:
        """Return the loss of the class description."""
        losses = []
        for m, outputs in enumerate(passed.extra):
            present = presence_of(given, m)
            rows = slice(None) if present is None else torch.nonzero(present > 0).flatten()
            own = outputs[rows]
            if len(own):
                losses.append(task_loss(own.t(), target[rows]))
        return torch.stack(losses).sum() / len(passed.extra)


def average_outputs(outputs: Tensor, present: Tensor | None, link: Link) -> Tensor:
    """Return the outputs whose prediction is the mean prediction of several networks.

    Parameters
    ----------
    outputs
        ``[n_networks, batch, n_outputs]`` logits or values.
    present
        ``[batch, n_networks]`` 1 where a network has a say, else 0; where none has, all have. None: all have.
    link
        "softmax": logarithms of mean probabilities; "sigmoid": log odds of mean probabilities; "identity": means.

    Returns
    -------
    Tensor
        ``[batch, n_outputs]``.
    """
    say = outputs.new_ones(outputs.shape[1], len(outputs)) if present is None else present
    say = torch.where(say.sum(dim=1, keepdim=True) > 0, say, torch.ones_like(say)).t()[:, :, None]
    if link == "identity":
        return (outputs * say).sum(dim=0) / say.sum(dim=0)

    def mean(log_probability: Tensor) -> Tensor:
        total = log_probability.masked_fill(say == 0, -math.inf).logsumexp(dim=0)
        return total - say.sum(dim=0).log()

    if link == "softmax":
        return mean(outputs.log_softmax(dim=2))
    return mean(F.logsigmoid(outputs)) - mean(F.logsigmoid(-outputs))
