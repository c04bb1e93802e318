"""What a layer of a sequence network is: a few checked keys, the shape that it gives, and a torch module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from kgreg.errors import FitError

#: What is read beside the sequence: "covariates" or the name of a block -> ``[batch, size]``.
Beside = Mapping[str, Tensor]


@dataclass(frozen=True)
class Shape:
    """What a layer reads or gives for one sample.

    Attributes
    ----------
    channels
        Features, of every position or of the sample.
    positions
        Length of the map; None where it is not known before the data are.
    vector
        Whether it is one vector ``[channels]`` and no map ``[channels, positions]``.
    """

    channels: int
    positions: int | None = None
    vector: bool = False

    @property
    def numbers(self) -> int:
        """How many numbers these are; of a map of unknown length those of one position."""
        return self.channels * (1 if self.vector or self.positions is None else self.positions)

    def __str__(self) -> str:
        if self.vector:
            return f"a vector of {self.channels}"
        length = "an unknown number of" if self.positions is None else str(self.positions)
        return f"{self.channels} channels of {length} positions"


@dataclass(frozen=True)
class Context:
    """What layers need to know besides their own keys.

    Attributes
    ----------
    motifs
        Node id -> counts ``[width, 4]`` of the motifs of the blueprint, in its order.
    n_covariates
        Columns of covariates that the data have.
    """

    motifs: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    n_covariates: int = 0


class Layer(BaseModel):
    """The keys of one layer in ``[network] layers``; a subclass a ``kind``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str

    def shape(self, reads: Shape, context: Context) -> Shape:
        """Return what the layer gives for what it reads.

        Raises
        ------
        FitError
            If it cannot read this; the message does not name the layer.
        """
        raise NotImplementedError

    def module(self, reads: Shape, context: Context) -> nn.Module:
        """Return the layer as a module, with its parameters drawn from torch's generator.

        It takes and gives ``[batch, channels, positions]``, or ``[batch, channels]`` for vectors; a
        :class:`ReadsBeside` also takes what is read beside the sequence.
        """
        raise NotImplementedError

    def repeated(self, number: int, dilation_growth: float, filters_growth: float) -> Self:
        """Return the layer as it is in repetition ``number`` (from 0) of a tower."""
        return self


class ReadsBeside(nn.Module):
    """A module whose ``forward`` takes ``(x, beside)``."""


def map_of(reads: Shape) -> Shape:
    """Return ``reads``, which must be a map of positions."""
    if reads.vector:
        raise FitError(
            f"it needs positions, but what comes before it gives {reads}",
            "Put it before the layer that flattens or pools all positions.",
        )
    return reads


def vector_of(reads: Shape) -> Shape:
    """Return ``reads``, which must be a vector."""
    if not reads.vector:
        raise FitError(
            f"it reads one vector, but what comes before it gives {reads}",
            'Put a layer "flatten", or "pool" without a width, before it.',
        )
    return reads


@contextmanager
def placed(place: str) -> Iterator[None]:
    """Name the layer ("3 (conv)") in the errors of what is done inside."""
    try:
        yield
    except FitError as error:
        said = error.message
        inside = f", in it l{said[1:]}" if said.startswith("Layer ") else f": {said}."
        raise FitError(f"Layer {place}{inside}", error.hint) from None
