"""Pure transforms of a blueprint, its null models, its checks and its copy on disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgreg.blueprint import Blueprint, load_blueprint, save_blueprint
from kgreg.errors import BlueprintError
from tests.random_graphs import Knowledge, blueprints, dropped, edge_set, knowledge, term_graph

some = settings(max_examples=50, deadline=None)
TABLES = ("nodes", "edges", "inputs", "outputs", "dropped")


def lattice() -> Knowledge:
    """Twenty leaves below five terms below one root; genes on one to three leaves."""
    rng = np.random.default_rng(3)
    links = [(f"leaf{i:02d}", f"mid{j}") for i in range(20) for j in {i % 5, int(rng.integers(5))}]
    links += [(f"mid{j}", "root") for j in range(5)] + [("leaf00", "root")]
    genes = [f"g{i:02d}" for i in range(40)]
    pairs = {(gene, f"leaf{int(leaf):02d}") for gene in genes for leaf in rng.integers(20, size=3)}
    return Knowledge(links, sorted(pairs | {("g00", "root"), ("g01", "mid0")}), genes)


@pytest.fixture
def blueprint() -> Blueprint:
    return lattice().compile(width=2)


def snapshot(blueprint: Blueprint) -> dict[str, pd.DataFrame]:
    return {name: getattr(blueprint, name).copy() for name in TABLES}


TRANSFORMS: dict[str, Callable[[Blueprint], Blueprint]] = {
    "with_width": lambda b: b.with_width(7, 0.3),
    "restrict_to": lambda b: b.restrict_to(b.inputs["feature"].tolist()[::2]),
    "prune": lambda b: b.prune(min_genes=4, max_genes=30, redundancy=0.9, max_depth=2),
    "collapse": lambda b: b.collapse(),
    "rooted_at": lambda b: b.rooted_at("mid1"),
    "rewire": lambda b: b.rewire(1),
    "shuffle_genes": lambda b: b.shuffle_genes(1),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_transform_leaves_the_original_as_it_was(blueprint: Blueprint, name: str) -> None:
    before, digest = snapshot(blueprint), blueprint.content_hash()
    record = json.dumps(blueprint.provenance, sort_keys=True)
    changed = TRANSFORMS[name](blueprint)
    changed.nodes.loc[:, "label"] = "scribbled over"
    for table, frame in before.items():
        pd.testing.assert_frame_equal(getattr(blueprint, table), frame)
    assert blueprint.content_hash() == digest
    assert json.dumps(blueprint.provenance, sort_keys=True) == record


def test_a_blueprint_is_frozen_and_does_not_share_the_tables_it_was_made_from(blueprint: Blueprint) -> None:
    with pytest.raises(FrozenInstanceError):
        blueprint.nodes = blueprint.nodes  # type: ignore[misc]
    tables = snapshot(blueprint)
    copy = Blueprint(**tables)
    tables["nodes"].loc[0, "label"] = "scribbled over"
    assert copy.nodes.loc[0, "label"] != "scribbled over"


# ---- cutting ---------------------------------------------------------------------------------------------------------


@some
@given(knowledge(), st.data())
def test_restricting_equals_compiling_on_fewer_features(known: Knowledge, data: st.DataObject) -> None:
    whole = known.compile()
    features = whole.inputs["feature"].tolist()
    chosen = data.draw(st.lists(st.sampled_from(features), min_size=1, unique=True))
    part = whole.restrict_to(chosen)
    assert part.inputs["feature"].tolist() == chosen
    again = Knowledge(known.links, known.annotations, [feature.removesuffix(".data") for feature in chosen])
    assert part.content_hash() == again.compile().content_hash()
    # What went is told, what was told before is still told.
    assert dropped(part, kind="gene") == set(known.genes) - set(part.inputs["node"])
    assert dropped(part) == known.terms - set(part.terms["id"])


@some
@given(knowledge(), st.integers(1, 3))
def test_pruning_later_equals_pruning_at_once(known: Knowledge, least: int) -> None:
    whole = known.compile()
    if max(map(len, whole.gene_sets().values())) < least:
        with pytest.raises(BlueprintError, match="No term is left"):
            whole.prune(min_genes=least)
        return
    later, once = whole.prune(min_genes=least), known.compile(min_genes=least)
    assert later.content_hash() == once.content_hash()
    assert set(map(tuple, later.dropped.to_numpy())) == set(map(tuple, once.dropped.to_numpy()))


def test_pruning_keeps_widths_and_appends_to_the_record(blueprint: Blueprint) -> None:
    wide = blueprint.with_width(1, 0.5)
    pruned = wide.prune(min_genes=6)
    width = wide.nodes.set_index("id")["width"]
    assert len(pruned.terms) < len(wide.terms)
    assert (pruned.nodes["width"].to_numpy() == width[pruned.nodes["id"]].to_numpy()).all()
    assert [options["min_genes"] for options in pruned.provenance["compiled"]] == [1, 6]


def test_rooted_at_reads_from_that_node(blueprint: Blueprint) -> None:
    part = blueprint.rooted_at("mid2")
    assert part.roots == part.outputs["node"].tolist() == ["mid2"]
    assert part.gene_sets()["mid2"] == blueprint.gene_sets()["mid2"]
    assert set(part.inputs["node"]) == blueprint.gene_sets()["mid2"]
    with pytest.raises(BlueprintError, match="mid99"):
        blueprint.rooted_at("mid99")


def test_restricting_to_an_unknown_feature_names_it(blueprint: Blueprint) -> None:
    with pytest.raises(BlueprintError, match=r"Not inputs of the blueprint: nobody"):
        blueprint.restrict_to(["g00.data", "nobody"])


# ---- width -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "fraction"), [(20, 0.3), (1, 0.25), (10, 0.2), (6, 0.0)])
def test_width_is_the_larger_of_the_floor_and_the_share_of_genes(
    blueprint: Blueprint, width: int, fraction: float
) -> None:
    wide = blueprint.with_width(width, fraction)
    sets = blueprint.gene_sets()
    expected = {term: max(width, int(fraction * len(sets[term]))) for term in sets}
    assert dict(zip(wide.terms["id"], wide.terms["width"], strict=True)) == expected
    assert (wide.genes["width"] == 1).all()
    assert wide.summary()["neurons"] == sum(expected.values())


@pytest.mark.parametrize(("width", "fraction"), [(0, 0.0), (-1, 0.5), (4, -0.1)])
def test_a_width_below_one_is_refused(blueprint: Blueprint, width: int, fraction: float) -> None:
    with pytest.raises(BlueprintError, match="at least one neuron"):
        blueprint.with_width(width, fraction)


# ---- nulls -----------------------------------------------------------------------------------------------------------


def degrees(blueprint: Blueprint) -> tuple[dict[object, int], dict[object, int]]:
    """Return readers of every node, and what every node reads, by kind of edge."""
    gene = blueprint.edges["source"].isin(blueprint.genes["id"])
    out = blueprint.edges.groupby(["source", gene]).size().to_dict()
    return out, blueprint.edges.groupby(["target", gene]).size().to_dict()


@some
@given(blueprints(), st.integers(0, 2**32 - 1))
def test_rewiring_keeps_every_degree_level_and_width(blueprint: Blueprint, seed: int) -> None:
    null = blueprint.rewire(seed)
    assert degrees(null) == degrees(blueprint)
    pd.testing.assert_frame_equal(null.nodes, blueprint.nodes)
    pd.testing.assert_frame_equal(null.inputs, blueprint.inputs)
    pd.testing.assert_frame_equal(null.outputs, blueprint.outputs)
    assert nx.is_directed_acyclic_graph(term_graph(null))
    assert null.content_hash() == blueprint.rewire(seed).content_hash()


def test_rewiring_changes_most_of_the_graph_and_differs_by_seed(blueprint: Blueprint) -> None:
    first, second = blueprint.rewire(1), blueprint.rewire(2)
    real = edge_set(blueprint)
    assert len(real & edge_set(first)) < 0.5 * len(real)
    assert edge_set(first) != edge_set(second)
    assert first.content_hash() != blueprint.content_hash()
    assert first.provenance["null"] == {"rewired": 1}
    assert set(first.edges["relation"]) == {"rewired"}


def test_rewiring_a_graph_with_no_freedom_returns_the_same_connections() -> None:
    only = Knowledge([("low", "top")], [("a", "low"), ("b", "low"), ("a", "top"), ("b", "top")], ["a", "b"]).compile()
    assert edge_set(only.rewire(0)) == edge_set(only)


@some
@given(blueprints(), st.integers(0, 1000))
def test_shuffling_genes_deals_the_features_anew_and_keeps_the_graph(blueprint: Blueprint, seed: int) -> None:
    null = blueprint.shuffle_genes(seed)
    assert null.inputs["feature"].tolist() == blueprint.inputs["feature"].tolist()
    assert sorted(null.inputs["node"]) == sorted(blueprint.inputs["node"])
    pd.testing.assert_frame_equal(null.edges, blueprint.edges)
    assert null.content_hash() == blueprint.shuffle_genes(seed).content_hash()


def test_shuffling_genes_moves_most_of_them(blueprint: Blueprint) -> None:
    null = blueprint.shuffle_genes(5)
    assert (null.inputs["node"] != blueprint.inputs["node"]).mean() > 0.8
    assert null.content_hash() != blueprint.shuffle_genes(6).content_hash()


# ---- checks ----------------------------------------------------------------------------------------------------------


def test_a_blueprint_refuses_tables_that_contradict_each_other(blueprint: Blueprint) -> None:
    nodes, edges = blueprint.nodes, blueprint.edges
    with pytest.raises(BlueprintError, match="lacks the columns"):
        replace(blueprint, nodes=nodes.drop(columns="width"))
    with pytest.raises(BlueprintError, match="Nodes appear twice: g00"):
        replace(blueprint, nodes=pd.concat([nodes.head(1), nodes]))
    with pytest.raises(BlueprintError, match="unknown nodes: nowhere"):
        replace(blueprint, edges=edges.replace({"target": {"root": "nowhere"}}))
    with pytest.raises(BlueprintError, match="Edges appear twice"):
        replace(blueprint, edges=pd.concat([edges, edges.tail(1)]))
    with pytest.raises(BlueprintError, match="do not rise"):
        replace(blueprint, edges=edges.rename(columns={"source": "target", "target": "source"}))
    with pytest.raises(BlueprintError, match="feeds two inputs"):
        replace(blueprint, inputs=pd.concat([blueprint.inputs, blueprint.inputs.head(1)]))
    with pytest.raises(BlueprintError, match="by level"):
        replace(blueprint, nodes=nodes.iloc[::-1])


def test_conversion_to_networkx_keeps_attributes(blueprint: Blueprint) -> None:
    graph = blueprint.to_networkx()
    assert set(graph.edges) == edge_set(blueprint)
    assert graph.nodes["mid1"]["level"] == 2
    assert graph.edges["g00", "root"]["relation"] == "IDA"


# ---- identity and disk -----------------------------------------------------------------------------------------------


def test_the_content_hash_is_fixed_by_content_alone(blueprint: Blueprint) -> None:
    tiny = Knowledge([("low", "top")], [("a", "low"), ("b", "top")], ["a", "b"]).compile()
    # Written down once: a change of the hash makes every stored model unreadable and must be on purpose.
    assert tiny.content_hash() == "fb7bf4a1fe334b2df5cef5aefeef907e61af503b8e38af5887a81740506e1dd9"
    assert blueprint.content_hash() == lattice().compile(width=2).content_hash()
    assert replace(blueprint, provenance={"other": 1}).content_hash() == blueprint.content_hash()
    assert blueprint.with_width(3).content_hash() != blueprint.content_hash()
    weighted = blueprint.edges.assign(weight=0.5)
    assert replace(blueprint, edges=weighted).content_hash() != blueprint.content_hash()


@settings(max_examples=15, deadline=None)
@given(blueprint=blueprints())
def test_a_saved_blueprint_comes_back_the_same(tmp_path_factory: pytest.TempPathFactory, blueprint: Blueprint) -> None:
    folder = tmp_path_factory.mktemp("blueprint")
    save_blueprint(blueprint, folder)
    back = load_blueprint(folder)
    assert back.content_hash() == blueprint.content_hash()
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(back, name), getattr(blueprint, name), check_dtype=name != "dropped")
    assert back.provenance == blueprint.provenance
    assert {path.suffix for path in folder.iterdir()} == {".parquet", ".json"}


@pytest.mark.parametrize("table", ["nodes", "edges", "inputs", "outputs"])
def test_an_altered_table_is_refused(blueprint: Blueprint, tmp_path: Path, table: str) -> None:
    save_blueprint(blueprint, tmp_path)
    frame = pd.read_parquet(tmp_path / f"{table}.parquet")
    column = {"nodes": "label", "edges": "relation", "inputs": "modality", "outputs": "task"}[table]
    frame.loc[0, column] = "altered"
    frame.to_parquet(tmp_path / f"{table}.parquet", index=False)
    with pytest.raises(BlueprintError, match="not those that were saved"):
        load_blueprint(tmp_path)


@pytest.mark.parametrize("damage", ["missing", "truncated", "no json", "not a record", "incomplete", "newer"])
def test_a_damaged_folder_is_refused(blueprint: Blueprint, tmp_path: Path, damage: str) -> None:
    save_blueprint(blueprint, tmp_path)
    record = tmp_path / "blueprint.json"
    if damage == "missing":
        (tmp_path / "edges.parquet").unlink()
    elif damage == "truncated":
        (tmp_path / "edges.parquet").write_bytes((tmp_path / "edges.parquet").read_bytes()[:100])
    else:
        text = {"no json": "{", "not a record": "[]", "incomplete": '{"format": 1}', "newer": '{"format": 999}'}
        record.write_text(text[damage], encoding="utf-8")
    with pytest.raises(BlueprintError):
        load_blueprint(tmp_path)
