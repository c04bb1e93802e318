"""Attributions add up to what they explain, and find the letters that matter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from kgreg.decode.sequence import attribution
from kgreg.decode.sequence.functions import encode, respond
from kgreg.errors import DataError, FitError
from kgreg.nn.sequence.layers.activation import Exponential

LENGTH = 40


@pytest.fixture(scope="module")
def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv1d(4, 8, 7), nn.ReLU(), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(17 * 8, 6), nn.Tanh(), nn.Linear(6, 2)
    ).eval()  # fmt: skip


@pytest.fixture(scope="module")
def codes() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4, (3, LENGTH)).astype(np.uint8)


def test_saliency_is_the_gradient_without_its_mean(network: nn.Sequential, codes: np.ndarray) -> None:
    found = attribution.saliency(network, codes, 1)
    x = encode(codes).requires_grad_(True)
    (gradient,) = torch.autograd.grad(network(x)[:, 1].sum(), x)
    np.testing.assert_allclose(found, gradient - gradient.mean(dim=1, keepdim=True), atol=1e-6)
    np.testing.assert_allclose(found.mean(axis=1), 0, atol=1e-7)
    np.testing.assert_allclose(
        attribution.gradient_x_input(network, codes, 1), found * encode(codes).numpy(), atol=1e-7
    )


@pytest.mark.parametrize("baseline", ["zero", "quarter", "shuffled"])
def test_integrated_gradients_sum_to_the_difference(
    network: nn.Sequential, codes: np.ndarray, baseline: attribution.Baseline
) -> None:
    found = attribution.integrated_gradients(network, codes, 0, baseline=baseline, steps=200, shuffles=4)
    start = {
        "zero": torch.zeros(3, 4, LENGTH),
        "quarter": torch.full((3, 4, LENGTH), 0.25),
        "shuffled": attribution.shuffled(codes, 4).float().mean(dim=1),
    }[baseline]
    with torch.no_grad():
        difference = (network(encode(codes)) - network(start))[:, 0]
    np.testing.assert_allclose(found.sum(axis=(1, 2)), difference, atol=2e-3)


def test_deeplift_sums_to_the_difference_from_its_references(network: nn.Sequential, codes: np.ndarray) -> None:
    with_unknown = codes.copy()
    with_unknown[0, :3] = 4
    found = attribution.deeplift(network, with_unknown, 1, shuffles=5, seed=3)
    references = attribution.shuffled(with_unknown, 5, 3).float()
    with torch.no_grad():
        others = network(references.flatten(0, 1))[:, 1].view(3, 5).mean(dim=1)
    np.testing.assert_allclose(found.sum(axis=(1, 2)), respond(network, with_unknown)[:, 1] - others.numpy(), atol=1e-4)
    np.testing.assert_array_equal(found, attribution.deeplift(network, with_unknown, 1, shuffles=5, seed=3))


class Squared(nn.Module):
    """Written without modules, so that DeepLIFT has no rule for it."""

    def forward(self, x: Tensor) -> Tensor:
        return (x[:, 0].sum(dim=1) ** 2)[:, None]


def test_an_operation_without_a_rule_is_an_error(codes: np.ndarray) -> None:
    uneven = codes.copy()
    uneven[:, :20] = 0
    network = nn.Sequential(nn.Conv1d(4, 4, 3, bias=False), Squared()).eval()
    with pytest.raises(FitError, match="miss the difference"):
        attribution.deeplift(network, uneven, 0, shuffles=3)


def test_shuffles_keep_dinucleotides_and_unknown_letters() -> None:
    codes = np.random.default_rng(1).integers(0, 4, (1, 200)).astype(np.uint8)
    codes[0, :10] = codes[0, 190:] = codes[0, 100] = 4

    def pairs(one: Tensor) -> Tensor:
        return torch.einsum("ap,bp->ab", one[:, :-1].float(), one[:, 1:].float())

    copies = attribution.shuffled(codes, 3, seed=0)[0]
    assert not copies[:, :, :10].any()
    assert not copies[:, :, 190:].any()
    original = encode(codes)[0]
    assert all(abs(pairs(copy) - pairs(original)).sum() == 0 for copy in copies)
    assert any((copy != original).any() for copy in copies)


def test_an_output_that_is_not_there_is_refused(network: nn.Sequential, codes: np.ndarray) -> None:
    with pytest.raises(DataError, match="no output 2"):
        attribution.saliency(network, codes, 2)


class BothStrands(nn.Module):
    """Reads both strands by the same layers: exponentials, and their maximum over all positions."""

    strands, link = "both", "identity"

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(4, 6, 7), Exponential(), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(6, 2)
        )

    def stack(self) -> nn.Sequential:
        return self.layers

    def forward(self, x: Tensor) -> Tensor:
        return (self.layers(x) + self.layers(x.flip(1, 2))) / 2


def test_deeplift_of_both_strands_sums_to_the_mean_difference(codes: np.ndarray) -> None:
    torch.manual_seed(1)
    network = BothStrands().eval()
    found = attribution.deeplift(network, codes, 0, shuffles=4, seed=2)
    references = attribution.shuffled(codes, 4, 2).float()
    with torch.no_grad():
        others = network(references.flatten(0, 1))[:, 0].view(3, 4).mean(dim=1)
    np.testing.assert_allclose(found.sum(axis=(1, 2)), respond(network, codes)[:, 0] - others.numpy(), atol=1e-4)
