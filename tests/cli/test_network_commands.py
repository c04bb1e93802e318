"""``kgreg tenifold`` and ``kgreg propagate``: from files to a folder of tables, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from kgreg.cli import app
from kgreg.data.simulate.circuit import simulate_circuit
from kgreg.errors import KgregError
from kgreg.fetch import read_official_source
from kgreg.store import load


@pytest.fixture(scope="module")
def circuit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("circuit") / "data"
    simulate_circuit(n_cells=140, n_targets=24).write(folder)
    return folder


def kgreg(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(*arguments: str | Path) -> str:
    done = kgreg(*arguments)
    assert done.exit_code != 0
    assert isinstance(done.exception, KgregError)
    return str(done.exception)


def test_tenifold_writes_tables(circuit: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    command = ["tenifold", circuit / "data.h5ad", "-g", "TF01", "--set", "two=TF02,TF03", "--layer", "counts"]
    small = ["--replicates", "2", "--null", "4", "--networks", "2", "--cells", "80", "--output", folder]
    done = kgreg(*command, *small)
    assert done.exit_code == 0, done.output
    assert "TF01 knocked out" in done.output
    table = pd.read_csv(folder / "perturbed.csv")
    assert set(table["knockout"]) == {"TF01", "two"}
    assert table.loc[table["knocked"], "gene"].tolist() == ["TF01", "TF02", "TF03"] or table["knocked"].sum() == 3
    assert set(pd.read_parquet(folder / "network.parquet")["regulator"]) <= {"TF01", "TF02", "TF03"}
    assert json.loads((folder / "about.json").read_text())["knockouts"]["two"] == ["TF02", "TF03"]
    assert "not empty" in refused(*command, *small)
    # Gene sets: the targets of every factor, as the circuit has them.
    links = pd.read_csv(circuit / "links.csv")
    sets = tmp_path / "factors.gmt"
    real = links[links["type_a"]].groupby("tf")["target"]
    sets.write_text("".join(f"{tf}\tlinks\t" + "\t".join(genes) + "\n" for tf, genes in real))
    done = kgreg(*command, *small, "--force", "--sets", sets)
    assert done.exit_code == 0, done.output
    enriched = pd.read_csv(folder / "enrichment.csv")
    assert set(enriched["output"]) == {"TF01", "two"}
    assert set(enriched["null"]) == {"random knockouts"}
    assert enriched["p_null"].between(0, 1).all()
    assert kgreg(*command, *small, "--force", "--null", "0").exit_code == 0


def test_propagate_writes_tables_and_cells(circuit: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    done = kgreg(
        *("propagate", circuit / "data.h5ad", "--network", circuit / "network.csv", "--gene", "TF01"),
        *("--group", "type", "--embedding", "X_pca", "--bootstrap", "3", "--rewired", "1", "-o", folder),
    )
    assert done.exit_code == 0, done.output
    assert "held-out R2" in done.output
    assert set(pd.read_csv(folder / "changes.csv")["group"]) == {"A", "B"}
    cells = anndata.read_h5ad(folder / "cells.h5ad")
    assert cells.layers["knockout_TF01"].shape == cells.shape
    assert cells.obsm["knockout_TF01_pca"].shape == cells.obsm["control_TF01_pca"].shape == (140, 2)


def test_networks_come_from_queries(circuit: Path, tmp_path: Path) -> None:
    targets = tmp_path / "targets.csv"
    targets.write_text("source,target,weight\nCTCF,CD79A,1\nCTCF,SYK,-1\nSPI1,SYK,1\n")
    store = tmp_path / "store.lbug"
    load(store, [read_official_source("tf_targets", files={"targets": targets})])
    rng = np.random.default_rng(0)
    factor = rng.gamma(4.0, 1.0, 80)
    x = np.column_stack([factor, factor + rng.gamma(2.0, 0.2, 80), rng.gamma(4.0, 1.0, (80, 2))]).astype(np.float32)
    cells = anndata.AnnData(x, var=pd.DataFrame(index=["CTCF", "CD79A", "SYK", "ACTB"]))
    cells.write_h5ad(tmp_path / "cells.h5ad")
    command = ("propagate", tmp_path / "cells.h5ad", "--network", "tf_targets", "-g", "CTCF", "--store", store)
    done = kgreg(*command, "--bootstrap", "4", "--rewired", "0", "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    changes = pd.read_csv(tmp_path / "out" / "changes.csv").set_index("gene")
    assert changes.loc["CD79A", "high"] < -1
    assert json.loads((tmp_path / "out" / "about.json").read_text())["links_in_data"] == 2
    assert "does not return the columns tf and target" in refused(
        "propagate", circuit / "data.h5ad", "--network", "go_terms", "-g", "TF01", "-o", tmp_path / "new"
    )


@pytest.mark.parametrize("command", ["tenifold", "propagate"])
def test_bad_questions_are_answered(circuit: Path, tmp_path: Path, command: str) -> None:
    more = ["--network", circuit / "network.csv"] if command == "propagate" else []
    data, out = circuit / "data.h5ad", ["--output", tmp_path / "new"]
    assert "Did you mean TF01" in refused(command, data, "-g", "tf01", *more, *out)
    assert "No gene is to be knocked out" in refused(command, data, *more, *out)
    assert "NAME=GENE,GENE" in refused(command, data, "--set", "TF01,TF02", *more, *out)
    assert "is not a file" in refused(command, tmp_path / "none.h5ad", "-g", "TF01", *more, *out)
    assert not (tmp_path / "new").exists()
