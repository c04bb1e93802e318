"""Networks of proteins in experiments: from the store and from tables, and which output predicts what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from kgreg.blueprint import Blueprint
from kgreg.errors import ExperimentError
from kgreg.experiment import make_experiment, read_experiment
from kgreg.runs import run_experiment
from tests.cells import B_CELL, OTHER, T_CELL, make_patients, small_record

NODES = {"readout": "nodes", "heads": "none", "width": 1, "norm": "none", "activation": "sigmoid"}
LINKS = pd.DataFrame(
    [("B", "b")] + [("b", gene) for gene in B_CELL] + [("T", "t")] + [("t", gene) for gene in T_CELL]
    + [("other", "o"), ("other", "b")] + [("o", gene) for gene in OTHER],
    columns=["parent", "child"],
)  # fmt: skip


def compiled(folder: Path, knowledge: dict[str, Any], **sections: dict[str, Any]) -> Blueprint:
    record = small_record(folder, folder / "no store")
    record |= {"knowledge": {"guide": "network", **knowledge}, "network": NODES}
    for name, keys in sections.items():
        record[name] = {**record[name], **keys}
    return run_experiment(make_experiment(record), until="compile", force=True).blueprint


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_every_class_has_the_node_of_its_name(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"links{suffix}"
    if suffix == ".parquet":
        LINKS.to_parquet(path)
    else:
        LINKS.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    blueprint = compiled(tmp_path, {"network": str(path)})
    assert blueprint.outputs.to_dict("list") == {"task": ["B", "T", "other"], "node": ["B", "T", "other"]}
    assert set(blueprint.terms["id"]) == {"B", "T", "other", "b", "t", "o"}
    assert len(blueprint.genes) == 30
    # Other names stand for the classes in their order.
    named = compiled(tmp_path, {"network": str(path), "outputs": ["t", "b", "o"]})
    assert named.outputs.to_dict("list") == {"task": ["B", "T", "other"], "node": ["t", "b", "o"]}
    with pytest.raises(ExperimentError, match=r"has 1 outputs \(T\), what is to be predicted has 3 \(B, T, other\)"):
        compiled(tmp_path, {"network": str(path), "outputs": ["T"]})


def test_every_label_has_the_node_of_its_name_and_is_predicted_by_it(tmp_path: Path) -> None:
    make_patients().write_h5ad(tmp_path / "patients.h5ad")
    LINKS.to_csv(tmp_path / "links.csv", index=False)
    record = small_record(tmp_path, tmp_path / "no store") | {
        "data": {"file": str(tmp_path / "patients.h5ad"), "label": ["t", "b"], "scale": "max"},
        "knowledge": {"guide": "network", "network": str(tmp_path / "links.csv")},
        "network": NODES,
        "training": {"folds": 2, "max_epochs": 30, "learning_rate": 0.1},
        "nulls": {"rewired": 2, "labels": 0, "controls": 1},
        "decode": {"measure": "gradient"},
    }
    run = run_experiment(make_experiment(record))
    assert run.blueprint.outputs.to_dict("list") == {"task": ["t", "b"], "node": ["t", "b"]}
    genes = run.explanation.ranking.query("kind == 'gene'").pivot(index="label", columns="output", values="score")
    # A label depends on the genes of its own node and on no others.
    assert (genes.loc[B_CELL, "t"] == 0).all()
    assert (genes.loc[B_CELL, "b"] != 0).any()
    assert not run.explanation.controls.empty
    assert run.explanation.ranking.query("kind == 'term'")["z_rewired"].notna().any()


def test_links_come_from_a_query_and_lead_from_regulators(tmp_path: Path, knowledge_store_path: Path) -> None:
    query = tmp_path / "links.cypher"
    query.write_text(
        "// Terms and their genes.\n// parameters: terms\n// columns: source, target\n"
        "MATCH (g:Gene)-[:ANNOTATED_TO]->(t:Term) WHERE t.id IN $terms "
        "RETURN DISTINCT t.id AS source, g.id AS target\n",
        encoding="utf-8",
    )
    knowledge = {
        "network": str(query), "parameters": {"terms": ["GO:0050853", "GO:0050852"]},
        "store": str(knowledge_store_path),
    }  # fmt: skip
    blueprint = compiled(tmp_path, knowledge, network={"readout": "linear"})
    assert set(blueprint.outputs["node"]) == {"GO:0050853", "GO:0050852"}
    assert "CD79A" in set(blueprint.genes["label"])
    assert blueprint.provenance["cypher"][0]["role"] == "network"
    query.write_text(query.read_text(encoding="utf-8").replace("target", "other"), encoding="utf-8")
    with pytest.raises(ExperimentError, match="returns source, other"):
        compiled(tmp_path, knowledge)
    with pytest.raises(ExperimentError, match="'signalling_network' finds no links"):
        compiled(tmp_path, {"network": "signalling_network", "store": str(knowledge_store_path)})


def test_the_path_is_relative_to_the_experiment_file(tmp_path: Path) -> None:
    file = tmp_path / "e.toml"
    file.write_text('[data]\nfile = "d.h5ad"\nlabel = "kind"\n[knowledge]\nguide = "network"\nnetwork = "n.csv"\n')
    assert read_experiment(file).knowledge.network == str(tmp_path / "n.csv")
    file.write_text(file.read_text().replace("n.csv", "tf_targets"))
    assert read_experiment(file).knowledge.network == "tf_targets"
