"""Splits without leakage: stratified by class or event, whole groups on one side."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from kgreg.data.samples import Samples
from kgreg.errors import DataError, some

Index = NDArray[np.int64]

#: Events that every part of a survival split must hold: fewer have no pair to put in order.
LEAST_EVENTS = 2


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


def split_fixed(samples: Samples, stop_fraction: float = 0.15, seed: int = 0) -> list[Split]:
    """Return the one split that ``samples.parts`` fixes; the stopping part is taken from its training part.

    Raises
    ------
    DataError
        If the data fix no split; if a group has samples in both parts; if a part is too small, or a class has too few
        training samples, or a part of a survival split fewer than two events; if ``stop_fraction`` is not between 0
        and 1.
    """
    _refuse_fraction(stop_fraction)
    if samples.parts is None:
        raise DataError(f"{samples.origin} was read without a column that fixes the split.", "Name it: split = ...")
    train, test = (np.flatnonzero(samples.parts == part) for part in ("train", "test"))
    if len(train) < 3 or len(test) < 2:
        raise DataError(
            f"{len(train)} training and {len(test)} test samples are too few.",
            "At least 3 to train (some of them to stop by) and 2 to test are needed.",
        )
    if samples.groups is not None:
        both = np.intersect1d(samples.groups[train], samples.groups[test])
        if len(both):
            raise DataError(
                f"{len(both)} groups have samples in both parts: {some(both)}.",
                "A group must lie in the training part or in the test part; correct the column, or leave out 'group'.",
            )
    if samples.task == "classification":
        counts = np.bincount(samples.target[train], minlength=len(samples.classes))
        few = [f"{name} ({count})" for name, count in zip(samples.classes, counts, strict=True) if count < 2]
        if few:
            raise DataError(
                f"Classes with fewer than 2 training samples: {', '.join(few)}.",
                "Each needs one to fit with and one to stop by; merge or remove these classes.",
            )
    _refuse_too_few_events(samples, {"test": test, "training": train}, 0)
    n_inner = max(2, round(1 / stop_fraction))
    return [Split(0, *_take_stopping_part(samples, train, n_inner, 0, seed + 1), test)]


def split_folds(samples: Samples, n_folds: int = 5, stop_fraction: float = 0.15, seed: int = 0) -> list[Split]:
    """Split samples for cross-validation.

    Classes, and events of survival, are spread evenly over the folds; samples of one group never lie on two sides. The
    stopping part is taken from the training part by the same rules; every class is left to fit with in every fold.

    Raises
    ------
    DataError
        If a class has fewer samples, or there are fewer groups, than the folds need; if all samples of a class lie in
        groups that would be held out together; if a part of a survival split holds fewer than two events; if
        ``stop_fraction`` is not between 0 and 1.
    """
    _refuse_fraction(stop_fraction)
    _refuse_too_few(samples, n_folds)
    rows = np.arange(len(samples))
    splits = []
    n_inner = max(2, round(1 / stop_fraction))
    for fold, (train, test) in enumerate(_fold_rows(samples, rows, n_folds, seed)):
        if not len(test):
            raise DataError(f"Fold {fold + 1} of {n_folds} holds no group.", "Ask for fewer folds.")
        _refuse_too_few_events(samples, {"test": test}, fold)
        splits.append(Split(fold, *_take_stopping_part(samples, train, n_inner, fold, seed + 1 + fold), test))
    return splits


def _take_stopping_part(samples: Samples, train: Index, n_parts: int, fold: int, seed: int) -> tuple[Index, Index]:
    """Return ``train`` as a part to fit and one to stop by, the latter about one of ``n_parts``."""
    if samples.groups is not None and len(np.unique(samples.groups[train])) < 2:
        raise DataError(
            f"The training part of fold {fold + 1} is one group, which cannot be split to stop training by.",
            "Samples in more groups are needed, or other folds.",
        )
    lost: set[int] = set()
    parts: dict[str, Index] = {}
    for fit, stop in _fold_rows(samples, train, n_parts, seed):
        parts = {"fitting": train[fit], "stopping": train[stop]}
        if samples.task == "survival" and min(_events(samples, rows) for rows in parts.values()) < LEAST_EVENTS:
            continue
        missing = set(samples.target) - set(samples.target[train[fit]]) if samples.classes else set()
        if len(stop) and not missing:
            return train[fit], train[stop]
        lost |= missing
    _refuse_too_few_events(samples, parts, fold)
    names = ", ".join(samples.classes[i] for i in sorted(lost))
    raise DataError(
        f"In fold {fold + 1} no samples of these classes are left to fit with: {names}. They lie in too few groups.",
        "Remove or merge these classes, ask for other folds, or try another seed.",
    )


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
    strata = _strata(samples, rows)
    groups = None if samples.groups is None else samples.groups[rows]
    stratify = strata is not None
    kinds = {
        (True, False): StratifiedKFold,
        (True, True): StratifiedGroupKFold,
        (False, False): KFold,
        (False, True): GroupKFold,
    }
    # The inner split may be finer than there are samples, groups, or samples of a class.
    most = len(rows) if groups is None else len(np.unique(groups))
    if samples.task == "survival":
        most = min(most, _events(samples, rows) // LEAST_EVENTS)
    elif strata is not None:
        counts = np.bincount(strata)[np.unique(strata)]
        most = min(most, int(counts.min() if groups is None else counts.max()))
    n_folds = max(2, min(n_folds, most))
    splitter = kinds[stratify, groups is not None](n_splits=n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # small classes: checked by the callers
        return list(splitter.split(np.zeros(len(rows)), strata, groups))


def _strata(samples: Samples, rows: Index) -> Index | None:
    """Return what is spread evenly over the parts: classes, or events and censored samples."""
    if samples.task == "classification":
        return np.asarray(samples.target[rows], dtype=np.int64)
    return samples.target[rows, 1].astype(np.int64) if samples.task == "survival" else None


def _events(samples: Samples, rows: Index) -> int:
    return int(samples.target[rows, 1].sum())


def _refuse_too_few_events(samples: Samples, parts: dict[str, Index], fold: int) -> None:
    if samples.task != "survival":
        return
    for name, rows in parts.items():
        if _events(samples, rows) < LEAST_EVENTS:
            counts = ", ".join(
                f"{part} part {_events(samples, own)} of {len(own)} samples" for part, own in parts.items()
            )
            raise DataError(
                f"In fold {fold + 1} the {name} part holds fewer than {LEAST_EVENTS} events ({counts}); all others are "
                "censored.",
                "Ask for fewer folds, try another seed, or add samples with an event.",
            )


def _refuse_fraction(stop_fraction: float) -> None:
    if not 0 < stop_fraction < 1:
        raise DataError(
            f"The stopping part cannot be {stop_fraction} of the training part.", "Give a share such as 0.15."
        )


def _refuse_too_few(samples: Samples, n_folds: int) -> None:
    if n_folds < 2:
        raise DataError(f"Cross-validation needs at least 2 folds, not {n_folds}.")
    if samples.groups is not None:
        found = len(np.unique(samples.groups))
        if found < max(n_folds, 3):
            raise DataError(
                f"There are {found} groups for {n_folds} folds.",
                "Ask for fewer folds; at least 3 groups are needed to test, to stop by and to fit with."
                + (
                    ' Chromosomes are no groups with group = "none" in [data].' if samples.sequences is not None else ""
                ),
            )
    if samples.task == "classification":
        # A class needs a sample to test, one to stop by and one to fit with, in every fold.
        least = max(n_folds, 4 if n_folds == 2 else 3)
        counts = np.bincount(samples.target, minlength=len(samples.classes))
        small = [f"{name} ({count})" for name, count in zip(samples.classes, counts, strict=True) if count < least]
        if small:
            raise DataError(
                f"Classes with fewer than {least} samples, which {n_folds} folds need: {', '.join(small)}.",
                "Ask for fewer folds, or merge or remove these classes.",
            )
        return
    if samples.task == "survival":
        events, least = _events(samples, np.arange(len(samples))), LEAST_EVENTS * max(n_folds, 3)
        if events < least:
            raise DataError(
                f"{events} events in {len(samples)} samples are too few for {n_folds} folds, which need {least}.",
                "Ask for fewer folds, or add samples with an event.",
            )
    if len(samples) < 3 * n_folds:
        raise DataError(f"{len(samples)} samples are too few for {n_folds} folds.", "Ask for fewer folds.")
