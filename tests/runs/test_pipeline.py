"""From an experiment to its report: what a run leaves behind, and how it goes on after an interruption."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kgreg.errors import DataError, OutputError
from kgreg.fit import CrossValidation
from kgreg.runs import STAGES, Run, continue_run, knock_out_again, open_run, run_experiment
from kgreg.runs.folder import RunFolder
from tests.cells import make_cells, small_experiment


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, knowledge_store_path: Path) -> Run:
    """A whole run; tests only read it."""
    return run_experiment(small_experiment(tmp_path_factory.mktemp("finished"), knowledge_store_path))


def test_every_stage_is_done_and_leaves_its_results(finished: Run) -> None:
    assert set(RunFolder(finished.path).record["stages"]) == set(STAGES)
    assert {arm["arm"] for arm in finished.metrics["arms"]} == {"graph", "baseline", "rewired", "labels"}
    assert set(finished.explanation.ranking["output"]) == {"B", "T", "other", "all"}
    assert list(finished.knockouts["knockout"].unique())[:2] == ["CD79A", "CD3"]
    assert "</html>" in finished.report.read_text(encoding="utf-8")


def test_the_planted_genes_and_their_subsystems_lead(finished: Run) -> None:
    from tests.cells import B_CELL, T_CELL

    explanation = finished.explanation
    assert set(explanation.top("gene", "B", 3)["label"]) <= set(B_CELL) | set(T_CELL)
    scores = finished.metrics["arms"][0]["metrics"]["balanced_accuracy"]
    assert scores["mean"] > 0.8, "the signal is planted in twenty genes"


def test_a_number_has_its_n_seed_and_interval(finished: Run) -> None:
    for table in (finished.explanation.ranking, finished.knockouts):
        assert {"n", "seed", "low", "high"} <= set(table.columns)
    for arm in finished.metrics["arms"]:
        assert all({"mean", "low", "high", "n"} == set(value) for value in arm["metrics"].values())


def test_every_sample_is_predicted_once_by_each_arm(finished: Run) -> None:
    counts = finished.predictions.groupby("arm")["sample"].agg(["size", "nunique"])
    assert (counts == 60).all(axis=None)


def test_no_pickle_is_left_behind(finished: Run) -> None:
    kinds = {path.suffix for path in finished.path.rglob("*") if path.is_file()}
    assert kinds <= {".json", ".parquet", ".safetensors", ".html"}


def test_a_run_is_opened_again(finished: Run) -> None:
    again = open_run(finished.path)
    assert again.blueprint.content_hash() == finished.blueprint.content_hash()
    with pytest.raises(OutputError, match="holds no run"):
        open_run(finished.path / "models")


def test_the_same_seed_gives_the_same_numbers(finished: Run, tmp_path: Path) -> None:
    again = run_experiment(finished.experiment, output=tmp_path / "again", until="train")
    pd.testing.assert_frame_equal(again.predictions, finished.predictions)


def test_other_genes_are_knocked_out_of_the_same_networks(finished: Run) -> None:
    table = knock_out_again(finished.path, {"CD79A": ["CD79A"]})
    before = finished.knockouts[finished.knockouts["knockout"] == "CD79A"].reset_index(drop=True)
    # q is over the knockouts that are asked for together.
    pd.testing.assert_frame_equal(table.drop(columns="q"), before.drop(columns="q"))


def test_an_object_in_memory_serves_as_well_as_a_file(finished: Run, tmp_path: Path) -> None:
    again = run_experiment(finished.experiment, output=tmp_path / "object", data=make_cells(), until="train")
    assert again.metrics["arms"] == finished.metrics["arms"]


class _Stop(KeyboardInterrupt):
    """What Ctrl-C raises, at a moment of our choosing."""


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_an_interrupted_run_goes_on_to_the_same_end(finished: Run, tmp_path: Path, share: float) -> None:
    folder = tmp_path / "run"

    def stop(text: str, done: float) -> None:
        if done > share:
            raise _Stop

    with pytest.raises(KeyboardInterrupt):
        run_experiment(finished.experiment, output=folder, progress=stop)
    with pytest.raises(OutputError, match="--resume"):
        run_experiment(finished.experiment, output=folder)
    resumed = run_experiment(finished.experiment, output=folder, resume=True)
    pd.testing.assert_frame_equal(resumed.explanation.ranking, finished.explanation.ranking)
    pd.testing.assert_frame_equal(resumed.knockouts, finished.knockouts)


def test_resuming_does_not_train_finished_networks_again(
    finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_experiment(finished.experiment, output=tmp_path / "run", until="train")

    def refuse(*_: object, **__: object) -> CrossValidation:
        raise AssertionError("trained again")

    monkeypatch.setattr("kgreg.runs.pipeline.cross_validate", refuse)
    assert continue_run(tmp_path / "run").report.is_file()


def test_data_that_changed_in_the_meantime_are_refused(tmp_path: Path, knowledge_store_path: Path) -> None:
    experiment = small_experiment(tmp_path, knowledge_store_path)
    run_experiment(experiment, until="compile")
    changed = make_cells(seed=1)
    changed.write_h5ad(experiment.data.file)
    with pytest.raises(DataError, match="has changed"):
        continue_run(experiment.output.folder)


def test_progress_rises_from_start_to_end(tmp_path: Path, knowledge_store_path: Path) -> None:
    seen: list[float] = []
    run_experiment(small_experiment(tmp_path, knowledge_store_path), progress=lambda text, share: seen.append(share))
    assert np.all(np.diff(seen) >= -1e-9)
    assert seen[0] < 0.05
    assert seen[-1] == pytest.approx(1.0)


def test_regression_by_group_on_reactome(tmp_path: Path, knowledge_store_path: Path) -> None:
    record = small_experiment(tmp_path, knowledge_store_path)
    record = record.replace("data", label="age", group="donor").replace("knowledge", guide="reactome", min_genes=2)
    run = run_experiment(record)
    assert run.metrics["metric"] == "pearson_r"
    assert run.data["groups"] == 5
    assert run.metrics["arms"][0]["metrics"]["pearson_r"]["mean"] > 0.3
    assert run.blueprint.terms["id"].str.startswith("R-HSA-").all()
    splits = pd.read_parquet(run.path / "splits.parquet")
    donor = dict(zip(make_cells().obs_names, make_cells().obs["donor"], strict=True))
    sides = splits.assign(donor=splits["sample"].map(donor)).groupby(["fold", "donor"])["part"].nunique()
    assert (sides == 1).all()
