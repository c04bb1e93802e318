"""Autoencoders with Laplacian penalties from an experiment file to the report, on planted truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import roc_auc_score

from kgreg.data.simulate import Simulation
from kgreg.data.simulate.omics import simulate_omics
from kgreg.errors import BlueprintError, FitError
from kgreg.experiment import make_experiment, read_recipe
from kgreg.nn.factorization import Multiview
from kgreg.runs import Run, run_experiment


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Simulation]:
    folder = tmp_path_factory.mktemp("omics") / "simulation"
    simulation = simulate_omics(240, 120, n_factors=4, module_size=15, seed=1)
    simulation.write(folder)
    return folder, simulation


def run(source: Path, output: Path, sections: dict[str, Any], **options: Any) -> Run:
    record = {
        "data": {"file": str(source / "data.h5ad"), "label": "condition", "layers": ["expression", "methylation"]},
        "knowledge": {"guide": "interactions", "interactions": str(source / "interactions.csv")},
        "training": {"folds": 2, "optimiser": "amsgrad", "learning_rate": 2e-3, "max_epochs": 30, "batch_size": 32},
        "nulls": {"rewired": 1, "labels": 1},
        "knockouts": {"automatic": 1},
        "output": {"folder": str(output)},
    }
    return run_experiment(make_experiment(record | sections), workers=1, **options)


MODELS: dict[str, dict[str, Any]] = {
    "multiview": {"recipe": "multiview", "network": {"hidden": [32, 16]}},
    "probe": {"network": {"model": "laplacian-autoencoder", "hidden": [32, 12], "graph": "normalised"}},
    "joint": {"network": {"model": "laplacian-autoencoder", "hidden": [32, 12], "supervision": "joint"}},
}


@pytest.mark.parametrize("name", MODELS)
def test_genes_of_the_planted_factors_come_first(name: str, simulated: tuple[Path, Simulation], tmp_path: Path) -> None:
    source, simulation = simulated
    found = run(source, tmp_path / "run", MODELS[name])
    ranking = found.explanation.ranking
    genes = ranking[(ranking["kind"] == "gene") & (ranking["output"] == "case")]
    genes = genes.merge(simulation.truth, on="node")
    assert len(genes) == 120
    assert roc_auc_score(genes["planted"], genes["score"]) >= 0.9
    page = found.report.read_text(encoding="utf-8")
    assert "network on rewired graphs" in page
    assert "trained on permuted labels" in page
    assert len(found.knockouts) > 0


@pytest.mark.parametrize("network", [{"model": "multiview", "similarity": 0.0}, {"model": "laplacian-autoencoder"}])
def test_survival_is_learned_too(network: dict[str, Any], simulated: tuple[Path, Simulation], tmp_path: Path) -> None:
    source, simulation = simulated
    layers = ["expression", "methylation", "protein"]
    survival = {
        "data": {"file": str(source / "data.h5ad"), "time": "time", "event": "event", "layers": layers},
        "network": {"hidden": [32, 12], **network},
        # A batch is the risk set of its events.
        "training": {"folds": 2, "optimiser": "amsgrad", "learning_rate": 1e-3, "batch_size": 120, "patience": 20},
        "nulls": {"rewired": 0, "labels": 0},
    }
    found = run(source, tmp_path / "run", survival, until="explain")
    genes = found.explanation.ranking.query("kind == 'gene'").merge(simulation.truth, on="node")
    assert roc_auc_score(genes["planted"], genes["score"]) >= 0.9


def test_samples_that_lack_a_modality_are_used(tmp_path: Path) -> None:
    simulation = simulate_omics(240, 120, n_factors=4, module_size=15, missing=0.3, seed=1)
    simulation.write(tmp_path / "simulation")
    layers = ["expression", "methylation", "protein"]
    sections = {
        "data": {
            "file": str(tmp_path / "simulation" / "data.h5ad"),
            "label": "condition",
            "layers": layers,
            "samples": "all",
        },
        "network": {"model": "multiview", "hidden": [32, 16]},
        "nulls": {"rewired": 0, "labels": 0},
    }
    found = run(tmp_path / "simulation", tmp_path / "run", sections, until="explain")
    genes = found.explanation.ranking.query("kind == 'gene' and output == 'all'").merge(simulation.truth, on="node")
    assert len(found.predictions["sample"].unique()) == 240
    assert roc_auc_score(genes["planted"], genes["score"]) >= 0.9


def test_the_recipe_is_the_default_of_the_design() -> None:
    assert Multiview(**read_recipe("multiview")["network"]) == Multiview()


def test_a_graph_without_a_gene_of_the_data_is_refused(simulated: tuple[Path, Simulation], tmp_path: Path) -> None:
    source, _ = simulated
    table = tmp_path / "foreign.csv"
    table.write_text("source,target\nA,B\n")
    with pytest.raises(BlueprintError, match="None of the 1 interactions"):
        run(
            source,
            tmp_path / "run",
            {"knowledge": {"guide": "interactions", "interactions": str(table)}, "network": {"model": "multiview"}},
        )


def test_a_penalty_without_interactions_is_refused_with_what_to_do(
    simulated: tuple[Path, Simulation], tmp_path: Path
) -> None:
    source, simulation = simulated
    annotations = simulation.truth[simulation.truth["factor"] > 0]
    path = tmp_path / "annotations.csv"
    annotations.assign(gene=annotations["node"], term="m" + annotations["factor"].astype(str))[["gene", "term"]].to_csv(
        path, index=False
    )
    knowledge = {"guide": "tables", "annotations": str(path), "max_genes": "none"}
    for network in ({"model": "multiview"}, {"model": "visible", "laplacian": 1.0}):
        with pytest.raises(FitError, match="needs interactions") as caught:
            run(source, tmp_path / network["model"], {"knowledge": knowledge, "network": network})
        assert "[knowledge] interactions" in str(caught.value)
