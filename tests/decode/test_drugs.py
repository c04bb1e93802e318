"""Knockouts under drugs and pairs of drugs, against predictions by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from kgreg.blueprint import save_blueprint
from kgreg.decode import KnockoutOptions
from kgreg.decode.knockout import drug_knockouts, drug_pairs
from kgreg.errors import DataError
from kgreg.experiment import make_experiment
from kgreg.fit import CrossValidation
from kgreg.runs import run_experiment, trained_networks
from tests.cli.test_commands import kgreg_here
from tests.small_data import small_blueprint, small_samples, with_alterations

CELLS = with_alterations(small_samples("regression", n=90), genotypes=40)
FINGERPRINTS = (np.random.default_rng(0).random((4, 6)) < 0.5).astype(np.float32)
WHICH = np.arange(90) % 4
GIVEN = [f"drug {d}" for d in WHICH]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drugs")
    adata = ad.AnnData(CELLS.x, obs=pd.DataFrame({"response": CELLS.target / 80, "drug": GIVEN}, index=CELLS.names))
    adata.var_names = [name.replace("g", "G").removesuffix(".data") for name in CELLS.features]
    adata.obsm["fingerprint"] = FINGERPRINTS[WHICH]
    adata.write_h5ad(folder / "cells.h5ad")
    save_blueprint(small_blueprint(), folder / "blueprint")
    record = {
        "data": {"file": str(folder / "cells.h5ad"), "label": "response", "task": "regression",
                 "blocks": ["fingerprint"]},
        "knowledge": {"guide": "blueprint", "blueprint": str(folder / "blueprint")},
        "network": {"width": 2, "blocks": {"fingerprint": [3]}, "readout": "joined"},
        "training": {"folds": 2, "replicates": 2, "max_epochs": 4, "learning_rate": 0.02},
        "nulls": {"rewired": 0, "labels": 0},
        "output": {"folder": str(folder / "run")},
    }  # fmt: skip
    return run_experiment(make_experiment(record), until="train", workers=1).path


@pytest.fixture(scope="module")
def result(run: Path) -> CrossValidation:
    return trained_networks(run)


def predictions(result: CrossValidation, fold: int, drug: int, gene: int | None = None) -> np.ndarray:
    """Return the predicted values of the different cells of a fold, by each of its networks."""
    found = []
    for job, model in result.fits("graph"):
        if job.split.fold == fold:
            readings = result.inputs_of(job, job.split.test)
            _, first = np.unique(readings.x, axis=0, return_index=True)
            readings = readings.rows(np.sort(first))
            x = readings.x.copy()
            if gene is not None:
                x[:, gene] = 1
            drugs = np.tile(FINGERPRINTS[drug], (len(x), 1))
            found.append(model.predict(replace(readings, x=x, blocks={"fingerprint": drugs}))[:, 0])
    return np.stack(found).astype(float)


def test_a_knockout_under_two_drugs(result: CrossValidation) -> None:
    table = drug_knockouts(result, {"g": ["G02"]}, ["drug 1", "drug 3"], GIVEN, options=KnockoutOptions(random=0))
    (row,) = table.to_dict("records")
    changes = [
        np.concatenate(
            [(predictions(result, fold, d, 2) - predictions(result, fold, d)).mean(axis=1) for fold in (0, 1)]
        )
        for d in (1, 3)
    ]
    assert (row["first_delta"], row["second_delta"]) == pytest.approx([c.mean() for c in changes], abs=1e-6)
    assert row["difference"] == pytest.approx((changes[1] - changes[0]).mean(), abs=1e-6)
    assert row["low"] < row["difference"] < row["high"]
    assert (row["n"], row["how"]) == (4, "altered")


def test_pairs_of_drugs_multiply_or_the_better_counts(result: CrossValidation) -> None:
    table = drug_pairs(result, ["drug 0", "drug 2", "drug 3"], GIVEN)
    assert len(table[["first", "second"]].drop_duplicates()) == 3
    one, other = (np.clip(predictions(result, 0, d), 0, 1) for d in (0, 2))
    job, _ = next(result.fits("graph"))
    _, first = np.unique(result.inputs_of(job, job.split.test).x, axis=0, return_index=True)
    names = [CELLS.names[i] for i in job.split.test[np.sort(first)]]
    rows = table[(table["first"] == "drug 0") & (table["second"] == "drug 2")].set_index("sample").loc[names]
    np.testing.assert_allclose(rows["bliss"], (one * other).mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(rows["hsa"], np.minimum(one, other).mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(rows["gain"], rows["hsa"] - rows["bliss"], atol=1e-9)
    assert (rows["gain"] >= 0).all()
    assert (rows["n"] == 2).all()
    assert ((rows["low"] <= rows["gain"]) & (rows["gain"] <= rows["high"])).all()


def test_what_is_no_drug_is_refused(result: CrossValidation) -> None:
    with pytest.raises(DataError, match="No sample was given 'drug 9'") as caught:
        drug_pairs(result, ["drug 1", "drug 9"], GIVEN)
    assert "Did you mean drug" in caught.value.hint
    with pytest.raises(DataError, match="two different drugs"):
        drug_pairs(result, ["drug 1", "drug 1"], GIVEN)
    with pytest.raises(DataError, match="reads no drug"):
        drug_pairs(replace(result, samples=replace(result.samples, blocks={})), ["drug 1", "drug 2"], GIVEN)
    with pytest.raises(DataError, match="No knockout"):
        drug_knockouts(result, {}, ["drug 1", "drug 2"], GIVEN)


def test_the_command_takes_drugs_from_a_column(run: Path, result: CrossValidation) -> None:
    found = json.loads(kgreg_here("knockout", run, "G02", "--drugs", "drug 1,drug 3", "-f", "json").stdout)
    expected = drug_knockouts(result, {"G02": ["G02"]}, ["drug 1", "drug 3"], GIVEN)
    assert found[0]["difference"] == pytest.approx(expected["difference"].item())
    assert "drug 3" in kgreg_here("knockout", run, "--drugs", "drug 1,drug 3").stdout
    said = kgreg_here("knockout", run, "--drugs", "drug 1,drug 3", "--by", "smiles", check=1).stderr
    assert "no column 'smiles' in obs" in said
