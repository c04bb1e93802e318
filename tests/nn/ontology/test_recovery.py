"""Ontology autoencoders from experiment files on simulated pathways: do they find what was planted?"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from kgreg.data.simulate.pathways import simulate_pathways
from kgreg.decode import explain
from kgreg.errors import ExperimentError, FitError
from kgreg.experiment import make_experiment
from kgreg.fit import CrossValidation, cross_validate
from kgreg.runs import run_experiment
from kgreg.runs.stages import compile_experiment, settings_of

SMALL: dict[str, Any] = {"n_samples": 400, "n_roots": 3, "planted": 3}


@pytest.fixture(scope="module")
def simulation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pathways") / "simulation"
    simulate_pathways(**SMALL).write(folder)
    return folder


def record(folder: Path, recipe: str, **sections: dict[str, Any]) -> dict[str, Any]:
    training = {
        "folds": 2, "batch_size": 64, "learning_rate": 3e-3, "max_epochs": 60, "patience": 30, "accelerator": "cpu",
    }  # fmt: skip
    knowledge = {
        "guide": "tables", "hierarchy": str(folder / "hierarchy.csv"), "annotations": str(folder / "annotations.csv"),
        "min_genes": 1, "max_genes": "none",
    }  # fmt: skip
    return {
        "recipe": recipe,
        "data": {"file": str(folder / "data.h5ad"), "label": "condition", **sections.get("data", {})},
        "knowledge": {**knowledge, **sections.get("knowledge", {})},
        "network": sections.get("network", {}),
        "training": {**training, **sections.get("training", {})},
    }


def train(folder: Path, recipe: str, **sections: dict[str, Any]) -> CrossValidation:
    experiment = make_experiment(record(folder, recipe, **sections))
    compiled = compile_experiment(experiment)
    settings = settings_of(experiment)
    return cross_validate(compiled.blueprint, compiled.samples, compiled.splits, settings, rewired=0, labels=0)


def found(result: CrossValidation, folder: Path) -> float:
    """Return how well scores tell planted terms from those that are neither planted nor above one."""
    ranking = explain(result).ranking
    scores = ranking[ranking["output"] == "all"].set_index("node")["score"]
    truth = pd.read_csv(folder / "truth.csv").set_index("node").loc[scores.index]
    judged = (truth["kind"] == "term") & ~truth["above"]
    return float(roc_auc_score(truth["planted"][judged], scores[judged]))


#: Recipe -> what a simulation of 400 samples needs changed: fewer neurons, and a rate for few steps.
CASES: dict[str, dict[str, dict[str, Any]]] = {
    "vega": {"network": {"hidden": [64], "kl": 0.1}},
    "ontovae": {
        "network": {"hidden": [64], "width": 12, "latent_dropout": 0.0, "kl": 0.05},
        "training": {"max_epochs": 100},
    },
    "cobra": {
        "network": {"hidden": [64], "width": 12, "latent_dropout": 0.0, "kl": 0.05},
        "training": {"max_epochs": 100},
        "data": {"covariates": ["batch"]},
    },
    "expimap": {
        "data": {"layer": "counts"},
        "network": {"hidden": [64], "lasso": 1.0, "kl_epochs": 0},
        "knowledge": {"max_genes": 20},
        "training": {
            "learning_rate": 5e-3,
            "batch_size": 32,
            "max_epochs": 100,
            "epsilon": 1e-8,
            "weight_decay": 0.0,
        },
    },
    "gonnect": {"network": {"head": "joint"}, "training": {"optimiser": "adamw", "folds": 3}},
}


@pytest.mark.parametrize("recipe", [recipe for recipe in CASES if recipe != "expimap"])
def test_planted_terms_come_first(recipe: str, simulation: Path) -> None:
    result = train(simulation, recipe, **CASES[recipe])
    assert found(result, simulation) >= 0.9


def test_planted_terms_come_first_and_a_lasso_switches_off_sets_of_random_genes(
    simulation: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(simulation, tmp_path / "simulation")
    rng = np.random.default_rng(0)
    genes = pd.read_csv(folder / "annotations.csv")["gene"].unique()
    decoys = [f"decoy {i}" for i in range(10)]
    with (folder / "annotations.csv").open("a") as file:
        file.writelines(f"{gene},{term}\n" for term in decoys for gene in rng.choice(genes, 10, replace=False))
    with (folder / "truth.csv").open("a") as file:
        file.writelines(f"{term},False,term,False\n" for term in decoys)
    result = train(folder, "expimap", **CASES["expimap"])
    assert found(result, folder) >= 0.9
    models = [model for _, model in result.fits("graph")]
    off = [term for model in models for term in model.network.switched_off()]
    pathways = set(result.blueprint.terms["id"]) - set(decoys)
    assert sum(term in decoys for term in off) / (2 * len(decoys)) > 0.55
    assert sum(term in pathways for term in off) / (2 * len(pathways)) < 0.5
    scores = explain(result).ranking.query("output == 'all'").set_index("node")["score"]
    always = [term for term in set(off) if off.count(term) == len(models)]
    assert always
    assert (scores[always] == 0).all()


def test_a_run_reports_ranks_and_knocks_out(tmp_path: Path) -> None:
    simulate_pathways(80, n_roots=2, n_children=2, genes=3, planted=2).write(tmp_path / "simulation")
    changed = {"network": {"hidden": [8], "width": 2}, "training": {"max_epochs": 2, "stop_fraction": 0.3}}
    sections = record(tmp_path / "simulation", "ontovae", **changed) | {
        "nulls": {"rewired": 2, "labels": 2}, "knockouts": {"genes": ["G0001"]},
        "output": {"folder": str(tmp_path / "run")},
    }  # fmt: skip
    done = run_experiment(make_experiment(sections), until="report")
    assert set(done.explanation.ranking["kind"]) == {"gene", "term"}
    assert set(done.knockouts["kind"]) == {"output", "term"}
    assert "P1.1.1" in done.report.read_text(encoding="utf-8")
    again = run_experiment(done.path / "experiment.json", output=done.path, resume=True)
    pd.testing.assert_frame_equal(again.explanation.ranking, done.explanation.ranking)


def test_negative_binomials_of_scaled_data_are_refused(simulation: Path) -> None:
    with pytest.raises(FitError, match="needs counts") as caught:
        train(simulation, "expimap", training={"max_epochs": 1})
    assert 'scale = "none"' in str(caught.value)


def test_an_adversary_without_covariates_is_refused(simulation: Path) -> None:
    with pytest.raises(FitError, match="categorical covariate"):
        train(simulation, "cobra", training={"max_epochs": 1})


def test_a_penalty_that_switches_everything_off_is_named(simulation: Path) -> None:
    case = CASES["expimap"]
    changed = {"network": {**case["network"], "lasso": 50.0}, "training": {**case["training"], "max_epochs": 4}}
    with pytest.raises(FitError, match="has learned nothing") as caught:
        train(simulation, "expimap", **{**case, **changed})
    assert "lasso" in str(caught.value)


def test_knowledge_without_terms_is_refused(simulation: Path, tmp_path: Path) -> None:
    table = tmp_path / "interactions.csv"
    table.write_text("source,target\nG0001,G0002\n")
    sections = record(simulation, "vega")
    sections["knowledge"] = {"guide": "interactions", "interactions": str(table)}
    experiment = make_experiment(sections)
    compiled = compile_experiment(experiment)
    with pytest.raises(FitError, match="needs terms"):
        cross_validate(
            compiled.blueprint, compiled.samples, compiled.splits, settings_of(experiment), rewired=0, labels=0
        )


@pytest.mark.parametrize(
    ("recipe", "network", "message"),
    [
        ("ontovae", {"encoder": "ontology"}, "set variational = false"),
        ("gonnect", {"decoder": "dense", "encoder": "dense"}, "must be"),
        ("vega", {"likelihood": "poisson"}, "nb"),
        ("expimap", {"lassoo": 1}, "Did you mean 'lasso'"),
    ],
)
def test_keys_that_make_no_sense_are_refused(
    simulation: Path, recipe: str, network: dict[str, Any], message: str
) -> None:
    with pytest.raises(ExperimentError, match=message):
        make_experiment(record(simulation, recipe, network=network))
