"""Profile losses against scipy, and towers that do not fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multinomial

from kgreg.errors import FitError
from kgreg.nn.sequence.encoding import one_hot
from kgreg.nn.sequence.layers import read_layers
from kgreg.nn.sequence.profile import ProfileTower, counts_loss, multinomial_profile_loss
from tests.nn.sequence.cases import codes, design

BODY = read_layers([{"kind": "conv", "filters": 5, "width": 3, "padding": "same"}])


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 9), st.integers(0, 9999))
@settings(max_examples=25, deadline=None)
def test_the_profile_loss_is_that_of_a_multinomial_over_both_strands(
    n: int, tracks: int, length: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, tracks, length)) * 2
    reads = rng.poisson(1.5, size=logits.shape).astype(float)
    found = multinomial_profile_loss(torch.from_numpy(logits), torch.from_numpy(reads))
    expected = []
    for one, counts in zip(logits, reads, strict=True):
        p = np.exp(one).ravel() / np.exp(one).sum()
        expected.append(-multinomial.logpmf(counts.ravel(), n=counts.sum(), p=p))
    assert float(found) == pytest.approx(np.mean(expected), rel=1e-9, abs=1e-9)


def test_the_loss_of_counts_is_the_squared_error_of_their_logarithm() -> None:
    reads = torch.tensor([[[1.0, 2.0], [0.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]])
    found = counts_loss(torch.tensor([2.0, -1.0]), reads)
    assert float(found) == pytest.approx(((2 - np.log(8)) ** 2 + 1) / 2)


def test_shares_sum_to_one_over_both_strands() -> None:
    tower = ProfileTower(BODY, 20, controls=1, width=5)
    profile = tower(one_hot(codes(3, 30)), torch.ones(3, 1, 30))
    assert profile.logits.shape == (3, 2, 20)
    torch.testing.assert_close(profile.shares.sum(dim=(1, 2)), torch.ones(3))


def test_towers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(FitError, match="must be odd"):
        ProfileTower(BODY, 20, width=4)
    with pytest.raises(FitError, match="value at every position, but the layers turn 1000 positions into"):
        ProfileTower.of(design("deepsea"), 20)
    tower = ProfileTower(BODY, 20, controls=2)
    with pytest.raises(FitError, match="reads 2 control tracks, the data have 0"):
        tower(one_hot(codes(1, 30)))
    with pytest.raises(FitError, match="has 20 positions, the sequences only 10"):
        tower(one_hot(codes(1, 10)))
