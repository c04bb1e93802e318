"""Metrics, intervals and verdicts against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from kgreg.data import split_folds
from kgreg.fit import compare, fold_interval, score
from kgreg.fit.crossval import summarise, verdict
from kgreg.fit.labels import summarise_labels
from kgreg.fit.metrics import concordance, score_labels
from tests.small_data import small_samples

VALUES = st.lists(st.floats(-1, 1), min_size=2, max_size=10)


def test_two_classes_by_hand() -> None:
    # Chosen: 0 1 1 1; class 0 is right in 1 of 2, class 1 in 2 of 2.
    target = np.array([0, 0, 1, 1])
    probability = np.array([[0.8, 0.2], [0.4, 0.6], [0.3, 0.7], [0.45, 0.55]], dtype=np.float32)
    scores = score("classification", target, probability)
    assert scores["accuracy"] == 0.75
    assert scores["balanced_accuracy"] == pytest.approx((1 / 2 + 1) / 2)
    # F1: class 0 precision 1, recall 1/2 -> 2/3; class 1 precision 2/3, recall 1 -> 4/5.
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    # Pairs of (class 1, class 0) in order: 0.7 > 0.2, 0.7 > 0.6, 0.55 > 0.2, but 0.55 < 0.6.
    assert scores["auroc"] == pytest.approx(3 / 4)
    assert scores["log_loss"] == pytest.approx(-np.log([0.8, 0.4, 0.7, 0.55]).mean(), rel=1e-6)


def test_unequal_classes_count_the_same_in_balanced_accuracy() -> None:
    target = np.array([0] * 9 + [1])
    all_zero = np.tile(np.array([[0.9, 0.1]], dtype=np.float32), (10, 1))
    scores = score("classification", target, all_zero)
    assert (scores["accuracy"], scores["balanced_accuracy"]) == (0.9, 0.5)
    assert scores["auroc"] == 0.5


def test_three_classes_by_hand() -> None:
    target = np.array([0, 1, 2])
    probability = np.array([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [0.125, 0.125, 0.75]], dtype=np.float32)
    scores = score("classification", target, probability)
    assert scores["balanced_accuracy"] == pytest.approx(2 / 3)
    # One against the rest, a tie counting half: class 0 wins one of two and ties, so does class 1, class 2 wins both.
    assert scores["auroc"] == pytest.approx((0.75 + 0.75 + 1) / 3)


def test_a_class_without_a_sample_leaves_auroc_undefined_and_the_rest_defined() -> None:
    scores = score("classification", np.array([0, 1, 1]), np.eye(3, dtype=np.float32)[[0, 1, 1]] * 0.7 + 0.1)
    assert math.isnan(scores["auroc"])
    assert scores["balanced_accuracy"] == 1.0
    assert scores["log_loss"] == pytest.approx(-math.log(0.8), rel=1e-6)


def test_values_by_hand() -> None:
    target, predicted = np.array([1.0, 2.0, 3.0, 6.0]), np.array([[1.5], [2.0], [2.5], [5.0]], dtype=np.float32)
    scores = score("regression", target, predicted)
    assert scores["rmse"] == pytest.approx(math.sqrt((0.25 + 0 + 0.25 + 1) / 4))
    assert scores["r2"] == pytest.approx(1 - 1.5 / 14)
    assert scores["pearson_r"] == pytest.approx(np.corrcoef(target, predicted[:, 0])[0, 1])


def test_a_constant_prediction_has_no_correlation() -> None:
    scores = score("regression", np.array([1.0, 2.0, 3.0]), np.full((3, 1), 2.0, dtype=np.float32))
    assert math.isnan(scores["pearson_r"])
    assert scores["r2"] == 0.0


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 40), st.integers(0, 999), st.booleans())
def test_concordance_is_that_of_lifelines(n: int, seed: int, ties: bool) -> None:
    utils = pytest.importorskip("lifelines.utils")
    rng = np.random.default_rng(seed)
    time = rng.integers(1, 6, n).astype(float) if ties else rng.permutation(n) + 1.0
    risk = rng.integers(0, 4, n).astype(float) if ties else rng.normal(size=n)
    event = rng.random(n) < 0.6
    found = concordance(time, event, risk)
    try:
        expected = utils.concordance_index(time, -risk, event)
    except ZeroDivisionError:  # no pair to compare
        assert math.isnan(found)
        return
    assert found == pytest.approx(expected, abs=1e-12)


def test_concordance_by_hand() -> None:
    # Pairs: (1, 2), (1, 3), (1, 3 censored) and (3, 3 censored); the last has equal risks, the first is in disorder.
    time, event = np.array([1.0, 2.0, 3.0, 3.0]), np.array([1, 0, 1, 0])
    assert concordance(time, event, np.array([0.5, 0.9, 0.1, 0.1])) == pytest.approx(2.5 / 4)
    assert score("survival", np.stack([time, event], axis=1), np.array([[3.0], [2.0], [1.0], [0.0]])) == {
        "concordance": 1.0
    }
    assert math.isnan(concordance(time, np.zeros(4), np.zeros(4)))


def test_many_pairs_are_compared_in_parts() -> None:
    rng = np.random.default_rng(0)
    time, event, risk = rng.exponential(size=1500), rng.random(1500) < 0.9, rng.normal(size=1500)
    right = sum(float((risk[time > time[i]] < risk[i]).sum()) for i in np.flatnonzero(event))
    total = sum(int((time > time[i]).sum()) for i in np.flatnonzero(event))
    assert concordance(time, event, risk) == pytest.approx(right / total)


def test_labels_are_scored_where_they_are_known() -> None:
    target = np.array([[0, 1], [1, np.nan], [np.nan, 1], [0, 1], [1, np.nan]])
    predicted = np.array([[0.1, 0.5], [0.9, 0.5], [0.0, 0.5], [0.6, 0.5], [0.4, 0.5]], dtype=np.float32)
    by_label = score_labels(target, predicted)
    # Of the pairs of the first label, 0.4 > 0.6 alone is in disorder; by falling score 1, 0, 1, 0.
    assert by_label["auroc"][0] == pytest.approx(3 / 4)
    assert by_label["average_precision"][0] == pytest.approx((1 + 2 / 3) / 2)
    assert np.isnan([values[1] for values in by_label.values()]).all(), "only one value is there"
    assert score("multilabel", target, predicted) == {
        "auroc": pytest.approx(3 / 4),
        "average_precision": pytest.approx((1 + 2 / 3) / 2),
    }
    assert math.isnan(score("multilabel", target[:, 1:], predicted[:, 1:])["auroc"])


def test_labels_are_summed_up_by_kind_of_arm() -> None:
    rng = np.random.default_rng(0)
    splits = split_folds(small_samples(n=90), 3)
    frames = []
    for arm in ("graph", "rewired-0", "rewired-1"):
        for split in splits:
            truth = rng.integers(0, 2, (30, 2)).astype(float)
            frames.append(
                pd.DataFrame({"target.a": truth[:, 0], "target.b": truth[:, 1] * (split.fold > 0)}).assign(
                    arm=arm, fold=split.fold, replicate=0, a=rng.random(30), b=rng.random(30)
                )
            )
    first, second = summarise_labels(pd.concat(frames), splits, ["a", "b"])
    assert (first["label"], set(first["arms"])) == ("a", {"graph", "rewired"})
    values = [score_labels(f[["target.a"]].to_numpy(), f[["a"]].to_numpy())["auroc"][0] for f in frames[3:]]
    by_fold = np.mean([values[:3], values[3:]], axis=0)
    assert first["arms"]["rewired"]["auroc"] == fold_interval(by_fold, 0.5).to_dict()
    assert second["arms"]["graph"]["auroc"]["n"] == 2, "in one fold the label does not vary"


# ---- intervals -------------------------------------------------------------------------------------------------------


def test_the_interval_over_folds_is_that_of_nadeau_and_bengio() -> None:
    values = [0.8, 0.7, 0.9, 0.6, 0.75]
    mean = sum(values) / 5
    variance = sum((value - mean) ** 2 for value in values) / 4
    # 5 folds: a test part is a quarter of its training part; t(0.975, 4) = 2.776445.
    half = 2.776445 * math.sqrt(variance * (1 / 5 + 1 / 4))
    interval = fold_interval(np.array(values), 0.25)
    assert interval.to_dict() == {
        "mean": pytest.approx(mean),
        "low": pytest.approx(mean - half, rel=1e-5),
        "high": pytest.approx(mean + half, rel=1e-5),
        "n": 5,
    }


@settings(max_examples=50, deadline=None)
@given(VALUES, st.floats(0.05, 1.0))
def test_the_correction_only_widens_the_plain_interval(values: list[float], share: float) -> None:
    corrected, plain = fold_interval(np.array(values), share), fold_interval(np.array(values), 0.0)
    assert corrected.mean == plain.mean == pytest.approx(np.mean(values))
    assert corrected.low <= plain.low <= plain.mean <= plain.high <= corrected.high
    if np.ptp(values) > 1e-6:
        ratio = (corrected.high - corrected.low) / (plain.high - plain.low)
        assert ratio == pytest.approx(math.sqrt(1 + len(values) * share), rel=1e-6)


def test_folds_without_a_value_are_left_out_and_one_fold_has_no_interval() -> None:
    interval = fold_interval(np.array([0.5, np.nan, 0.7]), 0.5)
    assert (interval.n, interval.mean) == (2, pytest.approx(0.6))
    alone = fold_interval(np.array([0.5]), 0.5)
    assert (alone.n, alone.mean) == (1, 0.5)
    assert math.isnan(alone.low)
    assert math.isnan(alone.high)
    nothing = fold_interval(np.array([np.nan]), 0.5)
    assert nothing.n == 0
    assert math.isnan(nothing.mean)


@settings(max_examples=50, deadline=None)
@given(VALUES, st.data())
def test_a_comparison_is_the_corrected_paired_t_test(a: list[float], data: st.DataObject) -> None:
    b = data.draw(st.lists(st.floats(-1, 1), min_size=len(a), max_size=len(a)))
    d, n, share = np.array(a) - np.array(b), len(a), 0.25
    found = compare(np.array(a), np.array(b), share)
    assert found["difference"] == pytest.approx(d.mean())
    if d.std() < 1e-6:
        return
    t = d.mean() / math.sqrt(d.var(ddof=1) * (1 / n + share))
    assert found["p"] == pytest.approx(2 * (1 - stats.t.cdf(abs(t), n - 1)), abs=1e-9)
    # The interval and the p-value tell the same story.
    if abs(found["p"] - 0.05) > 1e-6:
        assert (found["p"] < 0.05) == (found["low"] > 0 or found["high"] < 0)
    swapped = compare(np.array(b), np.array(a), share)
    assert swapped["low"] == pytest.approx(-found["high"])
    assert swapped["p"] == pytest.approx(found["p"])


def test_arms_that_are_the_same_do_not_differ() -> None:
    same = np.array([0.5, 0.75, 1.0])
    assert compare(same, same, 0.5) == {"difference": 0.0, "low": 0.0, "high": 0.0, "n": 3, "p": 1.0}
    assert compare(same + 0.25, same, 0.5)["p"] == 0.0


# ---- what is said ----------------------------------------------------------------------------------------------------


def comparison(difference: float, half: float) -> dict[str, float]:
    return {"difference": difference, "low": difference - half, "high": difference + half, "n": 5, "p": 0.5}


@pytest.mark.parametrize(
    ("difference", "half", "said", "summed_up"),
    [
        (0.1, 0.05, "predicts better than", "The knowledge helped prediction."),
        (-0.1, 0.05, "predicts worse than", "did not measurably help"),
        (0.1, 0.2, "does not predict better than", "did not measurably help"),
        (-0.1, 0.2, "does not predict better than", "did not measurably help"),
        (float("nan"), float("nan"), "does not predict better than", "did not measurably help"),
    ],
)
def test_the_verdict_says_what_the_interval_says(difference: float, half: float, said: str, summed_up: str) -> None:
    text = verdict({"rewired": comparison(difference, half)}, "balanced_accuracy")
    assert f"The network on the real graph {said} the same network on rewired graphs" in text
    assert summed_up in text
    assert "n = 5 folds" in text
    assert "baseline" not in text
    if difference == difference:
        assert f"difference {difference:+.3f} in balanced accuracy" in text
        assert f"95 % interval {difference - half:+.3f} to {difference + half:+.3f}" in text


def test_the_verdict_on_the_baseline_does_not_speak_of_knowledge() -> None:
    text = verdict({"baseline": comparison(-0.2, 0.1)}, "pearson_r")
    assert "predicts worse than the linear baseline (difference -0.200 in pearson r" in text
    assert "knowledge" not in text
    both = verdict({"rewired": comparison(0.2, 0.1), "baseline": comparison(-0.2, 0.1)}, "pearson_r")
    assert both.index("rewired") < both.index("baseline") < both.index("The knowledge helped prediction.")


def test_the_summary_counts_a_fold_once() -> None:
    samples = small_samples(n=90)
    splits = split_folds(samples, 3)
    metric = "balanced_accuracy"
    rows = [
        {"arm": arm, "fold": fold, "replicate": replicate, "metric": metric, "value": value}
        for arm, fold, replicate, value in [
            # Two replicates, then two draws with two replicates: means by fold are 0.8, 0.9, 0.7 and 0.5, 0.5, 0.6.
            *(("graph", 0, 0, 0.7), ("graph", 0, 1, 0.9), ("graph", 1, 0, 0.9), ("graph", 1, 1, 0.9)),
            *(("graph", 2, 0, 0.7), ("graph", 2, 1, 0.7)),
            *((f"rewired-{d}", f, r, 0.5 + 0.1 * (f == 2)) for d in range(2) for f in range(3) for r in range(2)),
            *(("baseline", f, 0, 0.8) for f in range(3)),
            *(("labels-0", f, r, 0.5) for f in range(3) for r in range(2)),
        ]
    ]
    found = summarise(pd.DataFrame(rows), splits, samples, seed=11)
    arms = {arm["arm"]: arm for arm in found["arms"]}
    assert list(arms) == ["graph", "baseline", "rewired", "labels"]
    assert arms["graph"]["folds"][metric] == pytest.approx([0.8, 0.9, 0.7])
    assert arms["rewired"]["draws"] == 2
    assert arms["rewired"]["metrics"][metric]["mean"] == pytest.approx((0.5 + 0.5 + 0.6) / 3)
    assert arms["graph"]["metrics"][metric]["n"] == 3
    difference = np.array([0.3, 0.4, 0.1])
    half = stats.t.ppf(0.975, 2) * math.sqrt(difference.var(ddof=1) * (1 / 3 + 30 / 60))
    rewired = found["comparisons"]["rewired"]
    assert (rewired["difference"], rewired["low"]) == (pytest.approx(0.8 / 3), pytest.approx(0.8 / 3 - half))
    assert set(found["comparisons"]) == {"rewired", "baseline"}
    assert (found["metric"], found["seed"], found["folds"]) == (metric, 11, 3)
    assert "does not predict better than the linear baseline" in found["verdict"]
