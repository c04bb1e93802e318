"""Layers one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from kgreg.nn.sequence.layers.layer import Beside, Context, Layer, ReadsBeside, Shape, placed


def shapes(layers: Sequence[Layer], reads: Shape, context: Context) -> list[Shape]:
    """Return what goes into the first layer, and what each gives.

    Raises
    ------
    FitError
        If a layer cannot read what the one before gives; it names the layer by its number, from 1.
    """
    found = [reads]
    for number, layer in enumerate(layers, start=1):
        with placed(f"{number} ({layer.kind})"):
            found.append(layer.shape(found[-1], context))
    return found


class Stack(ReadsBeside):
    """The modules of layers, one after the other.

    Attributes
    ----------
    reads, gives
        Shapes at its two ends.
    """

    def __init__(self, layers: Sequence[Layer], reads: Shape, context: Context) -> None:
        super().__init__()
        found = shapes(layers, reads, context)
        self.reads, self.gives = reads, found[-1]
        self.layers = nn.ModuleList()
        for number, (layer, read) in enumerate(zip(layers, found[:-1], strict=True), start=1):
            with placed(f"{number} ({layer.kind})"):
                self.layers.append(layer.module(read, context))

    def forward(self, x: Tensor, beside: Beside) -> Tensor:
        """Return what the last layer gives."""
        for layer in self.layers:
            x = layer(x, beside) if isinstance(layer, ReadsBeside) else layer(x)
        return x

    def after_first(self, x: Tensor, beside: Beside) -> Tensor:
        """Return what the last layer gives, from what the first one gave."""
        for layer in list(self.layers)[1:]:
            x = layer(x, beside) if isinstance(layer, ReadsBeside) else layer(x)
        return x
