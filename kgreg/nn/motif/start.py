"""A linear head before the first step: a penalised fit, its penalty chosen by cross-validation."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold, StratifiedKFold

from kgreg.nn.readout import Link

#: Penalties that are tried: the weight of ``|w|^2`` beside the mean loss of a sample.
PENALTIES = tuple(float(10.0**e) for e in np.arange(-3.0, 2.6, 0.5))
FOLDS = 5


class LinearStart(NamedTuple):
    """A linear head: ``weight [n_outputs, n]``, ``bias [n_outputs]``, and the ``penalty`` of every output's weights.

    Weights and bias are the minimum of the mean loss of the task plus ``sum_k penalty_k |weight_k|^2``.
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    penalty: NDArray[np.float64]


def fit_start(z: NDArray[Any], target: NDArray[Any], link: Link, n_outputs: int) -> LinearStart | None:
    """Return a head for scores ``z [samples, n]``; None if the target is none that a linear head can be fitted to.

    Logistic regression for classes and labels, every class counting the same; ridge regression for values.
    The penalty has the lowest mean loss in five folds within the samples given (of a label or class with fewer than two
    samples: the middle one of :data:`PENALTIES`). There are more motifs than samples more often than not: all is fitted
    in the space of the samples, where the penalised solution lies.
    """
    z = np.asarray(z, dtype=np.float64)
    if link == "softmax":
        return _classes(z, target.astype(np.int64), n_outputs)
    if link == "sigmoid":
        parts = [_label(z, target[:, k].astype(np.float64)) for k in range(n_outputs)]
        return LinearStart(*(np.stack([part[i] for part in parts]) for i in range(3)))
    if target.ndim > 1 or not np.issubdtype(target.dtype, np.floating):
        return None
    return _values(z, target.astype(np.float64))


def _reduced(z: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the samples in the space that they span, and the way back from its weights to those of the scores."""
    if z.shape[1] <= len(z):
        return z, np.eye(z.shape[1])
    u, s, vt = np.linalg.svd(z, full_matrices=False)
    return u * s, vt


def _logistic(penalty: float, n: int, scale: float) -> LogisticRegression:
    """Return the model of ``n`` samples; scikit-learn minimises ``C * sum of losses + |coef|^2 / 2``.

    ``scale`` is 1/2 where the coefficients are the weights of the head, and 1 for two classes, whose weights are
    ``-coef / 2`` and ``coef / 2``.
    """
    return LogisticRegression(C=scale / (penalty * n), class_weight="balanced", max_iter=1000)


def _chosen(x: NDArray[np.float64], y: NDArray[np.int64], scale: float) -> float:
    """Return the penalty of the lowest loss in folds, of classes ``y`` 0, 1, ..."""
    fewest = int(np.bincount(y).min())
    if fewest < 2:
        return PENALTIES[len(PENALTIES) // 2]
    folds = list(StratifiedKFold(min(FOLDS, fewest), shuffle=True, random_state=0).split(x, y))
    classes = int(y.max()) + 1
    weight = len(y) / (classes * np.bincount(y))
    losses = []
    for penalty in PENALTIES:
        total = 0.0
        for train, test in folds:
            model = _logistic(penalty, len(train), scale).fit(x[train], y[train])
            total += len(test) * log_loss(
                y[test], model.predict_proba(x[test]), sample_weight=weight[y[test]], labels=range(classes)
            )
        losses.append(total)
    return PENALTIES[int(np.argmin(losses))]


def _classes(z: NDArray[np.float64], y: NDArray[np.int64], n_outputs: int) -> LinearStart:
    seen, own = np.unique(y, return_inverse=True)
    weight, bias = np.zeros((n_outputs, z.shape[1])), np.full(n_outputs, -30.0)  # what was never seen is not predicted
    if len(seen) == 1:
        bias[seen] = 0.0
        return LinearStart(weight, bias, np.full(n_outputs, PENALTIES[len(PENALTIES) // 2]))
    x, back = _reduced(z)
    scale = 1.0 if len(seen) == 2 else 0.5
    penalty = _chosen(x, own, scale)
    model = _logistic(penalty, len(x), scale).fit(x, own)
    coefficients = model.coef_ @ back
    if len(seen) == 2:
        weight[seen] = np.concatenate([-coefficients, coefficients]) / 2
        bias[seen] = np.array([-model.intercept_[0], model.intercept_[0]]) / 2
    else:
        weight[seen], bias[seen] = coefficients, model.intercept_
    return LinearStart(weight, bias, np.full(n_outputs, penalty))


def _label(z: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], float, float]:
    known = np.isfinite(y)
    values = np.unique(y[known])
    if len(values) < 2:
        always = 30.0 if len(values) and values[0] else -30.0
        return np.zeros(z.shape[1]), always if len(values) else 0.0, PENALTIES[len(PENALTIES) // 2]
    x, back = _reduced(z[known])
    own = y[known].astype(np.int64)
    penalty = _chosen(x, own, 0.5)
    model = _logistic(penalty, len(x), 0.5).fit(x, own)
    return (model.coef_ @ back)[0], float(model.intercept_[0]), penalty


def _values(z: NDArray[np.float64], y: NDArray[np.float64]) -> LinearStart:
    x, back = _reduced(z)
    folds = list(KFold(min(FOLDS, len(y)), shuffle=True, random_state=0).split(x)) if len(y) > 1 else []
    losses = [
        sum(float(np.square(Ridge(alpha=p * len(a)).fit(x[a], y[a]).predict(x[b]) - y[b]).sum()) for a, b in folds)
        for p in PENALTIES
    ]
    penalty = PENALTIES[int(np.argmin(losses))]
    model = Ridge(alpha=penalty * len(y)).fit(x, y)
    return LinearStart((model.coef_ @ back)[None], np.array([float(model.intercept_)]), np.array([penalty]))
