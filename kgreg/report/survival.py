"""Survival of groups of samples: the Kaplan-Meier estimate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

#: The groups by predicted risk, lowest first.
TERTILES = ("low risk", "middle risk", "high risk")


def kaplan_meier(time: NDArray[Any], event: NDArray[Any]) -> pd.DataFrame:
    """Estimate survival by Kaplan and Meier (1958): ``S(t) = prod (1 - events / at risk)`` over the times up to t.

    Parameters
    ----------
    time, event
        ``[n]``: time, and whether the event happened (else the sample was censored at that time).

    Returns
    -------
    DataFrame
        One row a distinct time, in order, after one for time 0: ``time, at_risk, events, censored, survival, low,
        high`` (95 %, Greenwood's variance on the scale of log(-log S); NaN where nobody survives).
    """
    times, position = np.unique(np.asarray(time, dtype=float), return_inverse=True)
    died = np.bincount(position, weights=np.asarray(event, dtype=float), minlength=len(times))
    leaving = np.bincount(position, minlength=len(times))
    at_risk = len(position) - np.cumsum(leaving) + leaving
    survival = np.cumprod(1 - died / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(died / (at_risk * (at_risk - died)))
        half = stats.norm.ppf(0.975) * np.sqrt(greenwood) / np.log(survival)
        low, high = (survival ** np.exp(sign * half) for sign in (-1, 1))
    low, high = (np.where(survival == 1, 1.0, np.where(survival == 0, np.nan, end)) for end in (low, high))
    table = pd.DataFrame(
        {
            "time": times,
            "at_risk": at_risk,
            "events": died.astype(int),
            "censored": leaving - died.astype(int),
            "survival": survival,
            "low": low,
            "high": high,
        }
    )
    first = {
        "time": 0.0,
        "at_risk": len(position),
        "events": 0,
        "censored": 0,
        "survival": 1.0,
        "low": 1.0,
        "high": 1.0,
    }
    return pd.concat([pd.DataFrame([first]), table], ignore_index=True)


def risk_tertiles(predictions: pd.DataFrame, arm: str = "graph") -> pd.DataFrame:
    """Return ``sample, fold, time, event, risk, tertile`` of the test samples, risks averaged over replicates.

    Tertiles are made within each fold: the networks of different folds measure risk on different scales.
    """
    own = predictions[predictions["arm"] == arm]
    mean = own.groupby(["fold", "sample"], sort=False, as_index=False).agg(
        time=("time", "first"), event=("event", "first"), risk=("risk", "mean")
    )
    by_fold = mean.groupby("fold")["risk"]
    place = (by_fold.rank(method="first") - 1) * len(TERTILES) // by_fold.transform("size")
    return mean.assign(tertile=np.asarray(TERTILES)[place.to_numpy(dtype=int)])
