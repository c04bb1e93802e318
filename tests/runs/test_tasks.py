"""Survival and several labels from the experiment file to the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kgreg.errors import FitError
from kgreg.experiment import make_experiment
from kgreg.fit.metrics import concordance, score_labels
from kgreg.runs import Run, continue_run, run_experiment
from tests.cells import make_patients, small_record

LABELS = ["b", "t", "coin"]
TARGETS: dict[str, dict[str, Any]] = {
    "survival": {"time": "months", "event": "died"},
    "multilabel": {"label": LABELS},
    "regression": {"label": "age"},
}


def experiment(folder: Path, store: Path, task: str, **training: Any) -> Any:
    record: dict[str, Any] = small_record(folder, store)
    make_patients(90).write_h5ad(record["data"]["file"])
    del record["data"]["label"]
    record["data"] |= TARGETS[task]
    record["training"] |= training
    record["nulls"] = {"rewired": 1, "labels": 1}
    return make_experiment(record)


@pytest.fixture(scope="module")
def survival(tmp_path_factory: pytest.TempPathFactory, knowledge_store_path: Path) -> Run:
    return run_experiment(experiment(tmp_path_factory.mktemp("survival"), knowledge_store_path, "survival"))


@pytest.fixture(scope="module")
def multilabel(tmp_path_factory: pytest.TempPathFactory, knowledge_store_path: Path) -> Run:
    return run_experiment(experiment(tmp_path_factory.mktemp("labels"), knowledge_store_path, "multilabel"))


def mean(run: Run, arm: str) -> float:
    arms = {entry["arm"]: entry["metrics"] for entry in run.metrics["arms"]}
    return float(arms[arm][run.metrics["metric"]]["mean"])


def test_survival_is_predicted_and_explained(survival: Run) -> None:
    assert (survival.data["task"], survival.data["label"]) == ("survival", "months, died")
    assert survival.data["events"] == int(make_patients(90).obs["died"].sum())
    assert survival.metrics["metric"] == "concordance"
    assert mean(survival, "graph") > 0.6
    assert mean(survival, "baseline") > 0.6
    assert set(survival.explanation.ranking["output"]) == {"all"}
    outputs = survival.knockouts[survival.knockouts["kind"] == "output"]
    assert set(outputs["target"]) == {"risk"}
    assert set(outputs["group"]) == {"all"}


def test_the_scores_of_survival_are_those_of_its_predictions(survival: Run) -> None:
    table = survival.predictions
    assert {"time", "event", "risk"} <= set(table.columns)
    part = table[(table["arm"] == "graph") & (table["fold"] == 0)]
    expected = concordance(*(part[name].to_numpy() for name in ("time", "event", "risk")))
    scores = pd.read_parquet(survival.path / "scores.parquet").set_index(["arm", "fold"])["value"]
    assert scores["graph", 0] == pytest.approx(expected)


def test_survival_is_drawn_by_predicted_risk(survival: Run) -> None:
    text = survival.report.read_text(encoding="utf-8")
    for words in ("Survival by predicted risk", "Concordance index 0.", "Cox regression", "log hazard"):
        assert words in text
    assert "Predicted and true values" not in text


def test_every_label_is_predicted_and_explained(multilabel: Run) -> None:
    assert multilabel.metrics["metric"] == "auroc"
    assert multilabel.data["labels"]["b"]["unknown"] > 0
    by_label = {entry["label"]: entry["arms"]["graph"]["auroc"]["mean"] for entry in multilabel.metrics["labels"]}
    assert by_label["b"] > 0.75
    assert by_label["t"] > 0.75
    assert abs(by_label["coin"] - 0.5) < 0.3
    assert mean(multilabel, "graph") == pytest.approx(np.mean(list(by_label.values())))
    assert set(multilabel.explanation.ranking["output"]) == {*LABELS, "all"}
    outputs = multilabel.knockouts[multilabel.knockouts["kind"] == "output"]
    assert set(outputs["target"]) == set(LABELS)
    assert set(outputs["group"]) == {*LABELS, "all"}


def test_the_scores_of_labels_are_those_of_the_predictions(multilabel: Run) -> None:
    table = multilabel.predictions
    part = table[(table["arm"] == "graph") & (table["fold"] == 1)]
    truth = part[[f"target.{name}" for name in LABELS]].to_numpy(dtype=float)
    assert np.isnan(truth[:, 0]).any()
    expected = score_labels(truth, part[LABELS].to_numpy(dtype=np.float32))
    assert ((part[LABELS] > 0) & (part[LABELS] < 1)).all(axis=None)
    scores = pd.read_parquet(multilabel.path / "scores.parquet").set_index(["arm", "fold", "metric"])["value"]
    for metric, values in expected.items():
        assert scores["graph", 1, metric] == pytest.approx(values.mean())


def test_labels_are_drawn_and_listed(multilabel: Run) -> None:
    text = multilabel.report.read_text(encoding="utf-8")
    for words in ("Label by label", "all labels together", "Logistic regression for every label", "coin"):
        assert words in text
    assert "What is taken for what" not in text


@pytest.mark.parametrize("task", ["survival", "multilabel"])
def test_a_run_goes_on_from_disk(task: str, request: pytest.FixtureRequest) -> None:
    run: Run = request.getfixturevalue(task)
    metrics, ranking, knockouts = run.metrics, run.explanation.ranking, run.knockouts
    again = continue_run(run.path, again=["explain", "knockout", "report"])
    pd.testing.assert_frame_equal(again.explanation.ranking, ranking)
    pd.testing.assert_frame_equal(again.knockouts, knockouts)
    assert again.metrics == metrics


@pytest.mark.parametrize("loss", ["ccc", "huber"])
def test_a_regression_may_use_another_loss(tmp_path: Path, knowledge_store_path: Path, loss: str) -> None:
    run = run_experiment(experiment(tmp_path, knowledge_store_path, "regression", loss=loss), until="train")
    assert mean(run, "graph") > 0.3
    assert run.metrics["metric"] == "pearson_r"


def test_a_loss_for_another_task_is_refused_before_anything_is_written(
    tmp_path: Path, knowledge_store_path: Path
) -> None:
    asked = experiment(tmp_path, knowledge_store_path, "survival", loss="ccc")
    with pytest.raises(FitError, match="is for regression; the task is survival"):
        run_experiment(asked)
    assert not Path(asked.output.folder).exists()
