"""A slice of the snapshot, small enough for any server: the terms at or below one, their genes, some pathways."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from kgreg.sources import SOURCES, Provenance, Source, SourceTables

TOP_TERM = "GO:0042113"  # B cell activation
PATHWAYS = 150
MOTIFS = 20
HOSTILE = "x'}) DETACH DELETE n //"
SLICED = ("go", "genes_human", "goa_human", "reactome", "jaspar")
TP53, CD79A = ("NCBIGene:7157", "P04637"), ("NCBIGene:973", "P11912")
#: Whose protein takes part in the Toll-like receptor pathways of the slice.
TLR4 = "NCBIGene:7099"


def below(table: pa.Table, top: str) -> set[str]:
    """Return ``top`` and every node from which arrows lead to it."""
    children: dict[str, list[str]] = {}
    for child, parent in zip(table["from"].to_pylist(), table["to"].to_pylist(), strict=True):
        children.setdefault(parent, []).append(child)
    found, waiting = {top}, [top]
    while waiting:
        new = [child for child in children.get(waiting.pop(), []) if child not in found]
        found.update(new)
        waiting += new
    return found


def restricted(tables: SourceTables, keep: Mapping[str, set[str]], ends: Mapping[str, tuple[str, str]]) -> SourceTables:
    """Return the nodes to keep (label -> ids) and the relations between them."""
    nodes = {label: among(table, "id", keep[label]) for label, table in tables.nodes.items()}
    relations = {
        kind: among(among(table, "from", keep[ends[kind][0]]), "to", keep[ends[kind][1]])
        for kind, table in tables.relations.items()
    }
    return replace(tables, nodes=nodes, relations=relations)


def among(table: pa.Table, column: str, ids: Iterable[str]) -> pa.Table:
    return table.filter(pc.is_in(table[column], value_set=pa.array(sorted(ids), pa.string())))


@cache
def sliced() -> dict[str, SourceTables]:
    """Return the tables of the bundled sources, cut to the slice; one gene has a name that would be an injection."""
    from kgreg.store.neo4j_schema import graph_schema

    ends = {kind: pairs[0] for kind, pairs in graph_schema().ends.items()}
    whole = {name: SOURCES[name].read() for name in SLICED}
    links = pa.concat_tables([whole["go"].relations["IS_A"], whole["go"].relations["PART_OF"]])
    terms = below(links, TOP_TERM)
    annotated = among(whole["goa_human"].relations["ANNOTATED_TO"], "to", terms)
    genes = set(annotated["from"].to_pylist())
    encodes = among(whole["genes_human"].relations["ENCODES"], "from", genes)
    proteins = set(encodes["to"].to_pylist())
    members = among(whole["reactome"].relations["PARTICIPATES_IN"], "from", proteins)
    pathways = set(sorted(set(members["to"].to_pylist()))[:PATHWAYS])
    binders = among(whole["jaspar"].relations["HAS_MOTIF"], "from", proteins)
    motifs = set(binders["to"].to_pylist()[:MOTIFS])
    aliases = among(whole["genes_human"].relations["ALIAS_OF"], "to", genes)
    keep = {
        "Term": terms,
        "Gene": genes,
        "Protein": proteins,
        "Pathway": pathways,
        "Motif": motifs,
        "Alias": set(aliases["from"].to_pylist()[:500]),
    }
    parts = {name: restricted(tables, keep, ends) for name, tables in whole.items()}
    names = parts["genes_human"].nodes["Gene"]["name"].to_pylist()
    gene = parts["genes_human"].nodes["Gene"]
    altered = gene.set_column(gene.column_names.index("name"), "name", pa.array([HOSTILE, "β ü 😀", None, *names[3:]]))
    parts["genes_human"] = replace(
        parts["genes_human"], nodes={**parts["genes_human"].nodes, "Gene": altered.cast(gene.schema)}
    )
    return parts


def networks() -> SourceTables:
    """Return interactions of two proteins with all others, channels not known, two regulations, a set; all made up."""
    proteins = sorted(set(sliced()["genes_human"].nodes["Protein"]["id"].to_pylist()))
    pairs = [(hub, other) for hub in (CD79A[1], TP53[1]) for other in proteins if other != hub]
    n = len(pairs)
    channels = ("neighborhood", "fusion", "cooccurrence", "coexpression", "experimental", "database", "textmining")
    interactions = {
        "from": [hub for hub, _ in pairs],
        "to": [other for _, other in pairs],
        "score": pa.array([600 + i % 300 for i in range(n)], pa.int16()),
        **{channel: pa.nulls(n, pa.int16()) for channel in channels},
        "source": ["networks"] * n,
    }
    regulation = {
        "from": [TP53[0]] * 2,
        "to": [CD79A[0], TLR4],
        "sign": [-1, 1],
        "weight": pa.nulls(2, pa.float64()),
        "confidence": ["A", "B"],
        "source": ["networks"] * 2,
    }
    members = {"from": [TP53[0], CD79A[0]], "to": ["pair"] * 2, "source": ["networks"] * 2}
    relations = {
        "INTERACTS_WITH": pa.table(interactions),
        "TARGETS": pa.table(regulation),
        "MEMBER_OF": pa.table(members),
    }
    nodes = {"GeneSet": pa.table({"id": ["pair"], "name": ["A pair"], "source": ["networks"]})}
    origin = Provenance("networks", "Made up", "1", "2026-01-01", "https://example.org", "CC0")
    return SourceTables(nodes, relations, origin)


def as_source(tables: SourceTables, requires: tuple[str, ...] = ()) -> Source:
    """Return an entry of the registry that brings these tables."""
    return Source(lambda: tables, lambda: tables.provenance, requires)
