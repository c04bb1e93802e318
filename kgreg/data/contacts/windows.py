"""Windows of a genome, and which of them a place or an interval falls into."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.data.sequence.chromosomes import match_chromosome
from kgreg.errors import DataError, some

#: Above any position of a chromosome.
LONGEST = 2**40


@dataclass(frozen=True)
class Windows:
    """Intervals that samples stand for, such as the 1-kb bins of a chromosome.

    Attributes
    ----------
    table
        ``chrom, start, end`` (from 0, the end not included), one row a window, in any order; ``Samples.intervals`` is
        such a table. Other columns are not kept.

    Raises
    ------
    DataError
        If a column is missing, a window has no place or no length, a chromosome has two names ("1" and "chr1"), or one
        window lies within another, so that they have no order.
    """

    table: pd.DataFrame

    def __post_init__(self) -> None:
        missing = [name for name in ("chrom", "start", "end") if name not in self.table]
        if missing:
            raise DataError(
                f"The table of windows lacks the columns {', '.join(missing)}.", "Give chrom, start and end."
            )
        table = self.table[["chrom", "start", "end"]].reset_index(drop=True)
        number = table[["start", "end"]].apply(pd.to_numeric, errors="coerce")
        lost = table["chrom"].isna() | (table["chrom"].astype(str) == "") | number.isna().any(axis=1)
        wrong = lost | (number["start"] < 0) | (number["end"] <= number["start"]) | (number["end"] >= LONGEST)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            shown = ", ".join(str(table[name].iloc[row]) for name in table)
            raise DataError(
                f"Row {row + 1} of the windows is no interval: {shown} ({int(wrong.sum())} such rows).",
                "Every window needs a chromosome, and a start below its end; leave out what has none.",
            )
        table = table.assign(chrom=table["chrom"].astype(str), **number.astype(np.int64))
        object.__setattr__(self, "table", table)
        names = self.chromosomes
        twice = [name for name in names if match_chromosome(name, set(names) - {name})]
        if twice:
            raise DataError(f"Chromosomes have two names: {some(twice)}.", "Call each by one.")
        self._check_order()

    def __len__(self) -> int:
        return len(self.table)

    @property
    def chromosomes(self) -> list[str]:
        """Their names, in the order in which windows first name them."""
        return [str(name) for name in self.table["chrom"].unique()]

    @cached_property
    def codes(self) -> NDArray[np.int64]:
        """``[n]``: position in ``chromosomes`` of the chromosome of every window."""
        return np.asarray(pd.factorize(self.table["chrom"])[0], dtype=np.int64)

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """``[n]``: windows by chromosome, then by start."""
        return np.lexsort((self.table["start"].to_numpy(), self.codes)).astype(np.int64)

    @cached_property
    def _edges(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Starts and ends in ``order``, with the chromosome in the high digits."""
        base = self.codes[self.order] * LONGEST
        starts, ends = (self.table[name].to_numpy(dtype=np.int64)[self.order] for name in ("start", "end"))
        return base + starts, base + ends

    def _check_order(self) -> None:
        starts, ends = self._edges
        nested = np.flatnonzero((np.diff(ends) <= 0) | (np.diff(starts) == 0))
        if len(nested):
            pair = self.table.iloc[self.order[nested[0] : nested[0] + 2]]
            names = [f"{w.chrom}:{w.start}-{w.end}" for w in pair.itertuples()]
            raise DataError(
                f"The windows {names[0]} and {names[1]} lie within each other.",
                "Give windows of one length, each once.",
            )

    def code_of(self, name: str) -> int:
        """Return the position in ``chromosomes`` of a chromosome, by this or its other name (1, chr1); -1: none."""
        known = match_chromosome(name, self.chromosomes)
        return -1 if known is None else self.chromosomes.index(known)

    def overlapping(
        self, codes: NDArray[np.int64], starts: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return which windows overlap each of some intervals: a stretch ``[first, last)`` of ``order``.

        Parameters
        ----------
        codes
            ``[m]`` of their chromosomes, not -1.
        starts, ends
            ``[m]``, the end not included.
        """
        own_starts, own_ends = self._edges
        base = codes * LONGEST
        first = np.searchsorted(own_ends, base + starts, side="right")
        last = np.searchsorted(own_starts, base + ends, side="left")
        return first.astype(np.int64), np.maximum(first, last).astype(np.int64)
