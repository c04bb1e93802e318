"""Gene sets against rankings: fast tests against slow ones, and against scipy and goatools."""

from __future__ import annotations

import builtins
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse, stats

from kgreg.decode.enrichment import GeneSets, enrich, read_gene_sets
from kgreg.decode.enrichment.statistics import hypergeometric, normalised, rank_sum, running_sum
from kgreg.decode.enrichment.study import go_study
from kgreg.errors import DataError, MissingPackageError, SourceError
from tests.small_data import small_blueprint

N = 12
SETS = st.lists(st.sets(st.integers(0, N - 1)), min_size=1, max_size=6)
VALUES = st.lists(st.sampled_from([-2.0, -0.5, 0.0, 0.0, 1.0, 1.5, 3.0]), min_size=N, max_size=N)


def matrix(sets: list[set[int]], n_genes: int = N) -> sparse.csr_array:
    dense = np.zeros((len(sets), n_genes), dtype=np.int32)
    for i, members in enumerate(sets):
        dense[i, sorted(members)] = 1
    return sparse.csr_array(dense)


def slow_running_sum(members: set[int], values: np.ndarray) -> tuple[float, int]:
    """Subramanian et al. 2005, equation by equation: P_hit - P_miss after every gene; the farthest from 0."""
    order = np.argsort(-values, kind="stable")
    if not members or len(members) == len(values):
        return 0.0, 0
    weight = sum(abs(values[g]) for g in members)
    hit = miss = best = 0.0
    at = 0
    for place, gene in enumerate(order):
        if gene in members:
            hit += abs(values[gene]) / weight if weight else 1 / len(members)
        else:
            miss += 1 / (len(values) - len(members))
        if abs(hit - miss) > abs(best) + 1e-12 or (hit - miss > 0 > best and hit - miss > -best - 1e-12):
            best, at = hit - miss, place + 1
    return best, at


@given(SETS, st.sets(st.integers(0, N - 1), min_size=1, max_size=N - 1))
def test_overlaps_are_those_of_fishers_exact_test(sets: list[set[int]], best: set[int]) -> None:
    chosen = np.isin(np.arange(N), list(best))
    found = hypergeometric(matrix(sets), chosen)
    for i, members in enumerate(sets):
        both = len(members & best)
        table = [[both, len(best) - both], [len(members) - both, N - len(members) - len(best) + both]]
        assert found.p[i] == pytest.approx(stats.fisher_exact(table, alternative="greater").pvalue)
        assert found.overlap[i] == both
        assert found.expected[i] == pytest.approx(len(members) * len(best) / N)


@given(SETS, VALUES)
def test_rank_sums_are_those_of_scipy(sets: list[set[int]], values: list[float]) -> None:
    found = rank_sum(matrix(sets), np.array([values, values[::-1]]))
    for row, ranked in enumerate((np.array(values), np.array(values[::-1]))):
        for i, members in enumerate(sets):
            inside = np.isin(np.arange(N), list(members))
            if not 0 < len(members) < N or len(set(ranked)) == 1:
                assert (found.p[row, i], found.z[row, i]) == (1, 0)
                continue
            slow = stats.mannwhitneyu(
                ranked[inside], ranked[~inside], alternative="greater", method="asymptotic", use_continuity=True
            )
            assert found.p[row, i] == pytest.approx(slow.pvalue)
            assert found.auc[row, i] == pytest.approx(slow.statistic / (len(members) * (N - len(members))))


@given(SETS, VALUES)
def test_running_sums_are_those_of_the_loop(sets: list[set[int]], values: list[float]) -> None:
    array = np.array(values)
    found = running_sum(matrix(sets), array)
    for i, members in enumerate(sets):
        score, at = slow_running_sum(members, array)
        assert found.score[i] == pytest.approx(score)
        # Where rises and falls cancel exactly, rounding decides at which of several places the peak is.
        reached = np.argsort(-array, kind="stable")[: found.peak[i]]
        weight = sum(abs(array[g]) for g in members)
        hit = sum(abs(array[g]) / weight if weight else 1 / max(len(members), 1) for g in reached if g in members)
        if 0 < len(members) < N:
            miss = sum(g not in members for g in reached) / (N - len(members))
            assert hit - miss == pytest.approx(score), at


def test_random_sets_are_normalised_to_one() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=400)
    sets = [set(rng.choice(400, size, replace=False).tolist()) for size in rng.integers(5, 120, 500)]
    members = matrix(sets, 400)
    sizes = np.diff(members.indptr)
    score = running_sum(members, values).score
    found = normalised(score, sizes, values)
    assert np.abs(found).mean() == pytest.approx(1, abs=0.06)
    assert (np.sign(found) == np.sign(score)).all()
    assert (found == normalised(score, sizes, values)).all(), "the draws are seeded"
    assert normalised(np.zeros(1), np.array([400]), values) == 0


LINKS = [("a", "up"), ("b", "up"), ("up", "top"), ("c", "top"), ("c", "up")]
ROWS = [("g0", "a"), ("g1", "a"), ("g2", "b"), ("g3", "up"), ("g4", "c"), ("g5", "c"), ("gx", "a"), ("gy", "b")]


