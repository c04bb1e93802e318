"""The motif bank against one padded convolution: forward and backward, and a refit on a frozen bank.

    python -m benchmarks.motif_bank [--batch B] [--length L] [--sequences N] [--epochs E] [--threads T]

The motifs are those of JASPAR 2026, vertebrates (1,019 of them, 5 to 33 bases wide); sequences are random, float32.
The other side is what one writes first: all filters and their reverse complements padded to the widest, one
``conv1d``, the maximum over all windows that lie inside. Scores and gradients of both are compared before anything is
timed; the sides take turns, and a ratio is the median of the ratios of neighbouring times. The one-hot coding of the
convolution is not counted, the tables and words of the bank are.

A refit is one linear head trained on the scores of N sequences, E epochs of Adam in batches: on the padded convolution
without gradients for the filters, and on a frozen bank whose scores were computed by an earlier fit of this process.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.vnn import take_turns
from kgreg.nn.motif import MotifBank, motif_filter
from kgreg.nn.motif.cache import frozen_scores
from kgreg.nn.sequence.encoding import one_hot
from kgreg.sources import jaspar


class PaddedConvolution(nn.Module):
    """Both strands of every filter, padded with zeros behind to one width, slid over sequences padded as much."""

    fits: Tensor

    def __init__(self, bank: MotifBank, length: int) -> None:
        super().__init__()
        self.width = int(bank.widths.max())
        filters = [values.detach().t() for values in bank.filters()]
        both = filters + [values.flip(0, 1) for values in filters]
        padded = torch.stack([nn.functional.pad(values, (0, self.width - values.shape[1])) for values in both])
        self.weight = nn.Parameter(padded)
        inside = torch.arange(length) <= length - torch.from_numpy(np.tile(bank.widths, 2))[:, None]
        self.register_buffer("fits", torch.where(inside, 0.0, -torch.inf))

    def forward(self, x: Tensor) -> Tensor:
        """Return the best score of every motif, ``[batch, n]``, of ``x [batch, 4, L]``."""
        scores = nn.functional.conv1d(nn.functional.pad(x, (0, self.width - 1)), self.weight) + self.fits
        # The first of equal windows, and of the strands the forward one, has the gradient: as in the bank.
        return scores.max(dim=2).values.unflatten(1, (2, -1)).max(dim=1).values  # type: ignore[no-any-return]


def jaspar_bank() -> MotifBank:
    """Return the bank of all motifs as log-odds, with noise of 0.001 bits.

    Without it, windows would tie (palindromes do, and bases with the same count), and rounding would say which of them
    has the gradient: the two sides could not be compared.
    """
    motifs = jaspar.read().nodes["Motif"].to_pydict()
    rng = np.random.default_rng(0)
    filters = {}
    for name, pfm in zip(motifs["id"], motifs["pfm"], strict=True):
        values = motif_filter(np.reshape(pfm, (-1, 4)))
        filters[name] = values + rng.normal(scale=1e-3, size=values.shape)
    return MotifBank(filters)


def compare(bank: MotifBank, padded: PaddedConvolution, codes: Tensor, x: Tensor) -> None:
    """Print by how much scores and gradients of the two sides differ, relative to the largest."""
    slope = torch.randn(len(codes), len(bank.ids))
    one, two = bank(codes), padded(x)
    one.backward(slope)
    two.backward(slope)
    halves = padded.weight.grad.split(len(bank.ids))  # type: ignore[union-attr,no-untyped-call]
    differ, largest = 0.0, 0.0
    for own, a, b in zip(bank.filters(bank.weight.grad), *halves, strict=True):
        expected = (a[:, : len(own)] + b[:, : len(own)].flip(0, 1)).t()
        differ = max(differ, (own - expected).abs().max().item())
        largest = max(largest, expected.abs().max().item())
    scores = ((one - two).abs().max() / two.abs().max()).item()
    print(f"  the same scores and gradients: they differ by {scores:.0e} and {differ / largest:.0e} of the largest")


def stepper(score: Callable[[], Tensor], weight: Tensor) -> Callable[[], None]:
    """Return a function that scores, forward and backward, leaving the gradient in ``weight.grad``."""

    def step() -> None:
        weight.grad = None
        score().sum().backward()

    return step


def refit(score: Callable[[Tensor], Tensor], n_motifs: int, n: int, batch: int, epochs: int) -> Callable[[], float]:
    """Return a function that trains a linear head on the scores of ``n`` sequences and returns its last loss."""
    target = torch.arange(n) % 2

    def run() -> float:
        torch.manual_seed(0)
        head = nn.Linear(n_motifs, 2)
        optimiser = torch.optim.Adam(head.parameters(), lr=1e-3, fused=True)
        loss = torch.zeros(())
        for _ in range(epochs):
            for rows in torch.randperm(n).split(batch):
                optimiser.zero_grad()
                loss = nn.functional.cross_entropy(head(score(rows)), target[rows])
                loss.backward()
                optimiser.step()
        return loss.item()

    return run


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--length", type=int, default=200)
    parser.add_argument("--sequences", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    bank = jaspar_bank()
    padded = PaddedConvolution(bank, options.length)
    widths = f"{bank.widths.min()} to {bank.widths.max()} bases wide, mean {bank.widths.mean():.1f}"
    print(f"{len(bank.ids):,} motifs, {widths}; torch {torch.__version__}, {options.threads} threads")
    print(f"{options.batch} sequences of {options.length} bases in a batch")
    codes = torch.randint(0, 4, (options.sequences, options.length), dtype=torch.uint8)
    first = codes[: options.batch]
    x = one_hot(first)
    compare(bank, padded, first, x)

    def forward(score: Callable[[], Tensor]) -> Callable[[], Tensor]:
        def run() -> Tensor:
            with torch.no_grad():
                return score()

        return run

    for said, slow, fast in (
        ("forward", forward(lambda: padded(x)), forward(lambda: bank(first))),
        (
            "forward and backward",
            stepper(lambda: padded(x), padded.weight),
            stepper(lambda: bank(first), bank.weight),
        ),
    ):
        ((b, a, ratio),) = take_turns(slow, [fast], 5, 3)
        print(f"  {said:>20}: bank {1000 * a:8.1f} ms, padded {1000 * b:8.1f} ms, {ratio:6.1f} times as fast")
    coded = one_hot(codes)
    padded.weight.requires_grad_(False)
    bank.weight.requires_grad_(False)
    frozen_scores(bank, codes)
    sizes = (len(bank.ids), options.sequences, options.batch, options.epochs)
    slow_fit = refit(lambda rows: padded(coded[rows]), *sizes)
    fast_fit = refit(lambda rows: frozen_scores(bank, codes[rows]), *sizes)
    print(f"  the same refit: its last loss is {fast_fit():.5f} and {slow_fit():.5f}")
    ((b, a, ratio),) = take_turns(slow_fit, [fast_fit], 3, 3)
    print(f"  {'refit on a cache':>20}: bank {1000 * a:8.1f} ms, padded {1000 * b:8.1f} ms, {ratio:6.1f} times as fast")


if __name__ == "__main__":
    main()
