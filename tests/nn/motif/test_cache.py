"""Scores of frozen banks are computed once, and are those of the bank."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from kgreg.nn.motif import cache
from kgreg.nn.motif.bank import MotifBank
from kgreg.nn.motif.cache import forget_scores, frozen_scores


class CountingBank(MotifBank):
    """Counts the sequences that it scores."""

    scored = 0

    def forward(self, codes: Tensor) -> Tensor:
        self.scored += len(codes)
        return super().forward(codes)


def bank_of(seed: int = 0) -> CountingBank:
    rng = np.random.default_rng(seed)
    return CountingBank({"M1": rng.normal(size=(5, 4)), "M2": rng.normal(size=(8, 4))})


def codes_of(n: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 5, (n, 30)).astype(np.uint8))


@pytest.fixture(autouse=True)
def empty() -> Iterator[None]:
    forget_scores()
    yield
    forget_scores()


def test_every_sequence_is_scored_once_in_any_order_and_company() -> None:
    bank, codes = bank_of(), codes_of(40)
    expected = bank(codes).detach()
    bank.scored = 0
    rng = np.random.default_rng(0)
    for _ in range(10):
        rows = rng.integers(0, 40, 16)
        assert torch.equal(frozen_scores(bank, codes[rows]), expected[rows])
    assert torch.equal(frozen_scores(bank, codes), expected)
    assert bank.scored == 40
    frozen_scores(bank, codes)
    assert bank.scored == 40


def test_banks_of_the_same_filters_share_scores_and_others_do_not() -> None:
    codes = codes_of(10)
    one, same, other = bank_of(), bank_of(), bank_of(1)
    frozen_scores(one, codes)
    assert torch.equal(frozen_scores(same, codes), one(codes).detach())
    assert torch.equal(frozen_scores(other, codes), other(codes).detach())
    assert (same.scored, other.scored) == (0, 20)


def test_a_filter_that_changes_is_scored_anew() -> None:
    bank, codes = bank_of(), codes_of(10)
    before = frozen_scores(bank, codes)
    bank.weight.data[0] += 1
    after = frozen_scores(bank, codes)
    assert torch.equal(after, bank(codes).detach())
    assert not torch.equal(before, after)


def test_memory_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LIMIT", 100 * 2 * 4)
    bank, many = bank_of(), codes_of(120)
    assert torch.equal(frozen_scores(bank, many), bank(many).detach())  # too many: not kept
    for seed in range(4):
        frozen_scores(bank_of(seed), codes_of(60))
    assert sum(held.nbytes for held in cache._caches.values()) <= 2 * 100 * 2 * 4
