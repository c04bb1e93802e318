"""MOLI: an encoder a modality, embeddings side by side, a classifier, and a triplet loss that pulls classes apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from kgreg.blueprint.model import Blueprint
from kgreg.errors import FitError, some
from kgreg.nn.dense import Activation, Share, Width, count_dense
from kgreg.nn.design import Design
from kgreg.nn.guided import Given, GuidedNetwork, Passed, TaskLoss
from kgreg.nn.integration.encoders import Encoder, First, Views, count_views, presence_of
from kgreg.nn.integration.triplets import triplet_loss
from kgreg.nn.readout import Link


class MoliDesign(Design):
    """Multi-omics late integration (Sharifi-Noghabi, Zolotareva, Collins & Ester 2019).

    ``width`` and ``dropout`` are those of an encoder, ``widths`` and ``dropouts`` of those that differ, by modality.
    ``triplet`` weighs the triplet loss with its ``margin``, which needs classes; ``normalise`` brings the joined
    embedding of every sample to length 1 before. ``presence`` shows the classifier which modalities a sample has.
    """

    model: Literal["moli"] = "moli"
    first: First = "dense"
    width: Width = 64
    widths: dict[str, Width] = Field(default_factory=dict)
    activation: Activation = "relu"
    norm: bool = True
    dropout: Share = 0.5
    dropouts: dict[str, Share] = Field(default_factory=dict)
    head_dropout: Share = 0.0
    triplet: Annotated[float, Field(ge=0)] = 0.3
    margin: Annotated[float, Field(gt=0)] = 1.0
    normalise: bool = True
    presence: bool = False

    def build(
        self, blueprint: Blueprint, n_outputs: int, *, covariates: Sequence[str] = (), link: Link = "identity"
    ) -> MoliNetwork:
        """See :meth:`kgreg.nn.design.Design.build`."""
        if self.triplet and link != "softmax":
            raise FitError("The triplet loss of moli needs classes.", "Set [network] triplet = 0 for other tasks.")
        return MoliNetwork(self, blueprint, n_outputs, len(covariates))

    def size(self, blueprint: Blueprint, n_outputs: int) -> tuple[int, int]:
        """See :meth:`kgreg.nn.design.Design.size`."""
        sizes, links = count_views(blueprint, self.first)
        widths = [self.widths.get(str(name), self.width) for name in blueprint.inputs["modality"].unique()]
        dense = sum(count_dense(n, [width]) for n, width in zip(sizes, widths, strict=True))
        return links + dense + (sum(widths) + 1) * n_outputs, len(blueprint.inputs) + sum(sizes) + 4 * sum(widths)


class _Embedded(NamedTuple):
    """What the loss and the head need besides: the joined embedding, and what stands beside it."""

    joined: Tensor
    beside: list[Tensor]


class MoliNetwork(GuidedNetwork):
    """See :class:`MoliDesign`.

    For modality m, ``z_m = dropout(relu(norm(W_m x_m + b_m)))``, 0 in samples that lack m; z is all of them side by
    side, divided by its length with ``normalise``; ``outputs = dropout(V z + c)``. The loss is that of the task plus
    ``triplet`` times the mean over all triplets of a batch (see :func:`triplet_loss`).

    The named nodes are the modalities, of which every neuron of ``z_m`` is one; with ``first = "terms"`` they are the
    terms of the graph.
    """

    def __init__(self, design: MoliDesign, blueprint: Blueprint, n_outputs: int, n_covariates: int) -> None:
        views = Views(blueprint, design.first, design.norm)
        unknown = [name for name in [*design.widths, *design.dropouts] if name not in views.names]
        if unknown:
            raise FitError(
                f"[network] names modalities that the data do not have: {some(unknown)}.",
                f"Choose among: {', '.join(views.names)}.",
            )
        widths = [design.widths.get(name, design.width) for name in views.names]
        nodes = (views.terms, [len(views.names)] * len(views.terms)) if views.terms else (views.names, widths)
        super().__init__(blueprint, n_outputs, *nodes, n_covariates)
        self.design, self.views = design, views
        self.encoders = nn.ModuleList(
            Encoder(size, [width], design.activation, design.norm, design.dropouts.get(name, design.dropout))
            for name, size, width in zip(views.names, views.sizes, widths, strict=True)
        )
        self.head = nn.Linear(sum(widths) + n_covariates + (len(views.names) if design.presence else 0), n_outputs)
        self.head_dropout = nn.Dropout(design.head_dropout)

    def compute(self, given: Given) -> Passed:
        """See :meth:`kgreg.nn.guided.GuidedNetwork.compute`."""
        views, terms = self.views(given, self.changed)
        embedded = [
            encoder(x, presence_of(given, m)) for m, (encoder, x) in enumerate(zip(self.encoders, views, strict=True))
        ]
        if terms is None:
            embedded = self.changed(embedded)
        levels = embedded if terms is None else [terms]
        joined = torch.cat(embedded, dim=1)
        if self.design.normalise:
            joined = F.normalize(joined, dim=1)
        beside = [] if given.covariates is None else [given.covariates]
        if self.design.presence:
            beside.append(given.x.new_ones(len(given.x), len(views)) if given.present is None else given.present)
        outputs = self.head_dropout(self.head(torch.cat([joined, *beside], dim=1)))
        return Passed(outputs, levels, _Embedded(joined, beside))

    def loss(self, passed: Passed, given: Given, target: Tensor, task_loss: TaskLoss) -> Tensor:
        """Return the loss of the class description."""
        loss = task_loss(passed.outputs.t(), target)
        if self.design.triplet:
            loss = loss + self.design.triplet * triplet_loss(passed.extra.joined, target, self.design.margin)
        return loss
