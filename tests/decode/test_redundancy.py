"""Near copies among terms: sparse products against loops over sets."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from kgreg.decode import Explanation, genes, subsystems
from kgreg.decode.redundancy import alike_sets, gene_membership, representatives, with_leads
from kgreg.errors import DataError
from tests.small_data import small_blueprint


def slow_leads(sets: list[set[int]], order: list[int], threshold: float) -> list[int]:
    """The definition: down the ranking, join the best representative that is like you, else be one."""
    lead = list(range(len(sets)))
    leads: list[int] = []
    for one in order:
        for other in leads:  # best first
            union = sets[one] | sets[other]
            if union and len(sets[one] & sets[other]) / len(union) >= threshold:
                lead[one] = other
                break
        else:
            leads.append(one)
    return lead


def matrix(sets: list[set[int]], n_genes: int) -> sparse.csr_array:
    dense = np.zeros((len(sets), n_genes), dtype=bool)
    for i, members in enumerate(sets):
        dense[i, sorted(members)] = True
    return sparse.csr_array(dense)


@given(
    sets=st.lists(st.sets(st.integers(0, 7)), min_size=1, max_size=12),
    threshold=st.sampled_from([0.2, 1 / 3, 0.5, 2 / 3, 0.75, 1.0]),
    data=st.data(),
)
def test_representatives_are_those_of_the_loop(sets: list[set[int]], threshold: float, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(sets))))
    alike = alike_sets(matrix(sets, 8), threshold)
    assert representatives(alike, np.array(order)).tolist() == slow_leads(sets, list(order), threshold)


def test_blocks_do_not_change_what_is_alike() -> None:
    rng = np.random.default_rng(0)
    members = sparse.csr_array(rng.random((1100, 20)) < 0.3)
    dense = members.toarray().astype(int)
    shared = dense @ dense.T
    union = dense.sum(1)[:, None] + dense.sum(1)[None] - shared
    expected = (shared >= 0.5 * union) & (union > 0)
    assert (alike_sets(members, 0.5).toarray() == expected).all()


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.5, float("nan")])
def test_a_threshold_that_is_no_jaccard_index_is_refused(threshold: float) -> None:
    with pytest.raises(DataError, match="Jaccard"):
        alike_sets(sparse.csr_array((2, 3), dtype=bool), threshold)


def ranking() -> pd.DataFrame:
    """Two outputs that rank the terms of the small blueprint in opposite orders."""
    blueprint = small_blueprint()
    nodes = blueprint.nodes
    kinds = np.where(nodes["kind"] == "gene", "gene", "term")
    table = pd.DataFrame({"node": nodes["id"], "kind": kinds, "label": nodes["label"], "stability": 1.0, "n": 5})
    table["score"] = np.linspace(1, 2, len(table))
    table = table.assign(low=table["score"] - 1, high=table["score"] + 1, q=0.5)
    frames = []
    for output, rising in (("all", False), ("B", True)):
        rank = table.groupby("kind")["score"].rank(ascending=rising).astype("Int64")
        frames.append(table.assign(output=output, rank=rank))
    return pd.concat(frames, ignore_index=True)


def test_every_output_has_its_own_representatives() -> None:
    blueprint, table = small_blueprint(), ranking()
    sets = blueprint.gene_sets()
    found = with_leads(table, blueprint, 0.3)
    for output in ("all", "B"):
        own = found[(found["output"] == output) & (found["kind"] == "term")].sort_values("rank")
        order = own["node"].tolist()
        members = [{sorted(blueprint.genes["id"]).index(g) for g in sets[node]} for node in order]
        expected = [order[i] for i in slow_leads(members, list(range(len(order))), 0.3)]
        assert own["lead"].tolist() == expected
        rank = dict(zip(own["node"], own["rank"], strict=True))
        assert all(rank[lead] <= rank[node] for node, lead in zip(own["node"], own["lead"], strict=True))
    assert (found["lead"] != found["node"]).any()
    of_genes = found[found["kind"] == "gene"]
    assert (of_genes["lead"] == of_genes["node"]).all()


def test_membership_is_that_of_the_gene_sets() -> None:
    blueprint = small_blueprint()
    terms, members = gene_membership(blueprint)
    ids = blueprint.genes["id"].to_numpy()
    found = {term: frozenset(ids[row > 0]) for term, row in zip(terms, members.toarray(), strict=True)}
    assert found == blueprint.gene_sets()


def test_lists_without_near_copies_say_how_many_each_stands_for() -> None:
    explanation = Explanation(with_leads(ranking(), small_blueprint(), 0.3), {})
    every = explanation.top("term", n=100)
    distinct = explanation.top("term", n=100, redundant=False)
    assert len(distinct) < len(every)
    assert distinct["alike"].sum() + len(distinct) == len(every)
    assert distinct["rank"].is_monotonic_increasing
    assert explanation.top("term", n=1, redundant=False)["node"].tolist() == every["node"].tolist()[:1]
    before = Explanation(explanation.ranking.drop(columns="lead"), {})  # as earlier versions wrote it
    assert (before.top("term", n=100, redundant=False)["alike"] == 0).all()


def test_small_tables_have_the_documented_columns() -> None:
    explanation = Explanation(with_leads(ranking(), small_blueprint(), 0.3), {})
    columns = ["id", "label", "score", "low", "high", "q", "stability", "n"]
    table = genes(explanation, "B", n=3)
    assert table.columns.tolist() == columns
    assert table["score"].is_monotonic_increasing, "output B ranks the smallest first"
    assert len(table) == 3
    assert subsystems(explanation, redundant=False).columns.tolist() == [*columns, "alike"]
    with pytest.raises(DataError, match="no output 'BB'") as error:
        genes(explanation, "BB")
    assert "Did you mean B?" in error.value.hint
    with pytest.raises(DataError, match="No node of kind 'term'"):
        subsystems(Explanation(explanation.ranking.query("kind == 'gene'"), {}))
