"""BED files (UCSC; also narrowPeak, broadPeak and other BED3+ files), plain or gzip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from kgreg.data.sequence.tally import Tally
from kgreg.errors import DataError
from kgreg.sources.files import read_lines

#: What :func:`read_bed` counts.
HEADER = "header lines of BED files, passed over"
REPEATED = "intervals that repeat an earlier one"

_PASSED_OVER = ("#", "track", "browser")


def read_bed(path: Path | str, tally: Tally | None = None) -> pd.DataFrame:
    """Read intervals: three to any number of columns, in any order of rows.

    Columns are separated by tabs, or by spaces where a line has no tab. Lines that begin with ``#``, ``track`` or
    ``browser`` are passed over; so is a first line of column names, which is counted in ``tally``, as are rows that
    repeat an earlier one (the same place and strand), which are left out.

    Returns
    -------
    ``chrom, start, end, strand, name, line, summit``: positions from 0, the end left out; ``strand`` "+", "-" or "";
    ``name`` the fourth column ("" where there is none); ``line`` of the file; ``summit`` the position of the highest
    signal, which files called ``.narrowPeak`` have in their tenth column, else -1.

    Raises
    ------
    DataError
        If a line has fewer than three columns or another number than the first, a position that is no whole number, an
        end that is not behind the start, or a strand other than ``+``, ``-`` and ``.``; if there is no interval. The
        message has file, line and column.
    SourceError
        If the file cannot be read.
    """
    tally = Tally() if tally is None else tally
    rows: list[tuple[str, int, int, str, str, int, int]] = []
    peaks = str(path).lower().removesuffix(".gz").endswith(".narrowpeak")
    columns, header = 0, False
    for number, line in read_lines(path):
        text = line.rstrip(" \r")
        if not text.strip() or text.startswith(_PASSED_OVER[0]) or text.split()[0] in _PASSED_OVER[1:]:
            continue
        fields = text.split("\t") if "\t" in text else text.split()
        where = f"{path}, line {number}"
        if len(fields) < 3:
            raise DataError(
                f"{where}: {len(fields)} columns, where chromosome, start and end are needed.",
                "Separate the columns of a BED file by tabs.",
            )
        if not columns and not fields[1].lstrip("-").isdigit() and not fields[2].lstrip("-").isdigit():
            if header:
                raise DataError(f"{where}: '{fields[1]}' is no position.", "A BED file has start and end there.")
            header = True
            tally.repairs[HEADER] += 1
            continue
        if columns and len(fields) != columns:
            raise DataError(f"{where}: {len(fields)} columns, where the lines before have {columns}.")
        columns = len(fields)
        summit = _summit(fields, where) if peaks else -1
        rows.append((*_interval(fields, where, number), summit))
    if not rows:
        raise DataError(f"{path} holds no interval.", "Each line of a BED file begins with chromosome, start and end.")
    table = pd.DataFrame(rows, columns=["chrom", "start", "end", "strand", "name", "line", "summit"])
    repeated = table.duplicated(["chrom", "start", "end", "strand"])
    if repeated.any():
        tally.left_out[REPEATED] += int(repeated.sum())
        table = table[~repeated].reset_index(drop=True)
    return table.astype({"start": np.int64, "end": np.int64})


def _interval(fields: list[str], where: str, number: int) -> tuple[str, int, int, str, str, int]:
    start, end = (_position(fields[column], where, column + 1) for column in (1, 2))
    if end <= start:
        raise DataError(
            f"{where}: the interval {fields[0]}:{start}-{end} ends before it begins, or is empty.",
            "Positions of BED count from 0, and the end is not part of the interval.",
        )
    name, strand = (fields[column] if len(fields) > column else "." for column in (3, 5))
    if strand not in ("+", "-", "."):
        raise DataError(f"{where}, column 6: the strand is '{strand[:40]}'.", "Use +, - or . (not known).")
    return fields[0], start, end, strand.replace(".", ""), "" if name == "." else name, number


def _summit(fields: list[str], where: str) -> int:
    """Return the summit of a peak, which its tenth column gives as an offset from the start; -1: not known."""
    if len(fields) < 10 or fields[9] == "-1":
        return -1
    start, end = int(fields[1]), int(fields[2])
    summit = start + _position(fields[9], where, 10)
    if summit >= end:
        raise DataError(f"{where}, column 10: the summit lies {fields[9]} letters behind the start, beyond the end.")
    return summit


def _position(text: str, where: str, column: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise DataError(
            f"{where}, column {column}: '{text[:40]}' is no position.", "Positions are whole numbers, 0 or above."
        )
    return int(text)


def is_bed(path: Path | str) -> bool:
    """Say whether a file is called as BED files are: ``.bed``, ``.narrowPeak``, ``.broadPeak``, each also ``.gz``."""
    name = str(path).lower().removesuffix(".gz")
    return name.endswith((".bed", ".narrowpeak", ".broadpeak"))
