"""Which filters a network can do without."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


def not_needed(
    read: Tensor, candidates: NDArray[np.int64], loss_of: Callable[[Tensor], float], tolerance: float = 0.0
) -> NDArray[np.int64]:
    """Return the filters without which, all of them together, the loss is at most ``tolerance`` higher.

    A filter is removed by holding its activation at 0, the mean of the training samples. One after the other, from the
    one that is missed least by itself, each is given up if the loss stays within the tolerance without it and without
    those given up before: of two filters that can stand in for each other, one stays.

    Parameters
    ----------
    read
        Activations ``[samples, filters]`` of samples that the network was not trained on.
    candidates
        Positions of the filters that may be given up.
    loss_of
        Returns the loss of activations.
    """
    most = loss_of(read) + tolerance
    alone = np.array([loss_of(_without(read, [int(k)])) for k in candidates])
    given_up: list[int] = []
    for k in candidates[np.argsort(alone, kind="stable")].tolist():
        if loss_of(_without(read, [*given_up, k])) <= most:
            given_up.append(k)
    return np.array(sorted(given_up), dtype=np.int64)


def _without(read: Tensor, filters: list[int]) -> Tensor:
    changed = read.clone()
    changed[:, filters] = 0
    return changed
