"""The compiler's rules on hierarchies small enough to check by eye."""

from __future__ import annotations

import pandas as pd
import pytest

from kgreg.blueprint import Blueprint, compile_hierarchy
from kgreg.errors import BlueprintError
from tests.random_graphs import Knowledge, dropped, edge_set

#: root <- mid <- leaf and root <- leaf (skips a level); gene c lies on leaf, mid and root, d on root only.
SKIPPING = Knowledge(
    links=[("leaf", "mid"), ("mid", "root"), ("leaf", "root"), ("void", "root")],
    annotations=[("a", "leaf"), ("b", "mid"), ("c", "leaf"), ("c", "mid"), ("c", "root"), ("d", "root")],
    genes=["d", "a", "b", "c", "stranger"],
)


def levels(blueprint: Blueprint) -> dict[str, int]:
    return dict(zip(blueprint.nodes["id"], blueprint.nodes["level"], strict=True))


def test_links_that_skip_a_level_and_direct_genes_stay() -> None:
    blueprint = SKIPPING.compile()
    assert edge_set(blueprint) == {
        *(("leaf", "mid"), ("mid", "root"), ("leaf", "root")),
        *(("a", "leaf"), ("b", "mid"), ("c", "leaf"), ("c", "mid"), ("c", "root"), ("d", "root")),
    }
    assert levels(blueprint) == {"d": 0, "a": 0, "b": 0, "c": 0, "leaf": 1, "mid": 2, "root": 3}
    assert blueprint.gene_sets() == {"leaf": {"a", "c"}, "mid": {"a", "b", "c"}, "root": {"a", "b", "c", "d"}}
    assert blueprint.summary() == {
        **{"genes": 4, "terms": 3, "levels": 3, "roots": 1},
        **{"gene_links": 6, "term_links": 3, "interactions": 0, "neurons": 12},
    }


def test_what_is_left_out_is_told_with_step_and_reason() -> None:
    rows = SKIPPING.compile().dropped
    assert list(rows.itertuples(index=False, name=None)) == [
        ("empty", "term", "void", "void", "no gene of the data at or below it"),
        ("genes", "gene", "stranger", "STRANGER", "no remaining term annotates it"),
    ]


def test_a_spliced_term_hands_genes_and_children_to_all_its_parents_with_their_relations() -> None:
    hierarchy = pd.DataFrame(
        [("kid", "mid", "part_of"), ("mid", "left", "is_a"), ("mid", "right", "is_a")],
        columns=["child", "parent", "relation"],
    )
    annotations = pd.DataFrame(
        [("k1", "kid", "EXP"), ("k2", "kid", "EXP"), ("m", "mid", "IDA"), *((f"l{i}", "left", "IEA") for i in range(3))]
        + [(f"r{i}", "right", "IEA") for i in range(3)],
        columns=["gene", "term", "evidence"],
    )
    features = pd.DataFrame({"gene": pd.unique(annotations["gene"])}).assign(feature=lambda t: t["gene"])
    # mid has 3 genes and goes; kid has 2 and stays.
    whole = compile_hierarchy(hierarchy, annotations, features, redundancy=None)
    assert len(whole.terms) == 4
    blueprint = compile_hierarchy(hierarchy, annotations, features, redundancy=0.6)
    assert dropped(blueprint, "redundancy") == {"mid"}
    relation = blueprint.edges.set_index(["source", "target"])["relation"]
    for parent in ("left", "right"):
        assert relation["kid", parent] == "part_of"
        assert relation["m", parent] == "IDA"
        assert {"k1", "k2", "m"} < blueprint.gene_sets()[parent]


def test_collapse_keeps_the_more_specific_of_two_equal_terms() -> None:
    chain = Knowledge([("c", "b"), ("b", "a")], [("g", "c"), ("h", "c"), ("g", "a")], ["g", "h"])
    blueprint = chain.compile(redundancy=1.0)
    assert blueprint.terms["id"].tolist() == ["c"]
    assert dropped(blueprint, "redundancy") == {"a", "b"}
    (reason,) = set(blueprint.dropped.loc[blueprint.dropped["id"] == "b", "reason"])
    assert reason == "its only child c holds 2 of its 2 genes"


