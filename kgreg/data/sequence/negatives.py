"""Background windows of the genome with the GC content of the positive ones."""

from __future__ import annotations

from bisect import bisect_left, insort

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.data.sequence.chromosomes import match_chromosomes
from kgreg.data.sequence.codes import UNKNOWN
from kgreg.data.sequence.genome import Genome
from kgreg.data.sequence.intervals import is_known
from kgreg.data.sequence.kmers import gc_content
from kgreg.data.sequence.tally import Tally
from kgreg.errors import DataError

#: What :func:`draw_gc_matched` counts.
FAR = "negatives whose GC content differs by more than was asked for"
NONE_FREE = "positives for which the genome had no free window"

# Windows that are drawn at a time, and in all, for a positive that waits for one.
_DRAWN = 8
_MOST_DRAWN = 400
# No window with a larger share of unknown letters is taken.
_MOST_UNKNOWN = 0.1


def draw_gc_matched(
    genome: Genome,
    positives: pd.DataFrame,
    gc: NDArray[np.float32],
    *,
    tolerance: float = 0.02,
    seed: int = 0,
    tally: Tally | None = None,
) -> pd.DataFrame:
    """Draw for every positive window one of the same chromosome, length and GC content.

    Windows are drawn anywhere on the chromosome; a positive gets the one whose GC content is nearest to its own, and
    as long as none is within ``tolerance``, more are drawn. Where there is none among 400 draws a positive, the nearest
    is taken, and counted. No window overlaps a positive or another negative, or holds more than a tenth unknown
    letters. Only windows are read, never a chromosome.

    Parameters
    ----------
    genome
        An open genome.
    positives
        ``chrom, start, end, strand``, all of one length.
    gc
        ``[n]`` of the positives, 0 to 1.
    tolerance
        Largest difference in GC content that counts as the same.
    seed
        Everything random follows from it.
    tally
        Gets how many are farther off, and for how many positives there was none.

    Returns
    -------
    ``chrom, start, end, strand, positive``: chromosomes as the genome calls them, strands as those of the positives,
    and the row of the positive that it goes with. At most n rows, in the order of the positives.

    Raises
    ------
    DataError
        If the place of a positive is not known, the genome has none of the chromosomes, or nothing at all is free.
    """
    tally = Tally() if tally is None else tally
    if not is_known(positives).all():
        raise DataError(
            f"Of {(~is_known(positives)).sum()} of {len(positives)} sequences the place on the genome is not known.",
            'Give them names such as chr1:100-300, or set negatives = "dinucleotide".',
        )
    chroms = pd.Series(
        match_chromosomes(positives["chrom"], genome.lengths, "The data", str(genome.path), tally.repairs)
    )
    starts = np.full(len(positives), -1, dtype=np.int64)
    length = int((positives["end"] - positives["start"]).iloc[0])
    # In the order of the genome's chromosomes, so that the order of the rows changes no draw of another chromosome.
    for number, chrom in enumerate(genome.lengths):
        rows = np.flatnonzero((chroms == chrom).to_numpy())
        if len(rows):
            taken = positives[["start", "end"]].to_numpy(dtype=np.int64)[rows]
            draws = _Draws(genome, chrom, length, taken, np.random.default_rng([seed, number]))
            starts[rows] = draws.match(gc[rows], tolerance, tally)
    found = np.flatnonzero(starts >= 0)
    if not len(found):
        raise DataError(
            f"{genome.path} has no free window of {length} letters beside the positives.", "Give the whole genome."
        )
    if len(found) < len(positives):
        tally.left_out[NONE_FREE] += len(positives) - len(found)
    return pd.DataFrame(
        {
            "chrom": chroms.to_numpy()[found],
            "start": starts[found],
            "end": starts[found] + length,
            "strand": positives["strand"].to_numpy()[found],
            "positive": found,
        }
    )


class _Draws:
    """Random windows of one chromosome, and which of them are taken."""

    def __init__(
        self, genome: Genome, chrom: str, length: int, positives: NDArray[np.int64], random: np.random.Generator
    ) -> None:
        self._genome, self._chrom, self._length, self._random = genome, chrom, length, random
        self._last = genome.lengths[chrom] - length
        order = np.argsort(positives[:, 0])
        # Positives may overlap each other: of those that begin before a place, the end that lies farthest counts.
        self._begins = positives[order, 0]
        self._ends = np.maximum.accumulate(positives[order, 1])
        self._taken: list[int] = []
        # What was drawn and is not taken, by GC content.
        self._starts = np.zeros(0, dtype=np.int64)
        self._gc = np.zeros(0, dtype=np.float32)

    def match(self, gc: NDArray[np.float32], tolerance: float, tally: Tally) -> NDArray[np.int64]:
        """Return the start of a window for every positive of this GC content; -1 where there is none."""
        starts = np.full(len(gc), -1, dtype=np.int64)
        if self._last < 0:
            return starts
        for _ in range(_MOST_DRAWN // _DRAWN):
            waiting = np.flatnonzero(starts < 0)
            if not len(waiting):
                return starts
            self._draw(_DRAWN * len(waiting))
            starts[waiting] = self._nearest(gc[waiting], tolerance)
        waiting = np.flatnonzero(starts < 0)
        starts[waiting] = self._nearest(gc[waiting], 1.0)
        far = int((starts[waiting] >= 0).sum())
        if far:
            tally.repairs[FAR] += far
        return starts

    def _draw(self, count: int) -> None:
        starts = np.unique(self._random.integers(0, self._last + 1, count))
        before = np.searchsorted(self._begins, starts + self._length) - 1
        starts = self._random.permutation(starts[(before < 0) | (self._ends[before] <= starts)])
        if not len(starts):
            return
        codes = np.stack([self._genome.read(self._chrom, start, start + self._length) for start in starts])
        known = (codes == UNKNOWN).mean(axis=1) <= _MOST_UNKNOWN
        shares = np.concatenate([self._gc, gc_content(codes)[known]])
        order = np.argsort(shares, kind="stable")
        self._starts, self._gc = np.concatenate([self._starts, starts[known]])[order], shares[order]

    def _nearest(self, gc: NDArray[np.float32], limit: float) -> NDArray[np.int64]:
        """Take a window for each GC content, the nearest that is free, and return where they start; -1: none."""
        free = np.ones(len(self._starts), dtype=np.bool_)
        chosen = np.full(len(gc), -1, dtype=np.int64)
        for row in self._random.permutation(len(gc)):
            above = int(np.searchsorted(self._gc, gc[row]))
            below = above - 1
            while True:
                up = self._gc[above] - gc[row] if above < len(free) else np.inf
                down = gc[row] - self._gc[below] if below >= 0 else np.inf
                if min(up, down) > limit:
                    break
                at = above if up < down else below
                above, below = (above + 1, below) if up < down else (above, below - 1)
                if free[at]:
                    # Free no more, be it taken now or found to overlap one that was.
                    free[at] = False
                    if self._apart(start := int(self._starts[at])):
                        insort(self._taken, start)
                        chosen[row] = start
                        break
        self._starts, self._gc = self._starts[free], self._gc[free]
        return chosen

    def _apart(self, start: int) -> bool:
        """Say whether a window overlaps none that is taken."""
        after = bisect_left(self._taken, start)
        beside = self._taken[max(after - 1, 0) : after + 1]
        return all(abs(start - other) >= self._length for other in beside)
