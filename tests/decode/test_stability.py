"""Agreement between networks, and ranks under the bootstrap, against slow and obvious twins."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from kgreg.decode import rank_scores
from kgreg.decode.bootstrap import BOOTSTRAP_COLUMNS, Bootstrap, draw_networks, rank_draws, weighted_scores
from kgreg.decode.importance import SampleScores
from kgreg.decode.nulls import against_null
from kgreg.decode.stability import AGREEMENT_COLUMNS, agreement, agreement_table, kendall_w, node_scores

#: Few different values, so that many tie.
RATINGS = arrays(np.float64, st.tuples(st.integers(2, 5), st.integers(3, 8)), elements=st.integers(0, 4))


def slow_w(values: np.ndarray) -> tuple[float, float]:
    """Kendall's W with every sum written out."""
    m, n = values.shape
    ranks = [[1 + sum(b > a for b in row) + (sum(b == a for b in row) - 1) / 2 for a in row] for row in values]
    sums = [sum(rank[j] for rank in ranks) for j in range(n)]
    s = sum((total - sum(sums) / n) ** 2 for total in sums)
    ties = sum(sum(list(row).count(v) ** 3 - list(row).count(v) for v in set(row)) for row in values)
    below = m**2 * (n**3 - n) - m * ties
    if below == 0:
        return float("nan"), float("nan")
    w = 12 * s / below
    return w, float(stats.chi2.sf(m * (n - 1) * w, n - 1))


@given(RATINGS)
def test_kendalls_w_with_ties(values: np.ndarray) -> None:
    np.testing.assert_allclose(kendall_w(values), slow_w(values), atol=1e-12)


def test_kendalls_w_of_a_textbook() -> None:
    # Three judges of six applicants (Siegel & Castellan 1988, table 9.5): W = 0.16.
    ranks = np.array([[1, 6, 3, 2, 5, 4], [1, 5, 6, 4, 2, 3], [6, 3, 2, 5, 4, 1]], dtype=float)
    assert kendall_w(-ranks)[0] == pytest.approx(0.1619, abs=1e-4)


@given(RATINGS, st.integers(1, 4))
def test_agreement_is_the_mean_over_pairs(values: np.ndarray, top: int) -> None:
    found = agreement(values, top)
    rho = [stats.spearmanr(a, b).statistic for a, b in combinations(values, 2) if len(set(a)) > 1 and len(set(b)) > 1]
    best = [set(np.argsort(-row, kind="stable")[:top].tolist()) for row in values]
    overlap = [len(a & b) / len(a | b) for a, b in combinations(best, 2)]
    np.testing.assert_allclose(found["rank_correlation"], np.mean(rho) if rho else np.nan, atol=1e-12)
    expected = np.mean(overlap) if top < values.shape[1] else np.nan
    assert found["top_overlap"] == pytest.approx(expected, nan_ok=True)


def test_networks_and_nodes_without_scores_are_left_out() -> None:
    values = np.random.default_rng(0).normal(size=(4, 9))
    without = values.copy()
    without[1] = np.nan  # its test part lacks the class
    without[2, 5] = np.nan
    kept = np.delete(np.delete(values, 1, axis=0), 5, axis=1)
    assert agreement(without, 3) == agreement(kept, 3)
    assert np.isnan(agreement(values[:1])["kendall_w"])


def test_a_table_of_kinds_and_outputs() -> None:
    values = np.random.default_rng(1).normal(size=(3, 10, 2))
    kinds = np.array(["gene"] * 6 + ["term"] * 4)
    table = agreement_table(values, kinds, ["a", "all"], top=2)
    assert tuple(table.columns) == AGREEMENT_COLUMNS
    row = table[(table["kind"] == "term") & (table["output"] == "all")].iloc[0]
    expected = agreement(values[:, 6:, 1], 2)
    assert all(row[name] == value for name, value in expected.items())


def test_scores_of_every_network_in_a_long_table() -> None:
    rng = np.random.default_rng(2)
    arms = {"graph": rng.normal(size=(2, 3, 2)), "labels-0": rng.normal(size=(1, 3, 2))}
    places = {"graph": [(0, 0), (0, 1)], "labels-0": [(0, 0)]}
    table = node_scores(arms, places, ["x", "y", "z"], ["a", "all"])
    assert len(table) == 18
    for arm, values in arms.items():
        own_arm = table[table["arm"] == arm]
        for i, place in enumerate(places[arm]):
            own = own_arm[(own_arm["fold"] == place[0]) & (own_arm["replicate"] == place[1])]
            wide = own.pivot_table(index="node", columns="output", values="score", observed=True)
            np.testing.assert_allclose(wide.to_numpy(), values[i], rtol=1e-6)


@pytest.mark.parametrize("draws", [3, 20])
@pytest.mark.parametrize("replicates", [(1, 1), (4, 1), (10, 3)])
def test_nulls_with_fewer_replicates_are_no_more_often_significant(draws: int, replicates: tuple[int, int]) -> None:
    """Nothing but noise: a draw has an effect of its own on a node, and so has every network of it."""
    rng = np.random.default_rng(8)
    of_graph, of_nulls = (5 * number for number in replicates)
    size = np.exp(rng.normal(size=3000))  # nodes vary differently

    def trained(arms: int, networks: int) -> np.ndarray:
        return (0.5 * rng.normal(size=(arms, 1, 3000)) + rng.normal(size=(arms, networks, 3000))) * size

    _, p = against_null(trained(1, of_graph)[0], trained(draws, of_nulls), np.array(["term"] * 3000))
    for level in (0.001, 0.01, 0.05, 0.2):
        # Three standard errors of a share.
        assert (p <= level).mean() <= level + 3 * np.sqrt(level / 3000), level


