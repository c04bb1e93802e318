"""A linear head before the first step: an adaptive ridge fit, its penalty chosen by cross-validation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold

from kgreg.nn.readout import Link

#: Inverse penalties that are tried, and the one that is taken where there is nothing to choose by.
INVERSE = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
_PLAIN = 10.0
#: Powers of the univariate statistic that are tried; 0 is plain ridge.
EXPONENTS = (0, 1, 2, 4)
FOLDS = 5
#: Labels up to which every one has a fit of its own; hundreds would take longer than the training.
MOST_LABELS = 32
#: Samples up to which two classes are told apart by kernels.
_KERNEL_BELOW = 200
#: Least size of a scale, so that no score is cut off for good.
_LEAST_SCALE = 1e-4

_Array = NDArray[np.float64]


class LinearStart(NamedTuple):
    """A linear head ``outputs = (weight * scale) z + bias``.

    Weights and bias are the minimum of the mean loss of the task plus ``sum_k penalty_k |weight_k|^2``.

    Attributes
    ----------
    weight, scale
        ``[n_outputs, n]``; the largest scale of an output is 1.
    bias, penalty
        ``[n_outputs]``.
    """

    weight: _Array
    scale: _Array
    bias: _Array
    penalty: _Array


class _One(NamedTuple):
    """As :class:`LinearStart`, of one problem: coefficients ``[rows, n]``, scale ``[n]``, intercepts, penalty."""

    coefficients: _Array
    scale: _Array
    intercept: _Array
    penalty: float


def fit_start(
    z: NDArray[Any], target: NDArray[Any], link: Link, n_outputs: int, exponents: Sequence[int] = EXPONENTS
) -> LinearStart | None:
    """Return a head for standardised scores ``z [samples, n]``; None for survival and more than 32 labels.

    Score j is multiplied by ``v_j = |t_j|^g`` before a ridge-penalised fit (logistic for classes and labels, all
    classes counting the same; least squares for values), where ``t_j`` is how well the score tells the outcome by
    itself: the root of explained over unexplained variance, which for two classes is proportional to the t statistic.
    It is the adaptive ridge of Grandvalet (1998) and Zou (2006) with one step: few scores, each good by itself, are
    penalised less than many poor ones. The power g and the penalty have the lowest mean loss in five folds within the
    samples given, t taken anew in every fold; g = 0 is plain ridge.

    There are more motifs than samples more often than not: all is fitted in the space that the samples span, where the
    solution lies, and the fits of the folds, of two classes and few samples, are Newton's method on kernels, all
    penalties at once.
    """
    z = np.asarray(z, dtype=np.float64)
    if link == "softmax":
        return _of_classes(z, target.astype(np.int64), n_outputs, exponents)
    if link == "sigmoid" and n_outputs > MOST_LABELS:
        return None
    if link == "sigmoid":
        rows = [_of_label(z, target[:, k].astype(np.float64), exponents) for k in range(n_outputs)]
        weight, scale, bias, penalty = (np.stack([row[i] for row in rows]) for i in range(4))
        return LinearStart(weight, scale, bias, penalty)
    if target.ndim > 1 or not np.issubdtype(target.dtype, np.floating):
        return None
    found = _chosen(z, target.astype(np.float64), _Values(), exponents)
    return LinearStart(found.coefficients, found.scale[None], found.intercept, np.array([found.penalty]))


def _of_classes(z: _Array, y: NDArray[np.int64], n_outputs: int, exponents: Sequence[int]) -> LinearStart:
    seen, own = np.unique(y, return_inverse=True)
    weight, bias = np.zeros((n_outputs, z.shape[1])), np.full(n_outputs, -30.0)  # what was never seen is not predicted
    if len(seen) == 1:
        bias[seen] = 0.0
        return LinearStart(weight, np.ones_like(weight), bias, np.full(n_outputs, 1 / (_PLAIN * len(y))))
    found = _chosen(z, own, _Classes(len(seen)), exponents)
    if len(seen) == 2:
        weight[seen] = np.concatenate([-found.coefficients, found.coefficients]) / 2
        bias[seen] = np.array([-found.intercept[0], found.intercept[0]]) / 2
        penalty = 2 * found.penalty  # |coef|^2 is twice the sum over both rows
    else:
        weight[seen], bias[seen], penalty = found.coefficients, found.intercept, found.penalty
    return LinearStart(weight, np.tile(found.scale, (n_outputs, 1)), bias, np.full(n_outputs, penalty))


def _of_label(z: _Array, y: _Array, exponents: Sequence[int]) -> tuple[_Array, _Array, float, float]:
    known = np.isfinite(y)
    values = np.unique(y[known])
    if len(values) < 2:
        bias = 0.0 if not len(values) else 30.0 if values[0] else -30.0
        return np.zeros(z.shape[1]), np.ones(z.shape[1]), bias, 1 / (_PLAIN * max(len(y), 1))
    found = _chosen(z[known], y[known].astype(np.int64), _Classes(2), exponents)
    return found.coefficients[0], found.scale, float(found.intercept[0]), found.penalty


# ---- one problem -----------------------------------------------------------------------------------------------------


class _Classes:
    """Logistic regression; classes are 0, 1, ... and all are there."""

    def __init__(self, n: int) -> None:
        self.n = n

    def folds(self, x: _Array, y: NDArray[Any]) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        fewest = int(np.bincount(y).min())
        if fewest < 2:
            return iter(())
        splitter = StratifiedKFold(min(FOLDS, fewest), shuffle=True, random_state=0)
        return iter(splitter.split(x, y))

    def statistic(self, x: _Array, y: NDArray[Any]) -> _Array:
        mean = x.mean(axis=0)
        between = sum(
            (y == k).mean() * np.square(x[y == k].mean(axis=0) - mean) for k in range(self.n) if (y == k).any()
        )
        return _ratio(np.asarray(between), x.var(axis=0))

    def held_out(self, x: _Array, y: NDArray[Any], held: _Array) -> Iterator[_Array]:
        """Yield what fits with growing inverse penalties give for other samples, ``[samples, rows]``."""
        if self.n == 2 and len(x) <= _KERNEL_BELOW:
            dual, intercept = _kernel_logistic(x @ x.T, y, INVERSE)
            yield from ((held @ x.T @ dual.T + intercept).T)[:, :, None]
            return
        reduced, back = _reduced(x)
        held = held if back is None else held @ back.T
        model = LogisticRegression(class_weight="balanced", max_iter=1000, tol=1e-3, warm_start=True)
        rounded = reduced.astype(np.float32)  # twice as fast, and exact enough to choose by
        for c in INVERSE:  # each begins where the last one ended
            model.set_params(C=c).fit(rounded, y)
            yield held @ model.coef_.T + model.intercept_

    def fit(self, x: _Array, y: NDArray[Any], inverse: float) -> tuple[_Array, _Array]:
        """Return coefficients and intercepts."""
        model = LogisticRegression(C=inverse, class_weight="balanced", max_iter=5000, tol=1e-6).fit(x, y)
        return model.coef_, model.intercept_

    def loss(self, outputs: _Array, y: NDArray[Any]) -> float:
        if outputs.shape[1] == 1:
            outputs = np.concatenate([np.zeros_like(outputs), outputs], axis=1)
        weight = len(y) / (self.n * np.maximum(np.bincount(y, minlength=self.n), 1))[y]
        each = logsumexp(outputs, axis=1) - outputs[np.arange(len(y)), y]
        return float((weight * each).sum() / weight.sum())

    def penalty(self, inverse: float, n: int) -> float:
        return 1 / (2 * inverse * n)  # scikit-learn minimises C * sum of losses + |coef|^2 / 2


class _Values:
    """Ridge regression."""

    def folds(self, x: _Array, y: NDArray[Any]) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        if len(y) < 2:
            return iter(())
        return iter(KFold(min(FOLDS, len(y)), shuffle=True, random_state=0).split(x))

    def statistic(self, x: _Array, y: NDArray[Any]) -> _Array:
        spread = np.maximum(x.std(axis=0) * y.std(), 1e-12)
        r = ((x - x.mean(axis=0)) * (y - y.mean())[:, None]).mean(axis=0) / spread
        return _ratio(np.square(r), np.ones(x.shape[1]))

    def held_out(self, x: _Array, y: NDArray[Any], held: _Array) -> Iterator[_Array]:
        reduced, back = _reduced(x)
        held = held if back is None else held @ back.T
        for c in INVERSE:
            coefficients, intercept = self.fit(reduced, y, c)
            yield held @ coefficients.T + intercept

    def fit(self, x: _Array, y: NDArray[Any], inverse: float) -> tuple[_Array, _Array]:
        model = Ridge(alpha=1 / inverse).fit(x, y)
        return np.asarray(model.coef_)[None], np.array([float(model.intercept_)])

    def loss(self, outputs: _Array, y: NDArray[Any]) -> float:
        return float(np.square(outputs[:, 0] - y).mean())

    def penalty(self, inverse: float, n: int) -> float:
        return 1 / (inverse * n)


def _ratio(explained: _Array, total: _Array) -> _Array:
    """Return the root of explained over unexplained variance, of every score."""
    ratio: _Array = np.sqrt(explained / np.maximum(total - explained, 1e-6 * np.maximum(total, 1e-12)))
    return ratio


def _chosen(x: _Array, y: NDArray[Any], problem: _Classes | _Values, exponents: Sequence[int]) -> _One:
    """Return the fit of the power and penalty with the lowest mean loss in folds."""
    losses = np.zeros((len(exponents), len(INVERSE)))
    folds = list(problem.folds(x, y))
    for train, test in folds:
        for e, exponent in enumerate(exponents):
            scale = _scale(problem.statistic, x[train], y[train], exponent)
            for i, outputs in enumerate(problem.held_out(x[train] * scale, y[train], x[test] * scale)):
                losses[e, i] += len(test) * problem.loss(outputs, y[test])
    e, i = divmod(int(losses.argmin()), len(INVERSE)) if folds else (0, INVERSE.index(_PLAIN))
    scale = _scale(problem.statistic, x, y, exponents[e])
    reduced, back = _reduced(x * scale)
    coefficients, intercept = problem.fit(reduced, y, INVERSE[i])
    # A scale of at most 1 with larger weights in front of it is the same head, under a penalty that is as much smaller.
    most = float(scale.max())
    penalty = problem.penalty(INVERSE[i], len(y))
    coefficients = coefficients if back is None else coefficients @ back
    return _One(coefficients * most, scale / most, intercept, penalty / most**2)


def _scale(statistic: Callable[[_Array, NDArray[Any]], _Array], x: _Array, y: NDArray[Any], exponent: int) -> _Array:
    """Return the scales of the scores; their squares sum to 1, so that an inverse penalty means the same for each."""
    t = statistic(x, y)
    scale: _Array = np.maximum((t / max(float(t.max()), 1e-12)) ** exponent, _LEAST_SCALE)
    return scale / np.linalg.norm(scale)


def _reduced(x: _Array) -> tuple[_Array, _Array | None]:
    """Return samples in the space that they span, and the way back from its weights; None where it is no smaller."""
    if x.shape[1] <= len(x):
        return x, None
    squares, u = np.linalg.eigh(x @ x.T)
    kept = squares > 1e-12 * squares.max()
    s = np.sqrt(squares[kept])
    return u[:, kept] * s, (u[:, kept].T @ x) / s[:, None]


def _kernel_logistic(
    kernel: _Array, y: NDArray[np.int64], inverse: Sequence[float], steps: int = 30
) -> tuple[_Array, _Array]:
    """Return ``a [penalties, n]`` and ``b [penalties]`` of logistic regressions ``kernel @ a + b``, by Newton's method.

    Both classes count the same. Large steps are shortened: a logit changes by at most 5 at a time.
    """
    n, c = len(y), np.asarray(inverse)[:, None]
    weight = n / (2 * np.bincount(y, minlength=2))[y]
    dual, intercept = np.zeros((len(inverse), n)), np.zeros(len(inverse))
    logits, matrix = np.zeros((len(inverse), n)), np.empty((len(inverse), n, n))
    diagonal = np.arange(n)
    for _ in range(steps):
        p = 1 / (1 + np.exp(-logits))
        curvature = np.maximum(weight * p * (1 - p), 1e-6)
        matrix[:] = kernel
        matrix[:, diagonal, diagonal] += 1 / (c * curvature)
        right = np.stack([logits + weight * (y - p) / curvature, np.ones_like(logits)], axis=2)
        solved = np.linalg.solve(matrix, right)
        shift = solved[:, :, 0].sum(axis=1) / solved[:, :, 1].sum(axis=1)
        step = solved[:, :, 0] - shift[:, None] * solved[:, :, 1] - dual
        change = step @ kernel + (shift - intercept)[:, None]
        size = np.abs(change).max(axis=1)
        share = np.minimum(1, 5 / np.maximum(size, 1e-12))
        dual, intercept = dual + share[:, None] * step, intercept + share * (shift - intercept)
        logits = logits + share[:, None] * change
        if size.max() < 1e-3:
            break
    return dual, intercept
