"""The motif bank against one padded convolution, a loop, and itself on the other strand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kgreg.errors import FitError
from kgreg.nn.motif.bank import MotifBank
from kgreg.nn.sequence.encoding import one_hot, reverse_complement


def draw_bank(widths: list[int], seed: int = 0, whole: bool = False, **options: object) -> MotifBank:
    """Return a bank of random filters in double precision; of whole numbers, so that windows tie."""
    rng = np.random.default_rng(seed)
    filters = {f"M{i}": rng.integers(-2, 3, (w, 4)) if whole else rng.normal(size=(w, 4)) for i, w in enumerate(widths)}
    return MotifBank(filters, **options).double()  # type: ignore[arg-type]


def draw_codes(n: int, length: int, seed: int = 0, none: float = 0.1) -> Tensor:
    """Return random codes, some of them no base."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, (n, length))
    return torch.from_numpy(np.where(rng.random((n, length)) < none, 4, codes).astype(np.uint8))


def padded_convolution(bank: MotifBank, weight: Tensor, codes: Tensor) -> Tensor:
    """Return the best score of every motif by one convolution over filters that are padded to one width."""
    widest = int(bank.widths.max())
    kernel = torch.stack(
        [
            torch.nn.functional.pad(one, (0, widest - one.shape[1]))
            for part in (1, -1)
            for one in (w.t() if part == 1 else w.flip(0, 1).t() for w in bank.filters(weight))
        ]
    )
    x = one_hot(codes, dtype=weight.dtype)
    scores = torch.nn.functional.conv1d(torch.nn.functional.pad(x, (0, widest - 1)), kernel)
    length = codes.shape[1]
    fits = torch.arange(length) <= length - torch.from_numpy(bank.widths)[:, None]
    forward, reverse = scores.split(len(bank.ids), dim=1)
    forward, reverse = (s.masked_fill(~fits, -torch.inf) for s in (forward, reverse))
    # The first along the reverse strand is the last as the sequence is written.
    return torch.cat([forward, reverse.flip(2)], dim=2).max(dim=2).values


@settings(max_examples=30, deadline=None)
@given(
    widths=st.lists(st.integers(1, 29), min_size=1, max_size=8),
    length=st.integers(29, 45),
    whole=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_scores_and_gradients_equal_a_padded_convolution(
    widths: list[int], length: int, whole: bool, seed: int
) -> None:
    bank, codes = draw_bank(widths, seed, whole), draw_codes(5, length, seed)
    twin = bank.weight.detach().clone().requires_grad_()
    scores, expected = bank(codes), padded_convolution(bank, twin, codes)
    torch.testing.assert_close(scores, expected, rtol=0, atol=1e-10)
    slope = torch.from_numpy(np.random.default_rng(seed).normal(size=tuple(scores.shape)))
    scores.backward(slope)
    expected.backward(slope)
    torch.testing.assert_close(bank.weight.grad, twin.grad, rtol=0, atol=1e-10)


def test_more_motifs_than_a_tile_holds() -> None:
    widths = np.random.default_rng(1).integers(4, 34, 150).tolist()
    bank, codes = draw_bank(widths), draw_codes(3, 60)
    torch.testing.assert_close(bank(codes), padded_convolution(bank, bank.weight, codes), rtol=0, atol=1e-10)
    torch.testing.assert_close(bank(codes), bank.score_map(codes).flatten(2).amax(dim=2), rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_orientations_score_the_same_to_the_last_bit(dtype: torch.dtype) -> None:
    bank, codes = draw_bank([7, 10, 13, 20]).to(dtype), draw_codes(20, 80)
    assert torch.equal(bank(codes), bank(reverse_complement(codes)))


@pytest.mark.parametrize("pooling", ["max", "top", "logsumexp", "mean"])
def test_pooling_is_that_of_all_windows(pooling: str) -> None:
    bank, codes = draw_bank([3, 5, 5], pooling=pooling, n_top=2), draw_codes(4, 12)
    scores = bank.score_map(codes).detach()
    for i, m in np.ndindex(4, 3):
        windows = scores[i, m][torch.isfinite(scores[i, m])].numpy()
        expected = {
            "max": windows.max(),
            "top": np.sort(windows)[-2:].mean(),
            "logsumexp": np.log2(np.mean(2**windows)),
            "mean": windows.mean(),
        }
        assert bank(codes)[i, m].item() == pytest.approx(expected[pooling], abs=1e-10)


def test_score_map_equals_a_loop_over_windows() -> None:
    bank, codes = draw_bank([3, 6]), draw_codes(2, 9)
    scores = bank.score_map(codes).detach()
    for i, m, p in np.ndindex(2, 2, 9):
        filter_, width = bank.filters()[m].detach(), int(bank.widths[m])
        if p + width > 9:
            assert torch.isinf(scores[i, m, :, p]).all()
            continue
        window = codes[i, p : p + width].tolist()
        forward = sum(float(filter_[j, base]) for j, base in enumerate(window) if base < 4)
        reverse = sum(float(filter_[j, 3 - base]) for j, base in enumerate(window[::-1]) if base < 4)
        assert scores[i, m, :, p].tolist() == pytest.approx([forward, reverse])


def test_derivatives_of_any_input_agree_with_finite_differences() -> None:
    bank = draw_bank([3, 5])
    x = torch.randn(1, 4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(bank.dense, (x,))


def test_best_sites_are_where_a_motif_was_planted() -> None:
    bank = MotifBank({"M": np.array([[1, -1, -1, -1], [1, -1, -1, -1], [-1, 1, -1, -1], [-1, -1, 1, -1]])})
    codes = torch.full((2, 12), 3, dtype=torch.uint8)
    codes[0, 5:9] = torch.tensor([0, 0, 1, 2])
    codes[1, 2:6] = torch.tensor([1, 2, 3, 3])
    score, place, strand = bank.best_sites(codes)
    assert [score.flatten().tolist(), place.flatten().tolist(), strand.flatten().tolist()] == [[4, 4], [5, 2], [0, 1]]


def test_a_motif_wider_than_the_sequences_is_named() -> None:
    with pytest.raises(FitError, match="motif M1 is 9 bases wide, the sequences have 8"):
        draw_bank([4, 9])(draw_codes(1, 8))


def test_filters_in_any_memory_order_are_learned_alike() -> None:
    banks = []
    for order in ("C", "F"):
        bank = MotifBank({"M": np.array(np.random.default_rng(0).normal(size=(5, 4)), order=order)})  # type: ignore[call-overload]
        optimiser = torch.optim.Adam(bank.parameters(), lr=0.1, fused=True)
        (bank(draw_codes(8, 20)) ** 2).sum().backward()
        optimiser.step()
        banks.append(bank.weight.detach())
    assert torch.equal(banks[0], banks[1])
