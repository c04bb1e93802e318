"""The kernel that turns what knockouts change in subsystems into means over groups of samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

# Sums may be reordered, which lets them vectorise; NaN and infinity keep their meaning.
_FAST = {"reassoc", "contract", "nsz", "arcp"}


@njit(fastmath=_FAST, error_model="numpy", cache=True)
def add_moved(hidden: Any, before: Any, inverse: Any, rows: Any, first: Any, last: Any, neurons: Any, weight: Any,
              total: Any) -> None:  # fmt: skip
    """Add to ``total [T, G]`` the weighted sums over samples of how far subsystems moved.

    Parameters
    ----------
    hidden
        What stands in the changed neurons now, ``[n, u]``.
    before, inverse
        What stood in all neurons, ``[N, B]``, and 1 / their standard deviations, ``[N]``.
    rows
        The samples of the columns of ``hidden``, as columns of ``before``.
    first, last
        Of every changed subsystem, its neurons as rows of ``hidden``.
    neurons
        Of every row of ``hidden``, its neuron.
    weight
        ``[G, B]``.
    """
    squares = np.empty(rows.size, hidden.dtype)
    for t in range(first.size):
        squares[:] = 0
        for i in range(first[t], last[t]):
            base, scale, now = before[neurons[i]], inverse[neurons[i]], hidden[i]
            for b in range(rows.size):
                moved = (now[b] - base[rows[b]]) * scale
                squares[b] += moved * moved
        per_neuron = hidden.dtype.type(1.0 / (last[t] - first[t]))
        for b in range(rows.size):
            squares[b] = math.sqrt(squares[b] * per_neuron)
        for g in range(total.shape[1]):
            found = 0.0
            for b in range(rows.size):
                found += weight[g, rows[b]] * squares[b]
            total[t, g] += found
