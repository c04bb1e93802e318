"""Sequences, motifs and networks of recipes for tests of networks that read DNA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from kgreg.blueprint import Blueprint
from kgreg.blueprint.motifs import compile_motifs, sequence_blueprint
from kgreg.experiment import read_recipe
from kgreg.nn.inputs import Inputs
from kgreg.nn.sequence.design import SequenceDesign

#: A blueprint without knowledge.
PLAIN = sequence_blueprint()


def codes(n: int = 6, length: int = 60, seed: int = 0, unknown: bool = True) -> Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(0, 5 if unknown else 4, (n, length)).astype(np.uint8))


def inputs(sequences: Tensor, covariates: Tensor | None = None, blocks: Mapping[str, Tensor] | None = None) -> Inputs:
    beside = None if covariates is None else covariates[None]
    tables = {name: block[None] for name, block in (blocks or {}).items()}
    return Inputs(torch.zeros(1, len(sequences), 0), tables, beside, sequences=sequences[None])


def matrices(widths: Mapping[str, int], seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: np.round(rng.dirichlet(np.ones(4) / 2, size=width) * 200 + 1) for name, width in widths.items()}


def motif_blueprint(widths: Mapping[str, int], seed: int = 0) -> Blueprint:
    table = pd.DataFrame({"motif": list(widths), "name": [f"TF{i}" for i in range(len(widths))]})
    return compile_motifs(table, matrices(widths, seed))


def design(name: str, units: int | None = None, **changed: Any) -> SequenceDesign:
    """Return the design of a recipe; dense layers have at most ``units`` neurons."""
    record = {**read_recipe(name)["network"], **changed}
    if units is not None:
        record["layers"] = [
            {**layer, "units": min(layer["units"], units)} if layer["kind"] == "dense" else layer
            for layer in record["layers"]
        ]
    return SequenceDesign.model_validate(record)


def squares(outputs: Tensor, target: Tensor) -> Tensor:
    """Return a loss of outputs ``[n_outputs, batch]``."""
    return (outputs.t() - target).square().mean()
