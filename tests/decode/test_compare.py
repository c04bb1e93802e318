"""Two rankings beside each other, against the tests by scipy one node at a time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kgreg.decode import Explanation
from kgreg.decode.compare import compare_explanations
from kgreg.errors import DataError

GENES = [f"g{i:02d}" for i in range(40)]


def explanation(networks: np.ndarray, nodes: list[str] = GENES, output: str = "all", kept: bool = True) -> Explanation:
    """A ranking by mean score of ``networks [n_networks, n_nodes]``; ``kept``: with the scores of every network."""
    scores = networks.mean(axis=0)
    table = pd.DataFrame({"node": nodes, "kind": "gene", "label": nodes, "output": output, "score": scores})
    table["n"] = len(networks)
    table["rank"] = table["score"].rank(ascending=False, method="first").astype("Int64")
    each = [
        pd.DataFrame({"node": nodes, "output": output, "arm": arm, "fold": fold, "replicate": 0, "score": row})
        for arm, values in (("graph", networks), ("labels-0", networks * 0))
        for fold, row in enumerate(values)
    ]
    return Explanation(table, {}, node_scores=pd.concat(each) if kept else pd.DataFrame())


def test_differences_are_those_of_welch() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(5, 40)), rng.normal(size=(4, 40)) * 2
    one[:, 7] += 6
    means = [one.mean(axis=0), two.mean(axis=0)]
    found = compare_explanations(explanation(one), explanation(two))
    table = found.nodes.set_index("node")
    # In units of the median size in the same network.
    one, two = (values / np.median(np.abs(values), axis=1)[:, None] for values in (one, two))
    assert found.nodes.iloc[0]["node"] == "g07"
    for i, name in enumerate(GENES):
        slow = stats.ttest_ind(one[:, i], two[:, i], equal_var=False)
        interval = slow.confidence_interval(0.95)
        row = table.loc[name]
        assert row["difference"] == pytest.approx(one[:, i].mean() - two[:, i].mean())
        assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))
        assert row["p"] == pytest.approx(slow.pvalue)
        assert (row["n_first"], row["n_second"]) == (5, 4)
    np.testing.assert_allclose(found.nodes["q"], stats.false_discovery_control(found.nodes["p"]))
    (row,) = found.agreement.to_dict("records")
    ranks = [stats.rankdata(-values) for values in means]
    assert row["rank_correlation"] == pytest.approx(stats.spearmanr(*ranks).statistic)
    assert row["score_correlation"] == pytest.approx(row["rank_correlation"])
    both = int(((ranks[0] <= 20) & (ranks[1] <= 20)).sum())
    assert (row["overlap"], row["top"], row["expected"]) == (both, 20, 10)
    assert row["p"] == pytest.approx(stats.hypergeom.sf(both - 1, 40, 20, 20))


def test_replicates_of_a_fold_count_once() -> None:
    rng = np.random.default_rng(4)
    sides = [rng.normal(size=(6, 40)), rng.normal(size=(6, 40))]
    made = []
    for values in sides:
        one = explanation(values)
        scores = one.node_scores.assign(replicate=one.node_scores["fold"] % 2, fold=one.node_scores["fold"] // 2)
        made.append(Explanation(one.ranking, {}, node_scores=scores))
    overlap = 0.25
    table = compare_explanations(*made, overlaps={"all": (overlap, 0.0)}).nodes.set_index("node").loc[GENES]
    relative = [values / np.median(np.abs(values), axis=1)[:, None] for values in sides]
    folds = [(values[0::2] + values[1::2]) / 2 for values in relative]
    errors = [fold.var(axis=0, ddof=1) * (1 / 3 + own) for fold, own in zip(folds, (overlap, 0.0), strict=True)]
    freedom = sum(errors) ** 2 / sum(error**2 / 2 for error in errors)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(sum(errors))
    np.testing.assert_allclose(table["high"] - table["low"], 2 * half)
    assert (table["n_first"] == 6).all()


def test_only_what_both_have_is_compared() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(3, 40))
    found = compare_explanations(explanation(values), explanation(values[:, 10:], GENES[10:]), top=5)
    (row,) = found.agreement.to_dict("records")
    assert (row["shared"], row["only_first"], row["only_second"]) == (30, 10, 0)
    assert row["rank_correlation"] == pytest.approx(1)
    assert (row["overlap"], row["top"]) == (5, 5)
    assert (found.nodes["difference"] == 0).all()
    assert (found.nodes["rank_first"] == found.nodes["rank_second"]).all()
    assert sorted(found.nodes["rank_first"]) == list(range(1, 31)), "ranks are among the shared"


@pytest.mark.parametrize(("networks", "kept"), [(1, True), (3, False)])
def test_one_network_has_no_interval(networks: int, kept: bool) -> None:
    values = np.random.default_rng(2).normal(size=(networks, 40))
    found = compare_explanations(explanation(values, kept=kept), explanation(values * 3, kept=kept))
    assert found.nodes["difference"].tolist() == pytest.approx([0] * 40, abs=1e-6), "a longer training is no difference"
    assert found.nodes[["low", "high", "p", "q"]].isna().all(axis=None)


def test_what_is_not_shared_is_told() -> None:
    values = np.random.default_rng(3).normal(size=(3, 40))
    one = explanation(values)
    with pytest.raises(DataError, match="share no output: one has all, the other risk"):
        compare_explanations(one, explanation(values, output="risk"))
    with pytest.raises(DataError, match="share no node"):
        compare_explanations(one, explanation(values, [f"h{i}" for i in range(40)]))
    with pytest.raises(DataError, match="no output 'al'"):
        compare_explanations(one, one, output="al")
    with pytest.raises(DataError, match="No node of kind 'term'"):
        compare_explanations(one, one, kind="term")
