"""A bottleneck autoencoder over all modalities, and a head on those of its units that tell something of the outcome."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal, NamedTuple

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor, nn

from kgreg.blueprint.model import Blueprint
from kgreg.nn.dense import ACTIVATIONS, Activation, Share, Width, count_dense
from kgreg.nn.design import Design
from kgreg.nn.guided import Given, GuidedNetwork, Passed, TaskLoss
from kgreg.nn.readout import Link

_Weight = Annotated[float, Field(ge=0)]


class BottleneckDesign(Design):
    """The autoencoder of Chaudhary, Poirion, Lu & Garmire (2018): all modalities side by side, through a bottleneck.

    ``widths`` are the layers down to the bottleneck, which the way back mirrors. ``weight_l1`` penalises the sum of the
    absolute weights, ``activity_l2`` that of the squared activations of a sample, of every layer. Of the bottleneck's
    units the head reads those with a univariate p value below ``p_value`` in the training samples (1: all).
    """

    model: Literal["bottleneck-autoencoder"] = "bottleneck-autoencoder"
    widths: Annotated[tuple[Width, ...], Field(min_length=1)] = (500, 100)
    activation: Activation = "tanh"
    dropout: Share = 0.5
    weight_l1: _Weight = 0.0
    activity_l2: _Weight = 0.0
    p_value: Annotated[float, Field(gt=0, le=1)] = 0.05

    def build(
        self, blueprint: Blueprint, n_outputs: int, *, covariates: Sequence[str] = (), link: Link = "identity"
    ) -> BottleneckNetwork:
        """See :meth:`kgreg.nn.design.Design.build`."""
        return BottleneckNetwork(self, blueprint, n_outputs, len(covariates))

    def size(self, blueprint: Blueprint, n_outputs: int) -> tuple[int, int]:
        """See :meth:`kgreg.nn.design.Design.size`."""
        n = len(blueprint.inputs)
        shape = [*self.widths, *self.widths[-2::-1], n]
        return count_dense(n, shape) + self.widths[-1] * n_outputs, 3 * n + 3 * sum(shape)


class _Encoded(NamedTuple):
    """Activations of the layers down to the bottleneck, and covariates."""

    activities: list[Tensor]
    covariates: Tensor | None


class BottleneckNetwork(GuidedNetwork):
    """See :class:`BottleneckDesign`.

    Every layer but the last is ``h' = dropout(f(W h + b))``, the last one linear. The loss is the mean squared error
    over what was measured, plus the penalties. The outcome has no part in it: the head is fitted afterwards.

    The named nodes are ``factor 1``, ..., the units of the bottleneck.
    """

    supervised = False

    def __init__(self, design: BottleneckDesign, blueprint: Blueprint, n_outputs: int, n_covariates: int) -> None:
        width = design.widths[-1]
        super().__init__(blueprint, n_outputs, [f"factor {i + 1}" for i in range(width)], [1] * width, n_covariates)
        self.design = design
        self.probe_p = design.p_value if design.p_value < 1 else None
        shape = [self.n_inputs, *design.widths, *design.widths[-2::-1], self.n_inputs]
        self.layers = nn.ModuleList(nn.Linear(n, m) for n, m in pairwise(shape))
        self.activation, self.drop = ACTIVATIONS[design.activation](), nn.Dropout(design.dropout)
        self.head = nn.Linear(width + n_covariates, n_outputs)
        modality = pd.factorize(blueprint.inputs["modality"])[0].astype("int64")
        self.register_buffer("modality", torch.from_numpy(modality), persistent=False)
        self.modality: Tensor

    def compute(self, given: Given) -> Passed:
        """See :meth:`kgreg.nn.guided.GuidedNetwork.compute`; the way back is left to the loss."""
        activities, hidden = list[Tensor](), given.x
        for layer in self.layers[: len(self.design.widths)]:
            activities.append(self.activation(layer(self.drop(hidden) if activities else hidden)))
            hidden = activities[-1]
        (hidden,) = self.changed([hidden])
        passed = Passed(hidden, [hidden], _Encoded(activities, given.covariates))
        return passed._replace(outputs=self.head(self.read(passed)))

    def read(self, passed: Passed) -> Tensor:
        """Return the units of the bottleneck, and the covariates beside them."""
        covariates = passed.extra.covariates
        return torch.cat([*passed.levels, *([] if covariates is None else [covariates])], dim=1)

    def loss(self, passed: Passed, given: Given, target: Tensor, task_loss: TaskLoss) -> Tensor:
        """Return the loss of the class description."""
        design, activities = self.design, list(passed.extra.activities)
        for layer in self.layers[len(design.widths) : -1]:
            activities.append(self.activation(layer(self.drop(activities[-1]))))
        last: nn.Module = self.layers[-1]
        rebuilt: Tensor = last(self.drop(activities[-1]))
        activities.append(rebuilt)
        squares = (rebuilt - given.x).square()
        if given.present is None:
            loss = squares.mean()
        else:
            measured = given.present.index_select(1, self.modality)
            loss = (squares * measured).sum() / measured.sum().clamp_min(1)
        if design.weight_l1:
            for layer in self.layers:
                loss = loss + design.weight_l1 * layer.get_parameter("weight").abs().sum()
        if design.activity_l2:
            each = [activity.square().sum(dim=1).mean() for activity in activities]
            loss = loss + design.activity_l2 * torch.stack(each).sum()
        return loss
