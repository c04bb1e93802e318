"""The bootstrap of one test part against scoring the repeated rows, and the summary of a fixed split."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgreg.data import Samples, split_fixed, split_folds
from kgreg.data.samples import Task
from kgreg.fit import CrossValidation, cross_validate, score
from kgreg.fit.bootstrap import (
    bootstrap_comparison,
    bootstrap_interval,
    resample,
    score_resamples,
)
from kgreg.fit.crossval import _resampled
from tests.small_data import FAST, small_blueprint, small_samples


def score_each_resample(
    task: Task, target: np.ndarray, predicted: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Score the repeated rows of every resample, one after the other."""
    rows = [np.repeat(np.arange(len(target)), drawn.astype(int)) for drawn in weights]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = [score(task, target[drawn], predicted[drawn]) for drawn in rows]
    return {metric: np.array([one[metric] for one in scores]) for metric in scores[0]}


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 40), st.integers(2, 4), st.integers(0, 10_000), st.booleans())
def test_classes_score_as_the_repeated_rows_do(n: int, n_classes: int, seed: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    target = rng.integers(0, n_classes, n)
    predicted = rng.dirichlet(np.ones(n_classes), n).astype(np.float32)
    if ties:
        predicted = np.round(predicted * 4) / 4 + 0.05
    weights = resample(n, None, seed, 12)
    same("classification", target, predicted, weights)


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 40), st.integers(0, 10_000), st.floats(-100, 100), st.floats(0.5, 100))
def test_values_score_as_the_repeated_rows_do(n: int, seed: int, shift: float, spread: float) -> None:
    rng = np.random.default_rng(seed)
    target = (rng.normal(size=n) * spread + shift).astype(np.float32)
    predicted = (target + rng.normal(size=n) * spread).astype(np.float32)[:, None]
    weights = resample(n, rng.integers(0, 5, n), seed, 25)
    several = np.array([len(np.unique(target[row > 0])) > 2 for row in weights])
    same("regression", target, predicted, weights[several])


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 30), st.integers(1, 3), st.integers(0, 10_000), st.booleans())
def test_labels_score_as_the_repeated_rows_do(n: int, n_labels: int, seed: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    target = rng.choice([0.0, 1.0, np.nan], (n, n_labels), p=[0.5, 0.3, 0.2]).astype(np.float32)
    predicted = rng.random((n, n_labels)).astype(np.float32)
    same("multilabel", target, np.round(predicted * 4) / 4 if ties else predicted, resample(n, None, seed, 10))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 40), st.integers(0, 10_000), st.booleans())
