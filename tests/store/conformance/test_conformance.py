"""Both stores give the same answers to the same questions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
import pytest

from kgreg.blueprint import compile_guide, go_guide, reactome_guide
from kgreg.errors import QueryError
from kgreg.sources import SOURCES
from kgreg.store import GraphStore, LadybugStore, load, named_query, open_store, query_names, run_named
from tests.store.conformance.conftest import BoltServer, set_credentials
from tests.store.conformance.graph_slice import HOSTILE, SLICED, as_source, networks, sliced

# Parameter of a named query -> a value with which every query that takes it finds something in the slice.
VALUES: dict[str, Any] = {
    "evidence_excluded": ["ND", "IEA"],
    "factors": ["PAX5", "TP53"],
    "families": ["Jun-related", "p53-related factors"],
    "genes": ["NCBIGene:973"],
    "min_score": 700,
    "most": 3,
    "motifs": ["MA0106.3", "MA0014.4"],
    "namespace": "biological_process",
    "other": "r2",
    "other_output": "all",
    "output": "all",
    "pathway": "R-HSA-166016",
    "pathways": ["R-HSA-1266695", "R-HSA-1257604"],
    "relations": ["is_a", "part_of"],
    "root": "GO:0042113",
    "run": "r1",
    "species": "Homo sapiens",
    "symbol": "CD79A",
    "term": "GO:0042113",
    "tfs": ["NCBIGene:7157"],
}
# Two runs that scored a gene, its term and a pathway; written in Cypher that both stores understand.
SCORES = (
    "MATCH (n:{label}) WHERE n.id = $id MATCH (r:Run) WHERE r.id = $run"
    " CREATE (r)-[:SCORED {{output: 'all', score: $score, low: 0.25, high: 0.75, n: 9, rank: $rank, z: 2.5, q: 0.125,"
    " source: 'runs'}}]->(n)"
)


@pytest.fixture(scope="module")
def stores(bolt_server: BoltServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, GraphStore]]:
    """Both, loaded with the same slice and the same scores of runs."""
    bolt_server.empty()
    path = tmp_path_factory.mktemp("conformance") / "slice.lbug"
    with pytest.MonkeyPatch.context() as patch:
        set_credentials(patch.setenv, bolt_server)
        for name, tables in sliced().items():
            patch.setitem(SOURCES, name, as_source(tables, SOURCES[name].requires))
        counts = {}
        for location in (path, bolt_server.uri):
            counts[location] = load(location, [*SLICED, networks()])
            with open_store(location, read_only=False) as store:
                write_scores(store)
        assert counts[path] == {kind: n for kind, n in counts[bolt_server.uri].items() if kind in counts[path]}
        with open_store(path) as embedded, open_store(bolt_server.uri) as server:
            yield {"ladybug": embedded, "bolt": server}
    bolt_server.empty()


def write_scores(store: GraphStore) -> None:
    gene = run_named(store, "gene_terms", symbol="CD79A").to_pylist()
    term = sorted(row["term"] for row in gene)[0]
    for run in ("r1", "r2"):
        store.query("CREATE (:Run {id: $run, title: 'a run', seed: 7, source: 'runs'})", {"run": run})
        scored = (("Term", term, 1), ("Gene", "NCBIGene:973", 2), ("Pathway", "R-HSA-1059683", 3))
        for label, node, rank in scored:
            values = {"id": node, "run": run, "rank": rank, "score": 1.5}
            store.query(SCORES.format(label=label), values)


@pytest.fixture(params=["ladybug", "bolt"])
def store(request: pytest.FixtureRequest, stores: Mapping[str, GraphStore]) -> GraphStore:
    return stores[request.param]


def only(store: GraphStore, cypher: str, **parameters: Any) -> Any:
    (row,) = store.query(cypher, parameters).to_pylist()
    (value,) = row.values()
    return value


@pytest.mark.parametrize("name", query_names())
def test_named_queries_give_the_same_table(stores: Mapping[str, GraphStore], name: str) -> None:
    parameters = {parameter: VALUES[parameter] for parameter in named_query(name).parameters}
    embedded, server = (run_named(one, name, **parameters) for one in stores.values())
    assert embedded.num_rows
    assert server.column_names == embedded.column_names
    assert server.to_pylist() == embedded.to_pylist()


def test_both_hold_the_same_sources(stores: Mapping[str, GraphStore]) -> None:
    embedded, server = (one.sources().to_pylist() for one in stores.values())
    assert server == embedded
    assert [row["name"] for row in server] == sorted([*SLICED, networks().provenance.source])


@pytest.mark.parametrize("guide", [go_guide(), reactome_guide()], ids=lambda guide: guide.name)
def test_the_compiler_makes_the_same_network(stores: Mapping[str, GraphStore], guide: Any) -> None:
    symbols = run_named(stores["ladybug"], "gene_symbols").to_pandas().head(150)
    features = pd.DataFrame({"feature": symbols["symbol"], "gene": symbols["gene"], "label": symbols["symbol"]})
    embedded, server = (compile_guide(one, guide, features, min_genes=2) for one in stores.values())
    assert len(embedded.terms) > 5
    assert server.content_hash() == embedded.content_hash()
    assert server.dropped.equals(embedded.dropped)


def test_values_come_back_as_they_went_in(store: GraphStore) -> None:
    for value in (HOSTILE, "β ü 😀 \u2028", "", "\\u0027", 2**63 - 1, -(2**63), 0.1, True, ["a", "b"], [1, 2]):
        assert only(store, "RETURN $value AS value", value=value) == value


def test_a_name_that_looks_like_cypher_is_only_a_name(store: GraphStore) -> None:
    before = store.counts()
    assert only(store, "MATCH (g:Gene) WHERE g.name = $name RETURN count(g) AS n", name=HOSTILE) == 1
    assert only(store, "MATCH (g:Gene) WHERE g.symbol = $name RETURN count(g) AS n", name=HOSTILE) == 0
    assert store.counts() == before


def test_nulls_and_lists_of_nodes_come_back(store: GraphStore) -> None:
    assert only(store, "MATCH (g:Gene) WHERE g.name IS NULL RETURN count(g) AS n") == 1
    (motif,) = store.query("MATCH (m:Motif) RETURN m.width AS width, m.pfm AS pfm ORDER BY m.id LIMIT 1").to_pylist()
    assert len(motif["pfm"]) == 4 * motif["width"]
    assert all(isinstance(count, float) for count in motif["pfm"])
    node = only(store, "MATCH (g:Gene) WHERE g.id = $id RETURN g", id="NCBIGene:973")
    assert (node["_LABEL"], node["symbol"]) == ("Gene", "CD79A")


@pytest.mark.parametrize(
    "cypher",
    [
        "CREATE (:Gene {id: 'new'})",
        "MERGE (g:Gene {id: 'new'}) RETURN g.id",
        "MATCH (g:Gene) SET g.name = 'x'",
        "MATCH (g:Gene) DETACH DELETE g",
        "match (g:Gene) /* harmless */ remove g.name",
    ],
)
def test_a_store_open_for_reading_refuses_to_write(store: GraphStore, cypher: str) -> None:
    before = store.counts()
    with pytest.raises(QueryError) as caught:
        store.query(cypher)
    if not (isinstance(store, LadybugStore) and "remove" in cypher):  # Ladybug does not know the clause
        assert "--write" in caught.value.hint
    assert store.counts() == before


@pytest.mark.parametrize(
    ("cypher", "parameters", "says"),
    [
        ("MATCH (g:Gene) WHERE g.id = $id RETURN g.id", {}, "needs the parameters id"),
        ("MATCH (g:Gene) RETURN g.id", {"id": 1}, "has no parameters id"),
        ("MATCH (g:Gene) RETURN g.id; MATCH (t:Term) RETURN t.id", {}, "several statements"),
        ("  // nothing", {}, "empty"),
        ("MATCH (g:Gene RETURN g.id", {}, "."),
        ("MATCH (g:Gene) RETURN h.id", {}, "h"),
        ("RETURN $x AS x", {"x": 2**70}, "."),
        ("RETURN $x AS x", {"x": object()}, "."),
    ],
)
def test_bad_statements_are_refused_in_words(
    store: GraphStore, cypher: str, parameters: dict[str, Any], says: str
) -> None:
    with pytest.raises(QueryError, match=says) as caught:
        store.query(cypher, parameters)
    assert caught.value.hint
    assert store.query("RETURN 1 AS one").to_pylist() == [{"one": 1}]


# ---- where the stores differ: named queries must do without these --------------------------------------------------


def differs(stores: Mapping[str, GraphStore], cypher: str) -> tuple[Any, Any]:
    embedded, server = ([list(row.values()) for row in one.query(cypher).to_pylist()] for one in stores.values())
    return embedded, server


def test_only_ladybug_counts_lists_and_text_from_one(stores: Mapping[str, GraphStore]) -> None:
    assert differs(stores, "RETURN [10, 20, 30][1] AS x") == ([[10]], [[20]])
    assert differs(stores, "RETURN substring('abc', 1, 1) AS x") == ([["a"]], [["b"]])


def test_only_ladybug_goes_back_over_the_same_relation(stores: Mapping[str, GraphStore]) -> None:
    pattern = "MATCH (a:Term)-[r:IS_A]-(b:Term)-[s:IS_A]-(c:Term) WHERE a.id = c.id"
    embedded, server = differs(stores, f"{pattern} RETURN count(*) AS n")
    assert embedded[0][0] > 0
    assert server == [[0]]
    assert differs(stores, f"{pattern} AND id(r) <> id(s) RETURN count(*) AS n") == ([[0]], [[0]])


def test_shortest_paths_are_written_differently(stores: Mapping[str, GraphStore]) -> None:
    ends = {"a": "GO:0002313", "b": "GO:0042113"}
    ladybug = "MATCH p = (a:Term)-[:IS_A|PART_OF* SHORTEST 1..9]->(b:Term) WHERE a.id = $a AND b.id = $b"
    neo4j = (
        "MATCH (a:Term), (b:Term) WHERE a.id = $a AND b.id = $b MATCH p = shortestPath((a)-[:IS_A|PART_OF*1..9]->(b))"
    )
    embedded, server = stores.values()
    assert only(embedded, f"{ladybug} RETURN length(p) AS n", **ends) >= 1
    assert only(server, f"{neo4j} RETURN length(p) AS n", **ends) == only(
        embedded, f"{ladybug} RETURN length(p) AS n", **ends
    )
    for one, other in ((embedded, neo4j), (server, ladybug)):
        with pytest.raises(QueryError):
            one.query(f"{other} RETURN length(p) AS n", ends)
