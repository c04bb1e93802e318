"""Mutagenesis recomputes only what a substitution reaches, and finds what computing everything finds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from kgreg.decode.sequence.functions import encode
from kgreg.decode.sequence.receptive_field import NoReceptiveFieldError, ReceptiveField
from kgreg.decode.sequence.substitutions import is_fast, letter_importance, mutagenesis
from kgreg.errors import DataError, FitError

LENGTH = 60


def one_by_one(function: nn.Module, sequences: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return what mutagenesis returns, from every mutated sequence as a whole."""
    n, length = sequences.shape
    mutated = []
    for codes in sequences:
        for letter in range(4):
            for position in range(length):
                other = codes.copy()
                other[position] = letter
                mutated.append(other)
    with torch.no_grad():
        outputs = function(encode(np.array(mutated)).double()).reshape(n, 4, length, -1)
        return (outputs - function(encode(sequences).double())[:, None, None]).numpy()


def sequences(seed: int, n: int = 1, length: int = LENGTH) -> NDArray[np.uint8]:
    codes = np.random.default_rng(seed).integers(0, 4, (n, length)).astype(np.uint8)
    codes[:, 5] = 4
    return codes


def normalisation(channels: int) -> nn.BatchNorm1d:
    norm = nn.BatchNorm1d(channels)
    with torch.no_grad():
        for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            tensor.copy_(torch.rand(channels) + 0.5)
    return norm


def flattened(*layers: nn.Module) -> nn.Sequential:
    """Return layers with a dense layer over all they leave."""
    size = nn.Sequential(*layers)(torch.zeros(1, 4, LENGTH)).numel()
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(size, 7), nn.ReLU(), nn.Linear(7, 3))


