"""Reactome: human pathways, their hierarchy and the proteins that take part (https://reactome.org/download-data)."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from kgreg.sources import genes
from kgreg.sources.base import Provenance, SourceTables, with_constant
from kgreg.sources.snapshot import manifest_provenance, read_table

NAME = "reactome"


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
