"""Connectivity and scores: what is measured, and what corrections leave, on made-up scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kgreg.decode.degree import connectivity, correct_degree
from kgreg.decode.network_scores import NetworkScores
from kgreg.errors import KgregError
from tests.small_data import small_blueprint

BLUEPRINT = small_blueprint()


def scored(values: dict[str, np.ndarray]) -> NetworkScores:
    nodes = BLUEPRINT.nodes
    info = pd.DataFrame(
        {"node": nodes["id"], "kind": nodes["kind"].to_numpy(), "label": nodes["label"], "level": nodes["level"]}
    ).assign(n_genes=1)
    drawn = values["graph"].mean(axis=0, keepdims=True)
    return NetworkScores(info, values, {arm: [(0, r) for r in range(len(v))] for arm, v in values.items()}, drawn)


def draw(seed: int, slope: float, n: int = 3) -> np.ndarray:
    """Return scores of two outputs that follow the logarithm of the links, and noise."""
    links = connectivity(BLUEPRINT)["links"].to_numpy()
    noise = np.random.default_rng(seed).normal(size=(n, len(links), 2))
    return slope * np.log1p(links)[None, :, None] * np.array([1.0, -2.0]) + 0.01 * noise


def test_connectivity_counts_genes_below_and_links_on_both_sides() -> None:
    table = connectivity(BLUEPRINT)
    assert table.loc["signal"].to_dict() == {"genes": 4, "links": 6}  # four genes; upper and root
    assert table.loc["root", "genes"] == 12
    assert table.loc["g04"].to_dict() == {"genes": 1, "links": 2}
    edges = BLUEPRINT.edges
    for node in table.index:
        assert table.loc[node, "links"] == ((edges["source"] == node) | (edges["target"] == node)).sum()


def test_regression_takes_off_what_rewired_graphs_show() -> None:
    before = scored({"graph": draw(0, 1.0), "rewired-0": draw(1, 1.0), "rewired-1": draw(2, 1.0)})
    after = correct_degree(before, BLUEPRINT, "regression")
    assert np.abs(before.arms["graph"]).max() > 1
    for arm in before.arms:
        assert np.abs(after.arms[arm]).max() < 0.1
    assert after.drawn is not None
    assert np.abs(after.drawn).max() < 0.1
    # A slope that only the real graph has is no bias, and stays.
    flat = correct_degree(scored({"graph": draw(0, 1.0), "rewired-0": draw(1, 0.0)}), BLUEPRINT, "regression")
    np.testing.assert_allclose(flat.arms["graph"], before.arms["graph"], atol=0.1)


def test_the_line_is_that_of_each_kind_of_node() -> None:
    before = scored({"graph": draw(0, 1.0), "rewired-0": draw(3, 0.5)})
    after = correct_degree(before, BLUEPRINT, "regression")
    mine = (before.info["kind"] == "gene").to_numpy()
    links = np.log1p(connectivity(BLUEPRINT)["links"].to_numpy()[mine])
    line = stats.linregress(links, before.arms["rewired-0"].mean(axis=0)[mine, 1])
    expected = before.arms["graph"][:, mine, 1] - (line.intercept + line.slope * links)
    np.testing.assert_allclose(after.arms["graph"][:, mine, 1], expected, atol=1e-9)


def test_pnet_divides_hubs_and_standardises_layers() -> None:
    values = draw(4, 1.0)
    one = scored({"graph": values})
    plain = correct_degree(one, BLUEPRINT, "pnet")
    genes = (one.info["kind"] == "gene").to_numpy()
    part = values[:, genes]
    expected = (part - part.mean(axis=1, keepdims=True)) / part.std(axis=1, keepdims=True)
    np.testing.assert_allclose(plain.arms["graph"][:, genes], expected)


def test_pnet_divides_a_node_far_above_its_layer() -> None:
    pairs = pd.DataFrame({"source": ["hub"] * 60, "target": [f"x{i}" for i in range(60)], "relation": "is"})
    nodes = pd.DataFrame({"id": ["hub", *(f"x{i}" for i in range(60))], "kind": "term", "level": 1, "label": ""})
    info = nodes.rename(columns={"id": "node"}).assign(n_genes=1)
    values = np.random.default_rng(0).random((2, 61, 1)) + 1

    class Graph:
        edges, interactions, nodes = pairs, pairs.iloc[:0], info.rename(columns={"node": "id"})

        @staticmethod
        def gene_sets() -> dict[str, frozenset[str]]:
            return {}

    found = correct_degree(NetworkScores(info, {"graph": values}, {}, None), Graph(), "pnet")  # type: ignore[arg-type]
    divided = values.copy()
    divided[:, 0] /= 60
    expected = (divided - divided.mean(axis=1, keepdims=True)) / divided.std(axis=1, keepdims=True)
    np.testing.assert_allclose(found.arms["graph"], expected)


def test_without_rewired_graphs_there_is_nothing_to_learn_from() -> None:
    with pytest.raises(KgregError, match="there are none") as refused:
        correct_degree(scored({"graph": draw(0, 1.0)}), BLUEPRINT, "regression")
    assert "[nulls] rewired" in str(refused.value.hint)
    same = scored({"graph": draw(0, 1.0)})
    assert correct_degree(same, BLUEPRINT, "none") is same
