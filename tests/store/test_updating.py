"""A new release of a source replaces exactly what came from the old one, and says what it changed."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from kgreg.sources import SourceTables
from kgreg.store import load, open_store
from kgreg.store.changes import Changes
from tests.store.releases import GONE, NEW, other_release, small_release


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GO and its annotations, with a note of the user's own on one term."""
    path = tmp_path_factory.mktemp("releases") / "store.lbug"
    load(path, list(small_release().values()))
    with open_store(path, read_only=False) as opened:
        opened.query("CREATE (:Alias {id: 'mine', source: 'me'})")
    return path


def content(path: Path) -> dict[str, set[tuple[object, ...]]]:
    """Return what came from every source: ids of nodes, ends of relations."""
    found: dict[str, set[tuple[object, ...]]] = {}
    with open_store(path) as opened:
        for label in ("Term", "Gene", "Alias", "Protein"):
            rows = opened.query(f"MATCH (n:{label}) RETURN n.source AS source, n.id AS id")
            for source, node in zip(rows["source"].to_pylist(), rows["id"].to_pylist(), strict=True):
                found.setdefault(source, set()).add((label, node))
        for kind in ("IS_A", "PART_OF", "REGULATES", "ANNOTATED_TO", "ENCODES"):
            rows = opened.query(f"MATCH (a)-[r:{kind}]->(b) RETURN r.source AS source, a.id AS a, b.id AS b")
            for source, *ends in zip(*(rows[c].to_pylist() for c in ("source", "a", "b")), strict=True):
                found.setdefault(source, set()).add((kind, *ends))
    return found


def expected(tables: SourceTables) -> set[tuple[object, ...]]:
    nodes = {("Term", node) for node in tables.nodes["Term"]["id"].to_pylist()}
    return nodes | {
        (kind, a, b)
        for kind, table in tables.relations.items()
        if kind in ("IS_A", "PART_OF", "REGULATES")
        for a, b in zip(table["from"].to_pylist(), table["to"].to_pylist(), strict=True)
    }


def test_exactly_what_came_from_the_old_release_is_replaced(store: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(store, tmp_path / "store.lbug"))
    before = content(path)
    tables = other_release()
    load(path, [tables])
    after = content(path)
    assert after["go"] == expected(tables)
    assert after["genes_human"] == before["genes_human"]
    assert after["me"] == {("Alias", "mine")}
    lost = {row for row in before["goa_human"] if row[0] == "ANNOTATED_TO" and row[2] in GONE}
    assert lost
    assert after["goa_human"] == before["goa_human"] - lost
    with open_store(path) as opened:
        releases = dict(zip(*(opened.sources()[c].to_pylist() for c in ("name", "release")), strict=True))
        names = opened.query("MATCH (t:Term {id: 'GO:0000001'}) RETURN t.name AS name")["name"].to_pylist()
    assert releases["go"] == "2099-01-01"
    assert releases["goa_human"] == "2022-Sep12"
    assert names == ["renamed"]


def test_the_difference_is_told(store: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(store, tmp_path / "store.lbug"))
    told: list[Changes] = []
    load(path, [other_release()], on_changes=told.append)
    (changes,) = told
    assert (changes.source, changes.before, changes.after) == ("go", "2022-07-01", "2099-01-01")
    assert changes.added == {"Term": [NEW]}
    assert sorted(changes.removed["Term"]) == sorted(GONE)
    assert changes.altered == {"Term": ["GO:0000001"]}
    assert changes.lost["ANNOTATED_TO"] > 0
    assert "GO:0006915" in changes.moved, "apoptosis hangs under another parent"
    assert changes.relations["IS_A"][0] == 2
    said = {(what, label): count for what, label, count, _ in changes.summary()}
    assert said["removed", "Term"] == len(GONE)


def test_back_and_forth_ends_where_it_began(store: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(store, tmp_path / "store.lbug"))
    load(path, [other_release()])
    load(path, [small_release()["go"]])
    assert content(path)["go"] == content(store)["go"]


def test_the_same_release_twice_changes_nothing(store: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(store, tmp_path / "store.lbug"))
    load(path, [other_release()])
    before = path.read_bytes()
    load(path, [other_release()])
    assert path.read_bytes() == before


def test_a_required_source_of_another_release_is_left_alone(store: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(store, tmp_path / "store.lbug"))
    load(path, [other_release()])
    load(path, ["goa_human"])
    with open_store(path) as opened:
        assert "2099-01-01" in opened.sources()["release"].to_pylist()


def test_a_source_of_one_s_own_is_loaded_beside_the_others(store: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(store, tmp_path / "store.lbug"))
    go = small_release()["go"]
    hostile = "x'}) DETACH DELETE n //"
    node = pa.table({c: [hostile if c in ("id", "name") else "mine"] for c in go.nodes["Term"].column_names})
    mine = SourceTables(
        {"Term": node}, {}, replace(go.provenance, source="mine", release="1", title="Mine", licence="", url="")
    )
    counts = load(path, [mine])
    assert counts["Term"] == go.nodes["Term"].num_rows + 1
    with open_store(path) as opened:
        rows = opened.query("MATCH (t:Term) WHERE t.id = $id RETURN t.name AS name", {"id": hostile})
        assert rows["name"].to_pylist() == [hostile]
        assert "mine" in opened.sources()["name"].to_pylist()


KILLED = """
import os, signal, sys
import kgreg.store.updating as updating
from kgreg.store import load
from tests.store.releases import other_release

path, when, count = sys.argv[1], sys.argv[2], int(sys.argv[3])

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

seen = 0
class Counting:
    def __init__(self, connection): self.connection = connection
    def execute(self, cypher, *rest):
        global seen
        seen += cypher.startswith(when)
        if seen > count:
            kill()
        return self.connection.execute(cypher, *rest)
    def __getattr__(self, name): return getattr(self.connection, name)

update = updating.update_source
import kgreg.store.loading as loading
loading.update_source = lambda connection, *rest: update(Counting(connection), *rest)
def report(text, share):
    if text.startswith(when):
        kill()
load(path, [other_release()], report)
"""


@pytest.mark.parametrize(
    ("when", "count"),
    [
        ("reading", 0),
        ("loading go", 0),
        ("MATCH (a)-[r:IS_A]", 0),
        ("MATCH ()-[r:", 0),
        ("MATCH ()-[r:", 1),
        ("UNWIND $ids AS i MATCH (n:Term) WHERE n.id = i DETACH", 0),
        ("UNWIND $rows", 0),
        ("COPY Term", 0),
        ("COPY IS_A", 0),
        ("finishing", 0),
    ],
)
def test_killed_at_ten_points_the_old_state_is_left(store: Path, tmp_path: Path, when: str, count: int) -> None:
    path = Path(shutil.copy(store, tmp_path / "store.lbug"))
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), when, str(count)], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert path.read_bytes() == store.read_bytes()
