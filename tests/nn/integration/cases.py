"""Blueprints and samples of several modalities, for networks that integrate them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from kgreg.blueprint import Blueprint, compile_hierarchy
from kgreg.nn.guided import Given
from tests.random_graphs import Knowledge
from tests.small_data import ANNOTATIONS, GENES, LINKS

#: Which of the twelve genes a modality measured.
MEASURED = {"expression": range(12), "mutation": range(0, 8), "protein": range(5, 12)}


def blueprint_of(measured: dict[str, range] = MEASURED) -> Blueprint:
    known = Knowledge(LINKS, ANNOTATIONS, GENES)
    table = known.feature_table
    pairs = [(table["feature"].iloc[i], name) for name, genes in measured.items() for i in genes]
    columns = table.merge(pd.DataFrame(pairs, columns=["feature", "modality"]), on="feature")
    return compile_hierarchy(known.hierarchy_table, known.annotation_table, columns, redundancy=None)


def given(blueprint: Blueprint, n: int = 20, seed: int = 0, missing: float = 0.0, covariates: int = 0) -> Given:
    """Return samples in double precision, 0 where a modality is missing; every sample has one at least."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, len(blueprint.inputs)))
    number, names = pd.factorize(blueprint.inputs["modality"])
    present = None
    if missing:
        there = rng.random((n, len(names))) >= missing
        there[~there.any(axis=1), 0] = True
        x *= there[:, number]
        present = torch.from_numpy(there.astype(float))
    beside = torch.from_numpy(rng.normal(size=(n, covariates))) if covariates else None
    return Given(torch.from_numpy(x), beside, present)