def collection(links: list[tuple[str, str]] = LINKS) -> GeneSets:
    rows = pd.DataFrame(ROWS, columns=["gene", "set"])
    names = {f"g{i}": f"id{i}" for i in range(10)}
    return GeneSets.of("made", rows, names, {"a": "A"}, pd.DataFrame(links, columns=["child", "parent"]))


@pytest.mark.parametrize("links", [LINKS, [*LINKS, ("top", "up")]], ids=["tree", "cycle"])
def test_a_set_holds_the_genes_of_the_sets_below(links: list[tuple[str, str]]) -> None:
    found = collection(links)
    graph = nx.DiGraph(links)
    for name, row in zip(found.sets["set"], found.members.toarray(), strict=True):
        below = nx.ancestors(graph, name) | {name}
        assert {found.genes[i] for i in np.flatnonzero(row)} == {
            gene.replace("g", "id") for gene, term in ROWS if term in below and gene in {f"g{i}" for i in range(10)}
        }
    assert found.unknown == 2
    assert len(found.genes) == 10, "genes in no set are part of the background"
    assert found.sets.set_index("set").loc["a", "label"] == "A"
    turned = found.over(["id9", "nobody", "id1", "id0"]).toarray()
    whole = found.members.toarray()
    assert (turned == np.stack([whole[:, 9], np.zeros(len(whole)), whole[:, 1], whole[:, 0]], axis=1)).all()


def test_sets_of_other_genes_are_refused() -> None:
    with pytest.raises(DataError, match="No set of 'made' holds a gene of the network: it names x"):
        GeneSets.of("made", pd.DataFrame({"gene": ["x"], "set": ["s"]}), {"g0": "g0"})


# ---- goatools --------------------------------------------------------------------------------------------------------


def test_goatools_gives_the_same_numbers_and_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("goatools")
    sets = collection()
    genes = sets.genes
    p = go_study(sets, genes, 3)
    own = hypergeometric(sets.members, np.arange(len(genes)) < 3).p
    assert p == pytest.approx(dict(zip(sets.sets["set"], own, strict=True)))
    assert capsys.readouterr() == ("", "")


def test_elim_leaves_general_terms_what_special_ones_do_not_explain() -> None:
    pytest.importorskip("goatools")
    genes = [f"g{i}" for i in range(200)]
    rows = pd.DataFrame(
        [(g, "special") for g in genes[:8]] + [(g, "general") for g in genes[8:20:4]], columns=["gene", "set"]
    )
    sets = GeneSets.of(
        "made",
        rows,
        dict(zip(genes, genes, strict=True)),
        None,
        pd.DataFrame({"child": ["special"], "parent": ["general"]}),
    )
    classic, elim = go_study(sets, genes, 10), go_study(sets, genes, 10, eliminate=True)
    assert elim["special"] == classic["special"] < 1e-6
    assert classic["general"] < 1e-6
    assert elim["general"] > 0.01, "one of its three other genes is among the best"


