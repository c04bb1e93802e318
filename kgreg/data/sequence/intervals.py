"""Tables of intervals on a genome: ``chrom, start, end, strand``, from 0, the end left out (as in BED)."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

#: What becomes of a window that reaches beyond its chromosome.
Ends = Literal["pad", "drop"]
#: What the window of an interval lies around.
Centre = Literal["middle", "summit"]

#: Columns of a table of intervals. ``strand`` is "+", "-" or "". Where a place is not known, ``start`` and ``end`` are
#: -1, and ``chrom`` is "" unless it is known.
COLUMNS = ("chrom", "start", "end", "strand")


def windows_of(intervals: pd.DataFrame, length: int, *, read_along_strand: bool = False) -> pd.DataFrame:
    """Return windows of one length around the middle of every interval.

    Parameters
    ----------
    intervals
        With the columns ``COLUMNS``.
    read_along_strand
        Count positions from the end of intervals on the strand "-": for sequences that are read off that strand.

    Returns
    -------
    The same rows with other ``start`` and ``end``. An interval of n letters and its window share the letters ``n // 2``
    and ``length // 2``; a window of the same length is the interval itself.
    """
    start, end = (intervals[name].to_numpy(dtype=np.int64) for name in ("start", "end"))
    first = (end - start) // 2 - length // 2
    begins = start + first
    if read_along_strand:
        begins = np.where(intervals["strand"] == "-", end - first - length, begins)
    known = is_known(intervals)
    return intervals.assign(start=np.where(known, begins, -1), end=np.where(known, begins + length, -1))


def is_known(intervals: pd.DataFrame) -> NDArray[np.bool_]:
    """Return of which intervals start and end are known, ``[n]``."""
    known: NDArray[np.bool_] = (intervals["end"] > 0).to_numpy()
    return known


def names_of(intervals: pd.DataFrame) -> list[str]:
    """Return ``chrom:start-end`` for every interval, with ``(+)`` or ``(-)`` where the strand is known."""
    return [
        f"{chrom}:{start}-{end}" + (f"({strand})" if strand else "")
        for chrom, start, end, strand in zip(*(intervals[name] for name in COLUMNS), strict=True)
    ]
