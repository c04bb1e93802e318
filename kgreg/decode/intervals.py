"""Means of repeated values with what is known of their spread: of independent values, and of networks of folds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from kgreg.data.splits import Split
from kgreg.decode.importance import ALL

#: Mean, low, high and n, each without the first axis.
Interval = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]


def mean_interval(values: NDArray[np.float64], level: float = 0.95) -> Interval:
    """Return mean, low and high (Student's t) and n of independent values over the first axis, leaving out NaN.

    Low and high are NaN where n is 1: one value has no spread. Networks of one cross-validation are not independent,
    see :func:`network_interval`.
    """
    n = np.isfinite(values).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(values, axis=0) / n
        sd = np.sqrt(np.nansum((values - mean) ** 2, axis=0) / (n - 1))
        half = _quantile(level, np.maximum(n - 1, 1)) * sd / np.sqrt(n)
    half = np.where(n > 1, half, np.nan)
    return mean, mean - half, mean + half, n


def network_interval(
    values: NDArray[np.float64], folds: NDArray[Any], overlap: float = 0.0, level: float = 0.95
) -> Interval:
    """Return mean, low, high and n of what networks of one cross-validation say, over the first axis, leaving out NaN.

    The interval is about the mean over data sets of this size, over their splits and over seeds. A fold counts once:
    its networks share training and test samples. With K folds of R networks, ``B`` the variance of the means of the
    folds and ``W`` the variance within folds, the squared error of the mean is

        ``B / K + overlap (B + W (1 - 1 / R))``

    Its second part is the correction of Nadeau & Bengio (2003) for folds that share training samples, on the variance
    of a single network: more replicates average the seeds out, and not what the data have in common. Low and high are
    by Student's t, with the degrees of freedom of Satterthwaite (1946). Where folds held different numbers of networks
    R is their harmonic mean.

    Networks of one fold alone (one split, or all others without a value) have the interval of their mean over seeds: it
    says nothing about other samples. A single network has none: low and high are NaN.

    Parameters
    ----------
    values
        ``[n_networks, ...]``.
    folds
        ``[n_networks]``, the fold of each.
    overlap
        ``n_test / n_train`` of a fold (see :func:`overlap_of`), or 0 for signed means over the test samples of
        quantities that are centred on the training samples: what folds have in common is then small against what their
        test samples differ by (measured: ``benchmarks/truth.py``).
    level
        Such as 0.95.

    References
    ----------
    Nadeau & Bengio, Inference for the generalization error. Machine Learning 52 (2003). Satterthwaite, An approximate
    distribution of estimates of variance components. Biometrics Bulletin 2 (1946).
    """
    known = np.isfinite(values)
    n = known.sum(axis=0)
    member = (folds[:, None] == np.unique(folds)).astype(float)
    counts = np.tensordot(member, known, axes=(0, 0))  # [folds, ...]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(values, axis=0) / n
        centred = np.where(known, values - mean, 0.0)
        held = counts > 0
        of_fold = np.where(held, np.tensordot(member, centred, axes=(0, 0)) / counts, 0.0)
        k = held.sum(axis=0)
        replicates = k / np.where(held, 1 / counts, 0.0).sum(axis=0)
        residual = np.where(known, centred - np.tensordot(member, of_fold, axes=(1, 0)), 0.0)
        freedom = n - k
        within = np.where(freedom > 0, (residual**2).sum(axis=0) / np.maximum(freedom, 1), 0.0)
        between = np.where(held, of_fold - of_fold.sum(axis=0) / k, 0.0) ** 2
        between = between.sum(axis=0) / np.maximum(k - 1, 1)
        first = np.where(k > 1, between * (1 / k + overlap), 0.0)
        second = np.where(k > 1, overlap * (1 - 1 / replicates) * within, within / n)
        squares = first**2 / np.maximum(k - 1, 1) + second**2 / np.maximum(freedom, 1)
        degrees = np.where(squares > 0, (first + second) ** 2 / squares, 1.0)
        half = _quantile(level, degrees) * np.sqrt(first + second)
    half = np.where(n > 1, half, np.nan)
    return mean, mean - half, mean + half, n


def overlap_of(splits: Sequence[Split]) -> float:
    """Return ``n_test / n_train`` of the folds, their mean."""
    return float(np.mean([len(split.test) / len(split.train) for split in splits]))


def overlap_for(measure: str, output: str, splits: Sequence[Split]) -> float:
    """Return the ``overlap`` of :func:`network_interval` for scores of a measure: 0 for the attribution to a class."""
    return 0.0 if measure == "activation" and output != ALL else overlap_of(splits)


def _quantile(level: float, degrees: NDArray[Any]) -> NDArray[Any]:
    quantiles: NDArray[Any] = stats.t.ppf(0.5 + level / 2, degrees)
    return quantiles
