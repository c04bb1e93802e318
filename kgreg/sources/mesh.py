"""Medical Subject Headings: descriptors and which is broader than which (https://www.nlm.nih.gov/mesh/filelist.html).

The place of a descriptor is its tree numbers: ``C04.557.337`` lies below ``C04.557``. A descriptor may have several,
and between descriptors, unlike between numbers, there may be cycles; they are left to whoever compiles the hierarchy.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from kgreg.errors import SourceError
from kgreg.sources.base import Provenance, SourceTables, with_constant
from kgreg.sources.files import name_of, open_bytes, read_lines, read_rows
from kgreg.sources.official import Files, Official, OfficialFile
from kgreg.sources.text_table import text_table

NAME = "mesh"

_RECORD = ["DescriptorRecordSet", "DescriptorRecord"]
_AGAIN = "Check that this is the right file, whole and as published."


@dataclass
class Heading:
    """A descriptor: the line it begins at, its unique identifier, its name, and tree number -> line.

    ``type`` is the ``RECTYPE``; ``D`` is a descriptor.
    """

    line: int
    ui: str = ""
    name: str = ""
    type: str = "D"
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
    for number, line in read_lines(location):
        if not line.strip():
            continue
        if line.startswith("*NEWRECORD"):
            heading = Heading(number)
            headings.append(heading)
            continue
        element, equals, value = (part.strip() for part in line.partition("="))
        if heading is None or not equals:
            raise _error(name, number, f"expected {'ELEMENT = value' if headings else '*NEWRECORD'}")
        if element == "RECTYPE":
            heading.type = value
        elif element == "UI":
            heading.ui = value
        elif element == "MH":
            heading.name = value
        elif element == "MN":
            heading.numbers[value] = number
    return _checked(name, [heading for heading in headings if heading.type == "D"])


def read_descriptors_xml(location: Path | str) -> list[Heading]:
    """Read the descriptors of the XML file ``desc<year>.xml`` (``DescriptorRecordSet`` of MeSH's DTD), streaming.

    Raises
    ------
    SourceError
        As :func:`kgreg.sources.files.open_bytes`, and, with the line, for XML that is malformed or declares entities
        (which can grow without bound), a record without identifier or name, or an identifier given twice.
    """
    name = name_of(location)
    headings: list[Heading] = []
    path: list[str] = []
    text: list[str] = []
    parser = expat.ParserCreate()

    def start(tag: str, attributes: object) -> None:
        path.append(tag)
        text.clear()
        if path == _RECORD:
            headings.append(Heading(parser.CurrentLineNumber))

    def end(tag: str) -> None:
        value = "".join(text).strip()
        text.clear()
        if path[:2] == _RECORD:
            place = "/".join(path[2:])
            if place == "DescriptorUI":
                headings[-1].ui = value
            elif place == "DescriptorName/String":
                headings[-1].name = value
            elif place == "TreeNumberList/TreeNumber":
                headings[-1].numbers[value] = parser.CurrentLineNumber
        path.pop()

    def refuse_entity(*declaration: object) -> None:
        raise _error(name, parser.CurrentLineNumber, "the XML declares an entity, which the files of MeSH never do")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text.append
    parser.EntityDeclHandler = refuse_entity
    try:
        with open_bytes(location) as stream:
            parser.ParseFile(stream)
    except expat.ExpatError as error:
        raise _error(name, error.lineno, f"malformed XML ({expat.ErrorString(error.code)})") from None
    return _checked(name, headings)


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
    """Read MeSH from one of its files.

    Parameters
    ----------
    files
        One of ``descriptors`` (``d<year>.bin``), ``descriptors_xml`` (``desc<year>.xml``) and ``tree``
        (``mtrees<year>.bin``, which knows no unique identifiers); the first of them that is given is read.
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
        As the reader of the file (:func:`read_descriptors`, :func:`read_descriptors_xml`, :func:`read_tree`); also if
        no file is given, a tree number is given to two descriptors, or there are no descriptors.
    """
    readers = {"descriptors": read_descriptors, "descriptors_xml": read_descriptors_xml, "tree": read_tree}
    role = next((role for role in readers if role in files), None)
    if role is None:
        raise SourceError(f"MeSH needs one of the files {', '.join(readers)}.", "Give d<year>.bin, for example.")
    file = files[role]
    headings = readers[role](file)
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


def _checked(name: str, headings: list[Heading]) -> list[Heading]:
    """Return the headings if each has an identifier of its own and a name."""
    before: dict[str, int] = {}
    for heading in headings:
        if not (heading.ui and heading.name):
            raise _error(name, heading.line, f"a record without {'name' if heading.ui else 'unique identifier'}")
        if before.setdefault(heading.ui, heading.line) != heading.line:
            raise _error(name, heading.line, f"the UI {heading.ui} was given before, at line {before[heading.ui]}")
    return headings


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
            "descriptors_xml",
            "desc{release}.xml",
            {"*": "https://nlmpubs.nlm.nih.gov/projects/mesh/MESH_FILES/xmlmesh/desc{release}.gz"},
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
