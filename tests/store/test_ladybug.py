"""Opening a store, asking it, and being refused."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import ladybug
import pytest

from kgreg.errors import QueryError, StoreError
from kgreg.sources import SOURCES
from kgreg.store import GraphStore, LadybugStore, default_store_path, open_store, stores_of_other_versions
from kgreg.store.ladybug import SCHEMA_VERSION


@pytest.fixture(scope="module")
def store(knowledge_store_path: Path) -> Iterator[GraphStore]:
    with open_store(knowledge_store_path) as opened:
        yield opened


@pytest.fixture
def copy(knowledge_store_path: Path, tmp_path: Path) -> Path:
    """A store that a test may change."""
    return Path(shutil.copy(knowledge_store_path, tmp_path / "copy.lbug"))


def test_it_is_a_graph_store(store: GraphStore, knowledge_store_path: Path) -> None:
    assert isinstance(store, GraphStore)
    assert store.location == str(knowledge_store_path)


def test_counts_are_those_of_the_sources(store: GraphStore) -> None:
    counts = store.counts()
    assert counts["Term"] == 43_559
    assert counts["Gene"] == 77_614
    assert counts["ANNOTATED_TO"] == 348_116
    assert counts["PARTICIPATES_IN"] == 51_056
    assert counts["SUBPATHWAY_OF"] == 2_769
    assert sum(counts[kind] for kind in counts if kind.endswith("REGULATES") or kind in ("IS_A", "PART_OF")) == 85_716
    # Proteins that two sources bring are there once.
    assert counts["Protein"] == 31_885 + 906


def test_sources_are_told_with_release_and_licence(store: GraphStore) -> None:
    table = store.sources()
    assert table.column_names == ["name", "title", "release", "date", "licence", "url", "rows"]
    assert table["name"].to_pylist() == sorted(SOURCES)
    for row in table.to_pylist():
        assert row["release"] == SOURCES[row["name"]].provenance().release
        assert row["licence"]
        assert row["rows"] > 0


def test_every_node_and_relation_names_its_source(store: GraphStore) -> None:
    for name, count in store.counts().items():
        if name != "Source" and count:
            pattern = f"(n:{name})" if not name.isupper() else f"()-[n:{name}]->()"
            found = store.query(f"MATCH {pattern} RETURN DISTINCT n.source AS source")["source"].to_pylist()
            assert set(found) <= set(SOURCES), name


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE (:Alias {id: 'x', source: 'me'})",
        "MATCH (g:Gene) SET g.symbol = 'x'",
        "MATCH (a:Alias) DETACH DELETE a",
        "DROP TABLE IS_A",
    ],
)
def test_writing_is_refused_unless_asked_for(store: GraphStore, statement: str) -> None:
    before = store.counts()
    with pytest.raises(QueryError, match="open for reading") as caught:
        store.query(statement)
    assert "--write" in caught.value.hint
    assert store.counts() == before


def test_what_was_written_is_there_when_opened_again(copy: Path) -> None:
    name = "O'Neil \"\\ 🧬"
    with open_store(copy, read_only=False) as store:
        written = store.query("CREATE (:Alias {id: $name, source: 'me'})", {"name": name})
        assert written.num_rows == 0
    with open_store(copy) as store:
        assert store.query("MATCH (a:Alias {source: 'me'}) RETURN a.id AS id")["id"].to_pylist() == [name]


@pytest.mark.parametrize(
    ("cypher", "message", "hint"),
    [
        ("MTCH (g:Gene) RETURN g", "MTCH", "Check the Cypher"),
        ("MATCH (g:Genes) RETURN g", "Genes does not exist", "ANNOTATED_TO, Alias"),
        ("MATCH (g:Gene) RETURN g.symbl", "symbl", "The labels"),
        ("MATCH (g:Gene) RETURN g.id; MATCH (t:Term) RETURN t.id", "several statements", "one at a time"),
        ("  // nothing\n;", "empty", "MATCH"),
        ("MATCH (g:Gene {symbol: $symbol}) RETURN g.id", "needs the parameters symbol", "symbol"),
    ],
)
def test_wrong_queries_get_the_message_of_the_database(store: GraphStore, cypher: str, message: str, hint: str) -> None:
    with pytest.raises(QueryError) as caught:
        store.query(cypher)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert "expecting {" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_spare_parameters_are_refused_and_quoted_ones_are_text(store: GraphStore) -> None:
    with pytest.raises(QueryError, match="has no parameters symbl"):
        store.query("MATCH (g:Gene) RETURN g.id LIMIT 1", {"symbl": "CD79A"})
    assert store.query("RETURN 'costs $5; \\' // really' AS text")["text"].to_pylist() == ["costs $5; ' // really"]


def test_values_of_a_wrong_type_are_refused(store: GraphStore) -> None:
    with pytest.raises(QueryError, match="object"):
        store.query("RETURN $value AS value", {"value": object()})


def test_ctrl_c_stops_a_query_and_the_store_goes_on(store: GraphStore) -> None:
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        store.query("MATCH (a:Term)-[:IS_A*1..30]->(b:Term)-[:IS_A*1..30]->(c:Term) RETURN count(*) AS n")
    assert time.monotonic() - start < 20
    assert store.query("MATCH (t:Term) RETURN count(t) AS n")["n"].to_pylist() == [43_559]


def test_a_closed_store_says_so(knowledge_store_path: Path) -> None:
    store = open_store(knowledge_store_path)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="is closed"):
        store.counts()


def test_many_stores_fit_into_one_process(knowledge_store_path: Path) -> None:
    stores = [LadybugStore(knowledge_store_path) for _ in range(20)]
    for store in stores:
        store.close()


def test_readers_share_and_writers_do_not(copy: Path) -> None:
    script = "import sys; from kgreg.store import open_store; open_store(sys.argv[1], read_only=False)"
    with open_store(copy), open_store(copy) as second:
        assert second.query("MATCH (s:Source) RETURN count(s) AS n")["n"].to_pylist() == [len(SOURCES)]
    with open_store(copy, read_only=False):
        other = subprocess.run([sys.executable, "-c", script, str(copy)], capture_output=True, text=True)
    assert other.returncode != 0
    assert "in use by another process" in other.stderr


class TestWhatIsNoStore:
    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="There is no store at") as caught:
            open_store(tmp_path / "none.lbug")
        assert "kgreg load" in caught.value.hint
        assert not list(tmp_path.iterdir())

    def test_another_file(self, tmp_path: Path) -> None:
        file = tmp_path / "cells.h5ad"
        file.write_bytes(b"\x89HDF\r\n" * 1000)
        with pytest.raises(StoreError, match="is not a Ladybug database"):
            open_store(file)

    def test_an_empty_file(self, tmp_path: Path) -> None:
        (tmp_path / "empty.lbug").touch()
        with pytest.raises(StoreError, match="is empty"):
            open_store(tmp_path / "empty.lbug")

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="is a folder"):
            open_store(tmp_path)

    def test_half_a_store(self, copy: Path) -> None:
        with copy.open("r+b") as file:
            file.truncate(copy.stat().st_size // 2)
        with pytest.raises(StoreError, match="cannot be opened") as caught:
            open_store(copy)
        assert "--force" in caught.value.hint

    def test_the_database_of_another_program(self, tmp_path: Path) -> None:
        with ladybug.Database(tmp_path / "other.lbug") as database, ladybug.Connection(database) as connection:
            connection.execute("CREATE NODE TABLE Person(name STRING, PRIMARY KEY (name))")
        with pytest.raises(StoreError, match="not a complete kgreg store"):
            open_store(tmp_path / "other.lbug")

    def test_a_store_without_the_mark_of_completeness(self, copy: Path) -> None:
        with open_store(copy, read_only=False) as store:
            store.query("MATCH (s:Store) DELETE s")
        with pytest.raises(StoreError, match="never finished"):
            open_store(copy)

    def test_a_store_of_another_schema(self, copy: Path) -> None:
        with open_store(copy, read_only=False) as store:
            store.query("MATCH (s:Store) SET s.schema = 99")
        with pytest.raises(StoreError, match="has schema 99"):
            open_store(copy)


def test_the_default_store_follows_the_environment(
    knowledge_store_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KGREG_STORE", str(knowledge_store_path))
    assert default_store_path() == knowledge_store_path
    with open_store() as store:
        assert store.location == str(knowledge_store_path)
    monkeypatch.setenv("KGREG_STORE", "neo4j://localhost/somewhere")
    with pytest.raises(StoreError, match="is not the address of a server"):
        open_store()
    monkeypatch.delenv("KGREG_STORE")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_store_path().name == f"knowledge-{SCHEMA_VERSION}.lbug"


def test_the_store_of_another_version_is_left_alone_and_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KGREG_STORE", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert stores_of_other_versions() == []
    older = default_store_path().with_name("knowledge.lbug")
    older.parent.mkdir()
    older.touch()
    assert stores_of_other_versions() == [older]
