"""A load into a server may be stopped anywhere, and the next one goes on; a release replaces its own rows only."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from kgreg.errors import SourceError, StoreError
from kgreg.sources import SOURCES, Provenance, SourceTables
from kgreg.store import load, neo4j_loading, open_store
from kgreg.store.changes import Changes
from tests.store.conformance.conftest import BoltServer
from tests.store.conformance.graph_slice import as_source

CHAIN = ["T1", "T2", "T3", "T4"]


def ontology(release: str, terms: list[str]) -> SourceTables:
    """A chain of terms."""
    origin = Provenance("go", "Terms", release, "2026-01-01", "https://example.org", "CC0")
    table = pa.table({"id": terms, "name": [f"{t} in {release}" for t in terms], "source": ["go"] * len(terms)})
    links = pa.table({"from": terms[:-1], "to": terms[1:], "source": ["go"] * (len(terms) - 1)})
    return SourceTables({"Term": table}, {"IS_A": links}, origin)


def interactions(release: str = "1") -> SourceTables:
    """Genes that interact, some without a score; it brings a term of the ontology as well."""
    origin = Provenance("pairs", "Pairs", release, "2026-01-01", "https://example.org", "CC0")
    genes = pa.table({"id": ["G1", "G2", "G3"], "symbol": ["A", "B", None], "source": ["pairs"] * 3})
    term = pa.table({"id": ["T1", "T9"], "name": ["mine", "mine"], "source": ["pairs"] * 2})
    links = pa.table(
        {"from": ["G1", "G1", "G2"], "to": ["G2", "G3", "G3"], "score": [0.5, None, 0.25], "source": ["pairs"] * 3}
    )
    annotations = pa.table({"from": ["G1", "G2"], "to": ["T1", "T4"], "evidence": ["IDA"] * 2, "source": ["pairs"] * 2})
    return SourceTables({"Gene": genes, "Term": term}, {"INTERACTS": links, "ANNOTATED_TO": annotations}, origin)


@pytest.fixture
def server(as_user: BoltServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[BoltServer]:
    """An empty server; small batches."""
    as_user.empty()
    monkeypatch.setattr(neo4j_loading, "_BATCH", 2)
    set_release(monkeypatch, ontology("1", CHAIN))
    yield as_user
    as_user.empty()


def set_release(monkeypatch: pytest.MonkeyPatch, tables: SourceTables) -> None:
    monkeypatch.setitem(SOURCES, "go", as_source(tables))


def contents(server: BoltServer) -> dict[str, Any]:
    """Everything on the server."""
    return {
        "nodes": sorted(str((labels, sorted(n.items()))) for labels, n in server.run("MATCH (n) RETURN labels(n), n")),
        "relations": sorted(
            str((type_, a, b, sorted(r.items())))
            for type_, a, b, r in server.run("MATCH (a)-[r]->(b) RETURN type(r), a.id, b.id, r")
        ),
    }


def test_loading_again_changes_nothing(server: BoltServer) -> None:
    counts = load(server.uri, ["go", interactions()])
    assert {kind: n for kind, n in counts.items() if n} == {
        "Gene": 3,
        "Term": 5,
        "Source": 2,
        "IS_A": 3,
        "ANNOTATED_TO": 2,
        "INTERACTS": 3,
    }
    before = contents(server)
    said: list[str] = []
    assert load(server.uri, ["go", interactions()], lambda text, share: said.append(text)) == counts
    assert said == ["already loaded: go, pairs"]
    assert load(server.uri, ["go", interactions()], force=True) == counts
    assert contents(server) == before


def test_nodes_stay_with_the_source_that_brought_them_first(server: BoltServer) -> None:
    load(server.uri, ["go", interactions()])
    assert server.run("MATCH (t:Term {id: 'T1'}) RETURN t.source, t.name") == [["go", "T1 in 1"]]
    assert server.run("MATCH (t:Term {id: 'T9'}) RETURN t.source") == [["pairs"]]
    assert server.run("MATCH ()-[r:INTERACTS]->() WHERE r.score IS NULL RETURN count(r)") == [[1]]


def test_another_release_replaces_the_rows_of_its_source_only(
    server: BoltServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(server.uri, ["go", interactions()])
    server.run("MATCH (t:Term {id: 'T2'}) CREATE (:Note {id: 'mine'})-[:ABOUT]->(t)")
    set_release(monkeypatch, ontology("2", ["T1", "T2", "T3", "T5"]))
    seen: list[Changes] = []
    load(server.uri, ["go"], on_changes=seen.append)
    assert server.run("MATCH (t:Term {source: 'go'}) RETURN t.id, t.name ORDER BY t.id") == [
        [term, f"{term} in 2"] for term in ("T1", "T2", "T3", "T5")
    ]
    assert server.run("MATCH (a)-[:IS_A]->(b) RETURN a.id, b.id ORDER BY a.id") == [
        ["T1", "T2"],
        ["T2", "T3"],
        ["T3", "T5"],
    ]
    assert server.run("MATCH (:Note)-[:ABOUT]->(t) RETURN t.id") == [["T2"]]
    (change,) = seen
    assert (change.before, change.after) == ("1", "2")
    assert (change.added["Term"], change.removed["Term"]) == (["T5"], ["T4"])
    assert change.lost == {"ANNOTATED_TO": 1}
    assert server.run("MATCH (s:Source {id: 'go'}) RETURN s.release") == [["2"]]
    assert server.run("MATCH (l:Load) RETURN count(l)") == [[0]]


def stop_before(monkeypatch: pytest.MonkeyPatch, write: int) -> None:
    """Let a load die before its n-th transaction that writes rows."""
    original = neo4j_loading._Server._marked
    made = iter(range(10**6))

    def dying(self: Any, source: str, cypher: str, **parameters: Any) -> Any:
        if next(made) == write:
            raise KeyboardInterrupt
        return original(self, source, cypher, **parameters)

    monkeypatch.setattr(neo4j_loading._Server, "_marked", dying)


@pytest.mark.parametrize("write", [0, 1, 3, 4])
@pytest.mark.parametrize("release", ["1", "2"])
def test_a_load_that_was_stopped_goes_on(
    server: BoltServer, monkeypatch: pytest.MonkeyPatch, release: str, write: int
) -> None:
    new = ontology(release, CHAIN if release == "1" else ["T1", "T3", "T5", "T6"])
    if release == "2":
        load(server.uri, ["go"])
    set_release(monkeypatch, new)
    with monkeypatch.context() as patch:
        stop_before(patch, write)
        with pytest.raises(KeyboardInterrupt):
            load(server.uri, ["go"])
    with pytest.raises(StoreError, match="load of go was stopped") as caught:
        open_store(server.uri)
    assert "kgreg load" in caught.value.hint
    load(server.uri, ["go"])
    resumed = contents(server)
    server.empty()
    load(server.uri, ["go"])
    assert contents(server) == resumed
    with open_store(server.uri) as store:
        assert store.sources()["release"].to_pylist() == [release]


KILLED = """
import os, signal, sys
from kgreg.store import load, neo4j_loading
from tests.store.conformance.test_server_loading import CHAIN, ontology

