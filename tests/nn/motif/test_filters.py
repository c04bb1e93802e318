"""From counts to filters, and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kgreg.errors import FitError
from kgreg.nn.motif.filters import (
    Encoding,
    base_probabilities,
    implied_information,
    implied_probabilities,
    motif_filter,
)

COUNTS = np.array([[10, 0, 0, 0], [4, 2, 2, 2], [0, 5, 0, 5]])
AT_RICH = (0.3, 0.2, 0.2, 0.3)


def test_filters_are_what_the_equations_say() -> None:
    p = (COUNTS + 2 * np.array(AT_RICH)) / 12
    np.testing.assert_allclose(base_probabilities(COUNTS, 2, AT_RICH), p)
    np.testing.assert_allclose(motif_filter(COUNTS, "log-odds", 2, AT_RICH), np.log2(p / AT_RICH))
    np.testing.assert_allclose(motif_filter(COUNTS, "centred", 2, AT_RICH), p - 0.25)
    bits = (p * np.log2(p / AT_RICH)).sum(axis=1)
    np.testing.assert_allclose(motif_filter(COUNTS, "information", 2, AT_RICH), p * bits[:, None])


def test_without_pseudocounts_a_certain_base_has_two_bits() -> None:
    assert motif_filter(COUNTS, "information", 0)[0].tolist() == [2, 0, 0, 0]


def test_probabilities_are_taken_as_those_of_a_hundred_sites() -> None:
    p = COUNTS / 10
    np.testing.assert_allclose(base_probabilities(p, 1.0), base_probabilities(100 * p, 1.0))


@given(st.sampled_from(["log-odds", "information", "centred"]), st.integers(0, 99))
def test_a_filter_stands_for_the_probabilities_it_was_made_of(encoding: Encoding, seed: int) -> None:
    counts = np.random.default_rng(seed).integers(0, 50, (6, 4)) + np.eye(6, 4)
    p = base_probabilities(counts, 1.0, AT_RICH)
    weight = torch.from_numpy(motif_filter(counts, encoding, 1.0, AT_RICH))
    np.testing.assert_allclose(implied_probabilities(weight, encoding, AT_RICH).numpy(), p, atol=1e-4)
    bits = (p * np.log2(p / AT_RICH)).sum(axis=1)
    np.testing.assert_allclose(implied_information(weight, encoding, AT_RICH).numpy(), bits, atol=1e-2)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        (np.array([[1, 1, 1, 1], [0, 0, 0, 0]]), "MA0001.1 has no counts at position 2"),
        (np.zeros((0, 4)), "shape"),
        (np.ones((4, 5)), "shape"),
        (np.array([[1, -1, 1, 1]]), "no count"),
        (np.array([[1, np.nan, 1, 1]]), "no count"),
    ],
)
def test_matrices_that_are_none_are_refused(counts: np.ndarray, said: str) -> None:
    with pytest.raises(FitError, match=said):
        motif_filter(counts, name="MA0001.1")


def test_log_odds_of_nothing_need_a_pseudocount() -> None:
    with pytest.raises(FitError, match="minus infinity"):
        motif_filter(COUNTS, "log-odds", 0)


@pytest.mark.parametrize("background", [(0.25, 0.25, 0.25), (1.0, 0.0, 0.0, 0.0), (0.3, 0.3, 0.3, 0.3)])
def test_a_background_is_four_probabilities(background: tuple[float, ...]) -> None:
    with pytest.raises(FitError, match="background"):
        motif_filter(COUNTS, background=background)