# ---- bootstrap -------------------------------------------------------------------------------------------------------


def pieces(rng: np.random.Generator, n: int = 12, nodes: int = 4) -> list[SampleScores]:
    """Scores of ``n`` samples, of which half have the first of two outputs, in pieces."""
    found = []
    for c, rows in enumerate((np.arange(0, n, 2), np.arange(1, n, 2))):
        for part in np.array_split(rows, 2):
            shown = rng.normal(size=(nodes, len(part)))
            found.append(SampleScores(c, part, shown, np.abs(shown)))
    return found


def test_a_weight_is_a_repetition() -> None:
    rng = np.random.default_rng(3)
    given_pieces = pieces(rng)
    weights = rng.integers(0, 3, size=(5, 12)).astype(float)
    weights[4, ::2] = 0  # no sample of the first output
    found = weighted_scores(given_pieces, weights, 4, 2)
    for d, times in enumerate(weights):
        expected = np.full((4, 3), np.nan)
        sizes = []
        for c in range(2):
            own = [p for p in given_pieces if p.output == c]
            shown = np.concatenate([np.repeat(p.shown, times[p.rows].astype(int), axis=1) for p in own], axis=1)
            if shown.shape[1]:
                expected[:, c] = shown.mean(axis=1)
                sizes.append(np.abs(shown).mean(axis=1))
        expected[:, 2] = np.mean(sizes, axis=0)
        np.testing.assert_allclose(found[d], expected, rtol=1e-5, atol=1e-6)


def test_folds_are_drawn_then_their_networks() -> None:
    folds = np.array([0, 0, 1, 1, 2, 2])
    drawn = draw_networks(folds, 4000, np.random.default_rng(4))
    assert (drawn.sum(axis=1) == 6).all()
    of_folds = drawn.reshape(-1, 3, 2).sum(axis=2)
    assert (of_folds % 2 == 0).all()  # a fold comes with all of its networks' number
    np.testing.assert_allclose(drawn.mean(axis=0), 1, atol=0.05)
    assert (draw_networks(np.zeros(3), 50, np.random.default_rng(0)).sum(axis=1) == 3).all()


def test_means_of_draws_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(5)
    folds = np.array([0, 0, 1])
    test = {0: np.arange(12), 1: np.arange(12, 24)}
    clusters = np.repeat(np.arange(8), 3)
    bootstrap = Bootstrap(folds, 30, seed=7, clusters=clusters)
    total, count = np.zeros((30, 4, 3)), np.zeros((30, 1, 3))
    times = draw_networks(folds, 30, np.random.default_rng([7, 0]))
    for network, fold in enumerate(folds):
        weights = bootstrap.weights(fold, test[fold])
        assert (weights[0] == 1).all()
        assert (weights[:, ::3] == weights[:, 1::3]).all()  # whole groups
        assert (weights.sum(axis=1) == 12).all()
        scores = weighted_scores(pieces(rng), weights, 4, 2)
        bootstrap.add(scores[1:])
        known = np.isfinite(scores[1:])
        total += times[:, network, None, None] * np.where(known, scores[1:], 0)
        count += times[:, network, None, None] * known[:, :1]
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(bootstrap.means(), total / count, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("with_null", [True, False])
@pytest.mark.parametrize("sizes", [True, False])
def test_ranks_of_draws_are_those_of_a_loop(with_null: bool, sizes: bool) -> None:
    rng = np.random.default_rng(6)
    kinds = np.array(["gene"] * 8 + ["term"] * 5)
    info = pd.DataFrame({"node": [f"n{i}" for i in range(13)], "kind": kinds, "label": "", "level": 0, "n_genes": 1})
    real = rng.normal(size=(4, 13, 2)) + np.arange(13)[:, None] * 0.2
    nulls = {kind: rng.normal(size=(3, 4, 13, 2)) for kind in ("rewired", "labels")} if with_null else {}
    if sizes:
        real, nulls = np.abs(real), {kind: np.abs(draws) for kind, draws in nulls.items()}
    ranking = rank_scores(real, nulls, info, ["a", "all"])
    means = np.abs(real.mean(axis=0) + 0.3 * rng.normal(size=(40, 13, 2)))
    found = rank_draws(ranking, means, 3, ["a", "all"], real, nulls)
    for o, output in enumerate(["a", "all"]):
        for kind in ("gene", "term"):
            own = np.flatnonzero(kinds == kind)
            table = found[(found["output"] == output) & (found["kind"] == kind)]
            rows = []
            for draw in means[:, own, o]:
                value = draw
                if with_null:
                    # What z would be if every network scored so much more.
                    more, base = draw - table["score"].to_numpy(), real[:, own, o]
                    null = nulls["labels" if kind == "gene" else "rewired"][..., own, o]
                    if sizes and output == "all":
                        base, null = (one / np.median(one, axis=-1, keepdims=True) for one in (base, null))
                        score = table["score"].to_numpy()
                        more = draw / np.median(draw) - score / np.median(score)
                    value = against_null(base + more, null, kinds[own])[0]
                rows.append(stats.rankdata(-value))
            ranks = np.array(rows)
            np.testing.assert_allclose(table["top_probability"], (ranks <= 3).mean(axis=0))
            np.testing.assert_array_equal(table["rank_low"], np.sort(ranks, axis=0)[0])  # the least of 40
            assert (table["rank_low"] <= table["rank_high"]).all()
    assert found["rank"].equals(ranking["rank"])


def test_without_draws_the_columns_are_unknown() -> None:
    ranking = pd.DataFrame({"node": ["a"], "output": ["all"], "kind": ["gene"]})
    found = rank_draws(ranking, None, 20, ["all"], np.zeros((1, 1, 1)), {})
    assert found[list(BOOTSTRAP_COLUMNS)].isna().all(axis=None)
