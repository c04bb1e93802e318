"""Signal tracks in bigWig files (pyBigWig): one number an interval, or a profile along it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.data.sequence.chromosomes import match_chromosomes
from kgreg.data.sequence.intervals import is_known, names_of
from kgreg.data.sequence.tally import Tally
from kgreg.errors import DataError, some
from kgreg.optional import need

#: How the values of the letters of an interval, or of a bin of it, become one.
Statistic = Literal["mean", "max", "sum"]

#: What is counted.
NO_VALUE = "intervals in which a track has no value, read as 0"
BEYOND = "intervals that reach beyond the chromosome of a track, read as 0 there"

_REDUCE: dict[Statistic, Callable[..., Any]] = {"mean": np.mean, "max": np.max, "sum": np.sum}


def read_track(
    path: Path | str, intervals: pd.DataFrame, statistic: Statistic = "mean", tally: Tally | None = None
) -> NDArray[np.float32]:
    """Return one number of a bigWig file for every interval, ``[n]``.

    Parameters
    ----------
    path
        A ``.bigWig`` or ``.bw`` file.
    intervals
        ``chrom, start, end``; from 0, the end left out.
    statistic
        Of the values of all letters. A letter without a value, for a gap or beyond the chromosome, has 0.
    tally
        Gets how many intervals have no value at all, reach beyond a chromosome, or name it otherwise.

    Raises
    ------
    DataError
        If the file is none of that kind, lacks a chromosome, or a place is not known.
    MissingPackageError
        If pyBigWig is not installed.
    """
    reduce = _REDUCE[statistic]
    with _opened(path) as file:
        values = [reduce(signal) for signal in _signals(file, path, intervals, tally)]
    return np.asarray(values, dtype=np.float32)


def read_profiles(
    path: Path | str,
    intervals: pd.DataFrame,
    bins: int | None = None,
    statistic: Statistic = "sum",
    tally: Tally | None = None,
) -> NDArray[np.float32]:
    """Return a profile of a bigWig file for every interval, ``[n, bins]``, in the direction of its strand.

    Parameters
    ----------
    path, intervals, tally
        As in :func:`read_track`; intervals of one length. On the strand "-" the first bin is the last on the genome.
    bins
        Of equal length; default: one a letter.
    statistic
        Of the letters of a bin.

    Raises
    ------
    DataError
        As :func:`read_track`; and if the intervals are of several lengths, or these are no multiple of ``bins``.
    """
    lengths = (intervals["end"] - intervals["start"]).unique()
    if len(lengths) > 1:
        raise DataError(f"Intervals of different lengths have no common profile: {some(sorted(lengths))}.")
    length = int(lengths[0]) if len(lengths) else 0
    bins = length if bins is None else bins
    if bins < 1 or length % bins:
        raise DataError(
            f"{length} letters are not divided evenly by {bins} bins.", "Choose a number that divides the length."
        )
    reduce = _REDUCE[statistic]
    profiles = np.empty((len(intervals), bins), dtype=np.float32)
    with _opened(path) as file:
        for row, signal in enumerate(_signals(file, path, intervals, tally)):
            profiles[row] = reduce(signal.reshape(bins, -1), axis=1)
    reverse = (intervals["strand"] == "-").to_numpy() if "strand" in intervals else np.zeros(len(intervals), dtype=bool)
    profiles[reverse] = profiles[reverse, ::-1]
    return profiles


def _signals(
    file: Any, path: Path | str, intervals: pd.DataFrame, tally: Tally | None
) -> Iterator[NDArray[np.float64]]:
    """Yield the value of every letter of every interval."""
    tally = Tally() if tally is None else tally
    unknown = np.flatnonzero(~is_known(intervals))
    if len(unknown):
        raise DataError(
            f"Of {len(unknown)} of {len(intervals)} intervals the place is not known, so that {path} cannot be read.",
            "Give BED files, or sequences with names such as chr1:100-300.",
        )
    lengths: dict[str, int] = file.chroms()
    chroms = match_chromosomes(intervals["chrom"], lengths, "The data", str(path), tally.repairs)
    if "" in chroms:
        lacking = [name for name, found in zip(names_of(intervals.assign(strand="")), chroms, strict=True) if not found]
        raise DataError(f"{path} lacks the chromosomes of {len(lacking)} intervals: {some(lacking)}.")
    for chrom, start, end in zip(chroms, intervals["start"], intervals["end"], strict=True):
        signal = np.zeros(end - start)
        first, last = max(start, 0), min(end, lengths[chrom])
        if (first, last) != (start, end):
            tally.repairs[BEYOND] += 1
        found = np.full(0, np.nan)
        if first < last:
            try:
                found = file.values(chrom, int(first), int(last), numpy=True)
            except RuntimeError as error:  # of a damaged block
                raise DataError(f"{path}, {chrom}:{first}-{last}: {error}.", "The file is damaged.") from error
            signal[first - start : last - start] = np.nan_to_num(found, nan=0.0)
        if np.isnan(found).all():
            tally.repairs[NO_VALUE] += 1
        yield signal


@contextmanager
def _opened(path: Path | str) -> Iterator[Any]:
    package = need("pyBigWig", "seq")
    if not Path(path).is_file():  # else the package would look for an address
        raise DataError(f"{path} is not a file.", "Give the path of a bigWig file.")
    try:
        file = package.open(str(path))
        is_bigwig = bool(file.isBigWig())
    except RuntimeError:
        is_bigwig = False
    if not is_bigwig:
        raise DataError(f"{path} is no bigWig file.", "bedGraph files become one with bedGraphToBigWig.")
    try:
        yield file
    finally:
        file.close()
