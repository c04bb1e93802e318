"""``[knockouts]`` in a run, and ``kgreg knockout`` on it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import anndata
import pandas as pd
import pytest

from kgreg.runs import Run, run_experiment
from tests.cells import small_experiment
from tests.cli.test_commands import kgreg_here


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, knowledge_store_path: Path) -> Run:
    experiment = (
        small_experiment(tmp_path_factory.mktemp("knocked"), knowledge_store_path)
        .replace("training", max_epochs=3)
        .replace("nulls", rewired=0, labels=0)
        .replace("knockouts", dose=[0, 2], random=5, pairs=["CD79A", "CD3D"], sweep=True)
    )
    return run_experiment(experiment, until="knockout")


def test_the_stage_leaves_what_was_asked_for(run: Run) -> None:
    assert list(run.knockouts["knockout"].unique())[:2] == ["CD79A", "CD3"]
    assert "CD3 at dose 2" in set(run.knockouts["knockout"])
    assert set(run.knockouts["n_null"]) == {0, 5}, "5 of terms in all samples, and of outputs"
    assert set(run.tables["epistasis"]["first"]) == {"CD79A"}
    assert run.tables["sweep"]["gene"].nunique() == len(run.blueprint.inputs)


def test_sentences_are_printed(run: Run) -> None:
    said = kgreg_here("knockout", run.path, "--format", "text").stdout.splitlines()
    assert len(said) == run.knockouts["knockout"].nunique()
    assert said[0].startswith("Silencing CD79A")
    (one,) = kgreg_here("knockout", run.path, "CD19", "--dose", "0.5", "-f", "text").stdout.splitlines()
    assert one.startswith("Lowering CD19 to 0.5 times what was measured")


def test_pairs_and_sweeps_are_printed(run: Run) -> None:
    pairs = json.loads(kgreg_here("knockout", run.path, "--pairs", "CD79A,CD3D", "-f", "json").stdout)
    expected = run.tables["epistasis"]
    assert len(pairs) == len(expected)
    assert pairs[0]["epistasis"] == pytest.approx(expected["epistasis"].iloc[0])
    assert "Epistasis, additive" in kgreg_here("knockout", run.path, "--pairs", "CD79A,CD3D").stdout
    rows = list(csv.DictReader(io.StringIO(kgreg_here("knockout", run.path, "--all", "-f", "csv").stdout)))
    assert len(rows) == len(run.tables["sweep"])
    assert "one by one" in kgreg_here("knockout", run.path, "--all", "-n", 2).stdout


def test_effects_on_samples_are_written(run: Run, tmp_path: Path) -> None:
    for name in ("effects.h5ad", "effects.parquet"):
        kgreg_here("knockout", run.path, "CD19", "--per-sample", tmp_path / name, "-f", "csv")
    wide, long = anndata.read_h5ad(tmp_path / "effects.h5ad"), pd.read_parquet(tmp_path / "effects.parquet")
    assert wide.shape[0] == 60
    assert wide.X.size == len(long)
    assert long["delta"].iloc[0] == wide.X[0, 0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["CD79"], "did you mean CD79B or CD79A"),
        (["actb"], "did you mean ACTB"),
        (["--set", "nothing="], "names no gene"),
        (["--set", "CD3"], "NAME=GENE"),
        (["--pairs", ""], "names no gene"),
        (["--pairs", "CD19"], "two different genes"),
        (["CD19", "--all"], "one at a time"),
        (["CD19", "--dose", "2", "--value", "1"], "not both"),
        (["CD19", "--value", "off"], "--value off is no value"),
        (["--dose", "2"], "Name genes"),
        (["--all", "--per-sample", "x.h5ad"], "needs genes"),
        (["CD19", "--per-sample", "x.doc"], "the ending says nothing"),
    ],
)
def test_what_cannot_be_is_refused(run: Run, arguments: list[str], said: str) -> None:
    error = kgreg_here("knockout", run.path, *arguments, check=1).stderr
    assert error.startswith("Error:")
    assert said in error