neo4j_loading._BATCH = 2
write, made = int(sys.argv[2]), iter(range(10**6))
original = neo4j_loading._Server._marked

def dying(self, *arguments, **parameters):
    if next(made) == write:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(self, *arguments, **parameters)

neo4j_loading._Server._marked = dying
load(sys.argv[1], [ontology("2", ["T1", "T3", "T5", "T6"])])
"""


@pytest.mark.parametrize("write", [0, 2, 4])
def test_a_load_that_was_killed_is_refused_and_goes_on(server: BoltServer, write: int) -> None:
    load(server.uri, ["go"])
    done = subprocess.run([sys.executable, "-c", KILLED, server.uri, str(write)], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with pytest.raises(StoreError, match="load of go was stopped"):
        open_store(server.uri)
    load(server.uri, [ontology("2", ["T1", "T3", "T5", "T6"])])
    resumed = contents(server)
    server.empty()
    load(server.uri, [ontology("2", ["T1", "T3", "T5", "T6"])])
    assert contents(server) == resumed


def test_a_load_that_another_takes_over_ends(server: BoltServer) -> None:
    def take_over(text: str, share: float) -> None:
        server.run("MATCH (l:Load) SET l.token = 'another'")

    with pytest.raises(StoreError, match="taken over"):
        load(server.uri, ["go"], take_over)


def test_a_relation_to_a_node_that_is_not_there_is_named(server: BoltServer) -> None:
    whole = ontology("1", CHAIN)
    broken = replace(whole, nodes={"Term": whole.nodes["Term"].slice(0, 3)})
    with pytest.raises(SourceError, match="names the Term T4, which no source brings"):
        load(server.uri, [broken])
    load(server.uri, [whole])
    assert server.run("MATCH ()-[r:IS_A]->() RETURN count(r)") == [[3]]


def test_a_server_without_a_graph_says_so(server: BoltServer) -> None:
    with pytest.raises(StoreError, match="holds no graph") as caught:
        open_store(server.uri)
    assert "kgreg load --store" in caught.value.hint


def test_a_wrong_password_or_database_is_told_in_words(server: BoltServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("KGREG_NEO4J_PASSWORD", "not-the-password")
        with pytest.raises(StoreError, match="refuses the user name or password") as caught:
            open_store(server.uri)
        assert "not-the-password" not in str(caught.value)
        assert "KGREG_NEO4J_PASSWORD" in caught.value.hint
    monkeypatch.setenv("KGREG_NEO4J_DATABASE", "nowhere")
    with pytest.raises(StoreError, match="no such database"):
        open_store(server.uri)


def test_a_store_opened_for_writing_writes(server: BoltServer) -> None:
    load(server.uri, ["go"])
    with open_store(server.uri, read_only=False) as store:
        store.query("MATCH (t:Term) WHERE t.id = $id SET t.note = 'seen'", {"id": "T1"})
        assert store.query("MATCH (t:Term) WHERE t.note = 'seen' RETURN t.id AS id").to_pylist() == [{"id": "T1"}]
        assert server.password not in repr(store) + store.location
    with pytest.raises(StoreError, match="closed"):
        store.query("RETURN 1 AS one")
