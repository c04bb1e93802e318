"""Intervals of independent values and of networks that share folds: against the formulas, and what they cover."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats

from kgreg.decode.intervals import mean_interval, network_interval


def by_hand(values: np.ndarray, folds: np.ndarray, overlap: float, level: float) -> tuple[float, float, float, int]:
    """One value after the other, from the equations of the docstring."""
    kept = [(v, f) for v, f in zip(values, folds, strict=True) if np.isfinite(v)]
    groups = {f: [v for v, g in kept if g == f] for _, f in kept}
    mean = sum(v for v, _ in kept) / len(kept)
    if len(kept) == 1:
        return mean, float("nan"), float("nan"), 1
    k, n = len(groups), len(kept)
    r = k / sum(1 / len(own) for own in groups.values())
    w = sum((v - np.mean(own)) ** 2 for own in groups.values() for v in own) / (n - k) if n > k else 0.0
    if k == 1:
        half = stats.t.ppf(0.5 + level / 2, n - 1) * np.sqrt(w / n)
        return mean, mean - half, mean + half, n
    b = np.var([np.mean(own) for own in groups.values()], ddof=1)
    parts = b * (1 / k + overlap), overlap * (1 - 1 / r) * w
    degrees = sum(parts) ** 2 / (parts[0] ** 2 / (k - 1) + (parts[1] ** 2 / (n - k) if n > k else 0.0))
    half = stats.t.ppf(0.5 + level / 2, degrees) * np.sqrt(sum(parts))
    return mean, mean - half, mean + half, n


@pytest.mark.parametrize("overlap", [0.0, 0.25])
@pytest.mark.parametrize(("folds", "replicates"), [(5, 1), (3, 4), (1, 6), (2, 2)])
def test_the_interval_of_networks_is_that_of_the_equations(folds: int, replicates: int, overlap: float) -> None:
    rng = np.random.default_rng(folds)
    own = np.repeat(np.arange(folds), replicates)
    values = rng.normal(size=(len(own), 3, 4)) + 2 * rng.normal(size=(folds, 3, 4))[own]
    values[rng.random(values.shape) < 0.1] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = network_interval(values, own, overlap, 0.9)
    for at in np.ndindex(3, 4):
        expected = by_hand(values[:, *at], own, overlap, 0.9)
        np.testing.assert_allclose([part[at] for part in found], expected)


def test_one_replicate_and_no_overlap_is_students_t() -> None:
    values = np.random.default_rng(0).normal(size=(6, 5))
    for one, other in zip(network_interval(values, np.arange(6)), mean_interval(values), strict=True):
        np.testing.assert_allclose(one, other)


def test_one_network_and_none_have_no_interval() -> None:
    values = np.array([[1.0, np.nan], [np.nan, np.nan]])
    mean, low, high, n = network_interval(values, np.array([0, 1]), 0.2)
    assert mean[0] == 1
    assert np.isnan([mean[1], low[0], high[0], low[1], high[1]]).all()
    assert n.tolist() == [1, 0]


def test_values_that_do_not_vary_have_an_interval_of_no_width() -> None:
    for folds in (np.arange(4), np.zeros(4), np.array([0, 0, 1, 1])):
        mean, low, high, _ = network_interval(np.full((4, 1), 3.0), folds, 0.2)
        assert mean == low == high == 3


def test_replicates_of_a_fold_are_not_counted_as_further_folds() -> None:
    fold = np.random.default_rng(1).normal(size=(5, 1))
    _, low, high, n = network_interval(np.repeat(fold, 8, axis=0), np.repeat(np.arange(5), 8))
    _, one_low, one_high, _ = mean_interval(fold)
    np.testing.assert_allclose([low, high], [one_low, one_high])
    assert n == 40


@pytest.mark.parametrize(("level", "replicates"), [(0.9, 1), (0.9, 4), (0.95, 1), (0.95, 4)])
def test_it_covers_where_samples_of_a_fold_are_shared_by_its_replicates(level: float, replicates: int) -> None:
    """Means of the test samples of five folds, with the noise of seeds: the interval of before covers 59 to 77 %."""
    rng = np.random.default_rng(2)
    runs, folds = 4000, np.repeat(np.arange(5), replicates)
    values = rng.normal(size=(5, runs))[folds] + 0.5 * rng.normal(size=(len(folds), runs))
    _, low, high, _ = network_interval(values, folds, level=level)
    assert np.mean((low <= 0) & (high >= 0)) == pytest.approx(level, abs=0.015)
    if replicates > 1:
        _, low, high, _ = mean_interval(values, level)
        assert np.mean((low <= 0) & (high >= 0)) < level - 0.15


def test_nadeau_and_bengios_correction_covers_what_they_assume() -> None:
    """Values of folds that are correlated by n_test / n, as they assume of networks that share training samples."""
    rng = np.random.default_rng(3)
    runs, k = 4000, 5
    common = rng.normal(size=runs) * np.sqrt(1 / k)
    values = common + rng.normal(size=(k, runs)) * np.sqrt(1 - 1 / k)
    _, low, high, _ = network_interval(values, np.arange(k), 1 / (k - 1), 0.9)
    assert np.mean((low <= 0) & (high >= 0)) == pytest.approx(0.9, abs=0.015)
    _, low, high, _ = mean_interval(values, 0.9)
    assert np.mean((low <= 0) & (high >= 0)) < 0.83
