"""A hierarchy with two roots, a link over a level, genes on every level, and a gene in two terms; samples for it."""

from __future__ import annotations

import pandas as pd
import torch

from kgreg.blueprint import Blueprint
from kgreg.nn.guided import Given
from tests.random_graphs import Knowledge

LINKS = [
    ("low", "middle"),
    ("other", "middle"),
    ("middle", "top"),
    ("low", "top"),
    ("other", "second"),
]
GENES = [f"g{i}" for i in range(9)]
ANNOTATIONS = [
    *((f"g{i}", "low") for i in range(3)),
    *((f"g{i}", "other") for i in range(2, 6)),
    ("g6", "middle"),
    ("g7", "top"),
    ("g8", "second"),
    ("g1", "second"),
]
COVARIATES = ["batch=one", "batch=two", "batch=three", "age"]


def blueprint(modalities: tuple[str, ...] = ()) -> Blueprint:
    knowledge = Knowledge(LINKS, ANNOTATIONS, GENES)
    if not modalities:
        return knowledge.compile()
    inputs = pd.DataFrame(
        [(f"{gene}.data", gene, kind) for gene in GENES for kind in modalities], columns=["feature", "gene", "modality"]
    )
    return knowledge.compile().with_inputs(inputs)


def given(n: int = 7, n_inputs: int = 9, covariates: bool = False, counts: bool = False, seed: int = 5) -> Given:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, n_inputs, generator=generator, dtype=torch.float64)
    if counts:
        x = torch.poisson(torch.exp(x + 1), generator=generator)
    if not covariates:
        return Given(x)
    batch = torch.arange(n) % 3
    columns = torch.nn.functional.one_hot(batch, 3).to(x)
    columns[-1] = 0  # of a batch that training has not seen
    age = torch.randn(n, 1, generator=generator, dtype=torch.float64)
    return Given(x, torch.cat([columns, age], dim=1))
