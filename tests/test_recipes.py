"""The recipes of published systems: read, completed by the file, and built on real knowledge."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgreg.errors import ExperimentError
from kgreg.experiment import make_experiment, read_recipe, recipe_names
from kgreg.fit.fitted import build_network
from kgreg.runs.stages import compile_experiment, settings_of

DATA = {"file": "scanpy:pbmc68k_reduced", "layer": "raw", "label": "bulk_labels"}


def test_the_family_is_complete() -> None:
    assert set(recipe_names()) >= {"binn", "dcell", "drugcell", "kpnn", "nest", "pnet"}


@pytest.mark.parametrize(
    "name", ["binn", "chaudhary", "dcell", "drugcell", "kpnn", "learnmotifs", "moli", "motif", "nest", "pnet"]
)
def test_keys_of_a_recipe_hold_where_the_file_has_none(name: str) -> None:
    recipe = read_recipe(name)
    own = {"network": "links.csv"} if name == "kpnn" else {}
    experiment = make_experiment({"recipe": name, "data": dict(DATA), "knowledge": own, "training": {"batch_size": 77}})
    for key, value in recipe["network"].items():
        assert experiment.to_dict()["network"][key] == value
    assert experiment.training.batch_size == 77
    assert experiment.training.learning_rate == recipe["training"]["learning_rate"]
    assert make_experiment(experiment.to_dict()) == experiment


def test_a_recipe_that_is_not_there_is_named() -> None:
    with pytest.raises(ExperimentError, match="no recipe 'dcel'") as caught:
        make_experiment({"recipe": "dcel", "data": dict(DATA)})
    assert "drugcell" in str(caught.value)


@pytest.mark.parametrize(("name", "levels", "heads"), [("pnet", 5, 6), ("binn", 4, 0)])
def test_layers_of_reactome_are_as_many_as_published(
    name: str, levels: int, heads: int, knowledge_store_path: Path
) -> None:
    record = {"recipe": name, "data": dict(DATA), "knowledge": {"store": str(knowledge_store_path)}}
    experiment = make_experiment(record)
    compiled = compile_experiment(experiment)
    assert compiled.blueprint.n_levels == levels
    network = build_network(compiled.blueprint, settings_of(experiment), "classification", 10, None, {})
    assert network.readout.n_heads == heads
