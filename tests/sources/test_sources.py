"""Every source brings tables that fit the graph."""

from __future__ import annotations

import re
from functools import cache

import pyarrow.compute as pc
import pytest

from kgreg.errors import SourceError
from kgreg.resources import resource_dir
from kgreg.sources import SOURCES, SourceTables, jaspar, read_source


@cache
def tables_of(name: str) -> SourceTables:
    return read_source(name)


def schema() -> dict[str, list[str]]:
    """Table of the schema file -> its columns, with from and to for relations."""
    text = (resource_dir("graphs") / "schema.ladybug.cypher").read_text(encoding="utf-8")
    found = {}
    for kind, name, body in re.findall(r"CREATE (NODE|REL) TABLE (?:IF NOT EXISTS )?(\w+)\((.*)\);", text):
        columns = [part.split()[0] for part in re.sub(r"PRIMARY KEY \(\w+\)", "", body).split(",") if part.strip()]
        found[name] = columns if kind == "NODE" else ["from", "to", *columns[1:]]
    return found


@pytest.mark.parametrize("name", SOURCES)
def test_columns_are_those_of_the_schema(name: str) -> None:
    source, columns = tables_of(name), schema()
    assert source.nodes or source.relations
    for table, rows in {**source.nodes, **source.relations}.items():
        assert rows.column_names == columns[table]
        assert pc.all(pc.equal(rows["source"], name)).as_py()


@pytest.mark.parametrize("name", SOURCES)
def test_node_ids_are_unique_and_relations_are_not_repeated(name: str) -> None:
    source = tables_of(name)
    for label, rows in source.nodes.items():
        assert rows["id"].null_count == 0, label
        assert pc.count_distinct(rows["id"]).as_py() == rows.num_rows, label
    for kind, rows in source.relations.items():
        assert rows.group_by(rows.column_names).aggregate([]).num_rows == rows.num_rows, kind


@pytest.mark.parametrize("name", SOURCES)
def test_provenance_says_where_it_came_from(name: str) -> None:
    origin = tables_of(name).provenance
    assert origin.source == name
    assert all((origin.title, origin.release, origin.date, origin.licence))
    assert "://" in origin.url
    assert origin.release == SOURCES[name].provenance().release
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in origin.tables.values())


def test_sources_come_after_what_they_refer_to() -> None:
    order = list(SOURCES)
    for name, source in SOURCES.items():
        assert all(order.index(needed) < order.index(name) for needed in source.requires)


def test_an_unknown_source_lists_the_known_ones() -> None:
    with pytest.raises(SourceError, match="no source 'GO'") as caught:
        read_source("GO")
    assert all(name in caught.value.hint for name in SOURCES)


def test_go_relations_are_split_by_type() -> None:
    relations = tables_of("go").relations
    assert {kind: rows.num_rows for kind, rows in relations.items()} == {
        "IS_A": 70_061,
        "PART_OF": 6_997,
        "REGULATES": 3_184,
        "POSITIVELY_REGULATES": 2_732,
        "NEGATIVELY_REGULATES": 2_742,
    }


def test_isoforms_get_the_genes_of_their_canonical_protein() -> None:
    encodes = tables_of("reactome").relations["ENCODES"].to_pylist()
    canonical = {(row["from"], row["to"]) for row in tables_of("genes_human").relations["ENCODES"].to_pylist()}
    assert encodes
    assert all("-" in row["to"] for row in encodes)
    assert all((row["from"], row["to"].split("-")[0]) in canonical for row in encodes)
    assert not {(row["from"], row["to"]) for row in encodes} & canonical


def test_motifs_are_position_frequency_matrices() -> None:
    motifs = {row["id"]: row for row in tables_of("jaspar").nodes["Motif"].to_pylist()}
    assert len(motifs) == 1_019
    assert len({motif.split(".")[0] for motif in motifs}) == len(motifs), "one version of a motif"
    assert all(len(row["pfm"]) == 4 * row["width"] for row in motifs.values())
    ctcf = motifs["MA0139.2"]
    assert ctcf["name"] == "CTCF"
    assert ctcf["class"] == "C2H2 zinc finger factors"
    consensus = "".join("ACGT"[max(range(4), key=ctcf["pfm"][4 * i : 4 * i + 4].__getitem__)] for i in range(15))
    assert consensus == "GCCACCAGGGGGCGC"


def test_motifs_agree_with_pyjaspar_itself() -> None:
    pyjaspar = pytest.importorskip("pyjaspar")
    motif = pyjaspar.jaspardb(release="JASPAR2026").fetch_motif_by_id("MA0259.2")
    row = next(row for row in tables_of("jaspar").nodes["Motif"].to_pylist() if row["id"] == "MA0259.2")
    assert row["name"] == motif.name
    assert row["width"] == motif.length
    assert row["pfm"] == [motif.counts[base][i] for i in range(motif.length) for base in "ACGT"]
    linked = {
        link["from"] for link in tables_of("jaspar").relations["HAS_MOTIF"].to_pylist() if link["to"] == row["id"]
    }
    assert linked
    assert linked <= set(motif.acc)


def test_links_to_proteins_of_other_species_are_counted() -> None:
    source = tables_of("jaspar")
    known = set(tables_of("genes_human").nodes["Protein"]["id"].to_pylist())
    assert set(source.relations["HAS_MOTIF"]["from"].to_pylist()) <= known
    assert sum(source.provenance.dropped.values()) == 186


def test_a_missing_jaspar_database_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaspar, "DATABASE", "JASPAR1999.sqlite")
    with pytest.raises(SourceError, match=r"does not hold .*JASPAR1999\.sqlite"):
        jaspar.read()
