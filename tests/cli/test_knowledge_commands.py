"""The commands about knowledge: fetch, load, sources, query, writeback."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from kgreg.runs import run_experiment, run_id
from tests.cells import small_experiment
from tests.cli.test_commands import kgreg, kgreg_here

OBO = """format-version: 1.2
data-version: releases/2099-01-01

[Term]
id: GO:0008150
name: biological_process
namespace: biological_process

[Term]
id: GO:0006915
name: apoptotic process
namespace: biological_process
is_a: GO:0008150
"""


@pytest.fixture
def store(tmp_path: Path, knowledge_store_path: Path) -> Path:
    return Path(shutil.copy(knowledge_store_path, tmp_path / "store.lbug"))


def test_sources_are_listed(store: Path) -> None:
    rows = json.loads(kgreg_here("sources", "--store", store, "--format", "json").stdout)
    assert {row["name"] for row in rows} == {"go", "genes_human", "goa_human", "reactome", "jaspar"}
    assert next(row for row in rows if row["name"] == "go")["release"] == "2022-07-01"


def test_queries_are_listed_and_run_by_name(store: Path, tmp_path: Path) -> None:
    listed = json.loads(kgreg_here("query", "--list", "--format", "json").stdout)
    assert {"go_hierarchy", "tf_targets", "run_top"} <= {row["query"] for row in listed}
    assert all(row["what it returns"] and row["columns"] for row in listed)
    said = kgreg_here("query", "gene_terms", "-p", "symbol=CD79A", "--store", store, "--format", "csv").stdout
    assert "GO:0050853" in said
    own = tmp_path / "own.cypher"
    own.write_text(
        "// One gene.\n// parameters: symbol\n// columns: id\nMATCH (g:Gene {symbol: $symbol}) RETURN g.id AS id\n",
        encoding="utf-8",
    )
    said = kgreg_here("query", own, "-p", "symbol=CD79A", "--store", store, "--format", "csv").stdout
    assert said == "id\nNCBIGene:973\n"
    assert "--list" in kgreg_here("query", check=1).stderr


def test_an_official_release_is_fetched_loaded_and_its_difference_told(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KGREG_CACHE", str(tmp_path / "cache"))
    (tmp_path / "go-basic.obo").write_text(OBO, encoding="utf-8")
    assert "go-basic.obo" in kgreg_here("fetch", "go", "--from-dir", tmp_path).stdout
    said = kgreg_here("load", "go", "--fetched", "--store", store).stdout
    assert "from 2022-07-01 to" in said
    assert "43,557" in said.replace(" ", "") or "43557" in said, "terms that went"
    again = kgreg_here("load", "go", "--file", f"ontology={tmp_path / 'go-basic.obo'}", "--store", store).stdout
    assert "from 2022-07-01" not in again


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("fetch", "nothing"), "nothing"),
        (("load", "--fetched"), "Name the source"),
        (("load", "go", "--file", "ontology"), "ROLE=PATH"),
        (("load", "go", "--file", "ontology=/no/such.obo"), "/no/such.obo"),
        (("load", "string", "--file", "links=x", "--option", "colour=red"), "min_score"),
    ],
)
def test_what_is_asked_wrongly_is_told(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    assert words in kgreg(*arguments, store=tmp_path / "store.lbug", check=1).stderr


@pytest.mark.slow
def test_a_run_is_written_back_and_asked(store: Path, tmp_path: Path) -> None:
    run = run_experiment(small_experiment(tmp_path, store), until="explain")
    said = kgreg_here("writeback", run.path, "--store", store).stdout
    assert run_id(run) in said
    asked = kgreg_here(
        "query",
        "run_top",
        "-p",
        f"run={run_id(run)}",
        "-p",
        "output=B",
        "-p",
        "most=1",
        "--store",
        store,
        "--format",
        "csv",
    ).stdout.splitlines()
    best = run.explanation.top("gene", "B", 1)["label"].item()
    assert any(line.startswith("Gene,") and best in line for line in asked)
