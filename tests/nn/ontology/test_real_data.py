"""Ontology autoencoders on blood cells through GO."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kgreg.decode import explain
from kgreg.experiment import make_experiment
from kgreg.fit import cross_validate
from kgreg.runs.stages import compile_experiment, settings_of


@pytest.mark.parametrize(
    ("recipe", "network"),
    [("ontovae", {"hidden": [64], "latent_dropout": 0.0}), ("vega", {"hidden": [64]})],
)
def test_few_epochs_on_blood_cells_tell_cell_types_apart(
    recipe: str, network: dict[str, Any], knowledge_store_path: Path
) -> None:
    experiment = make_experiment(
        {
            "recipe": recipe,
            "data": {"file": "scanpy:pbmc68k_reduced", "layer": "raw", "label": "bulk_labels"},
            "knowledge": {"store": str(knowledge_store_path), "min_genes": 10, "max_genes": 200},
            "network": network,
            "training": {
                "folds": 2, "max_epochs": 12, "batch_size": 64, "learning_rate": 3e-3, "optimiser": "adamw",
                "accelerator": "cpu",
            },
        }
    )  # fmt: skip
    compiled = compile_experiment(experiment)
    settings = settings_of(experiment)
    result = cross_validate(compiled.blueprint, compiled.samples, compiled.splits[:1], settings, rewired=0, labels=0)
    of_network = result.scores.query("arm == 'graph' and metric == 'balanced_accuracy'")["value"]
    assert of_network.min() > 0.3  # of ten classes: 0.1 by chance
    ranking = explain(result).ranking
    assert set(ranking["kind"]) == {"gene", "term"}
    assert set(ranking["node"]) == {*compiled.blueprint.genes["id"], *compiled.blueprint.terms["id"]}
