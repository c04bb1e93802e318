"""A linear head on what an unsupervised network found: fitted on training samples, after the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression, Ridge

from kgreg.data.targets import Task
from kgreg.errors import FitError
from kgreg.fit.baseline import grid_of
from kgreg.fit.cox import fit_cox
from kgreg.fit.metrics import MAIN_METRIC, score
from kgreg.fit.selection import select_columns
from kgreg.nn.guided import GuidedNetwork

#: Weights ``[n_outputs, n_read]`` and biases ``[n_outputs]``.
Linear = tuple[NDArray[np.float64], NDArray[np.float64]]


def fit_probe(
    network: GuidedNetwork,
    task: Task,
    n_outputs: int,
    fit: tuple[NDArray[Any], NDArray[Any]],
    stop: tuple[NDArray[Any], NDArray[Any]],
    balanced: bool,
    seed: int,
) -> dict[str, float]:
    """Fit ``network.head`` to what it reads; return the penalty that was chosen.

    Logistic regression for classes and labels, ridge for values, Cox regression for survival, on columns of mean 0 and
    standard deviation 1 (folded into the weights). The penalty is chosen on the stopping part, then the head is fitted
    on both parts together, as the linear baseline is. With ``network.probe_p`` the head reads only those units of the
    named nodes that have a univariate p value below it in the samples that the head is fitted on.

    Parameters
    ----------
    fit, stop
        What is read ``[n, head.in_features]`` and the target, of the fitted and of the stopping part.
    balanced
        Whether classes, and both values of a label, count the same.

    Raises
    ------
    FitError
        If nothing of what is read varies over the samples.
    """
    read, target = (np.concatenate([a, b]) for a, b in zip(fit, stop, strict=True))
    mean, spread = read.mean(axis=0), read.std(axis=0)
    varies = np.flatnonzero(spread > 1e-8 * max(float(spread.max(initial=0.0)), 1e-30))
    if not len(varies):
        raise FitError(
            "What the head is to read has the same value in all training samples: the network has learned nothing.",
            "Lower the penalties of [network] (lasso, say) or the learning rate, or train for more epochs.",
        )
    fitters: dict[Task, Callable[[NDArray[Any], NDArray[Any], float], Linear]] = {
        "classification": lambda x, y, c: _classes(x, y, c, n_outputs, balanced, seed),
        "multilabel": lambda x, y, c: _labels(x, y, c, balanced, seed),
        "regression": _values,
        "survival": lambda x, y, penalty: (fit_cox(x, y, penalty)[None], np.zeros(1)),
    }
    fitter, (name, grid) = fitters[task], grid_of(task)

    def standardised(x: NDArray[Any], used: NDArray[np.int64]) -> NDArray[np.float64]:
        scaled: NDArray[np.float64] = ((x - mean) / np.where(spread > 0, spread, 1.0))[:, used].astype(np.float64)
        return scaled

    def chosen(x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.int64]:
        if network.probe_p is None:
            return varies
        units = int(network.term_widths.sum())  # what stands beside them, covariates say, is not chosen among
        told = select_columns(task, x[:, :units], y, network.probe_p)
        return varies[np.isin(varies, told) | (varies >= units)]

    of_fit = chosen(*fit)

    def quality(penalty: float) -> float:
        weight, bias = fitter(standardised(fit[0], of_fit), fit[1], penalty)
        outputs = standardised(stop[0], of_fit) @ weight.T + bias
        value = score(task, stop[1], _predicted(task, outputs).astype(np.float32))[MAIN_METRIC[task]]
        return value if np.isfinite(value) else -np.inf

    best = max(grid, key=quality)
    used = chosen(read, target)
    weight, bias = fitter(standardised(read, used), target, best)
    full = np.zeros((n_outputs, read.shape[1]))
    full[:, used] = weight / spread[used]
    with torch.no_grad():
        network.head.weight.copy_(torch.from_numpy(full))
        network.head.bias.copy_(torch.from_numpy(bias - full @ mean))
    return {name: best}


def _predicted(task: Task, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
    if task == "classification":
        return np.asarray(softmax(outputs, axis=1))
    return np.asarray(expit(outputs)) if task == "multilabel" else outputs


def _classes(x: NDArray[Any], y: NDArray[Any], c: float, n: int, balanced: bool, seed: int) -> Linear:
    model = LogisticRegression(C=c, class_weight="balanced" if balanced else None, max_iter=2000, random_state=seed)
    model.fit(x, y)
    weight, bias = np.zeros((n, x.shape[1])), np.full(n, -30.0)  # a class that was never seen is never predicted
    if len(model.classes_) == 2:  # one row for both
        weight[model.classes_] = np.stack([-model.coef_[0], model.coef_[0]]) / 2
        bias[model.classes_] = np.array([-model.intercept_[0], model.intercept_[0]]) / 2
    else:
        weight[model.classes_], bias[model.classes_] = model.coef_, model.intercept_
    return weight, bias


def _labels(x: NDArray[Any], y: NDArray[Any], c: float, balanced: bool, seed: int) -> Linear:
    weight, bias = np.zeros((y.shape[1], x.shape[1])), np.zeros(y.shape[1])
    for i in range(y.shape[1]):
        known = ~np.isnan(y[:, i])
        truth = y[known, i]
        if len(np.unique(truth)) == 2:
            model = LogisticRegression(
                C=c, class_weight="balanced" if balanced else None, max_iter=2000, random_state=seed
            ).fit(x[known], truth)
            weight[i], bias[i] = model.coef_[0], model.intercept_[0]
        elif len(truth):
            bias[i] = 30.0 if truth[0] else -30.0
    return weight, bias


def _values(x: NDArray[Any], y: NDArray[Any], alpha: float) -> Linear:
    model = Ridge(alpha=alpha).fit(x, y)
    return np.asarray(model.coef_, dtype=np.float64).reshape(1, -1), np.asarray([model.intercept_], dtype=np.float64)
