"""Networks of proteins: which nodes are expression, what is pruned, how cycles are broken, what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgreg.blueprint import Blueprint, compile_network, load_blueprint, save_blueprint
from kgreg.errors import BlueprintError
from tests.random_graphs import edge_set


def table(*links: tuple[str, str], **columns: Sequence[object]) -> pd.DataFrame:
    return pd.DataFrame(links, columns=["parent", "child"]).assign(**columns)


def features(*genes: str) -> pd.DataFrame:
    return pd.DataFrame({"feature": [f"{gene}.data" for gene in genes], "gene": genes, "label": genes})


KPNN = table(
    ("out", "A"), ("out", "B"), ("A", "C"), ("B", "C"), ("C", "g1_gene"), ("C", "g2_gene"), ("B", "A_gene"),
    ("A", "A"), ("X", "g1_gene"), ("C", "Y_gene"), ("C", "g1_gene"),
)  # fmt: skip


def dropped(blueprint: Blueprint, step: str) -> set[str]:
    return set(blueprint.dropped.loc[blueprint.dropped["step"] == step, "id"])


def test_a_node_is_a_protein_and_its_expression_another() -> None:
    blueprint = compile_network(KPNN, features("g2", "g1", "A", "other"), ["out"])
    assert blueprint.inputs["node"].tolist() == ["g2", "g1", "A"]
    assert dict(zip(blueprint.nodes["id"], blueprint.nodes["level"], strict=True)) == {
        "g2": 0, "g1": 0, "A": 0, "C": 1, "A_protein": 2, "B": 2, "out": 3,
    }  # fmt: skip
    assert edge_set(blueprint) == {
        ("A_protein", "out"), ("B", "out"), ("C", "A_protein"), ("C", "B"), ("g1", "C"), ("g2", "C"), ("A", "B"),
    }  # fmt: skip
    assert set(blueprint.terms["kind"]) == {"protein"}
    assert blueprint.outputs.to_dict("list") == {"task": ["out"], "node": ["out"]}
    assert dropped(blueprint, "loops") == {"A -> A"}
    assert dropped(blueprint, "repeats") == {"g1_gene -> C"}
    assert dropped(blueprint, "outputs") == {"X"}
    assert dropped(blueprint, "features") == {"Y"}
    assert dropped(blueprint, "genes") == {"other"}


def test_the_direction_says_who_reads_whom() -> None:
    links = pd.DataFrame(
        [("TF", "TG", "targets"), ("R", "TF", "binds"), ("TF", "TF", "targets"), ("TG", "TF", "targets")],
        columns=["source", "target", "relation"],
    )
    # Regulators read; TG regulates too, and as a protein that reads a gene it is an output of its own.
    against = compile_network(links, features("TG", "TF"), ["R"], direction="against")
    assert edge_set(against) == {("TG", "TF_protein"), ("TF_protein", "R")}
    along = compile_network(links.iloc[:2], features("R"), direction="along")
    assert edge_set(along) == {("R", "TF"), ("TF", "TG")}


def test_every_cycle_is_broken_by_the_stated_rule_or_named() -> None:
    links = table(("out", "A"), ("A", "B"), ("B", "A"), ("B", "g"), ("A", "h"), ("P", "Q"), ("Q", "P"))
    with pytest.raises(BlueprintError, match=r"cycle: (A -> B -> A|B -> A -> B)"):
        compile_network(links, features("g", "h"))
    broken = compile_network(links, features("g", "h"), cycles="break")
    # From the output down: out, A, B; there the link to A, which is being walked, closes the cycle.
    assert dropped(broken, "cycles") == {"A -> B"}
    assert dropped(broken, "outputs") == {"P", "Q"}
    # A cycle that lies on no path to an output is nobody's concern.
    compile_network(table(("out", "g"), ("P", "Q"), ("Q", "P")), features("g"), ["out"])


def test_an_output_is_read_by_nothing_else() -> None:
    links = table(("top", "mid"), ("top", "g"), ("mid", "g"))
    blueprint = compile_network(links, features("g"), ["mid", "top"])
    assert edge_set(blueprint) == {("g", "mid"), ("g", "top")}
    assert dropped(blueprint, "outputs") == {"mid -> top"}


def test_signs_and_weights_of_links() -> None:
    links = table(("out", "A"), ("A", "g"), ("A", "h"), sign=[1, -1, 0], weight=[3, 2, 1])
    signed = compile_network(links, features("g", "h"), signs=True).edges.set_index("source")["sign"]
    assert signed.to_dict() == {"A": 1, "g": -1, "h": 0}
    assert (compile_network(links, features("g", "h")).edges["sign"] == 0).all()
    assert dropped(compile_network(links, features("g", "h"), min_weight=2), "min_weight") == {"h -> A"}


@pytest.mark.parametrize(
    ("links", "more", "message"),
    [
        (table(("out", "")), {}, "Row 1: a link has no"),
        (table(("out", "g"), weight=[-1.0]), {}, "Row 1: g - out has the negative weight -1"),
        (table(("out", "g"), sign=["up"]), {}, "Row 1: 'up' in the column 'sign' is no number"),
        (table(("A", "A")), {}, "None of the 1 links can be used"),
        (table(("g_gene", "A")), {}, "expression of a gene reads other nodes: g_gene"),
        (table(("out", "nobody")), {}, "None of the 1 genes of the data is read"),
        (table(("out", "g")), {"outputs": ["nowhere"]}, "nowhere are not proteins"),
        (table(("out", "g"), ("two", "h")), {"outputs": ["out", "two"]}, "No measured gene leads to the outputs two"),
        (table(("A", "B"), ("B", "A"), ("B", "g")), {}, "there is none to read out"),
        (pd.DataFrame({"one": ["a"], "two": ["b"]}), {}, "has the columns source and target"),
    ],
)
def test_what_is_no_network_is_refused(links: pd.DataFrame, more: dict[str, Any], message: str) -> None:
    with pytest.raises(BlueprintError, match=message):
        compile_network(links, features("g"), **more)


nodes = st.integers(0, 7)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(nodes, nodes), min_size=1, max_size=20, unique=True), st.sets(nodes, min_size=1))
def test_what_stays_lies_between_measured_genes_and_outputs(pairs: list[tuple[int, int]], measured: set[int]) -> None:
    links = table(*((f"P{a}", f"P{b}") for a, b in pairs), *((f"P{a}", f"g{a}_gene") for a, _ in pairs[:3]))
    genes = [f"g{i}" for i in sorted(measured)]
    try:
        blueprint = compile_network(links, features(*genes), cycles="break")
    except BlueprintError:
        return  # nothing to read out, or nothing measured
    graph = blueprint.to_networkx()
    assert nx.is_directed_acyclic_graph(graph)
    outputs, inputs = set(blueprint.outputs["node"]), set(blueprint.inputs["node"])
    for node in graph:
        assert node in outputs or nx.descendants(graph, node) & outputs
        assert node in inputs or nx.ancestors(graph, node) & inputs
    listed = set(zip(links["child"].str.removesuffix("_gene"), links["parent"], strict=True))
    assert edge_set(blueprint) <= listed
    again = compile_network(links.iloc[::-1], features(*genes), cycles="break")
    assert edge_set(again) == edge_set(blueprint), "the order of the rows does not matter"


def test_other_inputs_other_roots_and_nulls() -> None:
    blueprint = compile_network(KPNN, features("g1", "g2", "A"), ["out"])
    fewer = blueprint.restrict_to(["g1.data"])
    assert set(fewer.nodes["id"]) == {"g1", "C", "A_protein", "B", "out"}
    assert set(fewer.dropped["id"]) >= {"g2", "A"}
    below = blueprint.rooted_at("B")
    assert below.outputs["node"].tolist() == ["B"]
    assert "A_protein" not in set(below.nodes["id"])
    with pytest.raises(BlueprintError, match="not cut by min_genes"):
        blueprint.prune(min_genes=3)
    with pytest.raises(BlueprintError, match="no protein"):
        blueprint.rooted_at("g1")
    other = blueprint.rewire(3)
    for one, two in (("source", "target"), ("target", "source")):
        assert other.edges.groupby(one)[two].count().equals(blueprint.edges.groupby(one)[two].count())
    assert np.array_equal(other.nodes["level"], blueprint.nodes["level"])


def test_it_is_saved_and_read(tmp_path: Path) -> None:
    blueprint = compile_network(KPNN, features("g1", "g2", "A"), ["out"])
    save_blueprint(blueprint, tmp_path / "b")
    assert load_blueprint(tmp_path / "b").content_hash() == blueprint.content_hash()
