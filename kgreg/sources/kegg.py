"""KEGG: pathways as KGML files that the user has (https://www.kegg.jp/kegg/xml/docs)."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from xml.parsers import expat

import pyarrow as pa

from kgreg.errors import SourceError
from kgreg.sources.base import Provenance, SourceTables, with_constant
from kgreg.sources.files import name_of, read_lines
from kgreg.sources.gene_lookup import find_genes
from kgreg.sources.identifiers import IdentifierMap
from kgreg.sources.official import Files, Official, OfficialFile, taxon_of

log = logging.getLogger(__name__)

NAME = "kegg"

# NCBI taxon -> KEGG's code of the organism, and the kind of its gene identifiers.
_ORGANISMS = {9606: ("hsa", "entrez"), 10090: ("mmu", "entrez"), 559292: ("sce", None)}
_SIGNS = {"activation": 1, "expression": 1, "inhibition": -1, "repression": -1}
_SIGNALLING = ("PPrel", "GErel")
_SUFFIXES = (".xml", ".kgml", ".xml.gz", ".kgml.gz")
_HINT = "Get the KGML file again, for example with https://rest.kegg.jp/get/hsa04010/kgml."


@dataclass
class _Kgml:
    """What one file says; entries and relations keep their line."""

    id: str = ""
    title: str = ""
    organism: str = ""
    entries: dict[str, tuple[str, list[str]]] = field(default_factory=dict)
    components: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    relations: list[tuple[str, str, str, list[str], int]] = field(default_factory=list)


def read_official(
    files: Files, *, species: str = "human", release: str | None = None, identifiers: IdentifierMap | None = None
) -> SourceTables:
    """Return ``Pathway`` and ``Gene`` nodes with ``IN_PATHWAY`` and ``SIGNALS`` between genes.

    Role: ``pathways``, a KGML file or a folder of them (``.xml`` or ``.kgml``, plain or gzip). A relation between
    entries of several genes, or groups, holds for each pair of their genes. ``SIGNALS`` are relations of the types
    PPrel and GErel: ``kind`` names the subtypes, joined with "; "; ``sign`` is 1 for activation and expression, -1 for
    inhibition and repression, 0 for neither or both. Other relations are counted.

    Raises
    ------
    SourceError
        If a file is missing, is no KGML, declares entities, or is malformed (file and line); if it is of another
        organism.
    """
    taxon = taxon_of(species)
    if taxon not in _ORGANISMS:
        raise SourceError(f"KEGG's code for '{species}' is not known.", f"Choose a taxon of: {[*_ORGANISMS]}.")
    if "pathways" not in files:
        raise SourceError("The file 'pathways' of KEGG was not given.", "Give a KGML file, or a folder of them.")
    organism, kind = _ORGANISMS[taxon]
    dropped = Counter[str]()
    titles: dict[str, str] = {}
    members: dict[tuple[str, str], None] = {}
    signals: dict[tuple[str, str, int, str], None] = {}
    for location in _locations(files["pathways"]):
        kgml = _parse(location)
        if kgml.organism != organism:
            raise SourceError(
                f"{name_of(location)} is a pathway of '{kgml.organism}', not of {species} ('{organism}').",
                "Choose the species of the files.",
            )
        titles[kgml.id] = kgml.title
        for type_, names in kgml.entries.values():
            if type_ == "gene":
                members |= {(_plain(name), kgml.id): None for name in names}
            elif type_ != "group":
                dropped[f"entries of the type {type_}"] += 1
        for one, other, type_, subtypes, line in kgml.relations:
            sides = [_genes(kgml, entry, f"{name_of(location)}, line {line}") for entry in (one, other)]
            if type_ not in _SIGNALLING:
                dropped[f"relations of the type {type_}"] += 1
            elif not all(sides):
                dropped["relations with something that is no gene"] += 1
            else:
                signs = {_SIGNS[subtype] for subtype in subtypes if subtype in _SIGNS}
                sign = signs.pop() if len(signs) == 1 else 0
                text = "; ".join(sorted(set(subtypes)))
                signals |= {(source, target, sign, text): None for source, target in product(*sides)}
    found = find_genes(
        dict.fromkeys(name for name, _ in members),
        species=species,
        source=NAME,
        identifiers=identifiers,
        kind=kind,
        prefix="NCBIGene" if kind == "entrez" else f"KEGG:{organism}",
    )
    inside = sorted({(found.of[name], pathway) for name, pathway in members if name in found.of})
    arrows = sorted(
        {(found.of[one], found.of[other], *rest) for one, other, *rest in signals if {one, other} <= found.of.keys()}
    )
    dropped.update(found.dropped)
    nodes = {
        "Pathway": with_constant(
            pa.table(
                {
                    "id": pa.array(list(titles), pa.string()),
                    "name": pa.array(list(titles.values()), pa.string()),
                }
            ),
            "source",
            NAME,
        ),
        "Gene": found.nodes,
    }
    relations = {
        "IN_PATHWAY": pa.table(
            {
                "from": pa.array([gene for gene, _ in inside], pa.string()),
                "to": pa.array([pathway for _, pathway in inside], pa.string()),
                "evidence": pa.nulls(len(inside), pa.string()),
            }
        ),
        "SIGNALS": pa.table(
            {
                "from": pa.array([row[0] for row in arrows], pa.string()),
                "to": pa.array([row[1] for row in arrows], pa.string()),
                "sign": pa.array([row[2] for row in arrows], pa.int64()),
                "kind": pa.array([row[3] for row in arrows], pa.string()),
            }
        ),
    }
    origin = Provenance(
        source=NAME,
        title=f"KEGG, {len(titles)} pathways of {species}",
        release=release or "unknown",
        date="unknown",
        url="https://www.kegg.jp",
        licence="KEGG: academic use only, see https://www.kegg.jp/kegg/legal.html",
        dropped=dict(dropped),
    )
    return SourceTables(
        nodes, {name: with_constant(table, "source", NAME) for name, table in relations.items()}, origin
    )


def _locations(location: Path | str) -> list[Path | str]:
    if isinstance(location, str) and "://" in location:
        return [location]
    folder = Path(location)
    if not folder.is_dir():
        return [location]
    found: list[Path | str] = [file for file in sorted(folder.iterdir()) if file.name.endswith(_SUFFIXES)]
    if not found:
        raise SourceError(f"The folder {folder} holds no KGML file.", f"Their names end in {', '.join(_SUFFIXES)}.")
    return found


def _parse(location: Path | str) -> _Kgml:
    """Read one file with expat, which knows the line of everything and fetches nothing."""
    name = name_of(location)
    kgml = _Kgml()
    parser = expat.ParserCreate()
    open_entry = ""
    depth = 0

    def where() -> str:
        return f"{name}, line {parser.CurrentLineNumber}"

    def needed(attributes: dict[str, str], *keys: str) -> list[str]:
        missing = [key for key in keys if key not in attributes]
        if missing:
            raise SourceError(f"{where()}: the attribute {', '.join(missing)} is missing.", _HINT)
        return [attributes[key] for key in keys]

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal open_entry, depth
        depth += 1
        if depth == 1 and tag != "pathway":
            raise SourceError(f"{where()}: <{tag[:40]}> is not KGML, which begins with <pathway>.", _HINT)
        if depth == 1:
            path, kgml.organism = needed(attributes, "name", "org")
            kgml.id = f"KEGG:{path.removeprefix('path:')}"
            kgml.title = attributes.get("title", path)
        elif tag == "entry":
            open_entry, names, type_ = needed(attributes, "id", "name", "type")
            if open_entry in kgml.entries:
                raise SourceError(f"{where()}: the entry {open_entry} comes twice.", _HINT)
            kgml.entries[open_entry] = type_, names.split()
        elif tag == "component":
            (part,) = needed(attributes, "id")
            kgml.components.setdefault(open_entry, []).append((part, parser.CurrentLineNumber))
        elif tag == "relation":
            one, other, type_ = needed(attributes, "entry1", "entry2", "type")
            kgml.relations.append((one, other, type_, [], parser.CurrentLineNumber))
        elif tag == "subtype" and kgml.relations:
            kgml.relations[-1][3].extend(needed(attributes, "name"))

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1

    def doctype(_name: str, _system: str | None, _public: str | None, has_subset: bool) -> None:
        # KGML names an external DTD, which is not fetched; only declarations of its own can do harm.
        if has_subset:
            raise SourceError(f"{where()}: the file declares a document type of its own.", "It is no file of KEGG.")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = doctype
    try:
        for _, text in read_lines(location):
            parser.Parse(text + "\n")
        parser.Parse("", True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise SourceError(f"{name}, line {error.lineno}: not well-formed XML ({reason}).", _HINT) from None
    return kgml


def _genes(kgml: _Kgml, entry: str, where: str) -> list[str]:
    """Return the genes of an entry or of the parts of a group."""
    if entry not in kgml.entries:
        raise SourceError(f"{where}: there is no entry {entry[:40]}.", _HINT)
    type_, names = kgml.entries[entry]
    if type_ == "gene":
        return [_plain(name) for name in names]
    parts = []
    for part, line in kgml.components.get(entry, ()):
        if part not in kgml.entries:
            raise SourceError(f"{where.rpartition(' ')[0]} {line}: there is no entry {part[:40]}.", _HINT)
        kind, several = kgml.entries[part]
        if kind == "gene":
            parts += [_plain(name) for name in several]
    return parts


def _plain(name: str) -> str:
    return name.partition(":")[2] or name


OFFICIAL = Official(
    # A licence stands between KEGG and a download: the files are the user's.
    files=(OfficialFile("pathways", "KGML files (*.xml)"),),
    read=read_official,
    options={"identifiers": None},
)
