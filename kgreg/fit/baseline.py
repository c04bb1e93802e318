"""The linear baseline that stands beside every network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge

from kgreg.data.presence import Presence
from kgreg.data.samples import Samples
from kgreg.data.scaling import Scaler
from kgreg.data.splits import Split
from kgreg.data.targets import Task
from kgreg.fit.cox import fit_cox
from kgreg.fit.metrics import MAIN_METRIC, score
from kgreg.fit.settings import TrainSettings

#: Inverse penalties tried for logistic regression, penalties tried for ridge and for Cox regression.
C_GRID = (0.01, 0.1, 1.0)
ALPHA_GRID = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
PENALTY_GRID = (10.0, 1.0, 0.1, 0.01)

#: What is tried for a task, and what it is called.
_GRIDS: dict[Task, tuple[str, tuple[float, ...]]] = {
    "classification": ("C", C_GRID),
    "regression": ("alpha", ALPHA_GRID),
    "multilabel": ("C", C_GRID),
    "survival": ("penalty", PENALTY_GRID),
}

Rows = NDArray[np.int64]


def grid_of(task: Task) -> tuple[str, tuple[float, ...]]:
    """Return the name of a linear model's penalty, and the values that are tried."""
    return _GRIDS[task]


def fit_baseline(
    samples: Samples,
    features: Sequence[str] | pd.DataFrame,
    split: Split,
    settings: TrainSettings,
    seed: int,
    extra: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Fit a linear model to the same features, rows and scaling as the network; return its test prediction.

    Logistic regression (L2) for classes, one for every label, ridge for values, Cox regression (L2) for survival. The
    penalty is chosen on the stopping part, as the network's best epoch is; the model is then fitted on the whole
    training part.

    Parameters
    ----------
    features
        See :meth:`kgreg.data.Samples.columns`. Where samples lack a modality the scaling is fitted without them, and
        what they lack is 0, as for the network; that needs the table.
    extra
        ``[n_samples, m]`` further inputs, scaled already, such as :func:`kgreg.data.dense_inputs` returns.

    Returns
    -------
    predicted, chosen
        Probabilities ``[n_test, n_classes]`` or ``[n_test, n_labels]``, values or log partial hazards ``[n_test, 1]``;
        the penalty that was chosen.
    """
    x = samples.columns(features)
    presence = None
    if isinstance(features, pd.DataFrame):
        presence = Presence.of(samples, features["modality"].tolist())
    seen = None if presence is None else presence.rows(split.train)
    scaled = Scaler.fit(x[split.train], settings.scale, seen).transform(x, presence)
    if extra is not None:
        scaled = np.concatenate([scaled, extra], axis=1)
    balanced = settings.class_weight == "balanced"
    predictors: dict[Task, Callable[[float, Rows, Rows], NDArray[Any]]] = {
        "classification": lambda c, rows, on: _classes(samples, scaled, c, rows, on, balanced, seed),
        "regression": lambda alpha, rows, on: _values(samples, scaled, alpha, rows, on),
        "multilabel": lambda c, rows, on: _labels(samples, scaled, c, rows, on, balanced, seed),
        "survival": lambda penalty, rows, on: _risk(samples, scaled, penalty, rows, on),
    }
    predict = predictors[samples.task]
    metric = MAIN_METRIC[samples.task]

    def quality(penalty: float) -> float:
        predicted = predict(penalty, split.fit, split.stop).astype(np.float32)
        value = score(samples.task, samples.target[split.stop], predicted)[metric]
        return value if np.isfinite(value) else -np.inf

    name, grid = _GRIDS[samples.task]
    best = max(grid, key=quality)
    return predict(best, split.train, split.test).astype(np.float32), {name: best}


def _classes(
    samples: Samples, scaled: NDArray[np.float32], c: float, rows: Rows, on: Rows, balanced: bool, seed: int
) -> NDArray[Any]:
    model = _logistic(c, balanced, seed).fit(scaled[rows], samples.target[rows])
    probability = np.zeros((len(on), len(samples.classes)), dtype=np.float32)
    probability[:, model.classes_] = model.predict_proba(scaled[on])
    return probability


def _labels(
    samples: Samples, scaled: NDArray[np.float32], c: float, rows: Rows, on: Rows, balanced: bool, seed: int
) -> NDArray[Any]:
    """Fit every label to the rows in which it is known; one that does not vary there is predicted at its rate."""
    probability = np.full((len(on), len(samples.labels)), 0.5)
    for i in range(len(samples.labels)):
        truth = samples.target[rows, i]
        known = ~np.isnan(truth)
        if len(np.unique(truth[known])) == 2:
            model = _logistic(c, balanced, seed).fit(scaled[rows[known]], truth[known])
            probability[:, i] = model.predict_proba(scaled[on])[:, 1]
        elif known.any():
            probability[:, i] = truth[known].mean()
    return probability


def _logistic(c: float, balanced: bool, seed: int) -> Any:
    weight = "balanced" if balanced else None
    return LogisticRegression(C=c, class_weight=weight, max_iter=2000, random_state=seed)


def _values(samples: Samples, scaled: NDArray[np.float32], alpha: float, rows: Rows, on: Rows) -> NDArray[Any]:
    ridge = Ridge(alpha=alpha).fit(scaled[rows], samples.target[rows])
    return np.asarray(ridge.predict(scaled[on]))[:, None]


def _risk(samples: Samples, scaled: NDArray[np.float32], penalty: float, rows: Rows, on: Rows) -> NDArray[Any]:
    coefficients = fit_cox(scaled[rows], samples.target[rows], penalty)
    return (scaled[on] @ coefficients)[:, None]
