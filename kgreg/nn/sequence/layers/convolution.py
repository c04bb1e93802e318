"""Convolution along the sequence, and cropping of its ends."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field
from torch import nn

from kgreg.errors import FitError
from kgreg.nn.sequence.layers.activation import ActivationName, activations
from kgreg.nn.sequence.layers.layer import Context, Layer, Shape, map_of

Count = Annotated[int, Field(ge=1)]
Padding = Literal["valid", "same", "full"]


def ends(padding: Padding | int, width: int, dilation: int) -> tuple[int, int]:
    """Return how many zeros are put before the first position and after the last; with "same" the odd one after."""
    reach = dilation * (width - 1)
    if isinstance(padding, int):
        return padding, padding
    return {"valid": (0, 0), "full": (reach, reach), "same": (reach // 2, reach - reach // 2)}[padding]


def convolution(
    channels: int,
    filters: int,
    width: int,
    padding: Padding | int,
    stride: int = 1,
    dilation: int = 1,
    bias: bool = True,
) -> list[nn.Module]:
    """Return a convolution, and before it what pads the ends if these differ."""
    before, after = ends(padding, width, dilation)
    conv = nn.Conv1d(channels, filters, width, stride, min(before, after), dilation, bias=bias)
    return [conv] if before == after else [nn.ConstantPad1d((0, after - before), 0.0), conv]


def filtered(reads: Shape, filters: int, width: int, padding: Padding | int, stride: int, dilation: int) -> Shape:
    """Return what a convolution gives.

    Raises
    ------
    FitError
        If the filters are wider than what they read.
    """
    length = map_of(reads).positions
    if length is None:
        return Shape(filters, length)
    left = length + sum(ends(padding, width, dilation)) - dilation * (width - 1) - 1
    if left < 0:
        wide = f"width {width}" + (f" and dilation {dilation}" if dilation > 1 else "")
        raise FitError(
            f"filters of {wide} do not fit into {length} positions",
            "Give the network longer sequences ([network] length), smaller filters or less pooling.",
        )
    return Shape(filters, left // stride + 1)


class Conv(Layer):
    """Filters along the sequence, then batch normalisation (``norm``), then the activation.

    Attributes
    ----------
    filters, width, stride, dilation
        Number of filters, positions that each reads, steps from one to the next, distance of the positions it reads.
    padding
        Zeros at either end: "valid" (none), "same" (as many positions come out as went in), "full" (filters see every
        position in each of theirs), or a number.
    bias
        Without one the filter must be followed by a normalisation to have a threshold.
    initial
        "default" (torch's), "glorot" (uniform) or "he" (normal).
    """

    kind: Literal["conv"] = "conv"
    filters: Count
    width: Count
    padding: Padding | Annotated[int, Field(ge=0)] = "valid"
    stride: Count = 1
    dilation: Count = 1
    activation: ActivationName = "relu"
    norm: bool = False
    bias: bool = True
    initial: Literal["default", "glorot", "he"] = "default"

    def shape(self, reads: Shape, context: Context) -> Shape:
        """See :meth:`Layer.shape`."""
        if self.padding == "same" and self.stride > 1:
            raise FitError('padding = "same" has no meaning with a stride', "Give the padding as a number.")
        return filtered(reads, self.filters, self.width, self.padding, self.stride, self.dilation)

    def module(self, reads: Shape, context: Context) -> nn.Module:
        """See :meth:`Layer.module`."""
        parts = convolution(
            reads.channels, self.filters, self.width, self.padding, self.stride, self.dilation, self.bias
        )
        conv = parts[-1]
        assert isinstance(conv, nn.Conv1d)
        if self.initial == "glorot":
            nn.init.xavier_uniform_(conv.weight)
        elif self.initial == "he":
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        if self.initial != "default" and conv.bias is not None:
            nn.init.zeros_(conv.bias)
        return nn.Sequential(
            *parts, *([nn.BatchNorm1d(self.filters)] if self.norm else []), *activations(self.activation)
        )

    def repeated(self, number: int, dilation_growth: float, filters_growth: float) -> Self:
        """Return the layer with its dilation and its filters grown, both rounded."""
        grown = {
            "dilation": round(self.dilation * dilation_growth**number),
            "filters": round(self.filters * filters_growth**number),
        }
        return self.model_copy(update=grown)


class Crop(Layer):
    """Leaves out ``each`` positions at either end, which saw the padding beyond them."""

    kind: Literal["crop"] = "crop"
    each: Count

    def shape(self, reads: Shape, context: Context) -> Shape:
        """See :meth:`Layer.shape`."""
        length = map_of(reads).positions
        if length is not None and length <= 2 * self.each:
            raise FitError(f"of {length} positions nothing is left without {self.each} at either end")
        return Shape(reads.channels, None if length is None else length - 2 * self.each)

    def module(self, reads: Shape, context: Context) -> nn.Module:
        """See :meth:`Layer.module`."""
        return nn.ConstantPad1d(-self.each, 0.0)