CHAINS: dict[str, Any] = {
    "pooled twice": lambda: flattened(
        nn.Conv1d(4, 6, 5), nn.ReLU(), nn.MaxPool1d(4), nn.Dropout(0.2), nn.Conv1d(6, 5, 3), nn.ReLU(), nn.MaxPool1d(2)
    ),
    "normalised, padded": lambda: flattened(
        nn.Conv1d(4, 6, 7, padding=3), normalisation(6), nn.GELU(), nn.MaxPool1d(3), nn.Conv1d(6, 5, 5, padding="same")
    ),
    "dilated": lambda: flattened(nn.Conv1d(4, 6, 3, dilation=4, padding=4), nn.ELU(), nn.Conv1d(6, 5, 3, dilation=2)),
    "padding of its own": lambda: flattened(
        nn.ConstantPad1d(6, 0.25), nn.Conv1d(4, 6, 8), nn.ReLU(), nn.MaxPool1d(3)
    ),
    "overlapping pools": lambda: flattened(
        nn.Conv1d(4, 6, 3), nn.MaxPool1d(5, 2, padding=2), nn.Tanh(), nn.AvgPool1d(4, 3), nn.ReLU()
    ),
    "global maximum": lambda: nn.Sequential(
        nn.Sequential(nn.Conv1d(4, 6, 8), nn.ReLU()), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(6, 2)
    ),
    "global mean": lambda: nn.Sequential(
        nn.Conv1d(4, 6, 8), nn.Sigmoid(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(6, 2)
    ),
    "no convolution": lambda: nn.Sequential(nn.Flatten(), nn.Linear(4 * LENGTH, 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_gives_what_every_mutated_sequence_gives(name: str) -> None:
    torch.manual_seed(0)
    chain = CHAINS[name]().double().eval()
    codes = sequences(1)
    with torch.no_grad():
        mutated, base = ReceptiveField(chain).outputs(codes[0])
    np.testing.assert_allclose(mutated - base, one_by_one(chain, codes)[0], atol=1e-12)


@given(
    width=st.integers(1, 9),
    second=st.integers(1, 5),
    dilation=st.integers(1, 3),
    padding=st.integers(0, 4),
    pool=st.integers(1, 5),
    stride=st.integers(1, 5),
    seed=st.integers(0, 100),
)
@settings(max_examples=8, deadline=None)
def test_whatever_the_shape_of_the_chain(
    width: int, second: int, dilation: int, padding: int, pool: int, stride: int, seed: int
) -> None:
    torch.manual_seed(seed)
    chain = nn.Sequential(
        nn.Conv1d(4, 3, width, padding=padding, dilation=dilation), nn.ReLU(), nn.MaxPool1d(pool, min(stride, pool)),
        nn.Conv1d(3, 4, second), nn.LeakyReLU(), nn.Flatten(),
    )  # fmt: skip
    codes = sequences(seed, length=24)
    try:
        size = chain(torch.zeros(1, 4, 24)).numel()
    except RuntimeError:  # nothing is left of the sequence
        return
    chain.append(nn.Linear(size, 2))
    chain = chain.double().eval()
    with torch.no_grad():
        mutated, base = ReceptiveField(chain).outputs(codes[0])
    np.testing.assert_allclose(mutated - base, one_by_one(chain, codes)[0], atol=1e-12)


def test_pieces_of_edits_are_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    chain = CHAINS["pooled twice"]().eval()
    codes = sequences(2, n=2)
    whole = mutagenesis(chain, codes)
    monkeypatch.setattr("kgreg.decode.sequence.receptive_field._PIECE", 1000)
    np.testing.assert_allclose(mutagenesis(chain, codes), whole, atol=1e-6)


def test_single_precision_stays_within_rounding() -> None:
    torch.manual_seed(0)
    chain = CHAINS["pooled twice"]().eval()
    codes = sequences(2)
    fast = mutagenesis(chain, codes)
    assert fast.dtype == np.float32
    np.testing.assert_allclose(fast, one_by_one(chain.double(), codes), atol=1e-5)


def test_mutagenesis_is_a_finite_difference_of_a_linear_function() -> None:
    weights = torch.randn(4, LENGTH, dtype=torch.float64)

    class Linear(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x * weights).sum(dim=(1, 2))[:, None]

    codes = np.random.default_rng(0).integers(0, 4, (1, LENGTH)).astype(np.uint8)
    expected = weights - weights[torch.from_numpy(codes[0]).long(), torch.arange(LENGTH)]
    np.testing.assert_allclose(mutagenesis(Linear(), codes)[0, :, :, 0], expected, atol=1e-5)


def test_the_other_strand_counts_as_much() -> None:
    torch.manual_seed(0)
    layers = CHAINS["pooled twice"]().double().eval()

    class BothStrands(nn.Module):
        strands, link = "both", "softmax"

        def __init__(self) -> None:
            super().__init__()
            self.layers = layers

        def stack(self) -> nn.Sequential:
            return layers

        def forward(self, x: Tensor) -> Tensor:
            return ((layers(x).softmax(dim=1) + layers(x.flip(1, 2)).softmax(dim=1)) / 2).log()

    codes = sequences(3)
    np.testing.assert_allclose(mutagenesis(BothStrands(), codes), one_by_one(BothStrands(), codes), atol=1e-12)


class Recurrent(nn.Module):
    """It has no finite receptive field."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.GRU(4, 3, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.cells(x.transpose(1, 2))[0][:, -1]


def test_what_is_no_chain_is_computed_in_full() -> None:
    torch.manual_seed(0)
    network = Recurrent()
    codes = sequences(4, length=12)
    with torch.no_grad():
        found = mutagenesis(network, codes)
    np.testing.assert_allclose(found, one_by_one(network.double(), codes), atol=1e-5)


def test_what_is_fast_is_known_beforehand() -> None:
    assert is_fast(CHAINS["pooled twice"]())
    assert not is_fast(Recurrent())


def test_modes_of_the_network_are_left_as_they_were() -> None:
    chain = CHAINS["pooled twice"]().train()
    chain[0].eval()
    mutagenesis(chain, sequences(5))
    assert [layer.training for layer in (chain, chain[0], chain[3])] == [True, False, True]


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv1d(4, 3, 5, stride=2), nn.Flatten(), nn.Linear(3, 1)],
        [nn.Conv1d(4, 3, 5), nn.MaxPool1d(2, ceil_mode=True), nn.Flatten(), nn.Linear(3, 1)],
        [nn.Conv1d(4, 3, 5), nn.Softmax(dim=2), nn.Flatten(), nn.Linear(3, 1)],
        [nn.Conv1d(4, 3, 5), nn.MaxPool1d(2, 3), nn.Flatten(), nn.Linear(3, 1)],
        [nn.Conv1d(4, 3, 5)],
    ],
)
def test_a_chain_with_unknown_reach_is_refused(layers: list[nn.Module]) -> None:
    with pytest.raises(NoReceptiveFieldError):
        ReceptiveField(nn.Sequential(*layers))


def test_sequences_of_another_length_are_refused() -> None:
    with pytest.raises(FitError, match="dense layer reads"):
        mutagenesis(CHAINS["pooled twice"](), sequences(0, length=80))


def test_what_is_no_sequence_is_refused() -> None:
    chain = CHAINS["pooled twice"]()
    with pytest.raises(DataError, match="codes from 0 to 4"):
        mutagenesis(chain, np.full((1, LENGTH), 7, dtype=np.uint8))
    with pytest.raises(DataError, match="no sequences"):
        mutagenesis(chain, np.zeros((0, LENGTH), dtype=np.uint8))


def test_importance_of_a_letter_is_what_the_others_lose() -> None:
    codes = np.array([[0, 4]], dtype=np.uint8)
    differences = np.zeros((1, 4, 2, 1), dtype=np.float32)
    differences[0, :, 0, 0] = [0.0, -1.0, -2.0, -3.0]
    differences[0, :, 1, 0] = 5.0
    found = letter_importance(differences, codes)
    assert found[0, 0, 0, 0] == 2.0
    assert np.count_nonzero(found) == 1
