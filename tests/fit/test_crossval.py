"""All arms of an experiment on the same folds, from end to end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import kgreg.fit.train
from kgreg.data import split_folds
from kgreg.fit import Arm, CrossValidation, arm_blueprint, arm_samples, cross_validate, plan, score
from tests.small_data import FAST, small_blueprint, small_samples

BLUEPRINT = small_blueprint()
SAMPLES = small_samples()
SPLITS = split_folds(SAMPLES, 3)
SETTINGS = replace(FAST, max_epochs=8)
ARMS = ["graph", "rewired-0", "labels-0", "labels-1"]


@pytest.fixture(scope="module")
def told() -> list[tuple[str, float]]:
    return []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fits")


@pytest.fixture(scope="module")
def result(folder: Path, told: list[tuple[str, float]]) -> CrossValidation:
    return cross_validate(
        *(BLUEPRINT, SAMPLES, SPLITS, SETTINGS),
        **{"replicates": 2, "rewired": 1, "labels": 2, "seed": 4, "folder": folder},
        progress=lambda text, share: told.append((text, share)),
    )


def test_every_sample_is_predicted_once_by_every_arm_and_replicate(result: CrossValidation) -> None:
    table = result.predictions
    for (arm, replicate), part in table.groupby(["arm", "replicate"]):
        assert sorted(part["sample"]) == sorted(SAMPLES.names), (arm, replicate)
    found = set(table[["arm", "replicate"]].itertuples(index=False, name=None))
    assert found == {(arm, replicate) for arm in ARMS for replicate in range(2)} | {("baseline", 0)}
    np.testing.assert_allclose(table[SAMPLES.classes].sum(axis=1), 1, atol=1e-5)
    fold = {SAMPLES.names[row]: split.fold for split in SPLITS for row in split.test}
    assert (table["sample"].map(fold) == table["fold"]).all()


def test_targets_are_the_true_ones_but_for_permuted_labels(result: CrossValidation) -> None:
    truth = dict(zip(SAMPLES.names, np.array(SAMPLES.classes)[SAMPLES.target], strict=True))
    right = result.predictions["sample"].map(truth) == result.predictions["target"]
    by_arm = right.groupby(result.predictions["arm"]).mean()
    assert (by_arm[["graph", "rewired-0", "baseline"]] == 1).all()
    assert (by_arm[["labels-0", "labels-1"]] < 0.8).all()


def test_scores_are_those_of_the_predictions(result: CrossValidation) -> None:
    table = result.predictions
    part = table[(table["arm"] == "rewired-0") & (table["fold"] == 1) & (table["replicate"] == 1)]
    target = part["target"].map({name: i for i, name in enumerate(SAMPLES.classes)}).to_numpy()
    expected = score("classification", target, part[SAMPLES.classes].to_numpy(dtype=np.float32))
    scores = result.scores
    chosen = scores[(scores["arm"] == "rewired-0") & (scores["fold"] == 1) & (scores["replicate"] == 1)]
    assert dict(zip(chosen["metric"], chosen["value"], strict=True)) == pytest.approx(expected)
    assert not scores.duplicated(["arm", "fold", "replicate", "metric"]).any()
    assert len(scores) == (len(ARMS) * 2 + 1) * 3 * len(expected)


def test_the_signal_is_found_and_permuted_labels_are_near_chance(result: CrossValidation) -> None:
    summary = result.summary()
    mean = {arm["arm"]: arm["metrics"]["balanced_accuracy"]["mean"] for arm in summary["arms"]}
    assert mean["graph"] > 0.8
    assert mean["baseline"] > 0.8
    assert abs(mean["labels"] - 0.5) < 0.12
    assert {arm["arm"]: arm["draws"] for arm in summary["arms"]} == {
        **{"graph": 1, "graph, ensemble of 2": 1, "baseline": 1, "rewired": 1, "labels": 2}
    }
    assert "network on the real graph" in summary["verdict"]


def test_every_arm_trains_its_own_graph_and_targets(result: CrossValidation) -> None:
    graphs = {job.arm.name: result.models[job.name].blueprint.content_hash() for job in result.jobs}
    assert graphs["graph"] == graphs["labels-0"] == BLUEPRINT.content_hash()
    assert graphs["rewired-0"] != BLUEPRINT.content_hash()
    rows = np.arange(len(SAMPLES))
    for kind in ("graph", "rewired", "labels"):
        for job, model in result.fits(kind):
            assert job.arm.kind == kind
            assert model.seed == job.seed
            changed = not np.array_equal(result.target_of(job, rows), SAMPLES.target)
            assert changed == (kind == "labels")
            np.testing.assert_array_equal(result.inputs_of(job, rows).x, SAMPLES.columns(model.blueprint.inputs))


def test_the_baseline_keeps_its_penalties(result: CrossValidation) -> None:
    assert [chosen["fold"] for chosen in result.baseline_settings] == [0, 1, 2]
    assert all(chosen["C"] in (0.01, 0.1, 1.0) for chosen in result.baseline_settings)


def test_progress_rises_from_nothing_to_all(result: CrossValidation, told: list[tuple[str, float]]) -> None:
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert 0 <= shares[0] < 0.1
    assert shares[-1] == 1
    texts = {text for text, _ in told}
    # 18 fits of the real graph, of which ten run side by side, and 6 of the rewired one.
    groups = ["graph to labels-0, 10", "labels-0 to labels-1, 8", "rewired-0, 6"]
    assert {f"{verb} {what} fits side by side" for verb in ("training", "trained") for what in groups} <= texts


def test_what_is_finished_is_not_trained_again(
    result: CrossValidation, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(kgreg.fit.train, "run_loop", refuse)
    again = cross_validate(
        *(BLUEPRINT, SAMPLES, SPLITS, SETTINGS),
        **{"replicates": 2, "rewired": 1, "labels": 2, "seed": 4, "folder": folder},
    )
    pd.testing.assert_frame_equal(again.predictions, result.predictions)
    pd.testing.assert_frame_equal(again.scores, result.scores)
    assert again.summary() == result.summary()


def test_an_interrupted_cross_validation_continues_with_the_same_numbers(tmp_path: Path) -> None:
    settings, few = replace(FAST, max_epochs=3), {"rewired": 1, "labels": 0, "seed": 1}
    whole = cross_validate(BLUEPRINT, SAMPLES, SPLITS[:2], settings, **few)
    calls = 0

    def stop(text: str, share: float) -> None:
        nonlocal calls
        calls += 1
        if calls == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cross_validate(BLUEPRINT, SAMPLES, SPLITS[:2], settings, **few, folder=tmp_path, progress=stop)
    resumed = cross_validate(BLUEPRINT, SAMPLES, SPLITS[:2], settings, **few, folder=tmp_path)
    pd.testing.assert_frame_equal(resumed.predictions, whole.predictions)


def test_regression_has_one_column_of_predictions() -> None:
    samples = small_samples("regression")
    splits = split_folds(samples, 3)
    result = cross_validate(BLUEPRINT, samples, splits, replace(FAST, max_epochs=2), rewired=0, labels=1, seed=0)
    assert result.outputs == ["stage"]
    part = result.predictions[result.predictions["arm"] == "graph"].set_index("sample").loc[samples.names]
    np.testing.assert_array_equal(part["target"].to_numpy(dtype=np.float32), samples.target)
    assert np.isfinite(part["predicted"]).all()
    summary = result.summary()
    assert summary["metric"] == "pearson_r"
    assert set(summary["comparisons"]) == {"baseline"}
    assert "knowledge" not in summary["verdict"]


# ---- the plan --------------------------------------------------------------------------------------------------------


def test_the_plan_holds_every_arm_fold_and_replicate_with_a_seed_of_its_own() -> None:
    jobs = plan(SPLITS, replicates=2, rewired=3, labels=1, seed=0)
    assert len(jobs) == (1 + 3 + 1) * 3 * 2
    assert len({job.seed for job in jobs}) == len({job.name for job in jobs}) == len(jobs)
    assert jobs[0].name == "graph/fold-0-replicate-0"
    assert {job.arm.name for job in jobs} == {"graph", "rewired-0", "rewired-1", "rewired-2", "labels-0"}
    assert all(job.arm.kind == "graph" for job in jobs[:6])
    assert [job.seed for job in jobs] == [job.seed for job in plan(SPLITS, 2, 3, 1, seed=0)]
    assert {job.seed for job in jobs}.isdisjoint(job.seed for job in plan(SPLITS, 2, 3, 1, seed=1))


def test_nulls_may_have_replicates_of_their_own() -> None:
    jobs = plan(SPLITS, 3, 2, 1, seed=0, controls=1, null_replicates=1)
    every = plan(SPLITS, 3, 2, 1, seed=0, controls=1)
    assert [job for job in every if job.arm.kind in ("graph", "control") or job.replicate == 0] == jobs


def test_a_further_null_does_not_change_the_seeds_of_the_real_graph() -> None:
    few, many = plan(SPLITS, 1, 1, 0, seed=5), plan(SPLITS, 1, 4, 2, seed=5)
    assert [job.seed for job in few[:6]] == [job.seed for job in many[:6]]


def test_nulls_are_drawn_by_seed_and_number() -> None:
    graphs = {
        (seed, number): arm_blueprint(BLUEPRINT, Arm("rewired", number), seed).content_hash()
        for seed in range(2)
        for number in range(3)
    }
    assert len(set(graphs.values())) == len(graphs)
    assert arm_blueprint(BLUEPRINT, Arm("rewired", 1), 0).content_hash() == graphs[0, 1]
    assert arm_blueprint(BLUEPRINT, Arm("labels", 1), 0) is BLUEPRINT
    first, second = (arm_samples(SAMPLES, Arm("labels", number), 0, BLUEPRINT.inputs) for number in (0, 1))
    assert sorted(first.target) == sorted(SAMPLES.target)
    assert not np.array_equal(first.target, second.target)
    np.testing.assert_array_equal(first.x, SAMPLES.x)
    assert arm_samples(SAMPLES, Arm("rewired", 0), 0, BLUEPRINT.inputs) is SAMPLES
    first, second = (arm_samples(SAMPLES, Arm("control", number), 0, BLUEPRINT.inputs) for number in (0, 1))
    assert first.features == BLUEPRINT.inputs["feature"].tolist()
    assert not np.array_equal(first.x, second.x)
    jobs = plan(SPLITS, 2, 1, 1, seed=0, controls=2)
    assert jobs[: len(plan(SPLITS, 2, 1, 1, seed=0))] == plan(SPLITS, 2, 1, 1, seed=0)
    assert {job.arm.name for job in jobs} == {"graph", "rewired-0", "labels-0", "control-0", "control-1"}