def test_goatools_is_not_let_loose_on_cycles(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("goatools")
    with pytest.raises(DataError, match=r"cycle through (top, up|up, top)"):
        go_study(collection([*LINKS, ("top", "up")]), [f"id{i}" for i in range(10)], 3)
    flat = GeneSets.of("flat", pd.DataFrame({"gene": ["g0"], "set": ["s"]}), {"g0": "g0"})
    with pytest.raises(DataError, match="no hierarchy"):
        go_study(flat, ["g0"], 1)
    load = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("goatools"):
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        return load(name, *rest, **more)

    monkeypatch.setattr("kgreg.optional.importlib.import_module", without)
    with pytest.raises(MissingPackageError, match="goatools") as error:
        go_study(collection(), ["id0", "id1"], 1)
    assert "kgreg[enrich]" in error.value.hint


# ---- a ranking -------------------------------------------------------------------------------------------------------

GENES = [f"g{i:03d}" for i in range(100)]


def ranked(scores: np.ndarray) -> pd.DataFrame:
    table = pd.DataFrame({"node": GENES, "kind": "gene", "label": [g.upper() for g in GENES], "output": "all"})
    table = table.assign(score=scores, z=np.nan, null="none", n=5, seed=7)
    return table.assign(rank=table["score"].rank(ascending=False, method="first").astype("Int64"))


def scored(arms: dict[str, np.ndarray]) -> pd.DataFrame:
    """Scores ``[networks, genes]`` of every arm as the table of a run."""
    frames = [
        pd.DataFrame({"node": GENES, "output": "all", "arm": arm, "fold": fold, "replicate": 0, "score": row})
        for arm, values in arms.items()
        for fold, row in enumerate(values)
    ]
    return pd.concat(frames, ignore_index=True).sample(frac=1, random_state=0)


def sets_of(**members: list[int]) -> GeneSets:
    rows = pd.DataFrame([(GENES[i], name) for name, own in members.items() for i in own], columns=["gene", "set"])
    return GeneSets.of("made", rows, dict(zip(GENES, GENES, strict=True)))


def test_what_the_graph_makes_rank_high_is_told_from_what_the_outcome_does() -> None:
    rng = np.random.default_rng(0)
    wired, planted = np.arange(10), np.arange(20, 30)
    others = {f"other{i}": rng.choice(np.arange(40, 100), 8, replace=False).tolist() for i in range(20)}
    sets = sets_of(wired=wired.tolist(), planted=planted.tolist(), tiny=[1, 2], **others)
    level = np.zeros(100)
    level[wired] = 3  # in every network, whatever it is trained on

    def networks(signal: float) -> np.ndarray:
        values = level + rng.normal(size=(4, 100))
        values[:, planted] += signal
        return values

    arms = {"graph": networks(3.0)} | {f"labels-{i}": networks(0.0) for i in range(4)}
    found = enrich(ranked(arms["graph"].mean(axis=0)), [sets], node_scores=scored(arms))
    assert set(found["null"]) == {"labels"}
    for method in ("hypergeometric", "rank"):
        table = found[found["method"] == method].set_index("set")
        assert set(table.index[:2]) == {"wired", "planted"}
        assert (table.loc[["wired", "planted"], "q"] < 0.001).all()
        assert table.loc["planted", "p_null"] < 0.02
        assert table.loc["wired", "p_null"] > 0.1
        assert "tiny" not in table.index
        np.testing.assert_allclose(table["q"], stats.false_discovery_control(table["p"]))
        assert (table["background"] == 100).all()
        assert set(table.loc["planted", "leading"].split(", ")) <= {f"G{i:03d}" for i in planted}
    alone = enrich(ranked(arms["graph"].mean(axis=0)), [sets])
    assert alone["p_null"].isna().all()
    assert set(alone["null"]) == {"none"}


def test_the_best_genes_are_at_most_a_fifth_unless_asked() -> None:
    sets = sets_of(first=list(range(5)), last=list(range(90, 100)))
    table = ranked(-np.arange(100.0))
    found = enrich(table, [sets], methods=["hypergeometric"]).set_index("set")
    assert found.loc["first", "expected"] == pytest.approx(5 * 20 / 100)
    assert found.loc["first", "overlap"] == 5
    assert found.loc["first", "leading"] == "G000, G001, G002, G003, G004"
    assert enrich(table, [sets], top=2, methods=["hypergeometric"]).set_index("set").loc["first", "overlap"] == 2
    ranks = enrich(table, [sets], methods=["rank"]).set_index("set")
    assert ranks.loc["first", "statistic"] == 1
    assert ranks.loc["last", "statistic"] == 0
    assert ranks.loc["first", "nes"] > 1 > 0 > ranks.loc["last", "nes"]
    assert (ranks.loc["first", "leading"], ranks.loc["last", "leading"]) == ("G000, G001, G002, G003, G004", "")


def test_what_cannot_be_asked_is_refused() -> None:
    sets, table = sets_of(first=list(range(5))), ranked(np.arange(100.0))
    with pytest.raises(DataError, match="no method 'fisher'"):
        enrich(table, [sets], methods=["fisher"])
    with pytest.raises(DataError, match="no output 'al'") as error:
        enrich(table, [sets], outputs=["al"])
    assert "Did you mean all?" in error.value.hint
    with pytest.raises(DataError, match="best 100 genes cannot be held against the others"):
        enrich(table, [sets], top=100)
    with pytest.raises(DataError, match="No genes were ranked"):
        enrich(table.assign(kind="motif"), [sets])
    nothing = enrich(table, [sets], min_genes=6)
    assert nothing.empty
    assert "p_null" in nothing


# ---- collections -----------------------------------------------------------------------------------------------------


def test_a_gmt_file_names_genes_by_label_or_id(tmp_path: Any) -> None:
    blueprint = small_blueprint()
    path = tmp_path / "own.gmt"
    path.write_text("one\t\tg00\tg01\tstranger\nnone\t\tstranger\n", encoding="utf-8")
    found = read_gene_sets(str(path), blueprint)
    assert found.collection == "own.gmt"
    assert found.sets["set"].tolist() == ["one"]
    assert found.sizes.tolist() == [2]
    assert found.unknown == 1
    path.write_text("none\t\tstranger\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"No set of 'own\.gmt' holds a gene of the network"):
        read_gene_sets(str(path), blueprint)
    path.write_text("none\n", encoding="utf-8")
    with pytest.raises(SourceError, match="line 1"):
        read_gene_sets(str(path), blueprint)


def test_the_subsystems_of_the_network_are_a_collection() -> None:
    blueprint = small_blueprint()
    found = read_gene_sets("network", blueprint)
    ids = np.array(found.genes)
    rows = zip(found.sets["set"], found.members.toarray(), strict=True)
    members = {name: frozenset(ids[row > 0]) for name, row in rows}
    assert members == blueprint.gene_sets()
    assert not found.hierarchy.empty
    with pytest.raises(DataError, match="no collection of gene sets 'netwrk'") as error:
        read_gene_sets("netwrk", blueprint)
    assert "Did you mean network?" in error.value.hint
    with pytest.raises(DataError, match="in a store, and none is open"):
        read_gene_sets("reactome", blueprint)
