"""Interactions: cleaned, compiled, rewired, kept by every transform, saved, and turned into other formats."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgreg.blueprint import (
    Blueprint,
    clean_interactions,
    compile_interactions,
    load_blueprint,
    save_blueprint,
    shared_membership,
)
from kgreg.errors import BlueprintError
from tests.small_data import GENES, small_blueprint

RING = pd.DataFrame({"source": GENES, "target": [*GENES[1:], GENES[0]], "weight": np.arange(1.0, 13.0)})
FEATURES = pd.DataFrame({"feature": [f"{g}.data" for g in GENES], "gene": GENES, "label": GENES})


def ring() -> Blueprint:
    return compile_interactions(RING, FEATURES)


def pairs(blueprint: Blueprint) -> set[frozenset[str]]:
    table = blueprint.interactions
    return {frozenset(pair) for pair in zip(table["source"], table["target"], strict=True)}


def test_what_is_written_both_ways_or_twice_becomes_one_with_the_largest_weight() -> None:
    table = pd.DataFrame(
        [("a", "b", 1.0), ("b", "a", 3.0), ("a", "b", 2.0), ("b", "c", 5.0), ("c", "c", 9.0), ("a", "x", 1.0)],
        columns=["source", "target", "weight"],
    )
    found, dropped = clean_interactions(table, pd.Index(["a", "b", "c"]))
    assert found[["source", "target", "weight"]].to_numpy().tolist() == [["a", "b", 3.0], ["b", "c", 5.0]]
    reasons = {reason: count for _, _, count, _, reason in dropped}
    assert reasons == {
        "another gene than those of the data": "1 rows",
        "of a gene with itself": "1 rows",
        "listed again (the largest weight was kept)": "2 rows",
    }


def test_weak_interactions_are_left_out_and_counted() -> None:
    found, dropped = clean_interactions(RING, pd.Index(GENES), min_weight=6)
    assert found["weight"].min() == 6
    assert [row[2] for row in dropped] == ["5 rows"]


@pytest.mark.parametrize("weight", [-0.5, np.nan, np.inf, "high"])
def test_a_weight_that_is_negative_or_no_number_is_refused_with_its_row(weight: object) -> None:
    table = RING.astype({"weight": object})
    table.loc[4, "weight"] = weight
    with pytest.raises(BlueprintError, match=r"g04 - g05, row 5"):
        clean_interactions(table, pd.Index(GENES))


def test_a_graph_without_a_single_interaction_is_refused() -> None:
    with pytest.raises(BlueprintError, match="None of the 12 interactions joins two of the 2 genes"):
        clean_interactions(RING, pd.Index(["x", "y"]))
    with pytest.raises(BlueprintError, match="weight of at least 100"):
        clean_interactions(RING, pd.Index(GENES), min_weight=100)


def test_genes_without_interactions_stay_or_are_recorded() -> None:
    few = RING.head(3)
    kept = compile_interactions(few, FEATURES)
    assert len(kept.genes) == 12
    graph = kept.provenance["compiled"][-1]["graph"]
    assert graph == {"connected_parts": 9, "largest_part": 4, "isolated_genes": 8}
    cut = compile_interactions(few, FEATURES, isolated=False)
    assert cut.genes["id"].tolist() == GENES[:4]
    assert cut.inputs["feature"].tolist() == [f"{g}.data" for g in GENES[:4]]
    assert sorted(cut.dropped["id"]) == GENES[4:]


def test_modalities_share_the_node_of_their_gene() -> None:
    both = FEATURES.merge(pd.DataFrame({"modality": ["rna", "cnv"]}), how="cross")
    blueprint = compile_interactions(RING, both)
    assert len(blueprint.nodes) == 12
    assert blueprint.inputs["modality"].tolist() == ["rna", "cnv"] * 12


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("g00", "g00", 1.0)], "with themselves"),
        ([("g00", "g01", 1.0), ("g01", "g00", 1.0)], "appear twice"),
        ([("g00", "nobody", 1.0)], "unknown nodes"),
        ([("g00", "g01", 0.0)], "not a positive number"),
    ],
)
def test_a_blueprint_refuses_interactions_that_make_no_sense(rows: list[tuple[object, ...]], message: str) -> None:
    table = pd.DataFrame(rows, columns=["source", "target", "weight"]).assign(relation="interacts_with")
    blueprint = ring()
    with pytest.raises(BlueprintError, match=message):
        Blueprint(blueprint.nodes, blueprint.edges, blueprint.inputs, blueprint.outputs, interactions=table)


@settings(max_examples=30, deadline=None)
@given(st.integers(4, 14), st.integers(0, 2**16), st.floats(0.2, 0.8))
def test_rewiring_keeps_the_degrees_and_makes_a_simple_graph(n: int, seed: int, density: float) -> None:
    graph = nx.gnp_random_graph(n, density, seed=seed)
    if not graph.number_of_edges():
        return
    names = [f"g{i:02d}" for i in range(n)]
    table = pd.DataFrame([(names[a], names[b]) for a, b in graph.edges], columns=["source", "target"])
    blueprint = compile_interactions(table, pd.DataFrame({"feature": names, "gene": names}))
    rewired = blueprint.rewire(seed)
    degree = pd.concat([blueprint.interactions["source"], blueprint.interactions["target"]]).value_counts()
    after = pd.concat([rewired.interactions["source"], rewired.interactions["target"]]).value_counts()
    pd.testing.assert_series_equal(degree.sort_index(), after.sort_index())
    assert len(pairs(rewired)) == len(blueprint.interactions)
    assert rewired.interactions["weight"].tolist() == blueprint.interactions["weight"].tolist()


def test_rewiring_changes_a_graph_and_follows_from_the_seed() -> None:
    assert pairs(ring().rewire(0)) != pairs(ring())
    assert ring().rewire(0).content_hash() == ring().rewire(0).content_hash()
    assert ring().rewire(0).content_hash() != ring().rewire(1).content_hash()


def test_interactions_are_saved_and_hashed(tmp_path: Path) -> None:
    save_blueprint(ring(), tmp_path / "graph")
    again = load_blueprint(tmp_path / "graph")
    pd.testing.assert_frame_equal(again.interactions, ring().interactions, check_dtype=False)
    other = ring().interactions.assign(weight=2.0)
    assert ring().with_interactions(other).content_hash() != ring().content_hash()
    assert small_blueprint().with_interactions(RING.assign(relation="r")).content_hash() != (
        small_blueprint().content_hash()
    )


def test_a_hierarchy_keeps_the_interactions_of_the_genes_that_it_keeps() -> None:
    blueprint = small_blueprint().with_interactions(RING.assign(relation="r"))
    kept = blueprint.restrict_to(blueprint.inputs["feature"].tolist()[:5])
    assert set(kept.interactions["source"]) | set(kept.interactions["target"]) == set(GENES[:5])
    assert blueprint.summary()["interactions"] == 12


def test_a_graph_without_terms_takes_other_inputs() -> None:
    cut = ring().restrict_to(["g00.data", "g01.data", "g02.data"])
    assert pairs(cut) == {frozenset(("g00", "g01")), frozenset(("g01", "g02"))}
    other = ring().with_inputs(pd.DataFrame({"feature": ["A", "B"], "gene": ["g01", "g02"]}))
    assert other.inputs["feature"].tolist() == ["A", "B"]
    assert len(other.dropped[other.dropped["reason"] == "the data do not measure it"]) == 10


def test_other_formats_hold_the_same_graph() -> None:
    data = ring().to_pyg()
    ends = np.asarray(data.node_id)[data.edge_index.numpy()]
    assert {frozenset(pair) for pair in ends.T} == pairs(ring())
    assert ends.shape == (2, 24)
    assert not data.is_directed()
    assert data.edge_weight.sum() == 2 * RING["weight"].sum()
    hierarchy = small_blueprint().to_pyg()
    assert hierarchy.hierarchy_index.shape[1] == len(small_blueprint().edges)


def test_shared_membership_equals_counting_pair_by_pair() -> None:
    rng = np.random.default_rng(0)
    members = pd.DataFrame({"gene": rng.choice(GENES, 60), "term": rng.choice(list("stuv"), 60)})
    found = shared_membership(members, max_genes=9)
    sets = members.drop_duplicates().groupby("term")["gene"].agg(set)
    expected = {}
    for i, one in enumerate(GENES):
        for two in GENES[i + 1 :]:
            shared = sum(one in genes and two in genes for genes in sets if len(genes) <= 9)
            if shared:
                expected[one, two] = shared
    assert {(r.source, r.target): r.weight for r in found.itertuples()} == expected
