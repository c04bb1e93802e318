"""Scores in the graph: what is written, that writing again replaces, and the queries that ship with it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from kgreg.errors import OutputError, StoreError
from kgreg.runs import Run, run_experiment, run_id, write_back
from kgreg.store import load, open_store, run_named
from tests.cells import small_experiment


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, knowledge_store_path: Path) -> Run:
    return run_experiment(small_experiment(tmp_path_factory.mktemp("written"), knowledge_store_path), until="explain")


@pytest.fixture
def store(tmp_path: Path, knowledge_store_path: Path) -> Path:
    return Path(shutil.copy(knowledge_store_path, tmp_path / "store.lbug"))


def test_every_score_is_a_relation(run: Run, store: Path) -> None:
    with open_store(store, read_only=False) as opened:
        counts = write_back(run, opened)
        again = write_back(run, opened)
    ranking = run.explanation.ranking
    assert counts == again
    assert counts["missing"] == 0
    assert counts["Gene"] + counts["Term"] == len(ranking)
    with open_store(store) as opened:
        rows = opened.query(
            "MATCH (r:Run)-[s:SCORED]->(g:Gene) WHERE r.id = $run RETURN g.id AS node, s.output AS output, "
            "s.score AS score, s.low AS low, s.high AS high, s.n AS n, s.rank AS rank, s.q AS q",
            {"run": run_id(run)},
        ).to_pandas()
        runs = opened.query("MATCH (r:Run) RETURN r.title AS title, r.seed AS seed, r.verdict AS verdict").to_pylist()
    columns = ["node", "output", "score", "low", "high", "n", "rank", "q"]
    expected = ranking[ranking["kind"] == "gene"][columns].astype({"rank": "int64", "n": "int64"})
    order = ["output", "node"]
    pd.testing.assert_frame_equal(
        rows.sort_values(order, ignore_index=True), expected.sort_values(order, ignore_index=True), check_dtype=False
    )
    assert runs == [{"title": "kgreg experiment", "seed": 0, "verdict": run.metrics["verdict"]}]


def test_the_queries_that_ship_answer(run: Run, store: Path) -> None:
    with open_store(store, read_only=False) as opened:
        write_back(run, opened)
    name = run_id(run)
    with open_store(store) as opened:
        top = run_named(opened, "run_top", run=name, output="B", most=3).to_pandas()
        both = run_named(opened, "runs_agree", run=name, other=name, output="B", other_output="T", most=30).to_pandas()
        pairs = run_named(opened, "run_top_genes_in_top_terms", run=name, output="B", most=60).to_pandas()
    genes = top[top["kind"] == "Gene"].sort_values("rank")
    assert genes["name"].tolist() == run.explanation.top("gene", "B", 3)["label"].tolist()
    terms = {out: set(run.explanation.top("term", out, 30)["node"]) for out in ("B", "T")}
    assert set(both["id"]) == terms["B"] & terms["T"]
    links = set(zip(run.blueprint.edges["source"], run.blueprint.edges["target"], strict=True))
    assert len(pairs)
    assert all(pair in links for pair in zip(pairs["gene"], pairs["term"], strict=True))


def test_scores_outlive_a_load(run: Run, store: Path) -> None:
    with open_store(store, read_only=False) as opened:
        write_back(run, opened)
    load(store)
    with open_store(store) as opened:
        assert opened.query("MATCH (:Run)-[s:SCORED]->() RETURN count(s) AS n")["n"].to_pylist() == [
            len(run.explanation.ranking)
        ]


def test_what_cannot_be_written(run: Run, store: Path, tmp_path: Path, knowledge_store_path: Path) -> None:
    with open_store(store) as opened, pytest.raises(StoreError, match="open for reading"):
        write_back(run, opened)
    other = tmp_path / "pathways.lbug"
    load(other, ["go"])
    with open_store(other, read_only=False) as opened:
        assert write_back(run, opened)["missing"] == len(run.blueprint.inputs)
    compiled = run_experiment(
        small_experiment(tmp_path, knowledge_store_path), output=tmp_path / "compiled", until="compile"
    )
    with open_store(store, read_only=False) as opened, pytest.raises(OutputError, match="kgreg explain"):
        write_back(compiled, opened)