def test_genes_of_a_removed_root_that_lie_nowhere_else_are_recorded() -> None:
    known = Knowledge([("low", "top")], [("a", "low"), ("b", "top"), ("c", "top")], ["a", "b", "c"])
    blueprint = known.compile(max_genes=2)
    assert dropped(blueprint, "max_genes") == {"top"}
    assert dropped(blueprint, kind="gene") == {"b", "c"}
    assert blueprint.inputs["feature"].tolist() == ["a.data"]


def test_repeated_rows_make_one_edge() -> None:
    known = Knowledge([("low", "top")] * 2, [("a", "low")] * 3 + [("b", "top")], ["a", "b"])
    assert edge_set(known.compile()) == {("a", "low"), ("b", "top"), ("low", "top")}


def test_terms_are_named_by_their_labels() -> None:
    blueprint = compile_hierarchy(
        SKIPPING.hierarchy_table,
        SKIPPING.annotation_table,
        SKIPPING.feature_table,
        labels={"leaf": "leaf process", "unheard of": "a term without links"},
        source="GO",
        task="disease",
    )
    label = blueprint.nodes.set_index("id")["label"]
    assert (label["leaf"], label["mid"], label["a"]) == ("leaf process", "mid", "A")
    assert set(blueprint.nodes["source"]) == {"GO"}
    assert blueprint.outputs.to_dict("records") == [{"task": "disease", "node": "root"}]
    assert "unheard of" in dropped(blueprint, "empty")


def test_the_options_are_part_of_the_provenance() -> None:
    blueprint = SKIPPING.compile(min_genes=2, width=3)
    (options,) = blueprint.provenance["compiled"]
    assert (options["min_genes"], options["width"], options["cycles"]) == (2, 3, "error")


def test_no_gene_in_common_is_an_error_that_says_so() -> None:
    known = Knowledge([("low", "top")], [("TP53", "low")], ["Trp53", "Actb"])
    with pytest.raises(BlueprintError, match="None of the 2 genes of the data") as caught:
        known.compile()
    assert "species" in caught.value.hint


def test_a_root_that_is_no_term_is_an_error() -> None:
    with pytest.raises(BlueprintError, match="root 'GO:404'"):
        SKIPPING.compile(root="GO:404")


def test_limits_that_leave_nothing_are_an_error_naming_them() -> None:
    with pytest.raises(BlueprintError, match="min_genes=100"):
        SKIPPING.compile(min_genes=100)


def test_two_features_of_one_gene_are_refused_by_name() -> None:
    features = pd.DataFrame({"feature": ["x", "y", "z"], "gene": ["a", "b", "a"]})
    with pytest.raises(BlueprintError, match="same gene: a"):
        compile_hierarchy(SKIPPING.hierarchy_table, SKIPPING.annotation_table, features)


def test_a_cycle_below_another_root_is_refused_too_and_named() -> None:
    known = Knowledge([("x", "y"), ("y", "z"), ("z", "x"), ("low", "top")], [("g", "low")], ["g"])
    with pytest.raises(BlueprintError, match="x -> y -> z -> x") as caught:
        known.compile(root="top")
    assert "cycles='break'" in caught.value.hint


def test_breaking_a_cycle_keeps_the_links_nearest_the_root() -> None:
    known = Knowledge(
        [("a", "top"), ("b", "a"), ("a", "b"), ("c", "c"), ("c", "b")], [("g", "c"), ("h", "b")], ["g", "h"]
    )
    blueprint = known.compile(cycles="break")
    assert edge_set(blueprint) == {("g", "c"), ("h", "b"), ("c", "b"), ("b", "a"), ("a", "top")}
    assert dropped(blueprint, "cycles", kind="edge") == {"a -> b", "c -> c"}


def test_a_very_deep_chain_is_compiled() -> None:
    depth = 3000
    links = [(f"t{i}", f"t{i + 1}") for i in range(depth)]
    known = Knowledge(links, [("g", "t0"), ("h", f"t{depth}")], ["g", "h"])
    blueprint = known.compile()
    assert blueprint.n_levels == depth + 1
    assert blueprint.gene_sets()[f"t{depth}"] == {"g", "h"}
    cycle = Knowledge([*links, (f"t{depth}", "t0")], known.annotations, known.genes)
    with pytest.raises(BlueprintError, match="cycle"):
        cycle.compile()
    assert len(dropped(cycle.compile(cycles="break"), "cycles", kind="edge")) == 1
