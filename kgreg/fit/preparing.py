"""One fit, made ready: rows, scaled inputs, target, weights of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kgreg.blueprint.model import Blueprint
from kgreg.data.samples import Samples
from kgreg.data.splits import Split
from kgreg.fit.readings import Preprocessing, Readings, Scaled
from kgreg.fit.settings import TrainSettings

#: Samples of the stopping part that are computed at a time.
PIECE = 2048


def read_each(blueprint: Blueprint, samples: Sequence[Samples]) -> list[Readings]:
    """Return what networks on ``blueprint`` read of the samples of each fit; what several share is read once."""
    found = {id(one): one for one in samples}
    readings = {key: Readings.of(one, blueprint) for key, one in found.items()}
    return [readings[id(one)] for one in samples]


def fitted_rows(split: Split, settings: TrainSettings) -> NDArray[np.int64]:
    """Return the rows that the optimiser sees."""
    return split.fit if settings.stopping == "early" else split.train


@dataclass(frozen=True)
class Prepared:
    """One fit, ready to be fed."""

    seed: int
    preprocessing: Preprocessing
    fit: Scaled
    stop: Scaled
    fit_target: NDArray[Any]
    stop_target: NDArray[Any]
    target_scale: tuple[float, float]


def prepare(readings: Readings, samples: Samples, split: Split, settings: TrainSettings, seed: int) -> Prepared:
    preprocessing = Preprocessing.fit(readings.rows(split.train), settings.scale, readings.covariates)
    rows = fitted_rows(split, settings)
    fit = preprocessing.apply(readings.rows(rows))
    if settings.shares_rows:
        fit = fit.with_shared_rows()
    target, target_scale = _scaled_target(samples, split)
    stop = preprocessing.apply(readings.rows(split.stop))
    return Prepared(seed, preprocessing, fit, stop, target[rows], target[split.stop], target_scale)


def _scaled_target(samples: Samples, split: Split) -> tuple[NDArray[Any], tuple[float, float]]:
    if samples.task != "regression":
        return samples.target, (0.0, 1.0)
    train = samples.target[split.train]
    centre, spread = float(train.mean()), float(train.std()) or 1.0
    return ((samples.target - centre) / spread).astype(np.float32), (centre, spread)


def class_weight_of(samples: Samples, rows: NDArray[np.int64], settings: TrainSettings) -> torch.Tensor | None:
    """Return ``[n_classes]`` weights, or ``[n_labels]`` how much more a positive weighs than a negative."""
    if samples.task not in ("classification", "multilabel") or settings.class_weight == "none":
        return None
    if samples.task == "multilabel":
        positive, negative = ((samples.target[rows] == value).sum(axis=0) for value in (1, 0))
        # A label with one value only in these rows has nothing to balance.
        ratio = np.where((positive > 0) & (negative > 0), negative / np.maximum(positive, 1), 1.0)
        return torch.from_numpy(ratio.astype(np.float32))
    counts = np.bincount(samples.target[rows], minlength=len(samples.classes))
    weight = len(rows) / (len(counts) * np.maximum(counts, 1))
    return torch.from_numpy(weight.astype(np.float32))
