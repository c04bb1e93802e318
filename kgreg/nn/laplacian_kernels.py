"""Kernels of :mod:`kgreg.nn.laplacian` on the CPU: a symmetric matrix that holds every edge once.

``pointer [n + 1]``, ``column [m]`` and ``value [m]`` are the strict upper triangle by rows, columns ascending within a
row; ``diagonal [n]`` is apart. All is one thread's work, so that sums have one order. The kernels call nothing of other
files: what numba has cached of them follows from this one (compare ``MADE_WITH`` in :mod:`kgreg.nn.hierarchy.kernels`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

# Products and sums may be one operation; sums are not reordered.
_OPTIONS: dict[str, Any] = {"fastmath": {"contract"}, "error_model": "numpy", "cache": True}


@njit(**_OPTIONS)
def fill(one: Any, two: Any, weight: Any, factor: Any, pointer: Any, column: Any, value: Any) -> int:
    """Fill the triangle with ``-weight * factor[one] * factor[two]``, given edges in any order and direction.

    ``pointer`` comes as zeros. Two counting sorts, by column and then by row; besides the triangle there is one array
    of positions. Returns where in ``column`` a pair stands for the second time, or -1.
    """
    n, m = pointer.size - 1, one.size
    begin = np.zeros(n + 1, np.int32)
    for e in range(m):
        begin[max(one[e], two[e]) + 1] += 1
        pointer[min(one[e], two[e]) + 1] += 1
    for i in range(n):
        begin[i + 1] += begin[i]
        pointer[i + 1] += pointer[i]
    order = np.empty(m, np.int32)
    for e in range(m):
        high = max(one[e], two[e])
        order[begin[high]] = e
        begin[high] += 1
    begin[:] = pointer
    for e in order:
        low, high = min(one[e], two[e]), max(one[e], two[e])
        column[begin[low]] = high
        value[begin[low]] = -weight[e] * factor[low] * factor[high]
        begin[low] += 1
    for i in range(n):
        for e in range(pointer[i] + 1, pointer[i + 1]):
            if column[e] == column[e - 1]:
                return e
    return -1


@njit(**_OPTIONS)
def add_both(one: Any, two: Any, v: Any, w_one: Any, w_two: Any) -> None:
    """Add what an edge with the value ``v`` brings to the rows of its two ends."""
    for c in range(one.size):
        one[c] += v * w_two[c]
        two[c] += v * w_one[c]


@njit(**_OPTIONS)
def multiply(pointer: Any, column: Any, value: Any, diagonal: Any, w: Any, out: Any, total: Any) -> None:
    """Add ``L w`` to ``out [n, k]``, which comes as zeros, and ``w.T L w`` of every column to ``total [k]``."""
    kind = out.dtype.type
    for i in range(w.shape[0]):
        own, row = w[i], out[i]
        d = kind(diagonal[i])
        for c in range(own.size):
            row[c] += d * own[c]
        for e in range(pointer[i], pointer[i + 1]):
            j = np.uintp(column[e])  # unsigned: no position counts from the end
            add_both(row, out[j], kind(value[e]), own, w[j])
        # The edges to earlier rows have brought their part: this row is done, and still in the cache.
        for c in range(own.size):
            total[c] += own[c] * row[c]
