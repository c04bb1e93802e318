"""Kernels that list the values of each feature that are not 0."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from kgreg.nn.hierarchy.rows import OPTIONS

#: Digest of the code that is compiled in here from elsewhere; see :mod:`kgreg.nn.hierarchy.rows`.
MADE_WITH = "d2e5a0c9355a"
_COLUMNS = 256  # features a task counts: a few cache lines of every sample


@njit(parallel=True, **OPTIONS)
def count_by_feature(x: Any, counts: Any) -> None:
    """Fill ``counts [R, I]`` with the number of values of ``x [R, B, I]`` that are not 0."""
    networks, batch, inputs = x.shape
    pieces = (inputs + _COLUMNS - 1) // _COLUMNS
    for task in prange(networks * pieces):
        r, first = task // pieces, task % pieces * _COLUMNS
        last = min(first + _COLUMNS, inputs)
        found = np.zeros(last - first, np.int32)
        for b in range(batch):
            row = x[r, b, first:last]
            for i in range(row.size):
                found[i] += np.int32(row[i] != 0)
        for i in range(found.size):
            counts[r, first + i] = found[i]


@njit(parallel=True, **OPTIONS)
def list_by_feature(x: Any, pointer: Any, sample: Any, value: Any) -> None:
    """Fill ``sample`` and ``value``, feature by feature as ``pointer [R, I + 1]`` says, from ``x [R, B, I]``."""
    networks, batch, inputs = x.shape
    pieces = (inputs + _COLUMNS - 1) // _COLUMNS
    for task in prange(networks * pieces):
        r, first = task // pieces, task % pieces * _COLUMNS
        last = min(first + _COLUMNS, inputs)
        place = pointer[r, first:last].copy()
        for b in range(batch):
            row = x[r, b, first:last]
            for i in range(row.size):
                if row[i] != 0:
                    sample[place[i]], value[place[i]] = b, row[i]
                    place[i] += 1


@njit(**OPTIONS)
def sort_by_feature(indptr: Any, indices: Any, values: Any, batch: Any, pointer: Any, sample: Any, value: Any) -> None:
    """Turn CSR rows (R times ``batch`` of them) into ``pointer [R, I + 1]``, ``sample`` and ``value`` by feature."""
    inputs = pointer.shape[1] - 1
    for r in range(pointer.shape[0]):
        first, last = indptr[r * batch], indptr[(r + 1) * batch]
        counts = np.zeros(inputs + 1, dtype=np.int64)
        for i in range(first, last):
            counts[indices[i] + 1] += 1
        counts[0] = first
        for i in range(inputs):
            counts[i + 1] += counts[i]
        pointer[r, :] = counts
        for b in range(batch):
            for i in range(indptr[r * batch + b], indptr[r * batch + b + 1]):
                at = counts[indices[i]]
                sample[at], value[at] = b, values[i]
                counts[indices[i]] += 1
