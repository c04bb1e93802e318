"""A dense network: what is left of a guided network when the knowledge is taken away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from kgreg.blueprint.model import Blueprint
from kgreg.nn.design import Design
from kgreg.nn.guided import Given, GuidedNetwork, Passed
from kgreg.nn.readout import Link

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "elu": nn.ELU}

Activation = Literal["relu", "tanh", "sigmoid", "elu"]
Width = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


def dense_layers(
    n_inputs: int,
    widths: Sequence[int],
    activation: Activation = "relu",
    dropout: float = 0.0,
    norm: Callable[[int], nn.Module] | None = None,
) -> nn.Sequential:
    """Return layers of ``widths`` neurons: linear, normalisation (made by ``norm`` of so many), activation, dropout."""
    layers: list[nn.Module] = []
    for width in widths:
        layers.append(nn.Linear(n_inputs, width))
        if norm is not None:
            layers.append(norm(width))
        layers.append(ACTIVATIONS[activation]())
        if dropout:
            layers.append(nn.Dropout(dropout))
        n_inputs = width
    return nn.Sequential(*layers)


def count_dense(n_inputs: int, widths: Sequence[int]) -> int:
    """Return the parameters of :func:`dense_layers` without normalisation."""
    sizes = [n_inputs, *widths]
    return sum((a + 1) * b for a, b in pairwise(sizes))


class DenseDesign(Design):
    """A multilayer perceptron over all inputs and covariates. It reads nothing of the graph but its genes."""

    model: Literal["dense"] = "dense"
    widths: Annotated[tuple[Width, ...], Field(min_length=1)] = (128, 32)
    activation: Activation = "relu"
    norm: bool = True
    dropout: Share = 0.3

    def build(
        self, blueprint: Blueprint, n_outputs: int, *, covariates: Sequence[str] = (), link: Link = "identity"
    ) -> DenseNetwork:
        """See :meth:`kgreg.nn.design.Design.build`."""
        return DenseNetwork(self, blueprint, n_outputs, len(covariates))

    def size(self, blueprint: Blueprint, n_outputs: int) -> tuple[int, int]:
        """See :meth:`kgreg.nn.design.Design.size`."""
        return count_dense(len(blueprint.inputs), [*self.widths, n_outputs]), len(blueprint.inputs) + sum(self.widths)


class DenseNetwork(GuidedNetwork):
    """See :class:`DenseDesign`. It has no named inner nodes: only its genes are ranked."""

    def __init__(self, design: DenseDesign, blueprint: Blueprint, n_outputs: int, n_covariates: int) -> None:
        super().__init__(blueprint, n_outputs, [], [], n_covariates)
        self.layers = dense_layers(
            self.n_inputs + n_covariates,
            design.widths,
            design.activation,
            design.dropout,
            nn.BatchNorm1d if design.norm else None,
        )
        self.head = nn.Linear(design.widths[-1], n_outputs)

    def compute(self, given: Given) -> Passed:
        """See :meth:`kgreg.nn.guided.GuidedNetwork.compute`."""
        x: Tensor = given.x if given.covariates is None else torch.cat([given.x, given.covariates], dim=1)
        return Passed(self.head(self.layers(x)), [])
