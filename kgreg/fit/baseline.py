"""The linear baseline that stands beside every network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge

from kgreg.data.samples import Samples
from kgreg.data.scaling import Scaler
from kgreg.data.splits import Split
from kgreg.fit.metrics import MAIN_METRIC, score
from kgreg.fit.settings import TrainSettings

#: Inverse penalties tried for logistic regression, penalties tried for ridge.
C_GRID = (0.01, 0.1, 1.0)
ALPHA_GRID = (1.0, 10.0, 100.0, 1000.0)


def fit_baseline(
    samples: Samples,
    features: Sequence[str] | pd.DataFrame,
    split: Split,
    settings: TrainSettings,
    seed: int,
    extra: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Fit a linear model to the same features, rows and scaling as the network; return its test prediction.

    Logistic regression (L2) for classes, ridge for values. The penalty is chosen on the stopping part, as the
    network's best epoch is; the model is then fitted on the whole training part.

    Parameters
    ----------
    features
        See :meth:`kgreg.data.Samples.columns`.
    extra
        ``[n_samples, m]`` further inputs, scaled already, such as :func:`kgreg.data.dense_inputs` returns.

    Returns
    -------
    predicted, chosen
        ``[n_test, n_classes]`` probabilities or ``[n_test, 1]`` values; the penalty that was chosen.
    """
    x = samples.columns(features)
    scaled = Scaler.fit(x[split.train], settings.scale).transform(x)
    if extra is not None:
        scaled = np.concatenate([scaled, extra], axis=1)
    metric = MAIN_METRIC[samples.task]
    grid = C_GRID if samples.task == "classification" else ALPHA_GRID

    def predict(penalty: float, rows: NDArray[np.int64], on: NDArray[np.int64]) -> NDArray[np.float32]:
        if samples.task == "regression":
            ridge = Ridge(alpha=penalty).fit(scaled[rows], samples.target[rows])
            return np.asarray(ridge.predict(scaled[on]), dtype=np.float32)[:, None]
        weight = "balanced" if settings.class_weight == "balanced" else None
        model = LogisticRegression(C=penalty, class_weight=weight, max_iter=2000, random_state=seed)
        model.fit(scaled[rows], samples.target[rows])
        probability = np.zeros((len(on), len(samples.classes)), dtype=np.float32)
        probability[:, model.classes_] = model.predict_proba(scaled[on])
        return probability

    def quality(penalty: float) -> float:
        value = score(samples.task, samples.target[split.stop], predict(penalty, split.fit, split.stop))[metric]
        return value if np.isfinite(value) else -np.inf

    best = max(grid, key=quality)
    name = "C" if samples.task == "classification" else "alpha"
    return predict(best, split.train, split.test), {name: best}
