"""A small hierarchy and samples with a planted signal, for tests that train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from kgreg.blueprint import Blueprint
from kgreg.data import Samples, Split
from kgreg.data.samples import Task
from kgreg.fit import TrainSettings
from tests.random_graphs import Knowledge

#: Genes g00..g03 lie on "signal", whose sum is what there is to learn; the other terms are noise.
LINKS = [("signal", "upper"), ("noise", "upper"), ("upper", "root"), ("other", "root"), ("signal", "root")]
GENES = [f"g{i:02d}" for i in range(12)]
ANNOTATIONS = [
    *((gene, ("signal", "noise", "other")[i // 4]) for i, gene in enumerate(GENES)),
    *(("g04", "other"), ("g11", "root")),
]
FAST = TrainSettings(
    learning_rate=0.02, batch_size=32, max_epochs=12, patience=4, accelerator="cpu", auxiliary=0.3, weight_decay=1e-3
)


def small_blueprint(width: int = 3, genes: Sequence[str] = GENES) -> Blueprint:
    """Return five terms over twelve genes; the root is read, and reads over a level."""
    return Knowledge(LINKS, ANNOTATIONS, list(genes)).compile(width=width)


def small_samples(task: Task = "classification", n: int = 120, seed: int = 0, classes: int = 2) -> Samples:
    """Return samples whose target follows from the mean of g00..g03 (the second of two labels from that of g04..g07).

    The columns come in another order than the genes, with one between that no term annotates; values are shifted and
    spread as expression is.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, len(GENES))).astype(np.float32)
    value = x[:, :4].mean(axis=1) * 2 + 0.1 * rng.normal(size=n)
    target: Any = value.astype(np.float32) * 5 + 40
    if task == "survival":
        time = rng.exponential(np.exp(-2 * value)) + 0.01
        end = rng.exponential(3, n) + 0.01
        target = np.stack([np.minimum(time, end), time <= end], axis=1).astype(np.float32)
    if task == "multilabel":
        target = np.stack([value > 0, x[:, 4:8].mean(axis=1) > 0.2], axis=1).astype(np.float32)
        target[rng.random(n) < 0.2, 1] = np.nan
    if task == "classification":
        target = np.searchsorted(np.quantile(value, np.arange(1, classes) / classes), value).astype(np.int64)
    names = [f"{gene}.data" for gene in GENES]
    order = np.random.default_rng(7).permutation(len(GENES))
    shifted = np.abs(x * rng.uniform(0.5, 3, len(GENES)).astype(np.float32) + 4)
    columns = [shifted[:, i] for i in order]
    columns.insert(3, rng.gamma(2.0, size=n).astype(np.float32))
    features = [names[i] for i in order]
    features.insert(3, "foreign")
    return Samples(
        x=np.stack(columns, axis=1).astype(np.float32),
        features=features,
        names=[f"s{i}" for i in range(n)],
        target=target,
        classes=[f"class {c}" for c in range(classes)] if task == "classification" else [],
        groups=None,
        task=task,
        label="stage",
        layer="X",
        origin="made here",
        labels=["signal", "noise"] if task == "multilabel" else [],
    )


def with_extras(samples: Samples, seed: int = 3) -> Samples:
    """Return the samples with covariates (a laboratory, an age) and fingerprints of six drugs beside the genes."""
    rng = np.random.default_rng(seed)
    n = len(samples)
    covariates = pd.DataFrame({"lab": rng.choice(["a", "b", "c"], n), "age": rng.normal(50, 9, n)}, index=samples.names)
    drugs = (rng.random((6, 10)) < 0.3).astype(np.float32)
    return replace(samples, covariates=covariates, blocks={"drug": drugs[rng.integers(0, len(drugs), n)]})


def with_alterations(samples: Samples, seed: int = 4, genotypes: int = 25) -> Samples:
    """Return the samples with few genes altered (1, else 0) instead of expression; several share a genotype."""
    rng = np.random.default_rng(seed)
    x = (rng.random((genotypes, samples.x.shape[1])) < 0.1).astype(np.float32)
    return replace(samples, x=x[rng.integers(0, genotypes, len(samples))])


def uneven_splits(n: int, sizes: Sequence[int] = (70, 61, 53)) -> list[Split]:
    """Return splits of ``n`` samples whose parts differ in size: so many fit, 25 and some stop."""
    splits = []
    for fold, size in enumerate(sizes):
        order = np.random.default_rng(fold).permutation(n)
        parts = np.split(order, [size, size + 25 + 3 * fold])
        splits.append(Split(fold, *(np.sort(part) for part in parts)))
    return splits
