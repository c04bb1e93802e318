"""Splits without leakage: stratified by class, whole groups on one side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from kgreg.data.samples import Samples
from kgreg.errors import DataError

Index = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Row numbers of one fold: ``fit`` trains, ``stop`` decides when to stop, ``test`` is not touched until the end."""

    fold: int
    fit: Index
    stop: Index
    test: Index

    @property
    def train(self) -> Index:
        """Everything but the test part; scaling is fitted on these rows."""
        return np.sort(np.concatenate([self.fit, self.stop]))


def split_folds(samples: Samples, n_folds: int = 5, stop_fraction: float = 0.15, seed: int = 0) -> list[Split]:
    """Split samples for cross-validation.

    Classes are spread evenly over the folds; samples of one group never lie on two sides. The stopping part is taken
    from the training part by the same rules.

    Raises
    ------
    DataError
        If a class has fewer samples, or there are fewer groups, than folds.
    """
    _refuse_too_few(samples, n_folds)
    rows = np.arange(len(samples))
    splits = []
    n_inner = max(2, round(1 / stop_fraction))
    for fold, (train, test) in enumerate(_fold_rows(samples, rows, n_folds, seed)):
        inner_fit, inner_stop = _fold_rows(samples, train, n_inner, seed + 1 + fold)[0]
        splits.append(Split(fold, train[inner_fit], train[inner_stop], test))
    return splits


def splits_table(splits: list[Split], samples: Samples) -> pd.DataFrame:
    """Return the splits as a tidy table: ``fold``, ``sample``, ``part`` (fit, stop or test)."""
    names = np.asarray(samples.names, dtype=object)
    return pd.concat(
        [
            pd.DataFrame({"fold": split.fold, "sample": names[getattr(split, part)], "part": part})
            for split in splits
            for part in ("fit", "stop", "test")
        ],
        ignore_index=True,
    )


def _fold_rows(samples: Samples, rows: Index, n_folds: int, seed: int) -> list[tuple[Index, Index]]:
    """Return (training, held out) positions *within* ``rows`` of every fold."""
    target = samples.target[rows]
    groups = None if samples.groups is None else samples.groups[rows]
    stratify = samples.task == "classification"
    kinds = {
        (True, False): StratifiedKFold,
        (True, True): StratifiedGroupKFold,
        (False, False): KFold,
        (False, True): GroupKFold,
    }
    if groups is not None:
        n_folds = min(n_folds, len(np.unique(groups)))
    elif stratify:
        # The inner split may be finer than the smallest class has samples; every class must still be fitted.
        n_folds = max(2, min(n_folds, int(np.bincount(target)[np.unique(target)].min())))
    splitter = kinds[stratify, groups is not None](n_splits=n_folds, shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros(len(rows)), target, groups))


def _refuse_too_few(samples: Samples, n_folds: int) -> None:
    if n_folds < 2:
        raise DataError(f"Cross-validation needs at least 2 folds, not {n_folds}.")
    if samples.groups is not None:
        found = len(np.unique(samples.groups))
        if found < n_folds:
            raise DataError(f"There are {found} groups for {n_folds} folds.", "Ask for fewer folds.")
    if samples.task == "classification":
        # A class needs a sample to test, one to stop by and one to fit with, in every fold.
        least = max(n_folds, 3)
        counts = np.bincount(samples.target, minlength=len(samples.classes))
        small = [f"{name} ({count})" for name, count in zip(samples.classes, counts, strict=True) if count < least]
        if small:
            raise DataError(
                f"Classes with fewer than {least} samples, which {n_folds} folds need: {', '.join(small)}.",
                "Ask for fewer folds, or merge or remove these classes.",
            )
    elif len(samples) < 3 * n_folds:
        raise DataError(f"{len(samples)} samples are too few for {n_folds} folds.", "Ask for fewer folds.")
