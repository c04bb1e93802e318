"""Reading annotations of gene products in GAF 2 (http://geneontology.org/docs/go-annotation-file-gaf-format-2.2) and
GPAD 1 and 2 (http://geneontology.org/docs/gene-product-association-data-gpad-format-2.0)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from kgreg.errors import SourceError
from kgreg.sources.files import name_of, read_lines

#: Evidence codes of the Gene Ontology (http://geneontology.org/docs/guide-go-evidence-codes), each with the class of
#: the Evidence and Conclusion Ontology that it stands for by default.
EVIDENCE_CODES = {
    "EXP": "ECO:0000269",
    "IDA": "ECO:0000314",
    "IPI": "ECO:0000353",
    "IMP": "ECO:0000315",
    "IGI": "ECO:0000316",
    "IEP": "ECO:0000270",
    "HTP": "ECO:0006056",
    "HDA": "ECO:0007005",
    "HMP": "ECO:0007001",
    "HGI": "ECO:0007003",
    "HEP": "ECO:0007007",
    "IBA": "ECO:0000318",
    "IBD": "ECO:0000319",
    "IKR": "ECO:0000320",
    "IRD": "ECO:0000321",
    "ISS": "ECO:0000250",
    "ISO": "ECO:0000266",
    "ISA": "ECO:0000247",
    "ISM": "ECO:0000255",
    "IGC": "ECO:0000317",
    "RCA": "ECO:0000245",
    "TAS": "ECO:0000304",
    "NAS": "ECO:0000303",
    "IC": "ECO:0000305",
    "ND": "ECO:0000307",
    "IEA": "ECO:0000501",
}
_CODE_OF = {eco: code for code, eco in EVIDENCE_CODES.items()}


class Annotation(NamedTuple):
    """One line of an annotation file that holds for the gene product (no NOT).

    Attributes
    ----------
    line
        Its number in the file, from 1.
    database, object_id
        The gene product, such as ``UniProtKB`` and ``P04637``.
    symbol, name, type, taxon
        Of the gene product; empty (and 0) in GPAD, which does not give them.
    term
        The id of the term.
    evidence
        A key of ``EVIDENCE_CODES``.
    """

    line: int
    database: str
    object_id: str
    symbol: str
    name: str
    type: str
    taxon: int
    term: str
    evidence: str


# Of a line's number and fields: whether it says NOT, and what it says.
_Parse = Callable[[int, list[str]], tuple[bool, Annotation]]


class AnnotationReader:
    """Goes through one annotation file, line by line in constant memory; see :func:`read_annotations`.

    Attributes
    ----------
    version
        Such as ``GAF 2.2``; known, like the others, once the file has been gone through.
    date
        The date the file was generated, as it says; empty if it does not.
    dropped
        What was left out -> how many lines.
    """

    def __init__(self, location: Path | str, taxon: int | None) -> None:
        self.version = ""
        self.date = ""
        self.dropped: Counter[str] = Counter()
        self._location = location
        self._name = name_of(location)
        self._taxon = taxon

    def __iter__(self) -> Iterator[Annotation]:
        """Yield the annotations that hold; see :func:`read_annotations` for the errors."""
        self.dropped.clear()
        columns = 0
        parse: _Parse = _parse_gaf
        seen = False
        for number, line in read_lines(self._location):
            if not line:
                continue
            if line[0] == "!":
                self._take_header(line)
                continue
            fields = line.split("\t")
            if not columns:
                columns, parse = self._format(number, len(fields))
            if len(fields) != columns:
                raise self._error(number, f"expected {columns} columns of {self.version}, found {len(fields)}")
            seen = True
            negated, annotation = parse(number, fields)
            if not (annotation.database and annotation.object_id and annotation.term):
                raise self._error(number, "the gene product or the term is empty")
            if ":" not in annotation.term:
                raise self._error(number, f"'{annotation.term[:60]}' is no id of a term")
            if annotation.taxon < 0:
                raise self._error(number, f"'{fields[12][:60]}' is no taxon; expected one like taxon:9606")
            if self._taxon is not None and annotation.taxon and annotation.taxon != self._taxon:
                self.dropped["annotations of another taxon"] += 1
            elif negated:
                self.dropped["annotations that say NOT"] += 1
            elif annotation.evidence not in EVIDENCE_CODES:
                self.dropped["annotations with an unknown evidence code"] += 1
            else:
                yield annotation
        if not seen:
            raise SourceError(f"{self._name} holds no annotations.", "Check that this is the right file, and whole.")

    def _take_header(self, line: str) -> None:
        key, colon, value = line[1:].partition(":")
        key = key.strip().lower()
        if key in _VERSION_TAGS and not self.version:
            self.version = f"{_VERSION_TAGS[key]} {value.strip()}"
        elif key in ("date-generated", "generated") and colon and not self.date:
            self.date = value.strip()

    def _format(self, number: int, found: int) -> tuple[int, _Parse]:
        """Return how many columns the lines have and what reads them."""
        if not self.version and found == _GAF_COLUMNS:  # a file that lost its header can be nothing else
            self.version = "GAF 2"
        for start, columns, parse in _FORMATS:
            if self.version.startswith(start):
                return columns, parse
        what = f"the version '{self.version}' is not known" if self.version else "no line says which version this is"
        raise SourceError(
            f"{self._name}, line {number}: {what}.",
            "GAF 2, GPAD 1 and GPAD 2 are read; the file must say so, as in '!gaf-version: 2.2'.",
        )

    def _error(self, number: int, text: str) -> SourceError:
        return SourceError(
            f"{self._name}, line {number}: {text}.", "Check that this is the right file, whole and as published."
        )


def read_annotations(location: Path | str, taxon: int | None = None) -> AnnotationReader:
    """Return the annotations of a GAF 2, GPAD 1 or GPAD 2 file, to be gone through with ``for``.

    Parameters
    ----------
    location
        A path or an https address, plain or gzip.
    taxon
        Leave out gene products of other NCBI taxa. The first taxon of a line is the gene product's, a second one that
        of an organism it interacts with. GPAD does not name the taxon, so nothing is left out there.

    Annotations that say NOT, and those whose evidence code is unknown, are left out and counted. The evidence code of
    GPAD is the property ``go_evidence``, else the code whose default class the line gives.

    Raises
    ------
    SourceError
        While going through it: as :func:`kgreg.sources.files.read_lines`, and, with the line, for another number of
        columns, an unknown version, no gene product, no id of a term, or no taxon; and if there are no annotations.
    """
    return AnnotationReader(location, taxon)


def _parse_gaf(number: int, fields: list[str]) -> tuple[bool, Annotation]:
    annotation = Annotation(
        number, fields[0], fields[1], fields[2], fields[9], fields[11], _taxon(fields[12]), fields[4], fields[6]
    )
    return _says_not(fields[3]), annotation


def _parse_gpad_1(number: int, fields: list[str]) -> tuple[bool, Annotation]:
    evidence = _evidence(fields[5], fields[11])
    return _says_not(fields[2]), Annotation(number, fields[0], fields[1], "", "", "", 0, fields[3], evidence)


def _parse_gpad_2(number: int, fields: list[str]) -> tuple[bool, Annotation]:
    database, _, object_id = fields[0].partition(":")
    evidence = _evidence(fields[5], fields[11])
    return fields[1] == "NOT", Annotation(number, database, object_id, "", "", "", 0, fields[3], evidence)


def _says_not(qualifiers: str) -> bool:
    return "NOT" in qualifiers and "NOT" in qualifiers.split("|")


def _taxon(field: str) -> int:
    """Return the number of the gene product's taxon, or -1 if the field names none."""
    number = field.split("|", 1)[0].removeprefix("taxon:")
    return int(number) if number.isascii() and number.isdigit() and len(number) < 12 else -1


def _evidence(eco: str, properties: str) -> str:
    for entry in properties.split("|"):
        if entry.startswith("go_evidence="):
            return entry.removeprefix("go_evidence=")
    return _CODE_OF.get(eco, "")


_VERSION_TAGS = {"gaf-version": "GAF", "gpa-version": "GPAD", "gpad-version": "GPAD"}
_GAF_COLUMNS = 17
_FORMATS = (("GAF 2", _GAF_COLUMNS, _parse_gaf), ("GPAD 1", 12, _parse_gpad_1), ("GPAD 2", 12, _parse_gpad_2))
