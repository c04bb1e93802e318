"""Which of many values tell something of an outcome, each by itself."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.feature_selection import f_classif, r_regression

from kgreg.data.targets import Task

log = logging.getLogger(__name__)

Array = NDArray[np.float64]


def select_columns(task: Task, x: NDArray[Any], target: NDArray[Any], p_value: float) -> NDArray[np.int64]:
    """Return the columns of ``x [n, k]`` with a univariate p value below ``p_value``; the least one if none has.

    The score test of a Cox regression for survival (the log-rank test of a number), analysis of variance for classes,
    the test of a correlation for values; for labels analysis of variance of each label where it is known, the least p
    multiplied by the number of labels.
    """
    p = univariate_p(task, x, target)
    chosen = np.flatnonzero(p < p_value)
    if len(chosen):
        return chosen
    log.info("None of %d units has a univariate p value below %g; the least, %.3g, is taken.", len(p), p_value, p.min())
    return np.array([int(np.argmin(p))])


def univariate_p(task: Task, x: NDArray[Any], target: NDArray[Any]) -> Array:
    """Return the p value of every column of ``x``; see :func:`select_columns`. Columns that do not vary have 1."""
    values = np.asarray(x, dtype=np.float64)
    p = np.ones(values.shape[1])
    varies = np.flatnonzero(values.std(axis=0) > 1e-12 * np.abs(values).max(axis=0, initial=1e-300))
    if not len(varies):
        return p
    values = values[:, varies]
    if task == "survival":
        found = cox_score_p(values, target)
    elif task == "classification":
        found = f_classif(values, target)[1]
    elif task == "regression":
        found = _correlation_p(values, np.asarray(target, dtype=np.float64).reshape(-1))
    else:
        found = _least_of_labels(values, target)
    p[varies] = np.nan_to_num(found, nan=1.0)
    return p


def cox_score_p(x: Array, target: NDArray[Any]) -> Array:
    """Return the p value of the score test of Cox regressions on one column each, ties by Efron's rule.

    For the event number l (from 0) of d at one time, with risk set R and events D, ``S_k = sum_R x^k - (l / d) sum_D
    x^k``, the derivative of the log likelihood at 0 is ``U = sum (x_D - S_1 / S_0)`` and its variance ``I = sum (S_2 /
    S_0 - (S_1 / S_0)^2)``; ``U^2 / I`` is chi-square with one degree of freedom.

    Parameters
    ----------
    x
        ``[n, k]``.
    target
        ``[n, 2]`` time and event.
    """
    time, event = np.asarray(target[:, 0], dtype=float), np.asarray(target[:, 1]) > 0
    order = np.argsort(-time, kind="stable")
    time, event, x = time[order], event[order], x[order] - x.mean(axis=0)
    ones = np.ones((len(x), 1))
    powers = [np.broadcast_to(ones, x.shape), x, x**2]
    # In order of falling time, the risk set of a time ends with the last sample that has it.
    starts = np.flatnonzero(np.r_[True, time[1:] != time[:-1]])
    group = np.cumsum(np.r_[True, time[1:] != time[:-1]]) - 1
    last = np.r_[starts[1:], len(x)] - 1
    died, of = np.flatnonzero(event), group[event]
    tied = np.bincount(of, minlength=len(starts))
    number = np.arange(len(died)) - (np.cumsum(tied) - tied)[of]
    share = (number / np.maximum(tied[of], 1))[:, None]
    sums = []
    for power in powers:
        at_risk = np.cumsum(power, axis=0)[last][of]
        events = np.add.reduceat(np.where(event[:, None], power, 0.0), starts, axis=0)[of]
        sums.append(at_risk - share * events)
    mean = sums[1] / sums[0]
    derivative = (x[died] - mean).sum(axis=0)
    variance = np.maximum(sums[2] / sums[0] - mean**2, 0.0).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = derivative**2 / variance
    p: Array = stats.chi2.sf(statistic, 1)
    return p


def _correlation_p(x: Array, target: Array) -> Array:
    # Rounding may bring a perfect correlation beyond 1.
    squared = np.minimum(r_regression(x, target) ** 2, 1.0)
    freedom = max(len(x) - 2, 1)
    with np.errstate(divide="ignore"):
        p: Array = stats.f.sf(squared / (1 - squared) * freedom, 1, freedom)
    return p


def _least_of_labels(x: Array, target: NDArray[Any]) -> Array:
    each = []
    for label in np.asarray(target).T:
        known = ~np.isnan(label)
        if len(np.unique(label[known])) == 2:
            each.append(np.nan_to_num(f_classif(x[known], label[known])[1], nan=1.0))
    if not each:
        return np.ones(x.shape[1])
    least: Array = np.minimum(np.min(each, axis=0) * len(each), 1.0)
    return least
