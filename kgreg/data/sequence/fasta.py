"""FASTA files (Pearson and Lipman 1988), plain or gzip, record by record."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.data.sequence.codes import NO_LETTER, count_letters, encode, fit_length
from kgreg.data.sequence.intervals import COLUMNS, Ends, windows_of
from kgreg.data.sequence.tally import Tally
from kgreg.errors import DataError
from kgreg.sources.files import read_lines

#: What a :class:`FastaFile` counts.
EMPTY = "records without a letter"
REPEATED = "records that repeat an earlier one"
NO_FIT = "names whose coordinates do not fit the length of the sequence, read as names only"
PADDED = "sequences shorter than the window, padded at both ends"
CUT = "sequences longer than the window, cut at both ends"

# chr1:100-300, chr1:100-300(+), chr1:100-300:-, name::chr1:100-300(+) as bedtools writes it.
_PLACE = re.compile(r"(?:.*::)?([^:\s]+):(\d{1,18})-(\d{1,18})(?:\(([+-])\)|:([+-]))?", re.ASCII)


@dataclass(frozen=True)
class FastaRecord:
    """One sequence.

    Attributes
    ----------
    name
        The first word of the header.
    line
        Line of the header, from 1.
    codes
        ``[n]`` uint8, see :mod:`kgreg.data.sequence.codes`.
    """

    name: str
    line: int
    codes: NDArray[np.uint8]


def read_fasta(path: Path | str, tally: Tally | None = None) -> Iterator[FastaRecord]:
    """Yield the records of a FASTA file, plain or gzip, one in memory at a time.

    Lower case and IUPAC codes are read, and counted in ``tally``; so are records without a letter, which are left out.
    Empty lines, and lines that begin with ``;``, are passed over.

    Raises
    ------
    DataError
        If the file has no record, text before the first header, a header without a name, or a letter that is none of a
        nucleotide; the message has file, line and column.
    SourceError
        If the file cannot be read, is no text, or is cut off or damaged (see :func:`kgreg.sources.files.read_lines`).
    """
    name, header = "", 0
    lines: list[tuple[int, bytes]] = []
    for number, line in read_lines(path):
        text = line.rstrip()
        if text.startswith(">"):
            if header:
                yield from _record(path, name, header, lines, tally)
            name, header, lines = next(iter(text[1:].split()), ""), number, []
            if not name:
                raise DataError(f"{path}, line {number}: a header without a name.", "Give every sequence a name.")
        elif text and not text.startswith(";"):
            if not header:
                raise DataError(
                    f"{path}, line {number}: '{text[:40]}' stands before the first header.",
                    "A FASTA file begins with a line such as '>name'.",
                )
            lines.append((number, text.encode("utf-8")))
    if not header:
        raise DataError(f"{path} holds no sequence.", "A FASTA file begins with a line such as '>name'.")
    yield from _record(path, name, header, lines, tally)


def _record(
    path: Path | str, name: str, header: int, lines: list[tuple[int, bytes]], tally: Tally | None
) -> Iterator[FastaRecord]:
    letters = b"".join(text for _, text in lines)
    if not letters:
        if tally is not None:
            tally.left_out[EMPTY] += 1
        return
    codes = encode(letters)
    if codes.max() == NO_LETTER:
        _refuse_letter(path, name, lines)
    if tally is not None:
        count_letters(letters, tally.repairs)
    yield FastaRecord(name, header, codes)


def _refuse_letter(path: Path | str, name: str, lines: list[tuple[int, bytes]]) -> None:
    for number, text in lines:
        wrong = np.flatnonzero(encode(text) == NO_LETTER)
        if len(wrong):
            column = int(wrong[0])
            letter = text[column:].decode("utf-8", "replace")[0]
            raise DataError(
                f"{path}, line {number}, column {column + 1}: {letter!r} in '{name}' is no letter of a nucleotide.",
                "Allowed are A, C, G, T, U, N and the other IUPAC codes, without gaps. Is it a file of proteins?",
            )


@dataclass(frozen=True)
class Place:
    """Where on a genome a sequence lies: from ``start`` (from 0) up to, not including, ``end``."""

    chrom: str
    start: int
    end: int
    strand: str


def place_in(name: str) -> Place | None:
    """Return the coordinates that a name holds, as they are written: ``chr1:100-300``, with ``(+)`` or ``(-)``."""
    found = _PLACE.fullmatch(name)
    if found is None:
        return None
    return Place(found[1], int(found[2]), int(found[3]), found[4] or found[5] or "")


class FastaFile:
    """A FASTA file that was looked through once: names, lengths and coordinates are known, the letters stay there.

    A record that repeats an earlier one, name and sequence, is left out. Coordinates in names are taken as from 0 with
    the end left out (BED) or as from 1 with the end included, whichever fits the length of the sequence.

    Attributes
    ----------
    path
        Of the file.
    names
        Of the sequences.
    lengths
        ``[n]`` letters.
    tally
        What was read otherwise than it stands there, and left out.

    Raises
    ------
    DataError, SourceError
        As :func:`read_fasta`; and if two different sequences have the same name.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = path
        self.names: list[str] = []
        self.tally = Tally()
        kept: list[bool] = []
        lengths: list[int] = []
        places: list[Place] = []
        seen: dict[str, tuple[int, bytes]] = {}
        for record in read_fasta(path, self.tally):
            digest = hashlib.blake2b(record.codes.tobytes(), digest_size=16).digest()
            line, earlier = seen.setdefault(record.name, (record.line, digest))
            kept.append(line == record.line)
            if line != record.line:
                if earlier != digest:
                    raise DataError(
                        f"{path}, line {record.line}: '{record.name}' names another sequence in line {line}.",
                        "Give every sequence a name of its own.",
                    )
                self.tally.left_out[REPEATED] += 1
                continue
            self.names.append(record.name)
            lengths.append(len(record.codes))
            places.append(self._placed(record))
        if not self.names:
            raise DataError(f"{path}: all {self.tally.left_out[EMPTY]} records are without a letter.")
        self.lengths = np.asarray(lengths, dtype=np.int64)
        self._kept = np.asarray(kept)
        self._places = pd.DataFrame([astuple(place) for place in places], columns=list(COLUMNS))

    def _placed(self, record: FastaRecord) -> Place:
        place = place_in(record.name)
        if place is None:
            return Place("", -1, -1, "")
        beyond = place.end - place.start - len(record.codes)
        if beyond not in (0, -1) or place.start + beyond < 0:
            self.tally.repairs[NO_FIT] += 1
            return Place(place.chrom, -1, -1, place.strand)
        return Place(place.chrom, place.start + beyond, place.end, place.strand)

    def intervals(self, length: int) -> pd.DataFrame:
        """Return where the windows of :meth:`rows` lie: ``chrom, start, end, strand``; "" and -1 where not known.

        A window that is padded may begin before the chromosome.
        """
        return windows_of(self._places, length, read_along_strand=True)

    def rows(self, length: int, counts: Counter[str] | None = None) -> Iterator[NDArray[np.uint8]]:
        """Yield the codes of every sequence as ``[1, length]``: cut or padded at both ends; nothing is counted anew."""
        for kept, record in zip(self._kept, read_fasta(self.path), strict=False):
            if kept:
                yield fit_length(record.codes, length)[None]

    def leave_out(self, which: NDArray[np.bool_], reason: str) -> None:
        """Leave out some of the sequences that are left, and count them."""
        self.tally.left_out[reason] += int(which.sum())
        self._kept[self._kept] = ~which
        self.names = [name for name, gone in zip(self.names, which, strict=True) if not gone]
        self.lengths, self._places = self.lengths[~which], self._places[~which].reset_index(drop=True)

    def fit(self, length: int, ends: Ends) -> None:
        """Count in ``tally`` how many sequences :meth:`rows` cuts and pads; ``ends`` is for windows on a genome."""
        for what, count in ((PADDED, (self.lengths < length).sum()), (CUT, (self.lengths > length).sum())):
            if count:
                self.tally.repairs[what] += int(count)
