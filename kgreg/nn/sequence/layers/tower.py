"""Layers that are repeated, with growing dilation or growing numbers of filters, added to what they read or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, SerializeAsAny, field_validator
from torch import Tensor, nn

from kgreg.errors import FitError
from kgreg.nn.sequence.layers.convolution import Count
from kgreg.nn.sequence.layers.layer import Beside, Context, Layer, ReadsBeside, Shape, map_of
from kgreg.nn.sequence.layers.stack import Stack, shapes


class Tower(Layer):
    """``layers``, ``repeat`` times over.

    Attributes
    ----------
    residual
        Whether what they read is added to what they give: ``x + f(x)``.
    dilation_growth, filters_growth
        In repetition i (from 0) dilations and numbers of filters are multiplied by these to the power i, and rounded.
    """

    kind: Literal["tower"] = "tower"
    layers: tuple[SerializeAsAny[Layer], ...] = Field(min_length=1)
    repeat: Count = 1
    residual: bool = False
    dilation_growth: Annotated[float, Field(ge=1)] = 1.0
    filters_growth: Annotated[float, Field(gt=0)] = 1.0

    @field_validator("layers", mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        from kgreg.nn.sequence.layers.reading import read_layers  # it knows all kinds, this one among them

        return read_layers(value)

    def shape(self, reads: Shape, context: Context) -> Shape:
        """See :meth:`Layer.shape`."""
        for number in range(self.repeat):
            gives = shapes(self._at(number), map_of(reads), context)[-1]
            if self.residual and gives != reads:
                raise FitError(
                    f"its layers turn {reads} into {gives}, which cannot be added",
                    'Use padding = "same", and as many filters in the last layer as go in.',
                )
            reads = gives
        return reads

    def module(self, reads: Shape, context: Context) -> nn.Module:
        """See :meth:`Layer.module`."""
        stacks = []
        for number in range(self.repeat):
            stacks.append(Stack(self._at(number), reads, context))
            reads = stacks[-1].gives
        return Repeated(stacks, self.residual)

    def _at(self, number: int) -> list[Layer]:
        return [layer.repeated(number, self.dilation_growth, self.filters_growth) for layer in self.layers]


class Repeated(ReadsBeside):
    """Stacks one after the other, each added to what it reads if ``residual``."""

    def __init__(self, stacks: Sequence[Stack], residual: bool) -> None:
        super().__init__()
        self.stacks, self.residual = nn.ModuleList(stacks), residual

    def forward(self, x: Tensor, beside: Beside) -> Tensor:
        """Return what the last one gives."""
        for stack in self.stacks:
            x = x + stack(x, beside) if self.residual else stack(x, beside)
        return x
