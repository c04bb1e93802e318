"""A load that is stopped anywhere leaves the old store or the new one, and the next load goes on."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from kgreg.errors import SourceError, StoreError
from kgreg.sources import SOURCES, Source, SourceTables
from kgreg.store import load, open_store
from kgreg.store.ladybug import loading_path

# Ends its own process without any clean-up: at the first report that starts with a text, some seconds after it, or
# on the verge of the rename.
KILLED_LOAD = """
import os, signal, sys, threading
from kgreg.store import load
from tests.store.releases import small_release

path, when, delay = sys.argv[1], sys.argv[2], float(sys.argv[3])

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def report(text, share):
    if text.startswith(when):
        threading.Timer(delay, kill).start() if delay else kill()

if when == "rename":
    os.replace = kill
small = small_release()
load(path, [small["genes_human"], small["goa_human"]], report)
"""

STOPS = [
    ("reading goa_human", 0.0),
    ("loading genes_human", 0.0),
    ("loading goa_human", 0.02),
    ("finishing", 0.0),
    ("rename", 0.0),
]


@pytest.fixture(scope="module")
def go_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the ontology alone."""
    path = tmp_path_factory.mktemp("go") / "go.lbug"
    load(path, ["go"])
    return path


def kill_load(path: Path, when: str, delay: float = 0.0) -> None:
    command = [sys.executable, "-c", KILLED_LOAD, str(path), when, str(delay)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == -signal.SIGKILL, result.stderr


def names_in(path: Path) -> list[str]:
    with open_store(path) as store:
        return sorted(store.sources()["name"].to_pylist())


@pytest.mark.parametrize(("when", "delay"), STOPS)
def test_a_killed_load_leaves_the_old_store(go_store: Path, tmp_path: Path, when: str, delay: float) -> None:
    path = Path(shutil.copy(go_store, tmp_path / "store.lbug"))
    kill_load(path, when, delay)
    assert path.read_bytes() == go_store.read_bytes()
    assert names_in(path) == ["go"]
    if loading_path(path).exists():
        with pytest.raises(StoreError, match="half-written"):
            open_store(loading_path(path))


def test_a_load_killed_after_the_rename_leaves_the_new_store(go_store: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(go_store, tmp_path / "store.lbug"))
    kill_load(path, "loaded")
    assert names_in(path) == ["genes_human", "go", "goa_human"]


def test_a_first_load_that_was_killed_is_refused_and_made_good(tmp_path: Path) -> None:
    path = tmp_path / "store.lbug"
    kill_load(path, "loading genes_human")
    assert not path.exists()
    assert loading_path(path).exists()
    with pytest.raises(StoreError, match="never finished") as caught:
        open_store(path)
    assert "kgreg load" in caught.value.hint
    counts = load(path, ["go"])
    assert counts["Term"] == 43_559
    assert [file.name for file in tmp_path.iterdir()] == ["store.lbug"]


def test_what_a_killed_writer_left_in_the_log_is_kept(go_store: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(go_store, tmp_path / "store.lbug"))
    script = (
        "import os, signal, sys; from kgreg.store import open_store\n"
        "store = open_store(sys.argv[1], read_only=False)\n"
        "store.query(\"CREATE (:Alias {id: 'mine', source: 'me'})\")\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", script, str(path)]).returncode == -signal.SIGKILL
    assert path.with_name("store.lbug.wal").exists()
    load(path, ["genes_human"])
    assert [file.name for file in tmp_path.iterdir()] == ["store.lbug"]
    with open_store(path) as store:
        assert store.query("MATCH (a:Alias {source: 'me'}) RETURN a.id AS id")["id"].to_pylist() == ["mine"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_load_cleans_up(go_store: Path, tmp_path: Path, stop: type[BaseException]) -> None:
    path = Path(shutil.copy(go_store, tmp_path / "store.lbug"))

    def report(text: str, share: float) -> None:
        if text.startswith("loading genes_human: 67,615 Alias"):
            raise stop

    with pytest.raises(KeyboardInterrupt if stop is KeyboardInterrupt else StoreError):
        load(path, ["genes_human"], report)
    assert [file.name for file in tmp_path.iterdir()] == ["store.lbug"]
    assert names_in(path) == ["go"]


def test_loading_again_does_nothing_and_says_so(go_store: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(go_store, tmp_path / "store.lbug"))
    before = path.stat()
    said: list[str] = []
    counts = load(path, ["go"], lambda text, share: said.append(text))
    assert said == ["already loaded: go"]
    assert counts["Term"] == 43_559
    assert path.stat().st_ino == before.st_ino
    load(path, ["go"], lambda text, share: said.append(text), force=True)
    assert said[-1] == "loaded: go"
    assert path.stat().st_ino != before.st_ino


def test_progress_runs_from_nought_to_one(tmp_path: Path) -> None:
    shares: list[float] = []
    load(tmp_path / "store.lbug", ["reactome"], lambda text, share: shares.append(share))
    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert shares[-1] == 1.0


def test_a_source_is_added_to_a_store_with_what_it_refers_to(go_store: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(go_store, tmp_path / "store.lbug"))
    with open_store(path, read_only=False) as store:
        store.query("CREATE (:Alias {id: 'mine', source: 'me'})")
    counts = load(path, ["jaspar"])
    assert names_in(path) == ["genes_human", "go", "jaspar"]
    assert counts["Motif"] == 1_019
    assert counts["HAS_MOTIF"] == 911
    assert counts["Term"] == 43_559
    with open_store(path) as store:
        mine = store.query("MATCH (a:Alias {source: 'me'}) RETURN a.id AS id")
        motifs = store.query(
            "MATCH (g:Gene)-[:ENCODES]->(:Protein)-[:HAS_MOTIF]->(m:Motif) WHERE g.symbol = 'CTCF' RETURN m.id AS id"
        )
    assert mine["id"].to_pylist() == ["mine"], "what was written before stays"
    assert "MA0139.2" in motifs["id"].to_pylist()


def test_another_release_replaces_the_old_one(go_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(shutil.copy(go_store, tmp_path / "store.lbug"))
    known = SOURCES["go"]

    def newer() -> SourceTables:
        tables = known.read()
        terms = {"Term": tables.nodes["Term"].slice(0, 10)}
        return SourceTables(terms, {}, replace(tables.provenance, release="2030-01-01"))

    monkeypatch.setitem(SOURCES, "go", Source(newer, lambda: newer().provenance))
    assert load(path, ["go"])["Term"] == 10
    with open_store(path) as store:
        assert store.sources()["release"].to_pylist() == ["2030-01-01"]


def test_a_relation_to_a_node_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> SourceTables:
        link = pa.table({"from": ["GO:1"], "to": ["GO:2"], "source": ["go"]})
        return SourceTables({}, {"IS_A": link}, SOURCES["go"].provenance())

    monkeypatch.setitem(SOURCES, "go", Source(broken, SOURCES["go"].provenance))
    with pytest.raises(SourceError, match=r"rows of go for IS_A .*GO:1"):
        load(tmp_path / "store.lbug", ["go"])
    assert not list(tmp_path.iterdir())


def test_two_loads_at_once_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "store.lbug"

    def report(text: str, share: float) -> None:
        if text.startswith("loading go"):
            with pytest.raises(StoreError, match="Another process is loading"):
                load(path, ["go"])

    assert load(path, ["go"], report)["Term"] == 43_559


def test_a_store_that_is_being_written_to_is_left_alone(go_store: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(go_store, tmp_path / "store.lbug"))
    script = "import sys; from kgreg.store import load; load(sys.argv[1], ['genes_human'])"
    with open_store(path, read_only=False):
        other = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True)
    assert "in use by another process" in other.stderr
    assert names_in(path) == ["go"]


def test_foreign_and_damaged_files(go_store: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "cells.h5ad"
    foreign.write_bytes(b"\x89HDF\r\n")
    with pytest.raises(StoreError, match="left alone"):
        load(foreign, ["go"], force=True)
    assert foreign.read_bytes() == b"\x89HDF\r\n"
    damaged = tmp_path / "half.lbug"
    damaged.write_bytes(go_store.read_bytes()[:100_000])
    with pytest.raises(StoreError, match="cannot be opened"):
        load(damaged, ["go"])
    assert load(damaged, ["go"], force=True)["Term"] == 43_559


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written") as caught:
        load(tmp_path / "file" / "store.lbug", ["go"])
    assert caught.value.hint
    with pytest.raises(StoreError, match="folder"):
        load(tmp_path, ["go"])


def test_an_unknown_source_leaves_no_trace(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no source 'kegg'"):
        load(tmp_path / "folder" / "store.lbug", ["kegg"])
    assert not list(tmp_path.iterdir())
