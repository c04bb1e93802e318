"""Knowledge from tables, and interactions from tables, the store and a user's own Cypher."""

from __future__ import annotations

import gzip
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kgreg.errors import BlueprintError, DataError, ExperimentError, SourceError
from kgreg.experiment import make_experiment, read_experiment
from kgreg.fetch import read_official_source
from kgreg.runs import Run, run_experiment
from kgreg.store import load
from tests.cells import B_CELL, OTHER, T_CELL, small_record

INTERACTIONS = pd.DataFrame(
    [(a, b, 2.0 + i) for genes in (B_CELL, T_CELL) for i, (a, b) in enumerate(pairwise(genes))],
    columns=["source", "target", "weight"],
)
ANNOTATIONS = pd.DataFrame(
    [(gene, term) for term, genes in (("b", B_CELL), ("t", T_CELL), ("rest", OTHER)) for gene in genes],
    columns=["gene", "term"],
)


def run(folder: Path, knowledge: dict[str, Any], until: str = "compile", **sections: Any) -> Run:
    record = small_record(folder, folder / "no store") | {"knowledge": knowledge} | sections
    return run_experiment(make_experiment(record), until=until, force=True)


def saved(table: pd.DataFrame, path: Path) -> str:
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, sep="\t" if ".tsv" in path.name else ",")
    return str(path)


@pytest.mark.parametrize("name", ["i.csv", "i.tsv", "i.tsv.gz", "i.parquet"])
def test_interactions_come_from_a_table_without_a_store(tmp_path: Path, name: str) -> None:
    table = saved(INTERACTIONS, tmp_path / name)
    blueprint = run(tmp_path, {"guide": "interactions", "interactions": table}).blueprint
    assert len(blueprint.genes) == 30
    assert blueprint.interactions[["source", "target"]].isin(B_CELL + T_CELL).all().all()
    assert len(blueprint.interactions) == 18
    assert blueprint.provenance["compiled"][-1]["graph"]["isolated_genes"] == 10
    assert len(run(tmp_path, {"guide": "interactions", "interactions": table, "isolated": False}).blueprint.genes) == 20
    few = run(tmp_path, {"guide": "interactions", "interactions": table, "min_weight": 8}).blueprint
    assert len(few.interactions) == 6


def test_genes_that_share_a_pathway_interact(tmp_path: Path, knowledge_store_path: Path) -> None:
    knowledge = {"guide": "interactions", "interactions": "reactome", "store": str(knowledge_store_path)}
    blueprint = run(tmp_path, knowledge).blueprint
    label = blueprint.nodes.set_index("id")["label"]
    named = {
        frozenset((label[a], label[b]))
        for a, b in zip(blueprint.interactions["source"], blueprint.interactions["target"], strict=True)
    }
    assert frozenset(("CD79A", "CD79B")) in named
    assert frozenset(("CD79A", "TUBB")) not in named
    assert blueprint.provenance["cypher"][0]["query"] == "reactome_annotations"
    # With larger pathways more genes share one.
    more = run(tmp_path, knowledge | {"max_shared": 500}).blueprint
    assert len(more.interactions) > len(blueprint.interactions)


def test_interactions_come_from_a_query_of_ones_own(tmp_path: Path, knowledge_store_path: Path) -> None:
    query = tmp_path / "pairs.cypher"
    query.write_text(
        "// Genes of one term.\n// parameters: term\n// columns: source, target\n"
        "MATCH (g:Gene)-[:ANNOTATED_TO]->(t:Term) WHERE t.id = $term WITH DISTINCT g, t "
        "MATCH (h:Gene)-[:ANNOTATED_TO]->(t) WHERE g.id < h.id RETURN DISTINCT g.id AS source, h.id AS target\n",
        encoding="utf-8",
    )
    knowledge = {
        "guide": "interactions", "interactions": str(query), "parameters": {"term": "GO:0050853"},
        "store": str(knowledge_store_path),
    }  # fmt: skip
    blueprint = run(tmp_path, knowledge).blueprint
    assert len(blueprint.interactions) > 3
    assert (blueprint.interactions["weight"] == 1).all()
    query.write_text(query.read_text().replace("AS target", "AS other").replace("source, target", "source, other"))
    with pytest.raises(ExperimentError, match="lacks the columns target"):
        run(tmp_path, knowledge)


