"""Regression on the principal components of all other genes: all genes at once against one at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kgreg.decode.tenifold import component_network, component_regression, resampled_networks
from kgreg.errors import DataError


def counts(cells: int, genes: int, seed: int = 0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    factors = np.exp(rng.normal(size=(cells, 3)) @ rng.normal(size=(3, genes)) * 0.4)
    return rng.poisson(2 * factors).astype(float)


def regress_one_by_one(x: NDArray[np.float64], components: int) -> NDArray[np.float64]:
    """The definition: for every gene a decomposition of the others, and least squares on their scores."""
    varies = np.flatnonzero(x.std(axis=0) > 0)
    z = (x[:, varies] - x[:, varies].mean(axis=0)) / x[:, varies].std(axis=0, ddof=1)
    result = np.zeros((x.shape[1], x.shape[1]))
    for k, gene in enumerate(varies):
        others = np.delete(np.arange(len(varies)), k)
        _, _, right = np.linalg.svd(z[:, others], full_matrices=False)
        loadings = right[:components].T
        slopes = np.linalg.lstsq(z[:, others] @ loadings, z[:, k], rcond=None)[0]
        result[gene, varies[others]] = loadings @ slopes
    return result


@settings(max_examples=15, deadline=None)
@given(cells=st.integers(8, 40), genes=st.integers(8, 40), components=st.integers(1, 3), seed=st.integers(0, 10_000))
def test_all_genes_at_once_are_the_same_as_one_by_one(cells: int, genes: int, components: int, seed: int) -> None:
    x = counts(cells, genes, seed)
    np.testing.assert_allclose(component_regression(x, components), regress_one_by_one(x, components), atol=1e-9)


def test_constant_genes_are_in_no_regression() -> None:
    x = counts(40, 12)
    x[:, 4] = 3.0
    made = component_regression(x)
    assert not made[4].any()
    assert not made[:, 4].any()
    np.testing.assert_allclose(made, regress_one_by_one(x, 3), atol=1e-10)


def test_twice_the_same_gene_is_explained_by_its_copy() -> None:
    x = counts(60, 10)
    x[:, 7] = x[:, 2]
    made = component_regression(x, components=5)
    np.testing.assert_allclose(made, regress_one_by_one(x, 5), atol=1e-9)
    assert made[7].argmax() == 2


def test_weak_coefficients_are_cut() -> None:
    x = counts(80, 20)
    whole = component_regression(x)
    network = component_network(x, quantile=0.9).toarray()
    assert np.abs(network).max() == pytest.approx(1.0)
    size = np.abs(whole) / np.abs(whole).max()
    np.testing.assert_array_equal(network != 0, (size >= np.quantile(size, 0.9)) & (size > 0))
    kept = network != 0
    np.testing.assert_allclose(network[kept], (whole / np.abs(whole).max())[kept])


def test_draws_follow_the_seed() -> None:
    x = counts(80, 10)
    one, same = (resampled_networks(x, networks=2, cells=60, seed=3) for _ in range(2))
    other = resampled_networks(x, networks=2, cells=60, seed=4)
    assert (one[0] != same[0]).nnz == 0
    assert (one[0] != one[1]).nnz > 0
    assert (one[0] != other[0]).nnz > 0


def test_too_few_genes_are_refused() -> None:
    with pytest.raises(DataError, match="too few for 3 principal components"):
        component_regression(counts(50, 4), 3)
