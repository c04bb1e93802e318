"""Sequences of some samples, read when they are needed: the codes may lie in a file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SequenceRows:
    """Rows of an array of codes, none of which is copied before :meth:`take`.

    Attributes
    ----------
    codes
        ``[n, length]`` uint8 (A 0, C 1, G 2, T 3, unknown 4); may be a memory-mapped file.
    index
        ``[m]``: which of its rows these are.
    """

    codes: NDArray[np.uint8]
    index: NDArray[np.int64]

    @classmethod
    def of(cls, codes: NDArray[np.uint8]) -> SequenceRows:
        """Return all rows of an array of codes."""
        return cls(codes, np.arange(len(codes)))

    def __len__(self) -> int:
        return len(self.index)

    @property
    def length(self) -> int:
        """Letters of a sequence."""
        return int(self.codes.shape[1])

    def rows(self, rows: NDArray[np.int64]) -> SequenceRows:
        """Return some of the sequences."""
        return SequenceRows(self.codes, self.index[rows])

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the codes ``[..., length]`` of ``rows``, which may have any shape."""
        return np.ascontiguousarray(self.codes[self.index[rows]])
