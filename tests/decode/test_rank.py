"""Ranking against nulls, on scores made by hand and on trained networks."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kgreg.data import split_folds
from kgreg.decode import Explanation, explain, rank_scores
from kgreg.decode.importance import node_importance
from kgreg.decode.nulls import adjust, against_null
from kgreg.decode.stability import agreement
from kgreg.fit import CrossValidation, cross_validate
from tests.small_data import FAST, small_blueprint, small_samples

N_GENES, N_TERMS = 30, 25
GENE, TERM = 3, 40


def info() -> pd.DataFrame:
    n = N_GENES + N_TERMS
    return pd.DataFrame(
        {
            "node": [f"n{i}" for i in range(n)],
            "kind": ["gene"] * N_GENES + ["term"] * N_TERMS,
            **{"label": [f"N{i}" for i in range(n)], "level": 1, "n_genes": 1},
        }
    )


def noise(seed: int, networks: int = 5, draws: int = 6) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Scores whose every node varies about a level of its own, in the real networks as in the nulls."""
    rng = np.random.default_rng(seed)
    level = 1 + rng.gamma(2.0, 1.0, size=(1, N_GENES + N_TERMS, 1))
    real = level + 0.1 * rng.normal(size=(networks, N_GENES + N_TERMS, 1))
    shape = (draws, networks, N_GENES + N_TERMS, 1)
    return real, {kind: level + 0.1 * rng.normal(size=shape) for kind in ("rewired", "labels")}


def rank(real: np.ndarray, nulls: dict[str, np.ndarray]) -> pd.DataFrame:
    return rank_scores(real, nulls, info(), ["all"]).set_index("node")


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """By the textbook: q_(i) = min over j >= i of p_(j) n / j."""
    order, n = np.argsort(p), len(p)
    q = np.empty(n)
    for place, i in enumerate(order):
        q[i] = min(p[order[j]] * n / (j + 1) for j in range(place, n))
    return q


def test_planted_nodes_come_first_of_their_kind() -> None:
    real, nulls = noise(0)
    real[:, [GENE, TERM]] += 2.0
    planted = [10, 11, 12, 13, 14]
    real[:, planted] += 1.0
    table = rank(real, nulls)
    assert table.loc["n3", "rank"] == table.loc["n40", "rank"] == 1
    assert table.loc["n3", "z"] > 10
    assert set(table.loc[[f"n{i}" for i in planted], "rank"]) == {2, 3, 4, 5, 6}
    # No null reaches them: the smallest p that 6 draws of 30 genes can give, and its q among 30 for 6 such genes.
    found = table.loc[[f"n{i}" for i in (GENE, *planted)]]
    np.testing.assert_allclose(found["p"], 1 / 181)
    np.testing.assert_allclose(found["q"], 30 / 181 / 6)
    others = table.drop(found.index).query("kind == 'gene'")
    assert (others["q"] < 0.05).sum() <= 1, "one false discovery among seven is what q allows"
    assert others["p"].median() > 0.2
    for kind in ("gene", "term"):
        ranks = table.loc[table["kind"] == kind, "rank"]
        assert sorted(ranks) == list(range(1, len(ranks) + 1))


def test_a_high_score_that_the_null_has_too_does_not_come_first() -> None:
    real, nulls = noise(1)
    real[:, 5] += 50
    for null in nulls.values():
        null[:, :, 5] += 50
    real[:, GENE] += 1.0
    table = rank(real, nulls)
    assert table.loc["n5", "score"] == table["score"].max()
    assert table.loc["n3", "rank"] == 1
    assert table.loc["n5", "rank"] > 1
    assert table.loc["n5", "p"] > 0.05


def test_a_node_that_matters_in_few_networks_stands_behind_one_that_matters_in_all() -> None:
    real, nulls = noise(10)
    real[:, GENE] += 1.0
    real[:2, GENE + 1] += 3.0
    table = rank(real, nulls)
    assert table.loc["n3", "rank"] == 1
    assert table.loc["n4", "z"] < table.loc["n3", "z"] / 2


