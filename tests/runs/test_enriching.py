"""Gene sets and comparisons of finished runs, as functions and as commands."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kgreg.errors import DataError, ExperimentError, OutputError
from kgreg.experiment import make_experiment, read_experiment
from kgreg.runs import Run, compare_runs, enrich_run, open_run, run_experiment
from kgreg.runs.folder import RunFolder
from kgreg.runs.gene_sets import default_collections, enrichment_table
from tests.cells import B_CELL, T_CELL, small_record
from tests.cli.test_commands import kgreg_here


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, knowledge_store_path: Path) -> tuple[Run, Run]:
    """The same cells in two networks; the second has no small terms, one fit a fold, and other folds."""
    folder = tmp_path_factory.mktemp("runs")
    record = small_record(folder, knowledge_store_path) | {"nulls": {"rewired": 0, "labels": 2}, "knockouts": {}}
    training = {"folds": 2, "max_epochs": 4, "learning_rate": 0.01}
    first = record | {"decode": {"bootstrap": 0}, "training": {**training, "replicates": 2}}
    larger = {"store": str(knowledge_store_path), "min_genes": 8, "max_genes": 25}
    second = record | {"decode": {"bootstrap": 0, "enrichment": []}, "training": training, "knowledge": larger}
    done = [
        run_experiment(make_experiment(one), output=folder / name, until="explain")
        for name, one in (("one", first), ("two", second))
    ]
    return done[0], done[1]


def cli(*arguments: object) -> tuple[int, str, str]:
    """Run a command in this process."""
    done = kgreg_here(*arguments, check=None)
    return done.returncode, done.stdout, done.stderr


def test_a_run_guided_by_go_is_held_against_reactome(runs: tuple[Run, Run]) -> None:
    table = runs[0].tables["enrichment"]
    assert set(table["collection"]) == {"reactome"}
    assert set(table["method"]) == {"hypergeometric", "rank"}
    assert set(table["output"]) == {"B", "T", "other", "all"}
    assert set(table["null"]) == {"labels"}
    assert table["p_null"].between(0, 1).all()
    assert (table["n"] == 4).all()
    assert "enrichment" not in runs[1].tables


def test_the_genes_that_express_a_class_are_a_set_of_it(runs: tuple[Run, Run], tmp_path: Path) -> None:
    path = tmp_path / "own.gmt"
    path.write_text("\n".join("\t".join([n, "", *g, "NOGENE"]) for n, g in (("b", B_CELL), ("t", T_CELL))) + "\n")
    table, (sets,) = enrich_run(runs[0], [str(path)], output="B", top=8)
    assert sets.unknown == 1
    best = table.set_index(["method", "set"])
    assert best.loc[("rank", "b"), "p"] < 0.01 < best.loc[("rank", "t"), "p"]
    assert best.loc[("rank", "b"), "p_null"] < best.loc[("rank", "t"), "p_null"]
    code, text, _ = cli("enrich", runs[0].path, "--sets", path, "--for", "B", "--top", 8, "--format", "csv")
    assert code == 0
    printed = pd.read_csv(io.StringIO(text))
    np.testing.assert_allclose(printed["p"], table["p"])
    code, text, _ = cli("enrich", runs[0].path, "--sets", path, "--method", "rank", "-f", "json")
    assert {row["output"] for row in json.loads(text)} == {"B", "T", "other", "all"}
    code, text, _ = cli("enrich", runs[0].path, "--sets", path)
    assert code == 0
    assert "1 genes of the sets are not in the network" in text
    assert "null: networks on permuted labels" in text


def test_what_is_asked_wrongly_is_told(runs: tuple[Run, Run], tmp_path: Path) -> None:
    code, _, text = cli("enrich", runs[0].path, "--for", "Bee")
    assert code == 1
    assert "There is no output 'Bee'" in text
    code, _, text = cli("enrich", tmp_path)
    assert code == 1
    assert "holds no run" in text
    code, _, text = cli("enrich", runs[0].path, "--sets", tmp_path / "nothing.gmt")
    assert code == 1
    assert "nothing.gmt" in text
    (tmp_path / "other.cypher").write_text("// Genes.\n// columns: gene\nMATCH (g:Gene) RETURN g.id AS gene\n")
    code, _, text = cli("enrich", runs[0].path, "--sets", tmp_path / "other.cypher")
    assert code == 1
    assert "returns the columns gene" in text
    with pytest.raises(DataError, match="no method 'rnk'"):
        enrich_run(runs[0], ["network"], methods=["rnk"])


def test_gene_sets_of_an_experiment_are_checked_before_training(tmp_path: Path, knowledge_store_path: Path) -> None:
    record = small_record(tmp_path, knowledge_store_path)
    with pytest.raises(ExperimentError, match=r"'reactom' is none of go, .*no \.gmt or \.cypher file"):
        make_experiment(record | {"decode": {"enrichment": ["reactom"]}})
    (tmp_path / "own.gmt").write_text("one\t\tNOGENE\n")
    asked = {"measure": "activation", "enrichment": ["own.gmt", "network"]}
    (tmp_path / "experiment.json").write_text(json.dumps(record | {"decode": asked}))
    experiment = read_experiment(tmp_path / "experiment.json")
    assert experiment.decode.enrichment == [str(tmp_path / "own.gmt"), "network"]
    with pytest.raises(DataError, match=r"No set of 'own\.gmt' holds a gene of the network"):
        run_experiment(experiment, until="compile")
    assert not (tmp_path / "run").exists()


def test_a_store_that_is_asked_by_default_need_not_be_there(runs: tuple[Run, Run], tmp_path: Path) -> None:
    run = runs[0]
    moved = run.experiment.replace("knowledge", store=str(tmp_path / "gone.lbug"))
    assert default_collections(moved) == ["reactome"]
    assert enrichment_table(moved, run.blueprint, run.explanation.ranking, pd.DataFrame()).empty
    with pytest.raises(Exception, match=r"gone\.lbug"):
        enrichment_table(
            moved.replace("decode", enrichment=["reactome"]), run.blueprint, run.explanation.ranking, pd.DataFrame()
        )


def test_two_runs_are_compared_over_what_they_share(runs: tuple[Run, Run]) -> None:
    found = compare_runs(*runs, output="B", top=5)
    assert "The networks differ; they share 30 genes (of 30 and 30)" in found.notes[0]
    genes = found.ranking.agreement.set_index("kind").loc["gene"]
    assert (genes["shared"], genes["only_first"], genes["only_second"]) == (30, 0, 0)
    terms = found.ranking.agreement.set_index("kind").loc["term"]
    assert terms["only_first"] > 0
    assert found.ranking.nodes["p"].notna().all()
    metrics = found.metrics.set_index("metric")
    row = metrics.loc["balanced_accuracy"]
    folds = [
        next(arm for arm in run.metrics["arms"] if arm["arm"] == "graph")["folds"]["balanced_accuracy"] for run in runs
    ]
    assert row["difference"] == pytest.approx(np.mean(folds[0]) - np.mean(folds[1]))
    assert row["n"] == 2
    assert "paired over the folds" in found.notes[-1]
    code, text, _ = cli("compare", runs[0].path, runs[1].path, "--kind", "gene")
    assert code == 0
    assert "balanced accuracy" in text
    assert "Scores that differ most, gene, all; 1 is the median size; 4 and 2 networks" in text
    code, text, _ = cli("compare", runs[0].path, runs[1].path, "--table", "agreement", "-f", "csv")
    assert len(pd.read_csv(io.StringIO(text))) == 8
    code, _, text = cli("compare", runs[0].path, runs[1].path, "--for", "tee")
    assert (code, "There is no output 'tee'" in text) == (1, True)


def test_a_run_agrees_with_itself(runs: tuple[Run, Run]) -> None:
    found = compare_runs(runs[1], open_run(runs[1].path))
    assert found.notes[0] == "Both runs have the same network."
    assert found.ranking.agreement["rank_correlation"].tolist() == pytest.approx([1] * len(found.ranking.agreement))
    assert (found.ranking.agreement["overlap"] == found.ranking.agreement["top"]).all()
    assert (found.ranking.nodes["difference"] == 0).all()
    assert (found.metrics["difference"] == 0).all()


def test_an_unfinished_run_is_refused(runs: tuple[Run, Run], tmp_path: Path) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(runs[1].path, copied, ignore=shutil.ignore_patterns("models"))
    RunFolder(copied).forget("explain")
    started = Run(copied)
    with pytest.raises(OutputError, match="has no ranking yet"):
        enrich_run(started, ["network"])
    with pytest.raises(OutputError, match="has no ranking yet"):
        compare_runs(runs[0], started)
