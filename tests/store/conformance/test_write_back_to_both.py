"""A run is written back to either store, and asked alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgreg.runs import run_experiment, run_id, write_back
from kgreg.sources import SOURCES
from kgreg.store import load, open_store, run_named
from tests.cells import small_experiment
from tests.store.conformance.conftest import BoltServer, set_credentials
from tests.store.conformance.graph_slice import SLICED, as_source, sliced


@pytest.mark.slow
def test_both_hold_the_same_scores(
    bolt_server: BoltServer, knowledge_store_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_experiment(small_experiment(tmp_path, knowledge_store_path), until="explain")
    bolt_server.empty()
    set_credentials(monkeypatch.setenv, bolt_server)
    for name, tables in sliced().items():
        monkeypatch.setitem(SOURCES, name, as_source(tables, SOURCES[name].requires))
    counts, tops = [], []
    for location in (tmp_path / "slice.lbug", bolt_server.uri):
        load(location, list(SLICED))
        with open_store(location, read_only=False) as store:
            write_back(run, store)
            counts.append(write_back(run, store))
            tops.append(run_named(store, "run_top", run=run_id(run), output="B", most=40).to_pylist())
    bolt_server.empty()
    assert counts[0] == counts[1]
    assert counts[0]["Gene"] > 0
    assert tops[0] == tops[1]
    assert {row["kind"] for row in tops[0]} >= {"Gene"}
