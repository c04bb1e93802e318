"""Sequences and the reads along them, base by base: what profile networks learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.data.sequence.genome import Genome
from kgreg.data.sequence.intervals import Centre
from kgreg.data.sequence.profiles import read_profiles
from kgreg.data.sequence.tally import Tally
from kgreg.data.sequence.windows import BedFile
from kgreg.data.splits import Split
from kgreg.errors import DataError, some


@dataclass(frozen=True)
class ProfileData:
    """Sequences and the reads along them.

    Attributes
    ----------
    sequences
        ``[n, L]`` codes: A 0, C 1, G 2, T 3, else 4.
    observed
        ``[n, tracks, P]`` numbers of reads in the middle P positions, P of one parity with L. Of two tracks the first
        is the strand that is given, the second its reverse complement, both in the order of the first.
    control
        ``[n, controls, L]`` reads of control experiments, or None.
    intervals
        ``chrom, start, end, strand`` of every sequence, or None where that is not known.

    Raises
    ------
    DataError
        If the shapes do not agree, or numbers of reads are negative or missing.
    """

    sequences: NDArray[np.uint8]
    observed: NDArray[np.float32]
    control: NDArray[np.float32] | None = None
    intervals: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        n, length = self.sequences.shape
        shapes = [("observed", self.observed, None), ("control", self.control, length)]
        for name, table, positions in shapes:
            if table is None:
                continue
            if table.ndim != 3 or len(table) != n or (positions is not None and table.shape[2] != positions):
                raise DataError(f"'{name}' has the shape {table.shape}, which does not fit {n} sequences of {length}.")
            if not (np.isfinite(table).all() and (table >= 0).all()):
                raise DataError(
                    f"'{name}' has negative or missing numbers of reads.",
                    "Set what is missing to 0; tracks of the minus strand are often written with a minus sign.",
                )
        if self.observed.shape[2] > length or (length - self.observed.shape[2]) % 2:
            raise DataError(
                f"{self.observed.shape[2]} observed positions have no middle place in sequences of {length}.",
                "Let both be odd or both be even, and the sequences at least as long.",
            )

    def __len__(self) -> int:
        return len(self.sequences)

    def split(self, stop: Sequence[str], test: Sequence[str]) -> Split:
        """Return the rows to stop by and to test, on these chromosomes, and those to fit: all others.

        Raises
        ------
        DataError
            If the places are not known, a chromosome has no sequence or two parts, or none is left to fit.
        """
        if self.intervals is None:
            raise DataError("The chromosomes of the sequences are not known.", "Make the split from row numbers.")
        chroms = self.intervals["chrom"]
        lacking = [name for name in [*stop, *test] if not (chroms == name).any()]
        if lacking:
            raise DataError(f"No sequence lies on {some(lacking)}; they lie on {some(chroms.unique())}.")
        if set(stop) & set(test):
            raise DataError(f"The same chromosomes stop and test: {some(sorted(set(stop) & set(test)))}.")
        parts = [np.flatnonzero(chroms.isin(names)) for names in ([*stop, *test], stop, test)]
        fit = np.setdiff1d(np.arange(len(chroms)), parts[0])
        if not len(fit):
            raise DataError("All chromosomes stop or test; none is left to fit.")
        return Split(0, fit, parts[1], parts[2])


def read_profile_data(
    peaks: Path | str,
    genome: Path | str,
    tracks: Sequence[Path | str],
    *,
    length: int,
    positions: int,
    controls: Sequence[Path | str] = (),
    jitter: int = 0,
    centre: Centre = "middle",
    tally: Tally | None = None,
) -> ProfileData:
    """Read windows around peaks, and the reads of bigWig files along them.

    Parameters
    ----------
    peaks
        A BED file. Windows that reach beyond their chromosome are left out.
    genome
        FASTA.
    tracks
        bigWig files with numbers of reads; of two, the plus strand first. Along peaks on the strand "-" they are read
        in its direction, and two change places.
    length, positions
        What the network reads, and what it predicts in the middle. BPNet: 2,114 and 1,000.
    controls
        bigWig files of control experiments.
    jitter
        So many more positions are read at either end.
    centre
        Of the windows: the "middle" of a peak, or its "summit" (``.narrowPeak``).
    tally
        Gets what was left out or mended.

    Raises
    ------
    DataError, SourceError
        If a file cannot be used, or the numbers do not fit (see :class:`ProfileData`).
    """
    if not tracks:
        raise DataError("A profile needs a track.", "Give bigWig files.")
    tally = Tally() if tally is None else tally
    wide, out = length + 2 * jitter, positions + 2 * jitter
    with Genome(genome) as opened:
        bed = BedFile(peaks, opened, centre)
        bed.fit(wide, "drop")
        sequences = np.concatenate(list(bed.rows(wide)))
        windows = bed.intervals(wide)
        tally.add(bed.tally)
    trim = (wide - out) // 2
    middle = windows.assign(start=windows["start"] + trim, end=windows["start"] + trim + out)
    control = _tracks(controls, windows, tally) if controls else None
    return ProfileData(sequences, _tracks(tracks, middle, tally), control, windows)


def _tracks(paths: Sequence[Path | str], windows: pd.DataFrame, tally: Tally) -> NDArray[np.float32]:
    """Return ``[n, tracks, positions]``."""
    read = np.stack([read_profiles(path, windows, tally=tally) for path in paths], axis=1)
    if read.shape[1] == 2:
        turned = (windows["strand"] == "-").to_numpy()
        read[turned] = read[turned, ::-1]
    return read
