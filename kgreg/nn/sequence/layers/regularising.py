"""Dropout and normalisation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from kgreg.nn.sequence.layers.layer import Context, Layer, Shape


class Dropout(Layer):
    """Sets a ``share`` of the numbers to 0 in training; with ``channels`` all positions of a channel together."""

    kind: Literal["dropout"] = "dropout"
    share: Annotated[float, Field(ge=0, lt=1)]
    channels: bool = False

    def shape(self, reads: Shape, context: Context) -> Shape:
        """See :meth:`Layer.shape`."""
        return reads

    def module(self, reads: Shape, context: Context) -> nn.Module:
        """See :meth:`Layer.module`."""
        return nn.Dropout1d(self.share) if self.channels and not reads.vector else nn.Dropout(self.share)


class Norm(Layer):
    """Batch normalisation by itself.

    ``momentum`` is the weight of a new batch in the running statistics, ``initial_scale`` what the scales start with: 0
    lets a residual branch begin as nothing.
    """

    kind: Literal["norm"] = "norm"
    momentum: Annotated[float, Field(gt=0, le=1)] = 0.1
    initial_scale: Annotated[float, Field(ge=0)] = 1.0

    def shape(self, reads: Shape, context: Context) -> Shape:
        """See :meth:`Layer.shape`."""
        return reads

    def module(self, reads: Shape, context: Context) -> nn.Module:
        """See :meth:`Layer.module`."""
        norm = nn.BatchNorm1d(reads.channels, momentum=self.momentum)
        nn.init.constant_(norm.weight, self.initial_scale)
        return norm