def test_survival_scores_as_the_repeated_rows_do(n: int, seed: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    time = rng.integers(1, 6, n) if ties else rng.random(n) + 0.1
    target = np.stack([time, rng.random(n) < 0.6], axis=1).astype(np.float32)
    risk = (rng.integers(0, 4, n) if ties else rng.normal(size=n)).astype(np.float32)[:, None]
    same("survival", target, risk, resample(n, rng.integers(0, 8, n), seed, 15))


def same(task: Task, target: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> None:
    if not len(weights):
        return
    fast = score_resamples(task, target, predicted, weights)
    slow = score_each_resample(task, target, predicted, weights)
    assert list(fast) == list(slow) == list(score(task, target, predicted))
    for metric, values in slow.items():
        np.testing.assert_allclose(fast[metric], values, rtol=2e-3, atol=2e-4, err_msg=metric)


def test_a_constant_prediction_has_no_correlation_in_any_resample() -> None:
    target = np.arange(10, dtype=np.float32) + 1000
    scores = score_resamples("regression", target, np.full((10, 1), 0.1, dtype=np.float32), resample(10, None, 0, 20))
    assert np.isnan(scores["pearson_r"]).all()
    assert np.isfinite(scores["rmse"]).all()


def test_groups_are_drawn_whole() -> None:
    groups = np.array(["a", "b", "a", "c", "c", "c"])
    weights = resample(6, groups, seed=3, resamples=200)
    for members in ([0, 2], [3, 4, 5]):
        assert (weights[:, members] == weights[:, members[:1]]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert weights[:, 1].std() > 0
    np.testing.assert_array_equal(weights, resample(6, groups, seed=3, resamples=200))
    assert (resample(6, None, seed=3, resamples=50).sum(axis=1) == 6).all()


def test_intervals_by_hand() -> None:
    draws = np.append(np.arange(1001.0), np.nan)
    interval = bootstrap_interval(480.0, draws, 30)
    assert (interval.mean, interval.low, interval.high, interval.n) == (480.0, 25.0, 975.0, 30)
    assert np.isnan(bootstrap_interval(1.0, draws, 1).low)
    compared = bootstrap_comparison(0.5, np.append(np.full(990, 0.5), np.full(9, -0.1)), 30)
    assert compared["p"] == pytest.approx(2 * 10 / 1000)
    assert bootstrap_comparison(0.0, np.zeros(10), 30)["p"] == 1.0


def test_the_interval_of_a_mean_is_the_one_theory_gives() -> None:
    rng = np.random.default_rng(0)
    error = rng.normal(size=400)
    weights = resample(400, None, 0)
    squares = score_resamples("regression", np.zeros(400, dtype=np.float32), error.astype(np.float32)[:, None], weights)
    interval = bootstrap_interval(0.0, squares["rmse"] ** 2, 400)
    half = 1.96 * (error**2).std() / np.sqrt(400)
    assert (interval.high - interval.low) / 2 == pytest.approx(half, rel=0.1)


# ---- the summary of a fixed split ------------------------------------------------------------------------------------


def fixed(samples: Samples, groups: bool) -> Samples:
    n = len(samples)
    parts = np.where(np.arange(n) < n // 3, "test", "train")
    return replace(samples, parts=parts, groups=np.array([f"d{i // 2}" for i in range(n)]) if groups else None)


def fit(samples: Samples, **options: object) -> CrossValidation:
    arms = {"replicates": 3, "rewired": 1, "labels": 2, "seed": 2, **options}
    return cross_validate(small_blueprint(), samples, split_fixed(samples), replace(FAST, max_epochs=5), **arms)


@pytest.fixture(scope="module")
def result() -> CrossValidation:
    return fit(fixed(small_samples("regression"), groups=True))


def test_a_fixed_split_has_bootstrap_intervals_over_its_test_groups(result: CrossValidation) -> None:
    summary = result.summary()
    assert (summary["folds"], summary["unit"], summary["interval"], summary["test_samples"]) == (
        *(1, "test group", "bootstrap over test groups"),
        40,
    )
    for arm in summary["arms"]:
        for metric in arm["metrics"].values():
            assert metric["low"] <= metric["mean"] <= metric["high"]
            assert metric["n"] == 20
    assert "n = 20 test groups" in summary["verdict"]
    assert summary == result.summary()
    assert (
        fit(fixed(small_samples(), groups=False), replicates=1).summary()["interval"] == "bootstrap over test samples"
    )


def test_the_intervals_are_those_of_the_mean_over_replicates_paired_with_the_baseline(result: CrossValidation) -> None:
    samples, split = result.samples, result.splits[0]
    weights = resample(40, samples.groups[split.test], result.seed)

    def drawn(arm: str) -> np.ndarray:
        own = result.predictions[result.predictions["arm"] == arm]
        each = [
            score_each_resample("regression", samples.target[split.test], part[["predicted"]].to_numpy(), weights[:300])
            for _, part in own.groupby("replicate")
        ]
        return np.mean([scores["pearson_r"] for scores in each], axis=0)

    fast, units = _resampled(result.predictions, split, samples, result.seed)
    assert units == 20
    np.testing.assert_allclose(fast["graph"]["pearson_r"][:300], drawn("graph"), atol=1e-5)
    difference = fast["graph"]["pearson_r"] - fast["baseline"]["pearson_r"]
    found = result.summary()["comparisons"]["baseline"]
    assert (found["low"], found["high"]) == pytest.approx(tuple(np.percentile(difference, [2.5, 97.5])))


@pytest.mark.parametrize("task", ["multilabel", "survival"])
def test_every_task_has_intervals_on_a_fixed_split(task: Task) -> None:
    summary = fit(fixed(small_samples(task), groups=True), replicates=2, rewired=1, labels=1).summary()
    assert [arm["arm"] for arm in summary["arms"]] == [
        *("graph", "graph, ensemble of 2", "baseline", "rewired", "labels")
    ]
    for arm in summary["arms"]:
        for metric in arm["metrics"].values():
            assert metric["low"] <= metric["mean"] <= metric["high"]


@pytest.mark.parametrize("task", ["classification", "regression", "multilabel", "survival"])
def test_the_ensemble_is_the_mean_of_the_replicates_predictions(task: Task, result: CrossValidation) -> None:
    if task != "regression":
        samples = small_samples(task)
        result = cross_validate(
            *(small_blueprint(), samples, split_folds(samples, 3), replace(FAST, max_epochs=4)),
            **{"replicates": 2, "rewired": 0, "labels": 0},
        )
    columns = ["predicted"] if task == "regression" else result.samples.outputs
    arm = next(arm for arm in result.summary()["arms"] if arm["arm"].startswith("graph, ensemble of"))
    assert arm["arm"].endswith(str(result.predictions["replicate"].max() + 1))
    graph = result.predictions[result.predictions["arm"] == "graph"]
    for split in result.splits:
        mean = graph[graph["fold"] == split.fold].groupby("sample", sort=False)[columns].mean().to_numpy()
        expected = score(task, result.samples.target[split.test], mean.astype(np.float32))
        for metric, value in expected.items():
            assert arm["folds"][metric][split.fold] == pytest.approx(value, abs=1e-5)


def test_one_replicate_is_no_ensemble() -> None:
    one = fit(fixed(small_samples("regression"), groups=False), replicates=1, rewired=0, labels=0)
    assert [arm["arm"] for arm in one.summary()["arms"]] == ["graph", "baseline"]
