"""Sites that are put in, taken out and moved apart, in a function of which it is known what it does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kgreg.decode.sequence.functions import encode
from kgreg.decode.sequence.interventions import ablate, backgrounds, marginalise, space
from kgreg.errors import DataError

SITES = ("GATTACA", "TTGCAA")


class Pair(nn.Module):
    """1 for each of two sites, and 2 more where both stand 5 letters apart."""

    def forward(self, x: Tensor) -> Tensor:
        found = [self.where(x, site) for site in SITES]
        close = (found[0][:, :-12].float() * found[1][:, 12:][:, : found[0].shape[1] - 12].float()).amax(dim=1)
        score = found[0].any(dim=1).float() + found[1].any(dim=1).float() + 2 * close
        return torch.stack([score, torch.zeros_like(score)], dim=1)

    @staticmethod
    def where(x: Tensor, site: str) -> Tensor:
        wanted = encode(np.array([["ACGT".index(letter) for letter in site]], dtype=np.uint8))
        scores = nn.functional.conv1d(nn.functional.pad(x.float(), (0, 8 - len(site))), wanted)
        return scores[:, 0, : x.shape[2] - 7] == len(site)


@pytest.fixture(scope="module")
def sequences() -> np.ndarray:
    codes = np.random.default_rng(0).integers(0, 4, (20, 80)).astype(np.uint8)
    return backgrounds(codes, 12, seed=1)


def test_a_site_does_what_it_does(sequences: np.ndarray) -> None:
    found = marginalise(Pair(), sequences, "gattaca", outputs=["score", "nothing"])
    assert found["output"].tolist() == ["score", "nothing"]
    assert found["difference"].tolist() == [1.0, 0.0]
    assert found["n"].tolist() == [12, 12]
    assert found["start"].tolist() == [36, 36]
    assert found["low"].iloc[0] <= 1.0 <= found["high"].iloc[0]


def test_what_is_shuffled_is_lost(sequences: np.ndarray) -> None:
    with_site = sequences.copy()
    with_site[:, 10:17] = ["ACGT".index(letter) for letter in "GATTACA"]
    found = ablate(Pair(), with_site, 8, 20, shuffles=10, seed=0)
    elsewhere = ablate(Pair(), with_site, 40, 60, shuffles=10, seed=0)
    assert found["difference"].iloc[0] < -0.8
    assert elsewhere["difference"].iloc[0] == 0
    assert found.equals(ablate(Pair(), with_site, 8, 20, shuffles=10, seed=0))


def test_an_interaction_is_what_is_more_than_the_sum(sequences: np.ndarray) -> None:
    found = space(Pair(), sequences, SITES, [3, 5, 9]).query("output == '0'").set_index("distance")
    assert found["interaction"].tolist() == [0.0, 2.0, 0.0]
    assert found["difference"].tolist() == [2.0, 4.0, 2.0]


def test_backgrounds_are_letters_and_follow_the_seed(sequences: np.ndarray) -> None:
    codes = np.random.default_rng(0).integers(0, 4, (20, 80)).astype(np.uint8)
    codes[:, :4] = 4
    found = backgrounds(codes, 12, seed=1)
    assert found.shape == (12, 80)
    assert (found[:, :4] == 4).all()
    assert (found[:, 4:] < 4).all()
    np.testing.assert_array_equal(found, backgrounds(codes, 12, seed=1))


@pytest.mark.parametrize(
    ("motif", "start", "message"), [("GATUACA", None, "holds U"), ("", None, "one letter"), ("GATTACA", 78, "not fit")]
)
def test_motifs_that_cannot_be_put_in(sequences: np.ndarray, motif: str, start: int | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        marginalise(Pair(), sequences, motif, start=start)


def test_spans_and_distances_that_are_none(sequences: np.ndarray) -> None:
    with pytest.raises(DataError, match="no span"):
        ablate(Pair(), sequences, 20, 10)
    with pytest.raises(DataError, match="apart"):
        space(Pair(), sequences, SITES, [-1])
