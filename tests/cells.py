"""Made-up cells over real genes, quick to train on; the real ones are in the tests of the main job."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd

from kgreg.experiment import Experiment, make_experiment

B_CELL = ["CD79A", "CD79B", "MS4A1", "CD19", "BLK", "BLNK", "PAX5", "CD22", "BANK1", "BTK"]
T_CELL = ["CD3D", "CD3E", "CD3G", "CD247", "LCK", "ZAP70", "LAT", "CD28", "ITK", "TRAT1"]
OTHER = ["ACTB", "GAPDH", "TUBB", "HSPA8", "EEF1A1", "RPLP0", "LDHA", "ENO1", "PKM", "TPI1"]


def make_cells(n: int = 60, seed: int = 0) -> anndata.AnnData:
    """Return ``n`` cells of three kinds, two of which express genes of their own."""
    rng = np.random.default_rng(seed)
    genes = B_CELL + T_CELL + OTHER
    kinds = np.array(["B", "T", "other"])[np.arange(n) % 3]
    x = rng.poisson(0.4, (n, len(genes))).astype(np.float32)
    x[np.ix_(kinds == "B", np.arange(10))] += rng.poisson(2.0, (int((kinds == "B").sum()), 10))
    x[np.ix_(kinds == "T", np.arange(10, 20))] += rng.poisson(2.0, (int((kinds == "T").sum()), 10))
    obs = pd.DataFrame(
        {"kind": kinds, "donor": [f"d{i % 5}" for i in range(n)], "age": x[:, :10].sum(axis=1) + 0.5},
        index=[f"cell{i}" for i in range(n)],
    )
    return anndata.AnnData(np.log1p(x), obs=obs, var=pd.DataFrame(index=genes))


def make_patients(n: int = 60, seed: int = 0) -> anndata.AnnData:
    """Return cells as :func:`make_cells`, each with a survival that its B cell genes shorten, and three labels.

    Labels: ``b`` and ``t`` follow from the genes, a tenth of the former is unknown; ``coin`` follows from nothing.
    """
    cells = make_cells(n, seed)
    rng = np.random.default_rng(seed + 1)
    b, t = cells.X[:, :10].mean(axis=1), cells.X[:, 10:20].mean(axis=1)
    death, end = rng.exponential(20 * np.exp(-3 * (b - b.mean()))), rng.uniform(5, 60, n)
    cells.obs["months"] = np.minimum(death, end) + 0.1
    cells.obs["died"] = death <= end
    cells.obs["b"] = np.where(rng.random(n) < 0.1, np.nan, (b > np.median(b)).astype(float))
    cells.obs["t"] = t > np.median(t)
    cells.obs["coin"] = rng.integers(0, 2, n)
    return cells


def small_record(folder: Path, store: Path) -> dict[str, dict[str, object]]:
    """Return the sections of an experiment on such cells, written into ``folder``, its every part at its smallest."""
    path = folder / "cells.h5ad"
    make_cells().write_h5ad(path)
    return {
        "data": {"file": str(path), "label": "kind"},
        "knowledge": {"store": str(store), "min_genes": 5, "max_genes": 25},
        "training": {"folds": 2, "max_epochs": 8, "learning_rate": 0.01},
        "nulls": {"rewired": 2, "labels": 2},
        "decode": {"enrichment": []},
        "knockouts": {"genes": ["CD79A"], "sets": {"CD3": ["CD3D", "CD3E"]}, "automatic": 1},
        "output": {"folder": str(folder / "run")},
    }


def small_experiment(folder: Path, store: Path) -> Experiment:
    """Return the experiment of :func:`small_record`."""
    return make_experiment(small_record(folder, store))
