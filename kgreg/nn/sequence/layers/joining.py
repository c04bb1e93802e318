"""Where covariates and blocks join what was read from the sequence."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import Field, SerializeAsAny, field_validator
from torch import Tensor, nn

from kgreg.errors import FitError
from kgreg.nn.sequence.layers.convolution import Count
from kgreg.nn.sequence.layers.layer import Beside, Context, Layer, ReadsBeside, Shape, vector_of
from kgreg.nn.sequence.layers.stack import Stack, shapes

#: The name of the covariates among what is read beside the sequence.
COVARIATES = "covariates"


class Join(Layer):
    """A vector from the sequence, and beside it what ``layers`` make of the covariates or of a block of the data.

    Attributes
    ----------
    of
        "covariates", or the name of a block.
    columns
        A block ``[batch, rows * columns]`` is read as ``rows`` positions of so many channels, such as the cells of
        DeepCpG; the number of rows need not be known. Without it the block (or the covariates) is one vector, whose
        size is ``size``.
    size
        Numbers a sample of a block that is one vector.
    layers
        What the block goes through; it must end in a vector.
    """

    kind: Literal["join"] = "join"
    of: str = COVARIATES
    columns: Count | None = None
    size: Count | None = None
    layers: tuple[SerializeAsAny[Layer], ...] = Field(())

    @field_validator("layers", mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        from kgreg.nn.sequence.layers.reading import read_layers  # it knows all kinds, this one among them

        return read_layers(value)

    def shape(self, reads: Shape, context: Context) -> Shape:
        """See :meth:`Layer.shape`."""
        joined = shapes(self.layers, self._beside(context), context)[-1]
        return Shape(vector_of(reads).channels + vector_of(joined).channels, vector=True)

    def module(self, reads: Shape, context: Context) -> nn.Module:
        """See :meth:`Layer.module`."""
        return Joined(self.of, self.columns, Stack(self.layers, self._beside(context), context))

    def _beside(self, context: Context) -> Shape:
        if self.of == COVARIATES:
            if self.columns is not None or self.size is not None:
                raise FitError("covariates are a vector whose size the data know", "Remove 'columns' and 'size'.")
            return Shape(context.n_covariates, vector=True)
        if (self.columns is None) == (self.size is None):
            raise FitError(f"the block '{self.of}' needs either 'columns' or 'size'")
        return Shape(self.size, vector=True) if self.size is not None else Shape(self.columns or 0)


class Joined(ReadsBeside):
    """See :class:`Join`."""

    def __init__(self, of: str, columns: int | None, stack: Stack) -> None:
        super().__init__()
        self.of, self.columns, self.stack = of, columns, stack

    def forward(self, x: Tensor, beside: Beside) -> Tensor:
        """Return ``[batch, channels of both]``."""
        if self.of not in beside:
            if self.of == COVARIATES and not self.stack.reads.channels:
                return x
            raise FitError(
                f"The network reads the block '{self.of}', which the data do not have.",
                f"They have: {', '.join(beside) or 'none'}.",
            )
        block = beside[self.of]
        size = block.shape[1]
        if self.columns is None:
            expected = self.stack.reads.channels
            if size != expected:
                raise FitError(f"The block '{self.of}' has {size} columns, the network reads {expected}.")
        elif size % self.columns:
            raise FitError(f"The block '{self.of}' has {size} columns, which is no multiple of {self.columns}.")
        else:
            block = block.reshape(len(block), -1, self.columns).transpose(1, 2)
        return torch.cat([x, self.stack(block, beside)], dim=1)
