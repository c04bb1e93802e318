"""Graph networks from an experiment file to the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from kgreg.data.simulate.modules import simulate_modules
from kgreg.errors import BlueprintError, ExperimentError, FitError
from kgreg.experiment import make_experiment, recipe_names
from kgreg.nn.graphs import GraphDesign
from kgreg.runs import Run, run_experiment


def experiment(folder: Path, network: dict[str, Any], table: pd.DataFrame | None = None, **sections: Any) -> Any:
    source = folder / "simulation"
    if not source.exists():
        simulate_modules(90, 24, module_size=5, effect=1.5, seed=0).write(source)
    if table is not None:
        table.to_csv(source / "interactions.csv", index=False)
    record = {
        "data": {"file": str(source / "data.h5ad"), "label": "class"},
        "knowledge": {"guide": "interactions", "interactions": str(source / "interactions.csv")},
        "network": {"model": "graph", **network},
        "training": {"folds": 2, "max_epochs": 3, "batch_size": 16},
        "nulls": {"rewired": 1, "labels": 2},
        "output": {"folder": str(folder / "run")},
    }
    return make_experiment(record | sections)


@pytest.fixture(scope="module")
def attentive(tmp_path_factory: pytest.TempPathFactory) -> Run:
    network = {"conv": "gat", "widths": [4], "heads": 2, "gene_features": 2, "readout": "mean"}
    return run_experiment(experiment(tmp_path_factory.mktemp("gat"), network), workers=1)


def test_attention_is_in_the_folder_and_in_the_report(attentive: Run) -> None:
    edges = attentive.edges
    assert len(edges) == 3 * len(attentive.blueprint.interactions)
    assert (attentive.path / "edges.parquet").is_file()
    page = attentive.report.read_text(encoding="utf-8")
    assert "Which interactions does it attend to?" in page
    best = edges[(edges["output"] == "all") & (edges["rank"] == 1)].iloc[0]
    section = page[page.index('id="interactions"') : page.index('id="hierarchy"')]
    assert best["source_label"] in section
    assert best["target_label"] in section


def test_pooled_hybrid_networks_are_reported_and_knocked_out(tmp_path: Path) -> None:
    network = {"conv": "cheb", "order": 3, "widths": [3, 2], "pool": [2, 2], "hidden": [4], "dense": [4]}
    run = run_experiment(experiment(tmp_path, network, knockouts={"genes": ["G0001"]}), workers=1)
    assert run.edges.empty
    assert not (run.path / "edges.parquet").exists()
    assert "Which interactions does it attend to?" not in run.report.read_text(encoding="utf-8")
    assert (run.explanation.ranking["kind"] == "gene").all()
    assert set(run.knockouts["knockout"]) == {"G0001"}


def test_sampled_training_is_repeated_exactly(tmp_path: Path) -> None:
    network = {"conv": "sage", "widths": [4, 4], "readout": "mean", "gene_features": 2, "seeds": 8, "fanout": [2, 2]}
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = (
        run_experiment(experiment(tmp_path / name, network), until="train", workers=1) for name in ("one", "two")
    )
    pd.testing.assert_frame_equal(one.predictions, two.predictions)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("chebnet", {"conv": "cheb", "order": 8, "widths": (32, 32), "pool": (2, 2), "hidden": (512, 128)}),
        ("gat", {"conv": "gat", "widths": (8, 8), "heads": 8, "activation": "elu", "attention_dropout": 0.6}),
        ("sage", {"conv": "sage", "seeds": 512, "fanout": (10, 25), "unit_length": True}),
    ],
)
def test_recipes_build_their_networks(tmp_path: Path, name: str, expected: dict[str, Any]) -> None:
    assert name in recipe_names()
    asked = experiment(tmp_path, {}, recipe=name)
    design = asked.network
    assert isinstance(design, GraphDesign)
    assert {key: getattr(design, key) for key in expected} == expected
    compiled = run_experiment(asked, until="compile")
    network = design.build(compiled.blueprint, 2)
    assert network.n_parameters() > 0


def test_blood_cells_on_shared_pathways(tmp_path: Path, knowledge_store_path: Path) -> None:
    pytest.importorskip("scanpy", reason="the cells are in the scanpy wheel")
    record = {
        "data": {"file": "scanpy:pbmc68k_reduced", "layer": "raw", "label": "bulk_labels"},
        "knowledge": {
            "guide": "interactions", "interactions": "reactome", "isolated": False, "store": str(knowledge_store_path),
        },
        "network": {"model": "graph", "conv": "gcn", "widths": [16], "dense": [16]},
        "training": {"folds": 2, "max_epochs": 12, "learning_rate": 0.01},
        "nulls": {"rewired": 0, "labels": 0},
        "output": {"folder": str(tmp_path / "run")},
    }  # fmt: skip
    run = run_experiment(make_experiment(record), until="explain", workers=1)
    assert 200 < len(run.blueprint.genes) < 500
    assert run.metrics["arms"][0]["metrics"]["balanced_accuracy"]["mean"] > 0.4
    assert "CD79A" in set(run.explanation.top("gene", "CD19+ B", 5)["label"])


# ---- bad input -------------------------------------------------------------------------------------------------------


def test_an_empty_graph_is_refused(tmp_path: Path) -> None:
    table = pd.DataFrame({"source": ["X1", "G0000"], "target": ["X2", "G0000"]})
    with pytest.raises(BlueprintError, match="None of the 2 interactions joins two"):
        run_experiment(experiment(tmp_path, {}, table))


def test_a_hierarchy_without_interactions_is_refused(tmp_path: Path) -> None:
    annotations = tmp_path / "annotations.csv"
    pd.DataFrame({"gene": [f"G{i:04d}" for i in range(24)], "term": ["a", "b"] * 12}).to_csv(annotations, index=False)
    knowledge = {"guide": "tables", "annotations": str(annotations), "min_genes": 1}
    with pytest.raises(FitError, match="A graph network needs interactions"):
        run_experiment(experiment(tmp_path, {}, knowledge=knowledge), workers=1)


def test_parts_loops_and_repeated_rows_are_recorded(tmp_path: Path) -> None:
    rows = [("G0000", "G0001"), ("G0001", "G0000"), ("G0002", "G0003"), ("G0004", "G0004")]
    run = run_experiment(experiment(tmp_path, {}, pd.DataFrame(rows, columns=["source", "target"])), until="compile")
    assert len(run.blueprint.interactions) == 2
    graph = run.blueprint.provenance["compiled"][-1]["graph"]
    assert graph["isolated_genes"] == 20
    assert graph["largest_part"] == 2
    assert set(run.blueprint.dropped["reason"]) == {
        "of a gene with itself",
        "listed again (the largest weight was kept)",
    }


def test_a_wrong_option_is_named_with_what_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="pool = 3 is no power of 2"):
        experiment(tmp_path, {"pool": [3, 2]})
    with pytest.raises(ExperimentError, match="has no key 'widht'"):
        experiment(tmp_path, {"widht": [3]})
