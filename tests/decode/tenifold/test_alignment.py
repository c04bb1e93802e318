"""Distances after a knockout: halves and differences against the whole Laplacian."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse, stats

from kgreg.decode.tenifold import Alignment, alignment, fold_changes, z_scores
from kgreg.decode.tenifold.alignment import aligned_dense, real_coordinates
from kgreg.errors import DataError


def low_rank(genes: int, seed: int) -> NDArray[np.float64]:
    """A network as the decomposition leaves it: of rank 3, rounded."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(genes, 3)) * np.array([1, 0.8, 0.6])
    network = rows @ (rows + 0.3 * rng.normal(size=(genes, 3))).T
    network = np.round(network / np.abs(network).max(), 3)
    np.fill_diagonal(network, 0)
    return network


def apart(network: NDArray[np.float64], knocked: list[int]) -> NDArray[np.float64]:
    """scTenifoldNet's alignment, step by step."""
    n = len(network)
    other = network.copy()
    other[knocked] = 0
    x, y = network + 1, other + 1
    c = 0.9 * (x.sum() + y.sum()) / (2 * n) * np.eye(n)
    w = -np.block([[x, c], [c, y]])
    np.fill_diagonal(w, 0)
    np.fill_diagonal(w, -w.sum(axis=0))
    values, vectors = np.linalg.eig(w)
    order = np.argsort(values.real)
    order = order[values.real[order] > 1e-8]
    chosen = vectors[:, order[:2]]
    assert np.abs(values[order[:3]].imag).max() < 1e-9
    return np.linalg.norm(chosen.real[:n] - chosen.real[n:], axis=1)


@pytest.mark.parametrize(("genes", "knocked"), [(90, [4]), (230, [11]), (230, [3, 7, 100])])
def test_distances_are_those_of_the_whole_laplacian(genes: int, knocked: list[int]) -> None:
    network = low_rank(genes, 2)
    distances, noise = Alignment(sparse.csr_matrix(network)).distances(knocked)
    expected = apart(network, knocked)
    np.testing.assert_allclose(distances, expected, atol=1e-6 * expected.max())
    assert noise < np.median(distances)


@pytest.mark.parametrize("seed", range(4))
def test_complex_places_are_those_of_the_whole_laplacian(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    turn = rng.normal(size=(80, 2))
    network = np.outer(turn[:, 0], turn[:, 1]) - np.outer(turn[:, 1], turn[:, 0]) + rng.normal(size=(80, 80)) * 0.1
    network = np.round(network / np.abs(network).max(), 3)
    np.fill_diagonal(network, 0)
    coordinates = aligned_dense(network, [5], 2)
    expected = np.linalg.norm(coordinates[:80] - coordinates[80:], axis=1)
    monkeypatch.setattr(alignment, "_SMALL", 0)
    distances, _ = Alignment(sparse.csr_matrix(network)).distances([5])
    np.testing.assert_allclose(distances, expected, atol=1e-4 * expected.max())


def test_a_complex_pair_spans_two_coordinates() -> None:
    v = np.array([1 + 2j, -0.5j, 3.0]) / 4
    one = real_coordinates(np.array([1 + 1j, 1 - 1j]), np.stack([v, v.conj()], axis=1))
    turned = v * np.exp(0.7j)
    other = real_coordinates(np.array([1 + 1j, 1 - 1j]), np.stack([turned, turned.conj()], axis=1))
    assert one[:, 0] @ one[:, 1] == pytest.approx(0)
    np.testing.assert_allclose(one @ one.T, other @ other.T, atol=1e-12)


def test_a_gene_without_links_moves_nothing() -> None:
    network = low_rank(230, 3)
    network[9] = 0
    distances, noise = Alignment(sparse.csr_matrix(network)).distances([9])
    assert distances.max() <= noise


def test_few_genes_are_refused() -> None:
    with pytest.raises(DataError, match="too few for 2 dimensions"):
        Alignment(sparse.csr_matrix((4, 4)))


def test_fold_changes_are_relative_to_genes_that_were_not_knocked_out() -> None:
    distances = np.array([1.0, 2.0, 3.0, 10.0])
    np.testing.assert_allclose(fold_changes(distances, [3]), distances**2 / (14 / 3))
    np.testing.assert_allclose(fold_changes(distances, [0]), distances**2 / (113 / 3))
    np.testing.assert_allclose(fold_changes(distances, [0], "published"), distances**2 / (14 / 3))
    assert not fold_changes(np.zeros(4), [0]).any()


def test_z_scores_keep_the_order_and_make_log_normal_values_normal() -> None:
    distances = np.random.default_rng(0).lognormal(-20, 1.5, 400)
    z = z_scores(distances)
    np.testing.assert_array_equal(np.argsort(z), np.argsort(distances))
    assert (z.mean(), z.std(ddof=1)) == pytest.approx((0, 1))
    np.testing.assert_allclose(z, stats.zscore(np.log(distances), ddof=1), atol=0.3)
    assert z_scores(np.ones(5)).tolist() == [0] * 5
    assert np.isfinite(z_scores(np.array([0.0, 1.0, 2.0, 4.0]))).all()
