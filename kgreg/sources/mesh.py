"""Medical Subject Headings: descriptors and which is broader than which (https://www.nlm.nih.gov/mesh/filelist.html).

The place of a descriptor is its tree numbers: ``C04.557.337`` lies below ``C04.557``. A descriptor may have several,
and between descriptors, unlike between numbers, there may be cycles; they are left to whoever compiles the hierarchy.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from kgreg.errors import SourceError
from kgreg.sources.base import Provenance, SourceTables, with_constant
from kgreg.sources.files import name_of, read_lines, read_rows
from kgreg.sources.official import Files, Official, OfficialFile
from kgreg.sources.text_table import text_table

NAME = "mesh"

_AGAIN = "Check that this is the right file, whole and as published."


@dataclass
class Heading:
    """A descriptor: the line it begins at, its unique identifier, its name, and tree number -> line."""

    line: int
    ui: str = ""
    name: str = ""
    numbers: dict[str, int] = field(default_factory=dict)


def read_descriptors(location: Path | str) -> list[Heading]:
    """Read the descriptors of the ASCII file ``d<year>.bin`` (records of lines ``ELEMENT = value``).

    Records of other types (``RECTYPE`` other than ``D``) are left out.

    Raises
    ------
    SourceError
        As :func:`kgreg.sources.files.read_lines`, and, with the line, for what is no ``ELEMENT = value`` or stands
        before the first record, a record without ``UI`` or ``MH``, or a ``UI`` given twice.
    """
    name = name_of(location)
    headings: list[Heading] = []
    heading: Heading | None = None
    before: dict[str, int] = {}
    kept = True

    def close() -> None:
        if heading is None or not kept:
            return
        if not (heading.ui and heading.name):
            raise _error(name, heading.line, f"a record without {'MH' if heading.ui else 'UI'}")
        if before.setdefault(heading.ui, heading.line) != heading.line:
            raise _error(name, heading.line, f"the UI {heading.ui} was given before, at line {before[heading.ui]}")
        headings.append(heading)

    for number, line in read_lines(location):
        if not line.strip():
            continue
        if line.startswith("*NEWRECORD"):
            close()
            heading, kept = Heading(number), True
            continue
        element, equals, value = (part.strip() for part in line.partition("="))
        if heading is None or not equals:
            raise _error(name, number, f"expected {'ELEMENT = value' if heading else '*NEWRECORD'}")
        if element == "RECTYPE":
            kept = value == "D"
        elif element == "UI":
            heading.ui = value
        elif element == "MH":
            heading.name = value
        elif element == "MN":
            heading.numbers[value] = number
    close()
    return headings


def read_tree(location: Path | str) -> list[Heading]:
    """Read the descriptors of the tree file ``mtrees<year>.bin`` (lines ``name;tree number``); ``ui`` stays empty.

    Raises
    ------
    SourceError
        As :func:`kgreg.sources.files.read_rows`, and for an empty name or number.
    """
    headings: dict[str, Heading] = {}
    for number, (heading, place) in read_rows(location, ["name", "tree number"], separator=";"):
        if not (heading.strip() and place.strip()):
            raise _error(name_of(location), number, "an empty name or tree number")
        headings.setdefault(heading, Heading(number, name=heading)).numbers[place] = number
    return list(headings.values())


def read_official(files: Files, *, species: str = "human", release: str | None = None) -> SourceTables:
    """Read MeSH from its ASCII files.

    Parameters
    ----------
    files
        ``descriptors`` (``d<year>.bin``), or else ``tree`` (``mtrees<year>.bin``), which knows no unique identifiers.
    species
        Without effect.
    release
        The year; the files do not name it.

    Returns
    -------
    SourceTables
        ``Descriptor`` nodes (id ``MESH:D000001``, or ``MESH:<name>`` from the tree file) and ``BROADER`` to the
        descriptor one tree number above. Tree numbers whose parent is missing, and descriptors that would be broader
        than themselves, are counted in ``dropped``.

    Raises
    ------
    SourceError
        As :func:`read_descriptors` and :func:`read_tree`; also if neither file is given, a tree number is given to
        two descriptors, or there are no descriptors.
    """
    if "descriptors" in files:
        file = files["descriptors"]
        headings = read_descriptors(file)
    elif "tree" in files:
        file = files["tree"]
        headings = read_tree(file)
    else:
        raise SourceError("MeSH needs the file 'descriptors' or 'tree'.", "Give d<year>.bin or mtrees<year>.bin.")
    if not headings:
        raise SourceError(f"{name_of(file)} holds no descriptors.", _AGAIN)
    places: dict[str, tuple[Heading, int]] = {}
    for heading in headings:
        for place, line in heading.numbers.items():
            other, earlier = places.setdefault(place, (heading, line))
            if other is not heading:
                raise _error(
                    name_of(file),
                    line,
                    f"the tree number {place} of '{heading.name}' was given to '{other.name}' at line {earlier}",
                )
    dropped: Counter[str] = Counter()
    links: list[tuple[str, str]] = []
    for place, (heading, _) in places.items():
        above, dot, _ = place.rpartition(".")
        if not dot:
            continue
        if above not in places:
            dropped["tree numbers whose parent is missing"] += 1
        elif places[above][0] is heading:
            dropped["descriptors broader than themselves"] += 1
        else:
            links.append((_id(heading), _id(places[above][0])))
    nodes = text_table(["id", "name"], ((_id(heading), heading.name) for heading in headings))
    return SourceTables(
        {"Descriptor": with_constant(nodes, "source", NAME)},
        {"BROADER": with_constant(text_table(["from", "to"], links), "source", NAME)},
        Provenance(
            source=NAME,
            title="Medical Subject Headings",
            release=release or "unknown",
            date="",
            url="https://www.nlm.nih.gov/mesh/filelist.html",
            licence="NLM terms: free, name the year and what was changed",
            dropped=dict(dropped),
        ),
    )


def _id(heading: Heading) -> str:
    return f"MESH:{heading.ui or heading.name}"


def _error(name: str, line: int, text: str) -> SourceError:
    return SourceError(f"{name}, line {line}: {text}.", _AGAIN)


OFFICIAL = Official(
    files=(
        OfficialFile(
            "descriptors",
            "d{release}.bin",
            {"*": "https://nlmpubs.nlm.nih.gov/projects/mesh/MESH_FILES/asciimesh/d{release}.bin"},
            required=False,
        ),
        OfficialFile(
            "tree",
            "mtrees{release}.bin",
            {"*": "https://nlmpubs.nlm.nih.gov/projects/mesh/MESH_FILES/meshtrees/mtrees{release}.bin"},
            required=False,
        ),
    ),
    read=read_official,
    release="2025",
)
