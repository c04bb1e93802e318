"""Fits of networks that read DNA: every task, interruptions, files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kgreg.data import Samples
from kgreg.data.samples import Task
from kgreg.fit import Readings, TrainSettings, fit_network, load_fitted, save_fitted, score
from kgreg.fit.metrics import MAIN_METRIC
from kgreg.nn.sequence.design import SequenceDesign
from tests.fit.cases import TASKS, first_split, interrupt_at, same
from tests.nn.sequence.cases import PLAIN

DESIGN = SequenceDesign(
    layers=[
        {"kind": "conv", "filters": 8, "width": 8, "norm": True},
        {"kind": "pool", "width": 4},
        {"kind": "dropout", "share": 0.1},
        {"kind": "pool"},
    ],
    jitter=3,
)
SETTINGS = TrainSettings(
    architecture=DESIGN, learning_rate=0.03, batch_size=16, max_epochs=15, patience=15, accelerator="cpu"
)


def samples_of(task: Task, n: int = 90) -> Samples:
    """Return sequences of which every second carries TGACTCAGCA, which decides about the target."""
    rng = np.random.default_rng(0)
    sequences = rng.integers(0, 5, (n, 40)).astype(np.uint8)
    carries = np.arange(n) % 2
    for i in np.flatnonzero(carries):
        start = int(rng.integers(5, 25))
        sequences[i, start : start + 10] = [3, 2, 0, 1, 3, 1, 0, 2, 1, 0]
    target: Any = carries
    if task == "regression":
        target = (carries * 3 + rng.normal(size=n) * 0.3).astype(np.float32)
    elif task == "multilabel":
        target = np.stack([carries, rng.integers(0, 2, n)], axis=1).astype(np.float32)
    elif task == "survival":
        target = np.stack([rng.exponential(np.exp(-2.0 * carries)) + 0.01, np.ones(n)], axis=1).astype(np.float32)
    return Samples(
        x=np.zeros((n, 0), dtype=np.float32), features=[], names=[f"s{i}" for i in range(n)], target=target,
        classes=["without", "with"] if task == "classification" else [], groups=None, task=task, label="site",
        layer="", origin="made here", labels=["site", "noise"] if task == "multilabel" else [], sequences=sequences,
    )  # fmt: skip


@pytest.mark.parametrize("task", TASKS)
def test_every_task_is_learned_from_sequences(task: Task, tmp_path: Path) -> None:
    samples = samples_of(task)
    split = first_split(samples)
    fitted = fit_network(PLAIN, samples, split, SETTINGS, seed=1)
    readings = Readings.of(samples, PLAIN).rows(split.test)
    found = score(task, samples.target[split.test], fitted.predict(readings))[MAIN_METRIC[task]]
    # The second of two labels is noise.
    assert found > {"classification": 0.8, "regression": 0.6, "multilabel": 0.6, "survival": 0.65}[task]
    save_fitted(fitted, SETTINGS, tmp_path)
    again = load_fitted(tmp_path, PLAIN)
    assert same(again, fitted)
    np.testing.assert_array_equal(again.predict(readings), fitted.predict(readings))


def test_a_resumed_fit_draws_the_same_windows_and_strands(tmp_path: Path) -> None:
    samples, settings = samples_of("classification", 40), replace(SETTINGS, max_epochs=4)
    split = first_split(samples)
    whole = fit_network(PLAIN, samples, split, settings, seed=5)
    with pytest.raises(KeyboardInterrupt):
        fit_network(PLAIN, samples, split, settings, 5, tmp_path, interrupt_at(2, KeyboardInterrupt()))
    torch.manual_seed(999)
    assert same(fit_network(PLAIN, samples, split, settings, 5, tmp_path), whole)
