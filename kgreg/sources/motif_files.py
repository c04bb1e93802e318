"""Binding motifs in text: MEME (https://meme-suite.org/meme/doc/meme-format.html), JASPAR and plain PFM
(https://jaspar.elixir.no/docs), and TRANSFAC.

Biopython reads these too, but its errors name neither file nor line, it takes negative counts, and it drops a
cut-off matrix without a word.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pyarrow as pa

from kgreg.errors import SourceError
from kgreg.sources.base import Provenance, SourceTables, with_constant
from kgreg.sources.files import name_of, read_lines
from kgreg.sources.official import Files, Official, OfficialFile

NAME = "motif_files"

# What MEME assumes where a file does not say how many sites a motif was made from.
_MEME_SITES = 20.0
_LETTERS = "ACGT"
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_MATRIX = re.compile(r"letter-probability matrix:(.*)", re.IGNORECASE)
_SITES = re.compile(rf"nsites\s*=\s*({_NUMBER})")
_WIDTH = re.compile(r"\bw\s*=\s*(\d+)")

Lines = Iterator[tuple[int, str]]


@dataclass(frozen=True)
class TextMotif:
    """A motif of a file.

    Attributes
    ----------
    id, name, family, tf_class
        Empty where the file does not give them, except for ``id`` and ``name``.
    counts
        One row a position, each in the order A, C, G, T; shape [width][4].
    line
        Where the motif begins.
    """

    id: str
    name: str
    family: str
    tf_class: str
    counts: list[list[float]]
    line: int


def read_motifs(location: Path | str) -> list[TextMotif]:
    """Read all motifs of a file; its format is known by its first line.

    MEME gives probabilities: they are multiplied by ``nsites`` (20 where it is missing), to be counts like the others.
    A PFM without header takes the name of the file.

    Raises
    ------
    SourceError
        If the format is not known, a matrix is not 4 x width, a number is negative or not finite, a position has no
        counts, MEME probabilities do not sum to 1 or the alphabet is not DNA, a motif has no id or comes twice, or
        there is none; the message names file and line.
    """
    name = name_of(location)
    lines = ((number, text.strip()) for number, text in read_lines(location))
    lines = ((number, text) for number, text in lines if text)
    number, first = next(lines, (1, ""))
    read = _reader(first)
    if read is None:
        raise SourceError(
            f"{name}, line {number}: '{first[:60]}' begins no motif.", "Give a file in MEME, JASPAR or TRANSFAC format."
        )
    seen: dict[str, int] = {}
    motifs = []
    for motif in read(chain([(number, first)], lines), name):
        if motif.id in seen:
            raise SourceError(
                f"{name}, lines {seen[motif.id]} and {motif.line}: the motif {motif.id} comes twice.",
                "Remove one of them.",
            )
        seen[motif.id] = motif.line
        for position, row in enumerate(motif.counts, 1):
            if not sum(row):
                raise SourceError(
                    f"{name}, line {motif.line}: position {position} of the motif {motif.id} has no counts.",
                    "Correct the matrix.",
                )
        motifs.append(motif)
    if not motifs:
        raise SourceError(f"{name} holds no motif.", "Give a file in MEME, JASPAR or TRANSFAC format.")
    return motifs


def read_official(files: Files, *, species: str = "human", release: str | None = None) -> SourceTables:
    """Return ``Motif`` nodes; role: ``motifs`` (see :func:`read_motifs`, also for the errors).

    ``pfm`` holds position after position, each in the order A, C, G, T: ``4 * width`` numbers. Nothing in such files
    depends on the species.
    """
    if "motifs" not in files:
        raise SourceError("The file 'motifs' was not given.", "Give a file in MEME, JASPAR or TRANSFAC format.")
    motifs = read_motifs(files["motifs"])
    table = pa.table(
        {
            "id": pa.array([motif.id for motif in motifs], pa.string()),
            "name": pa.array([motif.name for motif in motifs], pa.string()),
            "family": pa.array([motif.family for motif in motifs], pa.string()),
            "class": pa.array([motif.tf_class for motif in motifs], pa.string()),
            "species": pa.array([""] * len(motifs), pa.string()),
            "width": pa.array([len(motif.counts) for motif in motifs], pa.int64()),
            "pfm": pa.array([list(chain(*motif.counts)) for motif in motifs], pa.list_(pa.float64())),
        }
    )
    origin = Provenance(
        source=NAME,
        title=f"Motifs of {Path(name_of(files['motifs'])).name}",
        release=release or "unknown",
        date="unknown",
        url="https://meme-suite.org/meme/doc/meme-format.html",
        licence="that of the file",
    )
    return SourceTables({"Motif": with_constant(table, "source", NAME)}, {}, origin)


def _reader(first: str) -> Callable[[Lines, str], Iterator[TextMotif]] | None:
    if first.startswith("MEME version"):
        return _read_meme
    if first.startswith(">"):
        return _read_jaspar
    if re.match(r"(AC|ID|XX|VV|NA|DE|P0|PO)(\s|$)", first):
        return _read_transfac
    if re.match(rf"([ACGT]\s*[\[|]|{_NUMBER}(\s|$))", first):
        return _read_pfm
    return None


def _read_pfm(lines: Lines, name: str) -> Iterator[TextMotif]:
    stem = Path(name).name.removesuffix(".gz").rpartition(".")[0] or Path(name).name
    return _read_jaspar(chain([(1, f">{stem}")], lines), name)


def _read_jaspar(lines: Lines, name: str) -> Iterator[TextMotif]:
    """Yield motifs of a header and four rows of counts, with or without "A [ ... ]" around them."""
    header: tuple[int, str] | None = None
    rows: list[list[float]] = []
    for number, text in chain(lines, [(0, ">")]):
        if not text.startswith(">"):
            if header is None or len(rows) == 4:
                raise _fault(name, number, "a fifth row of counts; a motif has the rows A, C, G and T")
            letter = _LETTERS[len(rows)]
            row = re.fullmatch(r"(?:([A-Za-z])\s*[|:]?\s*)?\[?([^\[\]]*)\]?", text)
            if row is None or (row[1] and row[1].upper() != letter):
                raise _fault(name, number, f"expected the counts of {letter}, found '{text[:40]}'")
            rows.append([_number(one, name, number) for one in row[2].split()])
            if not rows[-1] or len(rows[-1]) != len(rows[0]):
                raise _fault(name, number, f"{len(rows[-1])} counts of {letter}, but {len(rows[0])} of A")
            continue
        if header is not None:
            if len(rows) != 4:
                raise _fault(name, header[0], f"the motif has {len(rows)} rows of counts instead of 4")
            words = header[1][1:].split(None, 1)
            if not words:
                raise _fault(name, header[0], "the motif has no id")
            yield TextMotif(words[0], words[-1], "", "", [list(row) for row in zip(*rows, strict=True)], header[0])
        header, rows = (number, text), []


def _read_meme(lines: Lines, name: str) -> Iterator[TextMotif]:
    title: tuple[int, list[str]] | None = None
    for number, text in lines:
        if text.upper().startswith("ALPHABET"):
            if text.replace(" ", "").upper() != "ALPHABET=ACGT" and "DNA" not in text.upper():
                raise _fault(name, number, f"the alphabet is not that of DNA: '{text[:40]}'")
        elif re.match(r"MOTIF\b", text):
            if title is not None:
                raise _fault(name, title[0], "the motif has no letter-probability matrix")
            title = number, text.split()[1:3]
            if not title[1]:
                raise _fault(name, number, "the motif has no id")
        elif (matrix := _MATRIX.match(text)) is not None:
            if title is None:
                raise _fault(name, number, "a matrix that belongs to no MOTIF")
            width = _WIDTH.search(matrix[1])
            if width is None:
                raise _fault(name, number, "the matrix does not give its width (w=)")
            found = _SITES.search(matrix[1])
            sites = _number(found[1], name, number) if found is not None else 0.0
            counts: list[list[float]] = []
            for _ in range(int(width[1][:9])):
                line, row = next(lines, (number, ""))
                values = [_number(one, name, line) for one in row.split()] if row else []
                if len(values) != 4:
                    raise _fault(name, line, f"expected 4 probabilities of position {len(counts) + 1} of {width[1]}")
                if abs(sum(values) - 1) > 0.01:
                    raise _fault(name, line, f"the probabilities sum to {sum(values):g}, not to 1")
                counts.append([value * (sites or _MEME_SITES) for value in values])
            if not counts:
                raise _fault(name, number, "the matrix has no positions")
            yield TextMotif(title[1][0], title[1][-1], "", "", counts, title[0])
            title = None
    if title is not None:
        raise _fault(name, title[0], "the motif has no letter-probability matrix")


def _read_transfac(lines: Lines, name: str) -> Iterator[TextMotif]:
    """Yield the entries between "//"; AC or ID is the id, NA or ID the name."""
    fields: dict[str, str] = {}
    counts: list[list[float]] | None = None
    start = last = 0
    for number, text in lines:
        last = number
        key, _, value = text.partition(" ")
        key, value = key.strip(), value.strip()
        start = start or number
        if key == "//":
            if counts is not None:
                yield _entry(fields, counts, name, start)
            elif fields.keys() - {"VV"}:
                raise _fault(name, start, "the entry has no matrix (P0)")
            fields, counts, start = {}, None, 0
        elif key in ("P0", "PO"):
            if value.upper().split()[:4] != list(_LETTERS):
                raise _fault(name, number, f"expected the columns A C G T, found '{value[:40]}'")
            counts = []
        elif re.fullmatch(r"\d+", key):
            if counts is None:
                raise _fault(name, number, "counts before the line P0")
            words = value.split()
            if len(words) not in (4, 5):
                raise _fault(name, number, f"expected 4 counts and the consensus, found {len(words)} columns")
            if int(key[:9]) != len(counts) + 1 and int(key[:9]) != len(counts):
                raise _fault(name, number, f"position {key} follows {len(counts)} positions")
            counts.append([_number(one, name, number) for one in words[:4]])
        elif key == "CC" and (comment := re.match(r"tf_(family|class):(.*)", value)) is not None:
            fields[comment[1]] = comment[2].strip()
        elif key != "XX":
            fields.setdefault(key, value)
    if counts is not None or fields.keys() - {"VV"}:
        raise _fault(name, last, "the last entry is cut off: the line // is missing")


def _entry(fields: dict[str, str], counts: list[list[float]], name: str, start: int) -> TextMotif:
    found = fields.get("AC") or fields.get("ID")
    if not found:
        raise _fault(name, start, "the entry has neither AC nor ID")
    if not counts:
        raise _fault(name, start, f"the matrix of {found} has no positions")
    title = fields.get("NA") or fields.get("ID") or found
    return TextMotif(found, title, fields.get("family", ""), fields.get("class", ""), counts, start)


def _number(text: str, name: str, line: int) -> float:
    value = float(text) if re.fullmatch(_NUMBER, text, re.ASCII) else math.nan
    if not (math.isfinite(value) and value >= 0):
        raise _fault(name, line, f"'{text[:40]}' is not a count")
    return value


def _fault(name: str, line: int, what: str) -> SourceError:
    return SourceError(f"{name}, line {line}: {what}.", "Correct the file, or get it again.")


OFFICIAL = Official(files=(OfficialFile("motifs", "motifs.meme"),), read=read_official)
