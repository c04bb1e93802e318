"""Intervals of a BED file as windows of one length on a genome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.data.sequence.bed import read_bed
from kgreg.data.sequence.chromosomes import match_chromosomes
from kgreg.data.sequence.codes import reverse_complement
from kgreg.data.sequence.genome import Genome
from kgreg.data.sequence.intervals import COLUMNS, Centre, Ends, names_of, windows_of
from kgreg.data.sequence.tally import Tally
from kgreg.errors import DataError, some

#: What a :class:`BedFile` counts.
NO_CHROMOSOME = "intervals on chromosomes that the genome lacks"
OUTSIDE = "intervals that lie beyond the end of their chromosome"
DROPPED = "windows that reach beyond their chromosome"
PADDED = "windows that reach beyond their chromosome, padded with unknown letters"

# Windows that are read at a time.
_BLOCK = 256


class BedFile:
    """A BED file over a genome: intervals are known, letters are read when they are asked for.

    Attributes
    ----------
    path
        Of the BED file.
    names
        Of the sequences: the fourth column where it names every interval and none twice, else ``chrom:start-end``,
        with ``(+)`` or ``(-)`` where the strand is known.
    lengths
        ``[n]`` letters of the intervals.
    tally
        What was read otherwise than it stands there, and left out.

    Parameters
    ----------
    path
        Of the BED file.
    genome
        An open genome; chromosomes are called as in the BED file or with ``chr`` added or taken away.
    centre
        Windows lie around the "middle" of their intervals, or around the "summit" of peaks.

    Raises
    ------
    DataError, SourceError
        As :func:`kgreg.data.sequence.bed.read_bed`; and if the genome has none of the chromosomes, no interval begins
        on its chromosome, or a peak has no summit where one is asked for.
    """

    def __init__(self, path: Path | str, genome: Genome, centre: Centre = "middle") -> None:
        self.path = path
        self._centre = centre
        self.tally = Tally()
        self._genome = genome
        table = read_bed(path, self.tally)
        without = table[table["summit"] < 0]
        if centre == "summit" and len(without):
            raise DataError(
                f"{path}, line {without['line'].iloc[0]}: there is no summit; {len(without)} of {len(table)} intervals "
                "have none.",
                'Summits are the tenth column of .narrowPeak files; else set centre = "middle".',
            )
        matched = match_chromosomes(table["chrom"], genome.lengths, str(path), str(genome.path), self.tally.repairs)
        table = table.assign(chrom=matched)
        table = self._leave_out(table, table["chrom"] == "", NO_CHROMOSOME)
        outside = table["start"] >= table["chrom"].map(genome.lengths)
        if outside.all():
            raise DataError(
                f"{path}: no interval begins on its chromosome as {genome.path} has it; "
                f"line {table['line'].iloc[0]}: {names_of(table.iloc[:1])[0]}.",
                "Check that both are of the same genome assembly.",
            )
        table = self._leave_out(table, outside, OUTSIDE)
        self._set(table)

    def fit(self, length: int, ends: Ends) -> None:
        """Leave out, or count as padded, the windows of this length that reach beyond their chromosome.

        Raises
        ------
        DataError
            If none is left.
        """
        windows = self.intervals(length)
        beyond = (windows["start"] < 0) | (windows["end"] > windows["chrom"].map(self._genome.lengths))
        if not beyond.any():
            return
        if ends == "pad":
            self.tally.repairs[PADDED] += int(beyond.sum())
            return
        if beyond.all():
            raise DataError(
                f"{self.path}: every window of {length} letters reaches beyond its chromosome.",
                'Choose a shorter length, or ends = "pad".',
            )
        self._set(self._leave_out(self._table, beyond, DROPPED))

    def intervals(self, length: int) -> pd.DataFrame:
        """Return the windows: ``chrom, start, end, strand``; their middle is that of the intervals, or the summit."""
        table = self._table[list(COLUMNS)]
        if self._centre == "summit":
            table = table.assign(start=self._table["summit"], end=self._table["summit"] + 1)
        return windows_of(table, length)

    def rows(self, length: int, counts: Counter[str] | None = None) -> Iterator[NDArray[np.uint8]]:
        """Yield the codes of the windows in blocks ``[b, length]``; the strand "-" is read in its own direction.

        ``counts`` gets how many letters are in lower case, or unknown.
        """
        return read_windows(self._genome, self.intervals(length), counts)

    def leave_out(self, which: NDArray[np.bool_], reason: str) -> None:
        """Leave out some of the windows that are left, and count them."""
        self._set(self._leave_out(self._table, pd.Series(which), reason))

    def name_by_place(self) -> None:
        """Name the sequences by their places, for the fourth column names others in other files too."""
        self.names = names_of(self._table)

    def _leave_out(self, table: pd.DataFrame, which: pd.Series[bool], reason: str) -> pd.DataFrame:
        if not which.any():
            return table
        self.tally.left_out[reason] += int(which.sum())
        return table[~which].reset_index(drop=True)

    def _set(self, table: pd.DataFrame) -> None:
        self._table = table
        given = table["name"]
        self.names = names_of(table) if (given == "").any() or given.duplicated().any() else given.tolist()
        self.lengths = (table["end"] - table["start"]).to_numpy(dtype=np.int64)


def read_windows(
    genome: Genome, windows: pd.DataFrame, counts: Counter[str] | None = None
) -> Iterator[NDArray[np.uint8]]:
    """Yield the codes of windows of one length in blocks ``[b, length]``, in their order.

    Parameters
    ----------
    genome
        An open genome.
    windows
        ``chrom, start, end, strand``, chromosomes as the genome calls them. Of the strand "-" the reverse complement
        is read; beyond a chromosome letters are unknown.
    counts
        Gets how many letters are in lower case, or unknown.

    Raises
    ------
    DataError
        If windows are of different lengths, or the genome lacks a chromosome.
    """
    lengths = (windows["end"] - windows["start"]).unique()
    if len(lengths) > 1:
        raise DataError(f"The windows are of different lengths: {some(sorted(lengths))}.")
    places = list(zip(*(windows[name] for name in COLUMNS), strict=True))
    for first in range(0, len(places), _BLOCK):
        block = [
            reverse_complement(codes) if strand == "-" else codes
            for chrom, start, end, strand in places[first : first + _BLOCK]
            for codes in [genome.read(chrom, start, end, counts)]
        ]
        yield np.stack(block)
