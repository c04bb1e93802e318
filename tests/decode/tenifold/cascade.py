"""Counts of cells in which regulators switch modules of genes, for the tests of knockouts without a network."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd


def regulated_cells(n: int = 200, modules: int = 3, size: int = 8, alone: int = 12, seed: int = 0) -> anndata.AnnData:
    """Return counts: a regulator ``R1, ...`` drives a module of genes ``M1_1, ...``; genes ``A1, ...`` are alone."""
    rng = np.random.default_rng(seed)
    columns, names = [], []
    for m in range(modules):
        activity = rng.gamma(2.0, 1.0, n)
        columns.append(rng.poisson(4 * activity))
        names.append(f"R{m + 1}")
        for i in range(size):
            columns.append(rng.poisson(3 * activity))
            names.append(f"M{m + 1}_{i + 1}")
    for i in range(alone):
        columns.append(rng.poisson(5.0, n))
        names.append(f"A{i + 1}")
    obs = pd.DataFrame({"type": np.where(np.arange(n) % 4, "T", "B")}, index=[f"c{i}" for i in range(n)])
    return anndata.AnnData(np.stack(columns, axis=1).astype(np.float32), obs=obs, var=pd.DataFrame(index=names))