def test_without_links_in_the_store_string_says_what_to_load(tmp_path: Path, knowledge_store_path: Path) -> None:
    knowledge = {"guide": "interactions", "interactions": "string", "store": str(knowledge_store_path)}
    with pytest.raises(BlueprintError, match="holds no interactions") as caught:
        run(tmp_path, knowledge)
    assert "kgreg load" in caught.value.hint


LINKS = "protein1 protein2 combined_score\n9606.P1 9606.P2 950\n9606.P1 9606.P3 710\n9606.P2 9606.P3 100\n"
INFO = "#string_protein_id\tpreferred_name\n9606.P1\tCD79A\n9606.P2\tSYK\n9606.P3\tBTK\n"


@pytest.fixture
def networked_store(tmp_path: Path, knowledge_store_path: Path) -> Path:
    """The store with three interactions of STRING, and two targets of transcription factors."""
    store = Path(shutil.copy(knowledge_store_path, tmp_path / "networked.lbug"))
    for name, text in (
        ("links", LINKS),
        ("info", INFO),
        ("targets", "source,target,weight\nPAX5,CD79A,1\nPAX5,CD19,-1\n"),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")
    files = {"links": tmp_path / "links", "info": tmp_path / "info"}
    string = read_official_source("string", files=files, options={"min_score": 50})
    load(store, [string, read_official_source("tf_targets", files={"targets": tmp_path / "targets"})])
    return store


def test_interactions_of_string_come_from_the_store(tmp_path: Path, networked_store: Path) -> None:
    knowledge = {"guide": "interactions", "interactions": "string", "store": str(networked_store)}
    blueprint = run(tmp_path, knowledge).blueprint
    label = blueprint.nodes.set_index("id")["label"]
    found = blueprint.interactions
    assert [(label[r.source], label[r.target], r.weight) for r in found.itertuples()] == [("CD79A", "BTK", 710)]
    with pytest.raises(BlueprintError, match="weight of at least 900"):
        run(tmp_path, knowledge | {"min_weight": 900})


def test_a_network_of_regulators_comes_from_the_store(tmp_path: Path, networked_store: Path) -> None:
    knowledge = {"guide": "network", "network": "tf_targets", "outputs": ["PAX5"], "store": str(networked_store)}
    sections = {"network": {"width": 1, "readout": "nodes", "heads": "none", "auxiliary": 0.0, "norm": "none"}}
    data = {"file": str(tmp_path / "cells.h5ad"), "label": "age"}
    blueprint = run(tmp_path, knowledge, data=data, **sections).blueprint
    label = blueprint.nodes.set_index("id")["label"]
    pairs = {(label[r.source], label[r.target]) for r in blueprint.edges.itertuples()}
    assert pairs == {("CD79A", "PAX5"), ("CD19", "PAX5")}
    assert set(blueprint.terms["label"]) == {"PAX5"}


def test_regulators_and_their_targets_are_interactions_too(tmp_path: Path, networked_store: Path) -> None:
    knowledge = {"guide": "interactions", "interactions": "tf_targets", "store": str(networked_store)}
    blueprint = run(tmp_path, knowledge).blueprint
    label = blueprint.nodes.set_index("id")["label"]
    found = {(frozenset((label[r.source], label[r.target])), r.weight) for r in blueprint.interactions.itertuples()}
    assert found == {(frozenset(("PAX5", "CD79A")), 1), (frozenset(("PAX5", "CD19")), 1)}  # a repression joins too
    assert blueprint.provenance["cypher"][0]["query"] == "tf_targets"


def test_regulators_without_weights_are_a_network_too(tmp_path: Path, knowledge_store_path: Path) -> None:
    store = Path(shutil.copy(knowledge_store_path, tmp_path / "bare.lbug"))
    (tmp_path / "bare").write_text("source,target,confidence\nPAX5,CD79A,A\nPAX5,CD19,A\n", encoding="utf-8")
    load(store, [read_official_source("tf_targets", files={"targets": tmp_path / "bare"})])
    knowledge = {"guide": "network", "network": "tf_targets", "outputs": ["PAX5"], "store": str(store)}
    sections = {"network": {"width": 1, "readout": "nodes", "heads": "none", "auxiliary": 0.0, "norm": "none"}}
    data = {"file": str(tmp_path / "cells.h5ad"), "label": "age"}
    assert run(tmp_path, knowledge, data=data, **sections).blueprint.summary()["gene_links"] == 2


@pytest.mark.parametrize("guide", ["go", "tables"])
def test_interactions_stand_beside_another_guide(tmp_path: Path, knowledge_store_path: Path, guide: str) -> None:
    knowledge: dict[str, Any] = {"guide": guide, "interactions": saved(INTERACTIONS, tmp_path / "i.csv")}
    knowledge |= {"min_genes": 2, "max_genes": "none"}
    if guide == "tables":
        knowledge["annotations"] = saved(ANNOTATIONS, tmp_path / "a.csv")
    else:
        knowledge["store"] = str(knowledge_store_path)
    blueprint = run(tmp_path, knowledge).blueprint
    assert len(blueprint.terms) >= 3
    label = blueprint.nodes.set_index("id")["label"]
    found = zip(blueprint.interactions["source"].map(label), blueprint.interactions["target"].map(label), strict=True)
    wanted = {frozenset(pair) for pair in zip(INTERACTIONS["source"], INTERACTIONS["target"], strict=True)}
    there = set(label)
    assert {frozenset(pair) for pair in found} == {pair for pair in wanted if pair <= there}
    assert blueprint.provenance["interactions"]["file"].endswith("i.csv")


def test_a_hierarchy_comes_from_tables(tmp_path: Path) -> None:
    hierarchy = pd.DataFrame({"child": ["b", "t"], "parent": ["lymphocyte", "lymphocyte"]})
    knowledge = {
        "guide": "tables", "annotations": saved(ANNOTATIONS, tmp_path / "a.tsv"),
        "hierarchy": saved(hierarchy, tmp_path / "h.csv"), "min_genes": 1, "max_genes": "none",
    }  # fmt: skip
    blueprint = run(tmp_path, knowledge).blueprint
    assert set(blueprint.terms["id"]) == {"b", "t", "rest", "lymphocyte"}
    assert blueprint.gene_sets()["lymphocyte"] == frozenset(B_CELL + T_CELL)
    assert blueprint.roots == ["rest", "lymphocyte"]


def test_gene_sets_come_from_gmt(tmp_path: Path) -> None:
    path = tmp_path / "sets.gmt.gz"
    with gzip.open(path, "wt") as file:
        for term, genes in (("B cells", B_CELL), ("T cells", T_CELL)):
            file.write("\t".join([term, "", *genes]) + "\n")
    blueprint = run(tmp_path, {"guide": "tables", "annotations": str(path), "min_genes": 1}).blueprint
    assert blueprint.gene_sets() == {"B cells": frozenset(B_CELL), "T cells": frozenset(T_CELL)}


def test_a_graph_without_terms_is_trained_explained_and_reported(tmp_path: Path) -> None:
    knowledge = {"guide": "interactions", "interactions": saved(INTERACTIONS, tmp_path / "i.csv")}
    done = run(
        tmp_path, knowledge, "report", network={"model": "dense", "widths": [8], "dropout": 0.0},
        training={"folds": 2, "max_epochs": 6}, nulls={"rewired": 2, "labels": 2}, knockouts={"genes": ["CD79A"]},
    )  # fmt: skip
    assert set(done.explanation.ranking["kind"]) == {"gene"}
    assert done.explanation.ranking["q"].notna().any()
    assert set(done.knockouts["kind"]) == {"output"}
    text = done.report.read_text(encoding="utf-8")
    assert "CD79A" in text
    assert "18" in text
    again = run_experiment(done.path / "experiment.json", output=done.path, resume=True)
    pd.testing.assert_frame_equal(again.explanation.ranking, done.explanation.ranking)


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        ("source,target\nCD79A\n", SourceError, "line 2: expected 2 columns, found 1"),
        ("one,two\nCD79A,CD79B\n", SourceError, "source"),
        ("source,target,weight\nCD79A,CD79B,strong\n", DataError, "line 2: 'strong' in the column 'weight'"),
        ("source,target,weight\nCD79A,CD79B,-1\n", BlueprintError, "CD79A - CD79B, row 1"),
        ("source,target\nCD79A,\n", DataError, "line 2: the column 'target' is empty"),
        ("source,target\n", DataError, "no rows"),
        ("", SourceError, "empty"),
        ("source,target\nnobody,else\n", BlueprintError, "None of the 1 interactions joins two of the 30 genes"),
        ("source,target\nCD79A,CD79A\n", BlueprintError, "None of the 1 interactions"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(
    tmp_path: Path, table: str, error: type[Exception], message: str
) -> None:
    path = tmp_path / "i.csv"
    path.write_text(table, encoding="utf-8")
    with pytest.raises(error, match=message):
        run(tmp_path, {"guide": "interactions", "interactions": str(path)})


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.csv is not a file"):
        run(tmp_path, {"guide": "interactions", "interactions": str(tmp_path / "nowhere.csv")})
    genes = saved(ANNOTATIONS.assign(gene="x" + ANNOTATIONS["gene"]), tmp_path / "a.csv")
    with pytest.raises(DataError, match="None of the 30 features is a gene of the table"):
        run(tmp_path, {"guide": "tables", "annotations": genes})


@pytest.mark.parametrize(
    ("knowledge", "message"),
    [
        ({"guide": "interactions"}, "needs interactions"),
        ({"guide": "tables", "hierarchy": "h.csv"}, "needs annotations"),
        ({"guide": "go", "annotations": "a.csv"}, "mean nothing unless"),
        ({"guide": "interactions", "interactions": "i.csv", "min_weight": -1}, "greater than or equal to 0"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(tmp_path: Path, knowledge: dict[str, Any], message: str) -> None:
    with pytest.raises(ExperimentError, match=message):
        make_experiment(small_record(tmp_path, tmp_path) | {"knowledge": knowledge})


def test_paths_are_relative_to_the_experiment_file(tmp_path: Path) -> None:
    file = tmp_path / "e.toml"
    file.write_text(
        '[data]\nfile = "d.h5ad"\nlabel = "kind"\n[knowledge]\nguide = "interactions"\ninteractions = "i.csv"\n'
    )
    assert read_experiment(file).knowledge.interactions == str(tmp_path / "i.csv")
    file.write_text(file.read_text().replace("i.csv", "reactome"))
    assert read_experiment(file).knowledge.interactions == "reactome"


def test_the_model_decides_about_the_keys_of_the_network(tmp_path: Path) -> None:
    file = tmp_path / "e.toml"
    start = '[data]\nfile = "d.h5ad"\nlabel = "kind"\n[network]\n'
    file.write_text(f'{start}model = "dense"\nwidth = 4\n')
    with pytest.raises(ExperimentError, match=r"line 6: \[network\] has no key 'width'") as caught:
        read_experiment(file)
    assert "Did you mean 'widths'?" in caught.value.hint
    file.write_text(f'{start}model = "dens"\n')
    with pytest.raises(ExperimentError, match=r"line 5: .*there is no such model") as caught:
        read_experiment(file)
    assert "Did you mean 'dense'?" in caught.value.hint
    file.write_text(f'{start}model = "dense"\nwidths = [0]\n')
    with pytest.raises(ExperimentError, match=r"line 6: network\.widths"):
        read_experiment(file)
    file.write_text(f'{start}model = "dense"\nwidths = [3]\n')
    assert read_experiment(file).network.to_dict()["widths"] == [3]  # type: ignore[union-attr]
    assert np.isfinite(read_experiment(file).training.momentum)
