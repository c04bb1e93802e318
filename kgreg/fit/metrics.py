"""Metrics of one test part, intervals over folds, and the comparison of two arms on the same folds."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    log_loss,
    r2_score,
    roc_auc_score,
)

from kgreg.data.targets import Task

#: The metric that verdicts are about, by task.
MAIN_METRIC: dict[Task, str] = {
    "classification": "balanced_accuracy",
    "regression": "pearson_r",
    "multilabel": "auroc",
    "survival": "concordance",
}

#: Rows of pairs that are compared at once.
_PAIR_ROWS = 512


@dataclass(frozen=True)
class Interval:
    """A mean over ``n`` values with its 95 % interval."""

    mean: float
    low: float
    high: float
    n: int

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)


def score(task: Task, target: NDArray[Any], predicted: NDArray[np.float32]) -> dict[str, float]:
    """Score one test part.

    Parameters
    ----------
    target
        As ``Samples.target``.
    predicted
        ``[n, n_classes]`` or ``[n, n_labels]`` probabilities, or ``[n, 1]`` values or risks.

    Returns
    -------
    dict
        Classification: balanced_accuracy, accuracy, macro_f1, auroc (one against the rest, macro; NaN if a class is
        absent), log_loss. Regression: pearson_r (NaN if the prediction is constant), r2, rmse. Multilabel: auroc and
        average_precision, means over the labels with both values (see :func:`score_labels`). Survival: concordance.
    """
    if task == "multilabel":
        by_label = score_labels(target, predicted)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Mean of empty slice")
            return {metric: float(np.nanmean(values)) for metric, values in by_label.items()}
    if task == "survival":
        return {"concordance": concordance(target[:, 0], target[:, 1], predicted[:, 0])}
    if task == "regression":
        value = predicted[:, 0]
        constant = np.ptp(value) == 0 or np.ptp(target) == 0
        return {
            "pearson_r": float("nan") if constant else float(stats.pearsonr(target, value).statistic),
            "r2": float(r2_score(target, value)),
            "rmse": float(np.sqrt(np.mean((target - value) ** 2))),
        }
    n_classes = predicted.shape[1]
    probability = predicted.astype(np.float64)
    probability /= probability.sum(axis=1, keepdims=True)
    chosen = probability.argmax(axis=1)
    present = len(np.unique(target)) == n_classes
    auroc = float("nan")
    if present:
        given = probability[:, 1] if n_classes == 2 else probability
        auroc = float(roc_auc_score(target, given, multi_class="ovr"))
    with warnings.catch_warnings():
        # A class that is predicted but absent from the test part is not averaged over; that is what is wanted.
        warnings.filterwarnings("ignore", "y_pred contains classes not in y_true")
        balanced = float(balanced_accuracy_score(target, chosen))
    return {
        "balanced_accuracy": balanced,
        "accuracy": float(accuracy_score(target, chosen)),
        "macro_f1": float(f1_score(target, chosen, average="macro", zero_division=0)),
        "auroc": auroc,
        "log_loss": float(log_loss(target, probability, labels=np.arange(n_classes))),
    }


def score_labels(target: NDArray[Any], predicted: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    """Score every label of ``target [n, n_labels]`` (0, 1, NaN) over the samples in which it is known.

    Returns
    -------
    dict
        auroc and average_precision, each ``[n_labels]``; NaN for a label without both values.
    """
    n_labels = target.shape[1]
    scores = {name: np.full(n_labels, np.nan) for name in ("auroc", "average_precision")}
    for i in range(n_labels):
        known = ~np.isnan(target[:, i])
        truth, given = target[known, i], predicted[known, i]
        if len(np.unique(truth)) == 2:
            scores["auroc"][i] = roc_auc_score(truth, given)
            scores["average_precision"][i] = average_precision_score(truth, given)
    return scores


def concordance(time: NDArray[Any], event: NDArray[Any], risk: NDArray[Any]) -> float:
    """Return Harrell's concordance index (1982): the share of comparable pairs that the risk puts in order.

    A pair is comparable if the sample with the shorter time had the event; at one time, an event comes before a
    censored sample, and two events are not compared. Equal risks count half. NaN without a comparable pair.

    Parameters
    ----------
    time, event, risk
        ``[n]``; a higher risk means an earlier event.
    """
    died = np.flatnonzero(event)
    pairs, right = 0, 0.0
    for start in range(0, len(died), _PAIR_ROWS):
        rows = died[start : start + _PAIR_ROWS, None]
        after = (time > time[rows]) | ((time == time[rows]) & (event == 0))
        pairs += int(after.sum())
        right += float((after & (risk < risk[rows])).sum()) + 0.5 * float((after & (risk == risk[rows])).sum())
    return right / pairs if pairs else float("nan")


def fold_interval(values: NDArray[np.float64], test_share: float) -> Interval:
    """Return mean and 95 % interval of one value a fold.

    Training parts of the folds overlap, so the variance is the corrected one of Nadeau & Bengio (2003):
    ``s^2 (1/n + n_test/n_train)``, Student's t with n - 1 degrees of freedom.

    Parameters
    ----------
    values
        ``[n_folds]``.
    test_share
        ``n_test / n_train`` of a fold.
    """
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    n = len(values)
    mean = float(values.mean()) if n else float("nan")
    if n < 2:
        return Interval(mean, float("nan"), float("nan"), n)
    half = stats.t.ppf(0.975, n - 1) * np.sqrt(values.var(ddof=1) * (1 / n + test_share))
    return Interval(mean, mean - float(half), mean + float(half), n)


def compare(a: NDArray[np.float64], b: NDArray[np.float64], test_share: float) -> dict[str, Any]:
    """Compare two arms on the same folds: difference a - b with its interval and two-sided p (same correction)."""
    difference = np.asarray(a, dtype=float) - np.asarray(b, dtype=float)
    interval = fold_interval(difference, test_share)
    n = interval.n
    p = float("nan")
    if n > 1:
        error = np.sqrt(difference[np.isfinite(difference)].var(ddof=1) * (1 / n + test_share))
        p = float(2 * stats.t.sf(abs(interval.mean) / error, n - 1)) if error > 0 else float(interval.mean == 0)
    return {"difference": interval.mean, "low": interval.low, "high": interval.high, "n": n, "p": p}
