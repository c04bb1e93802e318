"""The named queries return what is known, and nothing else than their values can be changed through parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kgreg.errors import QueryError
from kgreg.resources import resource_dir
from kgreg.store import GraphStore, named_query, open_store, query_names, run_named

EXAMPLES: dict[str, dict[str, Any]] = {
    "gene_aliases": {},
    "gene_symbols": {},
    "pathway_comembership": {"pathways": ["R-HSA-983695"]},
    "gene_terms": {"symbol": "CD79A"},
    "go_below": {"root": "GO:0050853"},
    "go_annotations": {"namespace": "biological_process", "evidence_excluded": ["ND"]},
    "go_hierarchy": {"namespace": "biological_process", "relations": ["is_a", "part_of"]},
    "go_terms": {"namespace": "biological_process"},
    "reactome_annotations": {"evidence_excluded": []},
    "reactome_hierarchy": {},
    "reactome_terms": {},
    "motif_factors": {"motifs": ["MA0139.2", "MA0142.1"]},
    "motif_matrices": {"motifs": ["MA0139.2"]},
    "motifs": {},
    "motifs_of_factors": {"factors": ["CTCF"]},
    "motifs_of_families": {"families": ["POU domain factors"]},
    "motifs_of_species": {"species": "Mus musculus"},
    "term_genes": {"term": "GO:0050853"},
}
GO_RELATIONS = ["is_a", "part_of", "regulates", "positively_regulates", "negatively_regulates"]


@pytest.fixture(scope="module")
def store(knowledge_store_path: Path) -> Iterator[GraphStore]:
    with open_store(knowledge_store_path) as opened:
        yield opened


def test_every_query_has_an_example_here() -> None:
    # Those about runs need one (tests/runs/test_writeback.py), those about networks more than is bundled
    # (tests/fetch/test_reading.py).
    elsewhere = {
        "motifs_of_regulators",
        "motifs_of_pathway_regulators",
        "gene_neighbourhood",
        "signalling_network",
        "protein_interactions",
        "tf_motif_targets",
        "tf_targets",
        "gene_sets",
    }
    assert {n for n in query_names() if not n.startswith("run")} - elsewhere == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_columns_and_parameters_are_those_declared(store: GraphStore, name: str) -> None:
    query = named_query(name)
    assert query.description
    assert set(query.parameters) == set(EXAMPLES[name])
    table = run_named(store, name, **EXAMPLES[name])
    assert tuple(table.column_names) == query.columns
    assert table.num_rows
    rows = [
        tuple(str(value) if isinstance(value, list) else value for value in row.values()) for row in table.to_pylist()
    ]
    assert rows == sorted(rows)
    assert len(set(rows)) == len(rows)


def test_cd79a_is_annotated_to_b_cell_receptor_signaling(store: GraphStore) -> None:
    terms = run_named(store, "gene_terms", symbol="CD79A").to_pylist()
    row = next(row for row in terms if row["term"] == "GO:0050853")
    assert row["label"] == "B cell receptor signaling pathway"
    assert row["namespace"] == "biological_process"
    assert "CD79A" in run_named(store, "term_genes", term="GO:0050853")["symbol"].to_pylist()
    annotations = run_named(store, "go_annotations", namespace="biological_process", evidence_excluded=[])
    assert {"gene": "NCBIGene:973", "term": "GO:0050853", "evidence": row["evidence"]} in annotations.to_pylist()


def test_reactome_knows_the_b_cell_receptor(store: GraphStore) -> None:
    labels = {row["label"]: row["id"] for row in run_named(store, "reactome_terms").to_pylist()}
    pathway = labels["Signaling by the B Cell Receptor (BCR)"]
    children = {row["child"] for row in run_named(store, "reactome_hierarchy").to_pylist() if row["parent"] == pathway}
    assert children
    below = {
        row["gene"]
        for row in run_named(store, "reactome_annotations", evidence_excluded=[]).to_pylist()
        if row["term"] in children
    }
    assert "NCBIGene:973" in below


def test_namespaces_divide_the_ontology(store: GraphStore) -> None:
    sizes = {
        namespace: run_named(store, "go_terms", namespace=namespace).num_rows
        for namespace in ("biological_process", "molecular_function", "cellular_component", "universal")
    }
    assert sizes["biological_process"] == 28_140
    assert sizes["universal"] == 1
    assert sum(sizes.values()) == 43_559
    assert run_named(store, "go_terms", namespace="Biological_Process").num_rows == 0


def test_relations_are_picked_by_name(store: GraphStore) -> None:
    found = {}
    for namespace in ("biological_process", "molecular_function", "cellular_component"):
        table = run_named(store, "go_hierarchy", namespace=namespace, relations=GO_RELATIONS)
        for relation in table["relation"].to_pylist():
            found[relation] = found.get(relation, 0) + 1
    # Three is_a of the roots lead out of their namespace, to 'all'.
    assert found["is_a"] == 70_061 - 3
    assert sum(found.values()) == 85_716 - 3
    few = run_named(store, "go_hierarchy", namespace="biological_process", relations=["part_of"])
    assert set(few["relation"].to_pylist()) == {"part_of"}
    assert run_named(store, "go_hierarchy", namespace="biological_process", relations=[]).num_rows == 0


def test_evidence_is_left_out_by_code(store: GraphStore) -> None:
    everything = run_named(store, "go_annotations", namespace="biological_process", evidence_excluded=[])
    known = run_named(store, "go_annotations", namespace="biological_process", evidence_excluded=["ND"])
    nothing_known = everything["evidence"].to_pylist().count("ND")
    assert nothing_known
    assert known.num_rows == everything.num_rows - nothing_known
    curated = run_named(store, "reactome_annotations", evidence_excluded=["IEA"])
    assert set(curated["evidence"].to_pylist()) == {"TAS"}


@pytest.mark.parametrize(
    "text",
    [
        "'",
        '"',
        "CD79A' OR '1'='1",
        "x\\",
        "') MATCH (n) DETACH DELETE n //",
        "$symbol",
        "; DROP TABLE Gene;",
        "\0",
        "基因 🧬",
    ],
)
def test_hostile_values_stay_values(store: GraphStore, text: str) -> None:
    assert run_named(store, "gene_terms", symbol=text).num_rows == 0
    assert store.query("RETURN $value AS value", {"value": text})["value"].to_pylist() == [text]


def test_names_with_quotes_are_found(store: GraphStore) -> None:
    genes = run_named(store, "gene_aliases").to_pylist()
    assert {"gene": "NCBIGene:6628", "alias": "SmB/SmB'"} in genes


def test_parameters_are_checked(store: GraphStore) -> None:
    with pytest.raises(QueryError, match="needs the parameters relations") as caught:
        run_named(store, "go_hierarchy", namespace="biological_process")
    assert "namespace, relations" in caught.value.hint
    with pytest.raises(QueryError, match="has no parameters ontology"):
        run_named(store, "reactome_terms", ontology="go")
    with pytest.raises(QueryError, match="no named query 'go_term'") as caught:
        run_named(store, "go_term")
    assert "go_terms" in caught.value.hint


def test_unexpected_columns_are_refused(store: GraphStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "odd.cypher").write_text("// Odd.\n// columns: id, label\nMATCH (t:Term) RETURN t.id AS id LIMIT 1\n")
    monkeypatch.setattr("kgreg.store.queries.resource_dir", lambda name: tmp_path)
    named_query.cache_clear()
    try:
        with pytest.raises(QueryError, match=r"returned the columns id from .* instead of id, label"):
            run_named(store, "odd")
    finally:
        named_query.cache_clear()


def test_queries_keep_to_the_shared_subset() -> None:
    """What Ladybug and Neo4j take differently stays out."""
    for name in query_names():
        text = (resource_dir("graphs") / f"{name}.cypher").read_text(encoding="utf-8")
        for word in ("label(", "labels(", "type(", "substring(", "SHORTEST", "]["):
            assert word not in text, f"{name} uses {word}"
        # [0..2] of a list; [:IS_A*1..25] of a path is understood by both.
        assert not re.search(r"\[[\w$ ]*\.\.", text), f"{name} takes a slice of a list"


@pytest.mark.parametrize("root", ["GO:0001906", "GO:0002376"])
def test_what_lies_below_a_term_is_what_the_hierarchy_says(store: GraphStore, root: str) -> None:
    links = run_named(store, "go_hierarchy", namespace="biological_process", relations=["is_a", "part_of"]).to_pylist()
    children: dict[str, list[str]] = {}
    for link in links:
        children.setdefault(link["parent"], []).append(link["child"])
    below, waiting = {root}, [root]
    while waiting:
        for child in children.get(waiting.pop(), []):
            if child not in below:
                below.add(child)
                waiting.append(child)
    found = run_named(store, "go_below", root=root)["id"].to_pylist()
    assert len(found) == len(set(found))
    assert set(found) == below
