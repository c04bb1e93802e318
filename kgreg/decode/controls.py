"""Nodes that matter more for the real samples than for control inputs: what the shape of a network cannot explain."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from kgreg.data.samples import Samples
from kgreg.errors import DataError
from kgreg.fit.arms import Job

#: Columns of :func:`compare_with_controls`.
COLUMNS = ("weight", "n", "control", "n_control", "difference", "low", "high", "t", "p", "q")


def relative(values: NDArray[np.float64], kinds: NDArray[Any]) -> NDArray[np.float64]:
    """Return sizes ``[..., n_nodes]`` brought to 0 (the least of its kind in a network) .. 1 (the largest)."""
    scaled = np.abs(values)
    for kind in np.unique(kinds):
        mine = kinds == kind
        least = np.nanmin(scaled[..., mine], axis=-1, keepdims=True)
        span = np.nanmax(scaled[..., mine], axis=-1, keepdims=True) - least
        scaled[..., mine] = (scaled[..., mine] - least) / np.where(span > 0, span, 1.0)
    return scaled


def compare_with_controls(real: NDArray[np.float64], control: NDArray[np.float64], info: pd.DataFrame) -> pd.DataFrame:
    """Compare the weights of nodes in networks of the samples and of control inputs.

    Both are relative to the other nodes of the same network and kind (see :func:`relative`). The means over networks
    are compared by Welch's t-test, two-sided; q is Benjamini and Hochberg's, within a kind. Networks that differ in
    nothing but their seed are not independent samples: p speaks of training, not of other samples.

    Parameters
    ----------
    real, control
        ``[n_networks, n_nodes]`` weights; at least two networks each.
    info
        Names of the nodes, one row each, with a column ``kind``.

    Returns
    -------
    DataFrame
        ``info``, and ``weight, n, control, n_control`` (means and networks), ``difference, low, high`` (95 %), ``t``,
        ``p``, ``q``; sorted by kind and falling ``t``.

    Raises
    ------
    DataError
        If there are fewer than two networks of either.
    """
    if min(len(real), len(control)) < 2:
        raise DataError(
            f"Real and control inputs are compared over networks; there are {len(real)} and {len(control)}.",
            "Train more replicates, or raise [decode] accept.",
        )
    kinds = info["kind"].to_numpy()
    one, two = relative(real, kinds), relative(control, kinds)
    with np.errstate(invalid="ignore", divide="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a node that is the least, or the largest, of every network
        found = stats.ttest_ind(one, two, axis=0, equal_var=False)
        interval = found.confidence_interval(0.95)
    q = np.full(len(info), np.nan)
    for kind in np.unique(kinds):
        mine = np.flatnonzero((kinds == kind) & np.isfinite(found.pvalue))
        if len(mine):
            q[mine] = stats.false_discovery_control(found.pvalue[mine])
    table = info.reset_index(drop=True).assign(
        weight=one.mean(axis=0), n=len(one), control=two.mean(axis=0), n_control=len(two),
        difference=one.mean(axis=0) - two.mean(axis=0), low=interval.low, high=interval.high,
        t=found.statistic, p=found.pvalue, q=q,
    )  # fmt: skip
    return table.sort_values(["kind", "t"], ascending=[False, False], kind="stable").reset_index(drop=True)


def network_errors(predictions: pd.DataFrame, jobs: list[Job], samples: Samples) -> dict[str, float]:
    """Return the error of every network on its test samples: the mean of ``|y - prediction|``, classes weighing alike.

    It is what KPNN accepts networks by. For classes ``1 - p`` of the true class; for labels the mean over those with
    both values.

    Raises
    ------
    DataError
        If there are neither classes nor labels.
    """
    if samples.task not in ("classification", "multilabel"):
        raise DataError(
            f"Networks are accepted by the error of classes or labels; the task is {samples.task}.",
            "Leave out [decode] accept.",
        )
    errors = {}
    tables = dict(iter(predictions.groupby(["arm", "fold", "replicate"])))
    for job in jobs:
        table = tables[job.arm.name, job.split.fold, job.replicate]
        if samples.task == "classification":
            miss = 1 - table[samples.classes].to_numpy()
            target = table["target"].astype(str).to_numpy()
            each = [miss[target == name, c].mean() for c, name in enumerate(samples.classes) if (target == name).any()]
        else:
            each = []
            for name in samples.labels:
                truth, predicted = table[f"target.{name}"].to_numpy(dtype=float), table[name].to_numpy()
                sides = [np.abs(predicted - value)[truth == value] for value in (0, 1)]
                each += [float(np.mean([side.mean() for side in sides]))] if all(map(len, sides)) else []
        errors[job.name] = float(np.mean(each)) if each else float("nan")
    return errors
