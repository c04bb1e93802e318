"""Scores that few windows of random sequence reach: the exact distribution of a filter's score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kgreg.nn.motif.filters import UNIFORM

#: Steps that the range of a filter's scores is divided into.
STEPS = 1000


def score_thresholds(
    filters: Sequence[NDArray[Any]], p: float, background: Sequence[float] = UNIFORM, steps: int = STEPS
) -> NDArray[np.float64]:
    """Return for every filter the lowest score that a random window reaches with a probability of at most ``p``.

    The bases of a window are independent draws from the background. As in FIMO (Grant, Bailey & Noble 2011), scores are
    rounded to whole numbers of steps (a thousandth of the range of the filter's scores by default), and their
    distribution follows by convolution, position after position: exact for the rounded scores, which differ from the
    true ones by at most half a step a position. Where no window is as rare as ``p``, the threshold is one step above
    the best score.

    Parameters
    ----------
    filters
        ``[width, 4]`` each.
    p
        Probability, for one window on one strand.
    """
    bases = np.asarray(background, dtype=np.float64)
    thresholds = np.empty(len(filters))
    for i, values in enumerate(filters):
        whole, lowest, step = _in_steps(np.asarray(values, dtype=np.float64), steps)
        thresholds[i] = _lowest_rare(whole, bases, p) * step + lowest
    return thresholds


def score_distribution(
    values: NDArray[Any], background: Sequence[float] = UNIFORM, steps: int = STEPS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the scores of a filter ``[width, 4]`` in steps, ascending, and the probability of each."""
    whole, lowest, step = _in_steps(np.asarray(values, dtype=np.float64), steps)
    mass: NDArray[np.float64] = _distribution(whole, np.asarray(background, dtype=np.float64))
    return np.float64(lowest) + step * np.arange(len(mass), dtype=np.float64), mass


def _in_steps(values: NDArray[np.float64], steps: int) -> tuple[NDArray[np.int64], float, float]:
    """Return a filter in steps above the least of every position, the lowest score, and the size of a step."""
    least = values.min(axis=1, keepdims=True)
    step = float((values - least).max(axis=1).sum()) / steps or 1.0
    return np.rint((values - least) / step).astype(np.int64), float(least.sum()), step


@njit(cache=True)
def _distribution(whole: Any, bases: Any) -> Any:
    """Return the probability of every sum of one entry a row of ``whole [width, 4]``."""
    most = 0
    for j in range(len(whole)):
        most += whole[j].max()
    mass = np.zeros(most + 1)
    mass[0] = 1.0
    reached = 0
    for j in range(len(whole)):
        following = np.zeros(most + 1)
        for s in range(reached + 1):
            if mass[s] > 0:
                for base in range(4):
                    following[s + whole[j, base]] += mass[s] * bases[base]
        reached += whole[j].max()
        mass = following
    return mass


@njit(cache=True)
def _lowest_rare(whole: Any, bases: Any, p: float) -> int:
    """Return the lowest sum that is reached with a probability of at most ``p``."""
    mass = _distribution(whole, bases)
    tail = 0.0
    for s in range(len(mass) - 1, -1, -1):
        tail += mass[s]
        if tail > p:
            return s + 1
    return 0
