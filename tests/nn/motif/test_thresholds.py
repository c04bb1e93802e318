"""Distributions of scores against all windows there are."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgreg.nn.motif.thresholds import score_distribution, score_thresholds

AT_RICH = (0.3, 0.2, 0.2, 0.3)


def all_windows(values: np.ndarray, background: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return score and probability of every window."""
    windows = np.array(list(product(range(4), repeat=len(values))))
    return values[np.arange(len(values)), windows].sum(axis=1), np.array(background)[windows].prod(axis=1)


@settings(max_examples=20, deadline=None)
@given(width=st.integers(1, 5), seed=st.integers(0, 999), p=st.sampled_from([0.5, 0.1, 0.01, 1e-3]))
def test_thresholds_equal_those_of_all_windows(width: int, seed: int, p: float) -> None:
    # Whole scores, at most 40 steps apart in all: rounding to steps changes nothing.
    values = np.random.default_rng(seed).integers(-4, 5, (width, 4)).astype(float)
    scores, probability = all_windows(values, AT_RICH)
    span = int((values.max(axis=1) - values.min(axis=1)).sum())
    found = score_thresholds([values], p, AT_RICH, steps=max(span, 1))[0]
    candidates = np.arange(scores.min(), scores.max() + 2)
    rare = [t for t in candidates if probability[scores >= t].sum() <= p * (1 + 1e-9)]
    assert found == pytest.approx(rare[0])


def test_the_distribution_sums_to_one_and_has_the_mean_of_the_filter() -> None:
    values = np.random.default_rng(0).normal(size=(12, 4))
    scores, mass = score_distribution(values, AT_RICH)
    assert mass.sum() == pytest.approx(1)
    assert (scores * mass).sum() == pytest.approx((values @ np.array(AT_RICH)).sum(), abs=12 * np.ptp(scores) / 2000)


def test_few_random_windows_reach_a_threshold() -> None:
    rng = np.random.default_rng(0)
    values = [rng.normal(size=(width, 4)) for width in (6, 9, 15)]
    thresholds = score_thresholds(values, 0.01)
    for one, threshold in zip(values, thresholds, strict=True):
        windows = rng.integers(0, 4, (100_000, len(one)))
        assert (one[np.arange(len(one)), windows].sum(axis=1) >= threshold).mean() == pytest.approx(0.01, abs=0.0015)


def test_a_short_motif_may_have_no_window_that_is_rare_enough() -> None:
    values = np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0]])
    assert score_thresholds([values], 1e-4)[0] > 2
    assert score_thresholds([np.zeros((3, 4))], 0.5)[0] > 0
