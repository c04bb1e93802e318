"""Dense layers, and what leads to them."""

from __future__ import annotations

from typing import Literal

from torch import nn

from kgreg.errors import FitError
from kgreg.nn.sequence.layers.activation import ActivationName, activations
from kgreg.nn.sequence.layers.convolution import Count
from kgreg.nn.sequence.layers.layer import Context, Layer, Shape, map_of, vector_of


class Flatten(Layer):
    """All positions of the first channel, then those of the second, and so on, as one vector."""

    kind: Literal["flatten"] = "flatten"

    def shape(self, reads: Shape, context: Context) -> Shape:
        """See :meth:`Layer.shape`."""
        if map_of(reads).positions is None:
            raise FitError(
                "the length of the sequences must be known to flatten what is read from them",
                "Give it as [network] length.",
            )
        return Shape(reads.numbers, vector=True)

    def module(self, reads: Shape, context: Context) -> nn.Module:
        """See :meth:`Layer.module`."""
        return nn.Flatten()


class Dense(Layer):
    """A linear map of a vector, then batch normalisation (``norm``), then the activation."""

    kind: Literal["dense"] = "dense"
    units: Count
    activation: ActivationName = "relu"
    norm: bool = False
    bias: bool = True

    def shape(self, reads: Shape, context: Context) -> Shape:
        """See :meth:`Layer.shape`."""
        vector_of(reads)
        return Shape(self.units, vector=True)

    def module(self, reads: Shape, context: Context) -> nn.Module:
        """See :meth:`Layer.module`."""
        linear = nn.Linear(reads.channels, self.units, bias=self.bias)
        return nn.Sequential(
            linear, *([nn.BatchNorm1d(self.units)] if self.norm else []), *activations(self.activation)
        )
