"""Restricted ridge regression and its rewired networks, against scikit-learn one target at a time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from kgreg.decode.propagation import BaseNetwork, base_network, choose_links, fit_links, rewired_network
from kgreg.decode.propagation.regression import held_out_r2
from kgreg.errors import DataError


def example(cells: int = 60, genes: int = 12, seed: int = 0) -> tuple[NDArray[np.float64], BaseNetwork]:
    rng = np.random.default_rng(seed)
    x = rng.gamma(2.0, 1.0, (cells, genes))
    pairs = [(f"g{a}", f"g{b}") for a in range(5) for b in range(genes) if rng.random() < 0.4]
    names = [f"g{i}" for i in range(genes)]
    return x, base_network(pd.DataFrame(pairs, columns=["tf", "target"]), names)


@pytest.mark.parametrize("weighted", [False, True])
def test_links_are_those_of_one_regression_a_target(weighted: bool) -> None:
    x, network = example()
    weights = np.random.default_rng(1).multinomial(60, np.full(60, 1 / 60)).astype(float) if weighted else None
    links = fit_links(x, network, 3.0, weights).toarray()
    expected = np.zeros_like(links)
    for target, regulators in zip(network.targets, network.regulators, strict=True):
        expected[regulators, target] = Ridge(alpha=3.0).fit(x[:, regulators], x[:, target], weights).coef_
    np.testing.assert_allclose(links, expected, atol=1e-9)


def test_held_out_cells_are_predicted_as_one_regression_a_target_and_fold_does() -> None:
    x, network = example()
    part = np.random.default_rng(4).permutation(np.arange(60) % 5)
    expected = []
    for target, regulators in zip(network.targets, network.regulators, strict=True):
        errors, total = 0.0, 0.0
        for fold in range(5):
            train, test = part != fold, part == fold
            model = Ridge(alpha=2.0).fit(x[train][:, regulators], x[train, target])
            errors += ((x[test, target] - model.predict(x[test][:, regulators])) ** 2).sum()
            total += ((x[test, target] - x[train, target].mean()) ** 2).sum()
        expected.append(1 - errors / total)
    np.testing.assert_allclose(held_out_r2(x, network, 2.0, seed=4), expected, atol=1e-9)


def test_links_of_noise_are_dropped() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(5, 1, (300, 40))
    x[:, 20:30] += x[:, [0]]
    x[:, 5] = 2.0
    table = pd.DataFrame([(f"g{a}", f"g{b}") for a in range(6) for b in range(20, 40)], columns=["tf", "target"])
    network = base_network(table, [f"g{i}" for i in range(40)])
    kept = choose_links(x, network, 10.0, 0.05)
    pairs = set(map(tuple, kept.pairs().tolist()))
    assert {(0, b) for b in range(20, 30)} <= pairs
    assert len(pairs - {(0, b) for b in range(20, 30)}) < 0.12 * 90
    assert not any(a == 5 for a, _ in pairs)
    assert choose_links(x, network, 10.0, 1.0).links == network.links - 20


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_rewiring_keeps_the_degrees(seed: int) -> None:
    names = [f"g{i}" for i in range(30)]
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        [(f"g{a}", f"g{b}") for a in range(6) for b in range(6, 30) if rng.random() < 0.3], columns=["tf", "target"]
    )
    real = base_network(table, names)
    other = rewired_network(real, seed)
    for column in (0, 1):
        one, two = (np.bincount(network.pairs()[:, column], minlength=30) for network in (real, other))
        np.testing.assert_array_equal(one, two)
    assert len(np.unique(other.pairs(), axis=0)) == other.links


def test_links_are_read_by_the_names_of_genes() -> None:
    table = pd.DataFrame({"tf": ["a", "a", "a", "b", "z", "c"], "target": ["b", "b", "a", "c", "a", "y"]})
    network = base_network(table, ["a", "b", "c"])
    assert network.pairs().tolist() == [[0, 1], [1, 2]]
    assert network.factors.tolist() == [0, 1]
    with pytest.raises(DataError, match="None of the 6 links"):
        base_network(table, ["x"])
