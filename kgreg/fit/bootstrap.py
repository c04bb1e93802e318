"""Intervals of one test part: the percentile bootstrap over its samples, or over whole groups of them.

A resample is a row of weights, how often each sample was drawn, so that 2,000 of them are scored by a few matrix
products instead of 2,000 calls of :func:`kgreg.fit.metrics.score`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgreg.data.samples import Task
from kgreg.fit.metrics import Interval

#: Resamples an interval is made of.
RESAMPLES = 2000

#: Weights held at a time.
_AT_ONCE = 4_000_000

#: Rows of pairs that are compared at once.
_PAIR_ROWS = 512

Weights = NDArray[np.float64]
Scores = dict[str, NDArray[np.float64]]


def resample(n: int, groups: NDArray[Any] | None, seed: int, resamples: int = RESAMPLES) -> Weights:
    """Return how often each of ``n`` samples is drawn, ``[resamples, n]``.

    With ``groups [n]`` as many groups as there are, are drawn with replacement, each with all of its samples.
    """
    codes = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    units = int(codes.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(units, np.full(units, 1 / units), size=resamples)
    return drawn[:, codes].astype(np.float64)


def score_resamples(task: Task, target: NDArray[Any], predicted: NDArray[np.float32], weights: Weights) -> Scores:
    """Return metric -> ``[resamples]``, see :func:`kgreg.fit.metrics.score`; NaN where a resample leaves it undefined.

    Parameters
    ----------
    target, predicted
        ``[n, ...]`` of the test samples.
    weights
        ``[resamples, n]`` from :func:`resample`.
    """
    scorer = _SCORERS[task]
    step = max(1, _AT_ONCE // max(1, len(target)))
    parts = [scorer(target, predicted, weights[start : start + step]) for start in range(0, len(weights), step)]
    return {metric: np.concatenate([part[metric] for part in parts]) for metric in parts[0]}


def bootstrap_interval(value: float, resampled: NDArray[np.float64], units: int) -> Interval:
    """Return ``value`` with the 2.5th and 97.5th percentile of its resamples; ``units`` is what was drawn from."""
    known = resampled[np.isfinite(resampled)]
    if units < 2 or not len(known):
        return Interval(value, float("nan"), float("nan"), units)
    low, high = np.percentile(known, [2.5, 97.5])
    return Interval(value, float(low), float(high), units)


def bootstrap_comparison(difference: float, resampled: NDArray[np.float64], units: int) -> dict[str, Any]:
    """Return a paired difference with its interval, and p: twice the smaller share of resamples beyond zero."""
    interval = bootstrap_interval(difference, resampled, units)
    known = resampled[np.isfinite(resampled)]
    p = float("nan")
    if np.isfinite(interval.low):
        beyond = min(int((known <= 0).sum()), int((known >= 0).sum()))
        p = min(1.0, 2 * (1 + beyond) / (1 + len(known)))
    return {"difference": interval.mean, "low": interval.low, "high": interval.high, "n": units, "p": p}


def _score_values(target: NDArray[Any], predicted: NDArray[np.float32], weights: Weights) -> Scores:
    # Values are centred first, so that the sums of squares lose no digits; all three metrics bear it.
    y = target.astype(np.float64) - float(np.mean(target, dtype=np.float64))
    p = predicted[:, 0].astype(np.float64) - float(np.mean(target, dtype=np.float64))
    n = weights.sum(axis=1)
    sums = weights @ np.stack([y, p, y * y, p * p, y * p, (y - p) ** 2], axis=1) / n[:, None]
    mean_y, mean_p, yy, pp, yp, error = sums.T
    var_y, var_p = yy - mean_y**2, pp - mean_p**2
    # What rounding leaves of no variance at all is no variance.
    var_y, var_p = np.where(var_y > 1e-12 * yy, var_y, 0.0), np.where(var_p > 1e-12 * pp, var_p, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "pearson_r": np.where(var_y * var_p > 0, (yp - mean_y * mean_p) / np.sqrt(var_y * var_p), np.nan),
            "r2": np.where(var_y > 0, 1 - error / var_y, np.nan),
            "rmse": np.sqrt(error),
        }


def _score_classes(target: NDArray[Any], predicted: NDArray[np.float32], weights: Weights) -> Scores:
    n_classes = predicted.shape[1]
    probability = predicted.astype(np.float64)
    probability /= probability.sum(axis=1, keepdims=True)
    n = weights.sum(axis=1)
    cells = np.zeros((len(target), n_classes**2))
    cells[np.arange(len(target)), target * n_classes + probability.argmax(axis=1)] = 1
    confusion = (weights @ cells).reshape(-1, n_classes, n_classes)
    right = np.diagonal(confusion, axis1=1, axis2=2)
    true, chosen = confusion.sum(axis=2), confusion.sum(axis=1)
    epsilon = np.finfo(np.float64).eps
    surprise = -np.log(np.clip(probability[np.arange(len(target)), target], epsilon, 1 - epsilon))
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = np.where(true > 0, right / true, np.nan)
        f1 = np.where(true + chosen > 0, 2 * right / (true + chosen), np.nan)
    return {
        "balanced_accuracy": np.nanmean(recall, axis=1),
        "accuracy": right.sum(axis=1) / n,
        "macro_f1": np.nanmean(f1, axis=1),
        "auroc": _auroc(target, probability, weights),
        "log_loss": weights @ surprise / n,
    }


def _score_labels(target: NDArray[Any], predicted: NDArray[np.float32], weights: Weights) -> Scores:
    areas, precisions = [], []
    for truth, given in zip(target.T, predicted.T, strict=True):
        known = ~np.isnan(truth)
        up, down = _by_value(truth[known] == 1, given[known], weights[:, known])
        both = (up.sum(axis=1) > 0) & (down.sum(axis=1) > 0)
        areas.append(_area(up, down))
        precisions.append(np.where(both, _average_precision(up, down), np.nan))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice")  # a resample without any label to score
        return {"auroc": np.nanmean(areas, axis=0), "average_precision": np.nanmean(precisions, axis=0)}


def _score_survival(target: NDArray[Any], predicted: NDArray[np.float32], weights: Weights) -> Scores:
    time, event, risk = target[:, 0], target[:, 1], predicted[:, 0]
    died = np.flatnonzero(event)
    pairs, right = np.zeros(len(weights)), np.zeros(len(weights))
    for start in range(0, len(died), _PAIR_ROWS):
        rows = died[start : start + _PAIR_ROWS, None]
        after = (time > time[rows]) | ((time == time[rows]) & (event == 0))
        won = after * ((risk < risk[rows]) + 0.5 * (risk == risk[rows]))
        own = weights[:, rows[:, 0]]
        pairs += ((weights @ after.T) * own).sum(axis=1)
        right += ((weights @ won.T) * own).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {"concordance": np.where(pairs > 0, right / pairs, np.nan)}


def _auroc(target: NDArray[Any], probability: NDArray[np.float64], weights: Weights) -> NDArray[np.float64]:
    """Return the mean area of one class against the rest; of two classes, that of the second."""
    n_classes = probability.shape[1]
    classes = [1] if n_classes == 2 else range(n_classes)
    areas = [_area(*_by_value(target == c, probability[:, c], weights)) for c in classes]
    present = np.stack([weights[:, target == c].sum(axis=1) for c in range(n_classes)]) > 0
    return np.where(present.all(axis=0), np.mean(areas, axis=0), np.nan)


def _by_value(positive: NDArray[np.bool_], given: NDArray[Any], weights: Weights) -> tuple[Weights, Weights]:
    """Return the weight of positives and of negatives at every distinct value, rising: ``[resamples, values]``."""
    values, tied = np.unique(given, return_inverse=True)
    order = np.argsort(tied, kind="stable")
    starts = np.searchsorted(tied[order], np.arange(len(values)))
    drawn, up = weights[:, order], positive[order].astype(np.float64)
    return np.add.reduceat(drawn * up, starts, axis=1), np.add.reduceat(drawn * (1 - up), starts, axis=1)


def _area(up: Weights, down: Weights) -> NDArray[np.float64]:
    """Return the area under the ROC curve; NaN without a pair."""
    below = np.cumsum(down, axis=1) - down / 2  # of those that tie, half
    pairs = up.sum(axis=1) * down.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(pairs > 0, (up * below).sum(axis=1) / pairs, np.nan)


def _average_precision(up: Weights, down: Weights) -> NDArray[np.float64]:
    """Return the mean precision at the values of the positives; NaN without one."""
    right, wrong = (np.cumsum(part[:, ::-1], axis=1)[:, ::-1] for part in (up, down))
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(up > 0, right / (right + wrong), 0.0)
        average: NDArray[np.float64] = (up * precision).sum(axis=1) / up.sum(axis=1)
    return average


_SCORERS: dict[Task, Callable[[NDArray[Any], NDArray[np.float32], Weights], Scores]] = {
    "classification": _score_classes,
    "regression": _score_values,
    "multilabel": _score_labels,
    "survival": _score_survival,
}
