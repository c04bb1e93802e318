"""What a finished fit leaves on disk."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from kgreg.data import Samples
from kgreg.data.samples import Task
from kgreg.errors import FitError
from kgreg.fit import Readings, fit_network, load_fitted
from kgreg.nn.architecture import Architecture
from tests.fit.cases import BLUEPRINT, TASKS, first_split, inputs, interrupt_at, same
from tests.small_data import FAST, small_blueprint, small_samples, with_extras


@pytest.fixture(scope="module")
def samples() -> Samples:
    return small_samples()


@pytest.fixture
def folder(samples: Samples, tmp_path: Path) -> Path:
    fit_network(BLUEPRINT, samples, first_split(samples), replace(FAST, max_epochs=3), 1, tmp_path / "fold-0")
    return tmp_path / "fold-0"


@pytest.mark.parametrize("task", TASKS)
def test_a_loaded_model_predicts_what_the_saved_one_did(tmp_path: Path, task: Task) -> None:
    samples = small_samples(task)
    model = fit_network(BLUEPRINT, samples, first_split(samples), replace(FAST, max_epochs=3), 1, tmp_path)
    back = load_fitted(tmp_path, BLUEPRINT)
    assert same(model, back)
    x = inputs(samples, np.arange(20))
    np.testing.assert_array_equal(back.predict(x), model.predict(x))


def test_a_finished_fit_is_loaded_and_not_trained_again(samples: Samples, folder: Path) -> None:
    calls: list[int] = []
    again = fit_network(
        *(BLUEPRINT, samples, first_split(samples), replace(FAST, max_epochs=3), 1, folder),
        on_epoch=lambda now, most: calls.append(now),
    )
    assert not calls
    assert same(again, load_fitted(folder, BLUEPRINT))


def test_nothing_on_disk_is_a_pickle(samples: Samples, folder: Path, tmp_path: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "model.safetensors"]
    with pytest.raises(KeyboardInterrupt):
        fit_network(
            *(BLUEPRINT, samples, first_split(samples), FAST, 1, tmp_path / "cut"),
            interrupt_at(3, KeyboardInterrupt()),
        )
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".ckpt" for path in files)
    for path in files:
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        else:
            with safe_open(path, framework="np") as tensors:
                assert list(tensors.keys())


@pytest.mark.parametrize(
    "damage",
    [
        *("no json", "no weights", "half the json", "half the weights", "other weights", "a list"),
        *("no settings", "no sha256", "an unknown setting", "a list for covariates", "a word for blocks"),
    ],
)
def test_a_damaged_model_is_refused(folder: Path, damage: str) -> None:
    record, weights = folder / "model.json", folder / "model.safetensors"
    if damage == "no json":
        record.unlink()
    elif damage == "no weights":
        weights.unlink()
    elif damage == "half the json":
        record.write_text(record.read_text()[:100])
    elif damage == "half the weights":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "other weights":
        data = bytearray(weights.read_bytes())
        data[-5] ^= 1
        weights.write_bytes(bytes(data))
    elif damage == "a list":
        record.write_text("[]")
    else:
        values = json.loads(record.read_text())
        if damage.startswith("no "):
            del values[damage.removeprefix("no ")]
        elif damage == "an unknown setting":
            values["settings"]["warmth"] = 0.9
        elif damage == "a list for covariates":
            values["covariates"] = [1]
        else:
            values["blocks"] = "drug"
        record.write_text(json.dumps(values))
    with pytest.raises(FitError, match=folder.name) as caught:
        load_fitted(folder, BLUEPRINT)
    assert "Train again" in caught.value.hint


@pytest.mark.parametrize("task", TASKS)
def test_a_model_with_covariates_and_a_block_comes_back(tmp_path: Path, task: Task) -> None:
    samples = with_extras(small_samples(task))
    architecture = Architecture(blocks={"drug": (4, 2)}, gene_layer=True, gene_scaling=True)
    settings = replace(FAST, max_epochs=2, architecture=architecture, interactions=("age",), betas=(0.8, 0.9))
    model = fit_network(BLUEPRINT, samples, first_split(samples), settings, 1, tmp_path)
    back = load_fitted(tmp_path, BLUEPRINT)
    assert same(model, back)
    readings = Readings.of(samples, BLUEPRINT)
    np.testing.assert_array_equal(back.predict(readings), model.predict(readings))
    assert same(fit_network(BLUEPRINT, samples, first_split(samples), settings, 1, tmp_path), model)


def test_a_model_of_another_blueprint_is_refused(folder: Path) -> None:
    for other in (small_blueprint(width=2), BLUEPRINT.rewire(3), BLUEPRINT.shuffle_genes(1)):
        assert other.content_hash() != BLUEPRINT.content_hash()
        with pytest.raises(FitError, match="another blueprint"):
            load_fitted(folder, other)
