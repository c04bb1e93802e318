"""Files of chromatin contacts: BEDPE, and the pairs of the 4D Nucleome."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from kgreg.data.contacts.windows import LONGEST
from kgreg.errors import DataError
from kgreg.sources.files import name_of, read_lines

Format = Literal["bedpe", "pairs"]


class Anchor(NamedTuple):
    """One end of a contact; the end of the interval is not included. A start of -1: nobody knows where."""

    chrom: str
    start: int
    end: int


class Contact(NamedTuple):
    """One line of a file. ``score`` is None where the format or the line has none."""

    line: int
    one: Anchor
    two: Anchor
    score: float | None


def format_of(path: Path) -> Format:
    """Return the format that a name stands for: ``.bedpe`` or ``.pairs``, each also with ``.gz``.

    Raises
    ------
    DataError
        If it is neither.
    """
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(".bedpe"):
        return "bedpe"
    if name.endswith(".pairs"):
        return "pairs"
    raise DataError(f"{path} is neither .bedpe nor .pairs.", "Rename it, or say which format it has.")


def read_contact_lines(path: Path, kind: Format | None = None, score: str | None = None) -> Iterator[Contact]:
    """Yield the contacts of a file, plain or gzip, line by line.

    BEDPE: ``chrom1 start1 end1 chrom2 start2 end2 [name score ...]``. Lines that begin with ``#``, ``track`` or
    ``browser`` are headers, and so is a first line whose positions are no numbers (Juicer writes one). Pairs: comments
    begin with ``#``; ``#columns:`` says where ``chr1 pos1 chr2 pos2`` stand, else they are columns 2 to 5; positions
    count from 1.

    Parameters
    ----------
    kind
        Default: by the name of the file.
    score
        Column of BEDPE that counts, by its name in the header (``observed``, say). Default: the eighth, "score".

    Raises
    ------
    DataError
        If a line is malformed; the message names file and line.
    SourceError
        If the file cannot be read, see :func:`kgreg.sources.files.read_lines`.
    """
    kind = kind or format_of(path)
    if kind == "pairs":
        if score is not None:
            raise DataError(f"{path}: pairs have no column '{score}'.", "Every line of pairs counts 1.")
        return _read_pairs(path)
    return _read_bedpe(path, score)


@dataclass(frozen=True)
class _Place:
    """Where a line stands, for messages."""

    path: Path
    line: int

    def error(self, what: str, hint: str = "Correct the line.") -> DataError:
        return DataError(f"{name_of(self.path)}, line {self.line}: {what}", hint)

    def integer(self, text: str, what: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = LONGEST
        if value >= LONGEST:
            raise self.error(f"'{text[:50]}' is no {what}.")
        return value


def _read_bedpe(path: Path, score: str | None) -> Iterator[Contact]:
    column = 7 if score is None else -1
    first = True
    with_score: bool | None = None
    for line, text in read_lines(path):
        if not text.strip() or text.startswith(("track", "browser")):
            continue
        fields = text.lstrip("#").split("\t") if "\t" in text else text.lstrip("#").split()
        if text.startswith("#") or (first and len(fields) >= 6 and not any(_numeric(fields[i]) for i in (1, 2, 4, 5))):
            if score is not None and len(fields) >= 6:
                column = _column(fields, score, column)
            first = first and text.startswith("#")
            continue
        first = False
        where = _Place(path, line)
        if len(fields) < 6:
            raise where.error(
                f"expected 6 columns or more, found {len(fields)}.", "BEDPE has chrom, start, end of both ends."
            )
        if score is not None and column < 0:
            raise where.error(f"there is no column '{score}' in the header above.", "Name a column of the header.")
        value = fields[column].strip() if len(fields) > column else "."
        number = None if value in (".", "") else _score(value, where)
        if with_score is None:
            with_score = number is not None
        elif with_score != (number is not None):
            raise where.error(
                f"this line has {'no' if with_score else 'a'} score, unlike those before it.",
                "Give all of them one, or none.",
            )
        yield Contact(line, _anchor(fields[:3], where), _anchor(fields[3:6], where), number)


def _read_pairs(path: Path) -> Iterator[Contact]:
    places = [1, 2, 3, 4]
    for line, text in read_lines(path):
        if not text.strip():
            continue
        where = _Place(path, line)
        if text.startswith("#"):
            if text.startswith("#columns:"):
                names = text.removeprefix("#columns:").split()
                missing = [name for name in ("chr1", "pos1", "chr2", "pos2") if name not in names]
                if missing:
                    raise where.error(f"the columns lack {', '.join(missing)}.")
                places = [names.index(name) for name in ("chr1", "pos1", "chr2", "pos2")]
            continue
        fields = text.split("\t") if "\t" in text else text.split()
        if len(fields) <= max(places):
            raise where.error(
                f"expected {max(places) + 1} columns or more, found {len(fields)}.",
                "Pairs have readID, chr1, pos1, chr2, pos2.",
            )
        chrom1, pos1, chrom2, pos2 = (fields[i].strip() for i in places)
        ends = []
        for chrom, text_of in ((chrom1, pos1), (chrom2, pos2)):
            position = where.integer(text_of, "position")
            if position < 0:
                raise where.error(f"the position {position} is negative.")
            known = chrom not in (".", "!", "") and position > 0
            ends.append(Anchor(chrom, position - 1, position) if known else Anchor("", -1, -1))
        yield Contact(line, ends[0], ends[1], None)


def _anchor(fields: Sequence[str], where: _Place) -> Anchor:
    chrom = fields[0].strip()
    start, end = where.integer(fields[1], "start"), where.integer(fields[2], "end")
    if chrom in (".", "") or (start, end) == (-1, -1):
        return Anchor("", -1, -1)
    if start < 0 or end < start:
        raise where.error(f"{chrom}:{start}-{end} is no interval.")
    return Anchor(chrom, start, max(end, start + 1))


def _score(text: str, where: _Place) -> float:
    try:
        value = float(text)
    except ValueError:
        raise where.error(f"'{text[:50]}' is no score.") from None
    if not 0 <= value < float("inf"):
        raise where.error(f"the score {text[:50]} is negative or not finite.", "Scores say how strong a contact is.")
    return value


def _numeric(text: str) -> bool:
    try:
        int(text)
    except ValueError:
        return False
    return True


def _column(header: Sequence[str], name: str, before: int) -> int:
    names = [column.strip().lower() for column in header]
    return names.index(name.lower()) if name.lower() in names else before
