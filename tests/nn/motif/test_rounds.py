"""Which filters a network can do without."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from kgreg.nn.motif.rounds import not_needed

TRUTH = torch.tensor([1.0, -1.0] * 20)


def read_of(noise: int = 4) -> Tensor:
    """Return activations: the truth, a copy of it, and noise."""
    generator = torch.Generator().manual_seed(0)
    return torch.cat([TRUTH[:, None], TRUTH[:, None], torch.randn(40, noise, generator=generator)], dim=1)


def loss_of(read: Tensor) -> float:
    """Return the error of a head that can do with either of the first two, and is misled by the noise."""
    outputs = torch.maximum(read[:, 0].abs(), read[:, 1].abs()) * TRUTH + 0.1 * read[:, 2:].sum(dim=1)
    return (outputs - TRUTH).square().mean().item()


def test_of_two_that_can_stand_in_for_each_other_one_stays() -> None:
    given_up = not_needed(read_of(), np.arange(6), loss_of)
    assert given_up.tolist() in ([0, 2, 3, 4, 5], [1, 2, 3, 4, 5])


def test_only_candidates_are_given_up_and_what_is_needed_stays() -> None:
    assert not_needed(read_of(), np.array([4, 5]), loss_of).tolist() == [4, 5]
    alone = read_of()
    alone[:, 1] = 0
    assert 0 not in not_needed(alone, np.arange(6), loss_of)


def test_a_tolerance_gives_up_more() -> None:
    assert not_needed(read_of(), np.arange(6), loss_of, tolerance=10.0).tolist() == [0, 1, 2, 3, 4, 5]