def test_two_draws_are_enough_for_a_p() -> None:
    real, nulls = noise(11, draws=2)
    real[:, GENE] += 3.0
    table = rank(real, nulls)
    assert table.loc["n3", "p"] == pytest.approx(1 / 61)
    assert rank(*noise(11, draws=1))["p"].isna().all()


def test_genes_are_ranked_against_permuted_labels_and_terms_against_rewired_graphs() -> None:
    table = rank(*noise(2))
    for kind, null in (("gene", "labels"), ("term", "rewired")):
        part = table[table["kind"] == kind]
        assert set(part["null"]) == {null}
        for column in ("z", "p", "q"):
            np.testing.assert_array_equal(part[column], part[f"{column}_{null}"])
        # The largest z has rank 1.
        np.testing.assert_array_equal(part["rank"].to_numpy(), stats.rankdata(-part["z"]))


def test_z_and_p_are_what_the_docstring_says() -> None:
    real, nulls = noise(3)
    table, draws, values = rank(real, nulls), nulls["labels"][:, :, :N_GENES, 0], real[:, :N_GENES, 0]
    draws, values = (one / np.median(one, axis=-1, keepdims=True) for one in (draws, values))
    n, networks = draws.shape[:2]

    def shrunk(variance: np.ndarray, freedom: int) -> np.ndarray:
        return (4 * variance.mean() + freedom * variance) / (4 + freedom)

    def z(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
        m, means = len(others), others.mean(axis=1)
        error = shrunk(scores.var(axis=0, ddof=1), networks - 1) / networks
        spread = shrunk(means.var(axis=0, ddof=1), m - 1)
        return (scores.mean(axis=0) - means.mean(axis=0)) / np.sqrt(error + spread * (1 + 1 / m))

    expected = z(values, draws)
    genes = table[table["kind"] == "gene"]
    np.testing.assert_allclose(genes["z"], expected)
    null = np.concatenate([z(draws[d], np.delete(draws, d, axis=0)) for d in range(n)])
    p = np.array([(1 + (null >= value).sum()) / (1 + len(null)) for value in expected])
    np.testing.assert_allclose(genes["p"], p)
    np.testing.assert_allclose(genes["q"], benjamini_hochberg(p))


@pytest.mark.parametrize("draws", [3, 20])
@pytest.mark.parametrize("networks", [1, 5])
def test_without_an_effect_p_values_are_uniform(draws: int, networks: int) -> None:
    """One node of every run is tested: p of one run depend on each other. Few draws are allowed to be cautious."""
    rng = np.random.default_rng(draws)
    kinds = info()["kind"].to_numpy()
    runs = [noise(seed, networks, draws) for seed in range(200)]
    p = np.stack([against_null(real[..., 0], nulls["labels"][..., 0], kinds)[1] for real, nulls in runs])
    for kind in (slice(0, N_GENES), slice(N_GENES, None)):
        one = [rng.choice(run[kind]) for run in p]
        assert stats.kstest(one, "uniform").pvalue > 0.01
        share = (p[:, kind] <= 0.05).mean(axis=1)
        assert share.mean() - 2 * share.std() / np.sqrt(len(p)) <= 0.05
    assert np.mean([(adjust(run, kinds) < 0.05).any() for run in p]) < 0.15


def test_networks_that_attribute_more_to_everything_do_not_lift_every_node() -> None:
    real, nulls = noise(14)
    real[:, GENE] += 1.0
    plain = rank(real, nulls)
    real[1:] *= 5.0  # networks that are surer of what they predict
    lifted = rank(real, nulls)
    for column in ("z", "p", "rank"):
        np.testing.assert_allclose(lifted[column].astype(float), plain[column].astype(float))
    assert lifted.loc["n0", "score"] > 2 * plain.loc["n0", "score"]


def test_the_interval_is_students_over_the_networks() -> None:
    real, nulls = noise(4, networks=4)
    row = rank(real, nulls).loc["n7"]
    values = real[:, 7, 0]
    low, high = stats.t.interval(0.95, 3, loc=values.mean(), scale=stats.sem(values))
    assert (row["score"], row["low"], row["high"]) == pytest.approx((values.mean(), low, high))
    assert row["n"] == 4


def test_one_network_has_a_score_and_no_interval() -> None:
    real, nulls = noise(5, networks=1)
    table = rank(real, nulls)
    np.testing.assert_allclose(table["score"], real[0, :, 0])
    assert table[["low", "high"]].isna().all(axis=None)
    assert (table["n"] == 1).all()


def test_a_network_without_a_value_is_left_out_and_a_node_without_any_stays_unranked() -> None:
    real, nulls = noise(6)
    real[0, 7], real[:, 9] = np.nan, np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = rank(real, nulls)
    assert table.loc["n7", "n"] == 4
    assert table.loc["n7", "score"] == pytest.approx(real[1:, 7, 0].mean())
    assert table.loc["n9", "n"] == 0
    assert table.loc["n9", ["score", "low", "high", "z", "p", "q"]].isna().all()
    assert table.loc["n9", "rank"] is pd.NA
    others = table.drop("n9")
    assert others[["score", "z", "p", "q"]].notna().all(axis=None)
    assert sorted(others.loc[others["kind"] == "gene", "rank"]) == list(range(1, N_GENES))


def test_without_nulls_the_score_ranks() -> None:
    table = rank(noise(7)[0], {})
    assert set(table["null"]) == {"none"}
    assert table[["z", "p", "q", "z_rewired", "q_labels"]].isna().all(axis=None)
    genes = table[table["kind"] == "gene"]
    np.testing.assert_array_equal(genes["rank"], stats.rankdata(-genes["score"]))


def test_stability_is_the_share_of_networks_with_the_node_near_the_top() -> None:
    real, nulls = noise(8, networks=4)
    real[:] = -np.arange(N_GENES + N_TERMS)[None, :, None]  # the first 20 genes and the first 20 terms are on top
    real[:2, N_GENES - 1] = 100  # in two of four networks the last gene is, and pushes gene 19 out
    stability = rank(real, nulls)["stability"]
    assert stability["n0"] == stability[f"n{N_GENES}"] == stability[f"n{N_GENES + 19}"] == 1
    assert stability[f"n{N_GENES - 1}"] == stability["n19"] == 0.5
    assert stability["n20"] == stability[f"n{N_GENES + 20}"] == 0


def test_every_output_is_ranked_by_itself() -> None:
    real, nulls = noise(9)
    two = np.concatenate([real, real[:, ::-1]], axis=2)
    both = {kind: np.concatenate([null, null[:, :, ::-1]], axis=3) for kind, null in nulls.items()}
    table = rank_scores(two, both, info(), ["class 0", "all"])
    alone = rank_scores(real, nulls, info(), ["class 0"])
    pd.testing.assert_frame_equal(table[table["output"] == "class 0"], alone)
    assert len(table) == 2 * len(alone)


def test_networks_that_agree_and_that_do_not() -> None:
    up = np.arange(50.0)
    same = agreement(np.stack([up, up**3, up]))
    assert (same["rank_correlation"], same["top_overlap"], same["networks"]) == (pytest.approx(1.0), 1.0, 3)
    opposed = agreement(np.stack([up, -up]))
    assert (opposed["rank_correlation"], opposed["top_overlap"]) == (pytest.approx(-1.0), 0.0)
    assert (opposed["kendall_w"], opposed["p"]) == (0.0, 1.0)
    shifted = np.roll(up, 10)  # its top 20 share 10 with those of ``up``
    assert agreement(np.stack([up, shifted]))["top_overlap"] == pytest.approx(10 / 30)
    assert math.isnan(agreement(up[None])["rank_correlation"])


# ---- from end to end -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result() -> CrossValidation:
    samples = small_samples(n=150)
    settings = replace(FAST, max_epochs=8)
    return cross_validate(small_blueprint(), samples, split_folds(samples, 3), settings, rewired=2, labels=3, seed=6)


@pytest.fixture(scope="module")
def explanation(result: CrossValidation) -> Explanation:
    return explain(result)


def test_the_genes_that_carry_the_signal_are_found(explanation: Explanation) -> None:
    top = explanation.top("gene", n=4)
    assert set(top["node"]) == {"g00", "g01", "g02", "g03"}
    assert top["rank"].tolist() == [1, 2, 3, 4]
    assert (top["q"] < 0.15).all()
    assert set(explanation.leading_genes(4)) <= {"G00", "G01", "G02", "G03"}


def test_every_node_has_a_row_for_every_class_and_for_all(result: CrossValidation, explanation: Explanation) -> None:
    table, blueprint = explanation.ranking, result.blueprint
    assert not table.duplicated(["node", "output"]).any()
    assert set(table["output"]) == {"class 0", "class 1", "all"}
    assert len(table) == 3 * len(blueprint.nodes)
    assert set(table["n"]) == {3}
    assert set(table["seed"]) == {6}
    nodes = table[table["output"] == "all"].set_index("node")
    assert nodes.loc["signal", ["kind", "level", "n_genes"]].tolist() == ["term", 1, 4]
    assert nodes.loc["root", "n_genes"] == len(blueprint.genes)
    assert nodes.loc["g00", ["kind", "label", "level", "n_genes"]].tolist() == ["gene", "G00", 0, 1]
    assert nodes["score"].ge(0).all()


def test_stability_speaks_of_both_kinds(explanation: Explanation) -> None:
    assert set(explanation.stability) == {"term", "gene"}
    assert explanation.stability["gene"]["networks"] == 3
    assert explanation.stability["gene"]["rank_correlation"] > 0


def test_a_null_of_one_draw_does_not_rank() -> None:
    real, nulls = noise(12, draws=1)
    genes = rank(real, nulls).query("kind == 'gene'")
    assert set(genes["null"]) == {"none"}
    np.testing.assert_array_equal(genes["rank"], stats.rankdata(-genes["score"]))


def test_the_mean_of_the_null_stands_beside_the_score() -> None:
    real, nulls = noise(13)
    table = rank(real, nulls)
    np.testing.assert_allclose(table["null_mean"][:N_GENES], nulls["labels"][:, :, :N_GENES, 0].mean(axis=(0, 1)))
    np.testing.assert_allclose(table["null_mean"][N_GENES:], nulls["rewired"][:, :, N_GENES:, 0].mean(axis=(0, 1)))


def test_scores_of_every_network_are_those_of_node_importance(result: CrossValidation) -> None:
    explanation = explain(result, bootstrap=20)
    job = next(job for job in result.jobs if job.name == "graph/fold-1-replicate-0")
    alone = node_importance(
        result.models[job.name],
        result.inputs_of(job, job.split.test),
        result.target_of(job, job.split.test),
        result.inputs_of(job, job.split.train),
        result.outputs,
    )
    own = explanation.node_scores.query("arm == 'graph' and fold == 1")
    wide = own.pivot(index="node", columns="output", values="score").loc[alone.index, list(alone.columns)]
    np.testing.assert_allclose(wide, alone, rtol=1e-4, atol=1e-6)
    assert set(explanation.node_scores["arm"]) == {job.arm.name for job in result.jobs}


def test_the_planted_genes_are_surely_among_the_best(result: CrossValidation) -> None:
    table = explain(result, top=4, bootstrap=50).ranking.query("kind == 'gene' and output == 'all'").set_index("node")
    planted = ["g00", "g01", "g02", "g03"]
    assert table.loc[planted, "top_probability"].min() > table.drop(planted)["top_probability"].max()
    assert (table["rank_low"] <= table["rank_high"]).all()
    assert table["top_probability"].sum() == pytest.approx(4)


def test_one_network_has_neither_intervals_nor_sure_ranks() -> None:
    samples = small_samples(n=60)
    one = split_folds(samples, 2)[:1]
    result = cross_validate(small_blueprint(), samples, one, replace(FAST, max_epochs=2), rewired=0, labels=0)
    explanation = explain(result)
    unknown = ["low", "high", "top_probability", "rank_low", "rank_high"]
    assert explanation.ranking[unknown].isna().all(axis=None)
    assert explanation.ranking["score"].notna().any()
    assert explanation.agreement["kendall_w"].isna().all()
