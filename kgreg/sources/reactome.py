"""Reactome: pathways, their hierarchy and the proteins and genes that take part (https://reactome.org/download-data)."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from kgreg.errors import SourceError
from kgreg.sources import genes
from kgreg.sources.base import Provenance, SourceTables, with_constant
from kgreg.sources.files import name_of, read_lines, read_rows
from kgreg.sources.gene_lookup import FoundGenes, find_genes, identifiers_for
from kgreg.sources.identifiers import IdentifierMap
from kgreg.sources.official import Files, Official, OfficialFile, taxon_of
from kgreg.sources.snapshot import manifest_provenance, read_table

NAME = "reactome"

#: NCBI taxon -> how the ids of its pathways begin.
PREFIXES = {9606: "R-HSA-", 10090: "R-MMU-", 559292: "R-SCE-", 10116: "R-RNO-", 7227: "R-DME-", 6239: "R-CEL-"}

# Ensembl2Reactome lists transcripts and proteins beside their genes.
_NO_GENE = re.compile(r"ENS[A-Z]*[TP]\d{11}(\.\d+)?")


def provenance() -> Provenance:
    """Return where the bundled pathways came from."""
    return manifest_provenance(NAME)


def read() -> SourceTables:
    """Return ``Pathway`` and ``Protein`` nodes with ``SUBPATHWAY_OF``, ``PARTICIPATES_IN`` and ``ENCODES``.

    Proteins without a known gene stay, linked to their pathways alone. ``ENCODES`` is brought for the isoforms
    ("P12345-2") only, which take the genes of their canonical accession.
    """
    pathways = read_table(NAME, "pathways").select(["id", "name"])
    hierarchy = read_table(NAME, "relations").select(["child", "parent"])
    members = read_table(NAME, "members")
    encoded = set(read_table(genes.NAME, "proteins")["uniprot"].to_pylist())
    isoforms = {
        (gene, protein)
        for protein, several in zip(members["uniprot"].to_pylist(), members["genes"].to_pylist(), strict=True)
        if protein not in encoded
        for gene in several or ()
    }
    orphans = sum(1 for several in members["genes"].to_pylist() if several is None)
    links = sorted(isoforms)
    nodes = {"Pathway": pathways, "Protein": pa.table({"id": members["uniprot"].unique()})}
    relations = {
        "SUBPATHWAY_OF": hierarchy.rename_columns(["from", "to"]),
        "PARTICIPATES_IN": members.select(["uniprot", "pathway", "evidence"]).rename_columns(
            ["from", "to", "evidence"]
        ),
        "ENCODES": pa.table(
            {
                "from": pa.array([gene for gene, _ in links], pa.string()),
                "to": pa.array([protein for _, protein in links], pa.string()),
            }
        ),
    }
    return SourceTables(
        {label: with_constant(table, "source", NAME) for label, table in nodes.items()},
        {kind: with_constant(table, "source", NAME) for kind, table in relations.items()},
        replace(provenance(), dropped={"members whose protein has no known gene": orphans}),
    )


def read_official(
    files: Files, *, species: str = "human", release: str | None = None, identifiers: IdentifierMap | None = None
) -> SourceTables:
    """Return the pathways of one species with their hierarchy and members.

    Roles: ``pathways`` (``ReactomePathways.txt``), ``relations`` (``ReactomePathwaysRelation.txt``) and at least one of
    ``members`` (``UniProt2Reactome.txt``: ``PARTICIPATES_IN``, ``ENCODES``), ``ensembl_members``
    (``Ensembl2Reactome.txt``: ``IN_PATHWAY`` of genes) and ``gene_sets`` (``ReactomePathways.gmt``: ``IN_PATHWAY``).
    For human, ``ENCODES`` holds isoforms only unless ``identifiers`` are given, for the genes bring the others.
    Without identifiers of their species, genes are called ``Ensembl:<id>`` or ``Symbol:<symbol>``.

    Raises
    ------
    SourceError
        If a file is missing or malformed (file and line), names a pathway twice, or has none of the species.
    """
    prefix = PREFIXES.get(taxon_of(species))
    if prefix is None:
        known = ", ".join(str(taxon) for taxon in PREFIXES)
        raise SourceError(f"Which pathways are those of '{species}' is not known.", f"Choose a taxon of: {known}.")
    for role in ("pathways", "relations"):
        if role not in files:
            raise SourceError(f"The file '{role}' of Reactome was not given.", "Give pathways, relations and members.")
    if not files.keys() & {"members", "ensembl_members", "gene_sets"}:
        raise SourceError("No members of Reactome were given.", "Give one of: members, ensembl_members, gene_sets.")
    names = _read_names(files["pathways"], prefix)
    dropped = Counter[str]()
    hierarchy: dict[tuple[str, str], None] = {}
    for _, (parent, child) in read_rows(files["relations"], ["parent", "child"]):
        if not child.startswith(prefix):
            continue
        if parent in names and child in names:
            hierarchy[child, parent] = None
        else:
            dropped["relations with a pathway that the names lack"] += 1
    nodes = {"Pathway": pa.table({"id": pa.array(list(names), pa.string()), "name": list(names.values())})}
    relations = {"SUBPATHWAY_OF": _links(hierarchy)}
    if "members" in files:
        members = _read_members(files["members"], prefix, names, dropped)
        proteins = sorted({protein for protein, *_ in members})
        encodes = _encoding(proteins, species, identifiers, dropped)
        nodes["Protein"] = pa.table({"id": pa.array(proteins, pa.string())})
        relations |= {"PARTICIPATES_IN": _links(members, "evidence"), "ENCODES": _links(encodes)}
        if identifiers is not None:
            nodes["Gene"] = identifiers.nodes_of((gene for gene, _ in encodes), NAME).drop_columns("source")
    direct: dict[tuple[str, ...], None] = {}
    for role in ("ensembl_members", "gene_sets"):
        if role not in files:
            continue
        if role == "gene_sets":
            listed, kind = _read_gene_sets(files[role], prefix, names, dropped), "Symbol"
        else:
            listed, kind = _read_members(files[role], prefix, names, dropped), "Ensembl"
        whole = len(listed)
        listed = {row: None for row in listed if not _NO_GENE.fullmatch(row[0])}
        if whole > len(listed):
            dropped["members that are transcripts or proteins of Ensembl"] += whole - len(listed)
        found = find_genes(
            dict.fromkeys(name for name, *_ in listed),
            species=species,
            source=NAME,
            identifiers=identifiers,
            prefix=kind,
        )
        for name, pathway, evidence in listed:
            if name in found.of:
                direct[found.of[name], pathway, evidence] = None
        _add_genes(nodes, found)
        for reason, count in found.dropped.items():
            dropped[reason] += count
    if direct:
        relations["IN_PATHWAY"] = _links(direct, "evidence")
    origin = Provenance(
        source=NAME,
        title=f"Reactome, pathways of {species}",
        release=release or "unknown",
        date="unknown",
        url="https://reactome.org/download-data",
        licence="CC0 1.0 (Reactome)",
        dropped=dict(dropped),
    )
    return SourceTables(
        {label: with_constant(table, "source", NAME) for label, table in nodes.items()},
        {kind: with_constant(table, "source", NAME) for kind, table in relations.items()},
        origin,
    )


def _read_names(location: Path | str, prefix: str) -> dict[str, str]:
    names: dict[str, str] = {}
    lines: dict[str, int] = {}
    for number, (pathway, name, _) in read_rows(location, ["id", "name", "species"]):
        if not pathway.startswith(prefix):
            continue
        if pathway in lines and names[pathway] != name:
            raise SourceError(
                f"{name_of(location)}, lines {lines[pathway]} and {number}: the pathway {pathway} has two names.",
                "Download the file again.",
            )
        names[pathway], lines[pathway] = name, number
    if not names:
        raise SourceError(
            f"{name_of(location)} has no pathway whose id begins with {prefix}.", "Choose another species or file."
        )
    return names


def _read_members(
    location: Path | str, prefix: str, names: dict[str, str], dropped: Counter[str]
) -> dict[tuple[str, ...], None]:
    """Return (member, pathway, evidence), each once."""
    rows: dict[tuple[str, ...], None] = {}
    columns = ["member", "pathway", "url", "name", "evidence", "species"]
    for _, (member, pathway, _, _, evidence, _) in read_rows(location, columns):
        if pathway.startswith(prefix):
            if pathway in names:
                rows[member, pathway, evidence] = None
            else:
                dropped["members of a pathway that the names lack"] += 1
    return rows


def _read_gene_sets(
    location: Path | str, prefix: str, names: dict[str, str], dropped: Counter[str]
) -> dict[tuple[str, ...], None]:
    """Return (symbol, pathway, no evidence), each once."""
    rows: dict[tuple[str, ...], None] = {}
    for number, text in read_lines(location):
        fields = text.split("\t")
        if len(fields) < 3:
            raise SourceError(
                f"{name_of(location)}, line {number}: expected name, id and genes, found {len(fields)} columns.",
                "A gene set is a line of at least three columns, separated by tabs.",
            )
        pathway = fields[1]
        if pathway.startswith(prefix):
            if pathway in names:
                rows |= {(symbol, pathway, ""): None for symbol in fields[2:] if symbol}
            else:
                dropped["members of a pathway that the names lack"] += len(fields) - 2
    return rows


def _encoding(
    proteins: list[str], species: str, identifiers: IdentifierMap | None, dropped: Counter[str]
) -> dict[tuple[str, ...], None]:
    known = identifiers_for(species, identifiers)
    canonical = {protein: protein.split("-")[0] for protein in proteins}
    candidates = {} if known is None else known.resolve(canonical.values(), "uniprot").candidates
    orphans = sum(plain not in candidates for plain in canonical.values())
    if orphans:
        dropped["proteins without a known gene"] = orphans
    return {
        (gene, protein): None
        for protein, plain in canonical.items()
        if identifiers is not None or protein != plain
        for gene in candidates.get(plain, ())
    }


def _add_genes(nodes: dict[str, pa.Table], found: FoundGenes) -> None:
    fresh = found.nodes.drop_columns("source")
    if "Gene" in nodes:
        there = set(nodes["Gene"]["id"].to_pylist())
        fresh = fresh.filter(pa.array([gene not in there for gene in fresh["id"].to_pylist()], pa.bool_()))
        fresh = pa.concat_tables([nodes["Gene"], fresh])
    nodes["Gene"] = fresh


def _links(rows: dict[tuple[str, ...], None] | dict[tuple[str, str], None], *properties: str) -> pa.Table:
    ordered = sorted(rows)
    return pa.table(
        {
            column: pa.array([row[i] for row in ordered], pa.string())
            for i, column in enumerate(("from", "to", *properties))
        }
    )


def _official(role: str, name: str, required: bool) -> OfficialFile:
    return OfficialFile(role, name, {"*": f"https://reactome.org/download/current/{name}"}, required)


OFFICIAL = Official(
    files=(
        _official("pathways", "ReactomePathways.txt", True),
        _official("relations", "ReactomePathwaysRelation.txt", True),
        _official("members", "UniProt2Reactome.txt", False),
        _official("ensembl_members", "Ensembl2Reactome.txt", False),
        # Published as a zip archive only: unpack it, and give the path.
        OfficialFile("gene_sets", "ReactomePathways.gmt", required=False),
    ),
    read=read_official,
    options={"identifiers": None},
)
