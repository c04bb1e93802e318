"""Motifs and sequences with planted sites, small and made here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.blueprint import Blueprint
from kgreg.blueprint.motifs import compile_motifs
from kgreg.data import Samples
from kgreg.data.samples import Task

CONSENSUS = {
    "MA1.1": "TGACGTCA",
    "MA2.1": "CACGTGAC",
    "MA3.1": "GGGGCGGGGC",
    "MA4.1": "TATAAAAG",
    "MA5.1": "ATGCAAAT",
    "MA6.1": "AACCGGTTTG",
}


def small_motifs() -> Blueprint:
    """Return six motifs, each of a factor of its own, in two families."""
    matrices = {name: 2.0 + 90 * one_hot_of(consensus) for name, consensus in CONSENSUS.items()}
    table = pd.DataFrame(
        {"motif": list(matrices), "name": [f"TF{i}" for i in range(6)], "family": ["leucine", "helix"] * 3}
    )
    return compile_motifs(table, matrices)


def one_hot_of(letters: str) -> NDArray[np.float64]:
    return np.eye(4)[["ACGT".index(letter) for letter in letters]]


def planted_samples(task: Task = "classification", n: int = 160, length: int = 50, seed: int = 0) -> Samples:
    """Return random sequences; half of them hold the first motif, on either strand, which is what there is to learn."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 4, (n, length)).astype(np.uint8)
    holds = rng.permutation(np.arange(n) % 2)
    site = one_hot_of(CONSENSUS["MA1.1"]).argmax(axis=1)
    for row in np.flatnonzero(holds):
        start = rng.integers(0, length - len(site))
        codes[row, start : start + len(site)] = site if rng.random() < 0.5 else 3 - site[::-1]
    target: Any = holds.astype(np.int64)
    if task == "regression":
        target = (3 * holds + rng.normal(size=n)).astype(np.float32)
    if task == "multilabel":
        target = np.stack([holds, np.where(rng.random(n) < 0.2, np.nan, 1 - holds)], axis=1).astype(np.float32)
    if task == "survival":
        target = np.stack([rng.exponential(np.exp(-2.0 * holds)) + 0.01, rng.random(n) < 0.8], axis=1)
        target = target.astype(np.float32)
    return Samples(
        x=np.zeros((n, 0), np.float32),
        features=[],
        names=[f"s{i}" for i in range(n)],
        target=target,
        classes=["absent", "present"] if task == "classification" else [],
        groups=None,
        task=task,
        label="bound",
        layer="",
        origin="made here",
        labels=["bound", "free"] if task == "multilabel" else [],
        sequences=codes,
    )
