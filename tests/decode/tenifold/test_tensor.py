"""Alternating least squares on sparse networks against the same on a dense tensor."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from kgreg.decode.tenifold import decompose, denoised
from kgreg.decode.tenifold.knockout import directed
from kgreg.errors import DataError


def planted(rank: int = 2, genes: int = 12, networks: int = 4, seed: int = 0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    rows, columns = rng.normal(size=(2, genes, rank))
    return np.einsum("ir,jr,nr->nij", rows, columns, rng.uniform(0.5, 1.5, (networks, rank)))


def rebuilt(made: object) -> NDArray[np.float64]:
    return np.einsum("r,ir,jr,nr->nij", made.scales, made.rows, made.columns, made.networks)  # type: ignore[attr-defined]


def dense_als(tensor: NDArray[np.float64], rank: int, rounds: int, seed: int) -> NDArray[np.float64]:
    """The same steps with the matricised tensor and Khatri-Rao products written out."""
    networks, genes, _ = tensor.shape
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(genes, rank)), rng.normal(size=(genes, rank))
    c = rng.normal(size=(networks, rank))
    for _ in range(rounds):
        for mode in range(3):
            unfolded, one, two = (
                (tensor.transpose(1, 2, 0).reshape(genes, -1), b, c),
                (tensor.transpose(2, 1, 0).reshape(genes, -1), a, c),
                (tensor.reshape(networks, -1), a, b),
            )[mode]
            product = np.stack([np.kron(one[:, r], two[:, r]) for r in range(rank)], axis=1)
            factor = unfolded @ np.linalg.pinv(product).T
            if mode < 2:
                factor /= np.abs(factor).sum(axis=0)
            a, b, c = (factor, b, c) if mode == 0 else (a, factor, c) if mode == 1 else (a, b, factor)
    return np.einsum("ir,jr,nr->nij", a, b, c)


@pytest.mark.parametrize("rounds", [1, 5])
def test_a_round_is_that_of_the_dense_tensor(rounds: int) -> None:
    rng = np.random.default_rng(1)
    tensor = rng.normal(size=(4, 12, 12)) * (rng.random((4, 12, 12)) < 0.3)
    made = decompose([sparse.csr_matrix(t) for t in tensor], 3, tolerance=0.0, most=rounds, seed=5)
    expected = dense_als(tensor, 3, rounds, 5)
    np.testing.assert_allclose(rebuilt(made), expected, atol=1e-8)
    assert made.error == pytest.approx(np.linalg.norm(tensor - expected) / np.linalg.norm(tensor), abs=1e-8)
    assert not made.converged


def test_a_tensor_of_the_rank_is_found_again() -> None:
    tensor = planted()
    made = decompose([sparse.csr_matrix(t) for t in tensor], 2, tolerance=1e-10)
    assert made.converged
    assert made.error < 1e-4
    mean = tensor.mean(axis=0)
    network = denoised(made, decimals=3).toarray()
    np.testing.assert_allclose(network, mean / np.abs(mean).max(), atol=2e-3)
    assert np.abs(network).max() == 1.0


def test_networks_without_links_are_refused() -> None:
    with pytest.raises(DataError, match="no links"):
        decompose([sparse.csr_matrix((5, 5))] * 2)


def test_direction_weakens_the_weaker_link() -> None:
    network = sparse.csr_matrix(np.array([[0, 0.8, 0.5], [-0.2, 0, 0], [0.5, 0.1, 0]]))
    np.testing.assert_allclose(directed(network, 0.0).toarray(), network.toarray())
    expected = [[0, 0.8, 0.5], [-0.1, 0, 0], [0.5, 0.1, 0]]
    np.testing.assert_allclose(directed(network, 0.5).toarray(), expected)
