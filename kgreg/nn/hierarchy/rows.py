"""Operations on rows of numbers, as numba compiles them for the kernels.

numba keeps what it compiled as long as the content of a kernel's own file stays, whatever becomes of this one: that is
what ``MADE_WITH`` is for in the files that import it (``tests/nn/hierarchy/test_compiled_cache.py``).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

# Sums may be reordered (that is what lets them vectorise) and x / y need not check y; NaN and infinity keep their
# meaning.
_FAST = {"reassoc", "contract", "nsz", "arcp"}
#: How all kernels are compiled.
OPTIONS: dict[str, Any] = {"fastmath": _FAST, "error_model": "numpy", "cache": True}
TILE = 512  # samples whose rows fit the first cache together


@njit(**OPTIONS)
def mix(x: Any) -> Any:
    """Scramble 32 bits (one to one)."""
    x = np.uint32((x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D))
    x = np.uint32((x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B))
    return np.uint32(x ^ (x >> np.uint32(16)))


@njit(**OPTIONS)
def stream_of(seed: Any, key: Any) -> Any:
    """Return where the random numbers of a key begin; sample b has ``mix(stream + b * 0x85EBCA77)``."""
    return mix(np.uint32(np.uint32(key) * np.uint32(0x9E3779B1)) ^ np.uint32(seed))


@njit(**OPTIONS)
def threshold_of(p: Any) -> Any:
    return np.uint32(min(p * 4294967296.0, 4294967295.0))


@njit(**OPTIONS)
def drop(row: Any, out: Any, p: Any, seed: Any, key: Any) -> None:
    """Write ``row`` with a share ``p`` set to 0 and the rest scaled by 1 / (1 - p)."""
    threshold, stream = threshold_of(p), stream_of(seed, key)
    scale, zero = row.dtype.type(1.0 / (1.0 - p)), row.dtype.type(0)
    for b in range(row.size):
        bits = mix(np.uint32(stream + np.uint32(b) * np.uint32(0x85EBCA77)))
        out[b] = row[b] * scale if bits >= threshold else zero


@njit(**OPTIONS)
def add_dropped(acc: Any, row: Any, p: Any, seed: Any, key: Any) -> None:
    """Add what :func:`drop` would write."""
    threshold, stream = threshold_of(p), stream_of(seed, key)
    scale, zero = row.dtype.type(1.0 / (1.0 - p)), row.dtype.type(0)
    for b in range(row.size):
        bits = mix(np.uint32(stream + np.uint32(b) * np.uint32(0x85EBCA77)))
        acc[b] += row[b] * scale if bits >= threshold else zero


@njit(**OPTIONS)
def add_four(acc: Any, v0: Any, v1: Any, v2: Any, v3: Any, s0: Any, s1: Any, s2: Any, s3: Any) -> None:
    for b in range(acc.size):
        acc[b] += v0 * s0[b] + v1 * s1[b] + v2 * s2[b] + v3 * s3[b]


@njit(**OPTIONS)
def add_one(acc: Any, v: Any, s: Any) -> None:
    for b in range(acc.size):
        acc[b] += v * s[b]


@njit(**OPTIONS)
def add_block(z: Any, values: Any, at: Any, columns: Any, which: Any, rows: Any) -> None:
    """``z[k] += sum_j values[at + k * columns + j] * rows[which[j]]``, four rows a pass, samples in tiles."""
    batch = z.shape[1]
    for b0 in range(0, batch, TILE):
        b1 = min(b0 + TILE, batch)
        j = 0
        while j + 4 <= which.size:
            s0, s1 = rows[which[j], b0:b1], rows[which[j + 1], b0:b1]
            s2, s3 = rows[which[j + 2], b0:b1], rows[which[j + 3], b0:b1]
            for k in range(z.shape[0]):
                i = at + k * columns + j
                add_four(z[k, b0:b1], values[i], values[i + 1], values[i + 2], values[i + 3], s0, s1, s2, s3)
            j += 4
        while j < which.size:
            s0 = rows[which[j], b0:b1]
            for k in range(z.shape[0]):
                add_one(z[k, b0:b1], values[at + k * columns + j], s0)
            j += 1


@njit(**OPTIONS)
def dot_block(out: Any, at: Any, columns: Any, z: Any, which: Any, rows: Any) -> None:
    """``out[at + k * columns + j] = z[k] . rows[which[j]]``, four products a pass."""
    zero = z.dtype.type(0)
    j = 0
    while j + 4 <= which.size:
        s0, s1, s2, s3 = rows[which[j]], rows[which[j + 1]], rows[which[j + 2]], rows[which[j + 3]]
        for k in range(z.shape[0]):
            row = z[k]
            a0, a1, a2, a3 = zero, zero, zero, zero
            for b in range(row.size):
                g = row[b]
                a0 += g * s0[b]
                a1 += g * s1[b]
                a2 += g * s2[b]
                a3 += g * s3[b]
            i = at + k * columns + j
            out[i], out[i + 1], out[i + 2], out[i + 3] = a0, a1, a2, a3
        j += 4
    while j < which.size:
        for k in range(z.shape[0]):
            out[at + k * columns + j] = dot(z[k], rows[which[j]])
        j += 1


@njit(**OPTIONS)
def dot(a: Any, b: Any) -> Any:
    total = a.dtype.type(0)
    for i in range(a.size):
        total += a[i] * b[i]
    return total


@njit(**OPTIONS)
def tanh(row: Any) -> None:
    """Replace a row by its hyperbolic tangent.

    float32: Lambert's continued fraction at an eighth of the argument, then tanh 2a = 2 tanh a / (1 + tanh^2 a) three
    times: products and quotients only, which vectorise; within 4e-7 of the value. float64: the library's.
    """
    d = row.dtype.type
    if row.itemsize == 8:
        for b in range(row.size):
            row[b] = math.tanh(row[b])
        return
    limit, one, two = d(9), d(1), d(2)
    for b in range(row.size):
        z = row[b]
        # The comparison lets NaN through, which min and max would swallow.
        a = (limit if z > limit else (-limit if z < -limit else z)) * d(0.125)
        s = a * a
        t = a * (d(10395) + s * (d(1260) + s * d(21))) / (d(10395) + s * (d(4725) + s * (d(210) + s)))
        t = two * t / (one + t * t)
        t = two * t / (one + t * t)
        row[b] = two * t / (one + t * t)


@njit(**OPTIONS)
def activate(row: Any, activation: Any) -> None:
    d = row.dtype.type
    if activation == 0:
        tanh(row)
    elif activation == 1:
        for b in range(row.size):
            row[b] = d(0) if row[b] < d(0) else row[b]  # lets NaN through
    elif activation == 2:
        for b in range(row.size):
            row[b] *= d(0.5)
        tanh(row)
        for b in range(row.size):
            row[b] = d(0.5) + d(0.5) * row[b]


@njit(**OPTIONS)
def slope(gradient: Any, value: Any, activation: Any) -> None:
    """Multiply a gradient by the derivative of the activation, written in terms of its value."""
    d = gradient.dtype.type
    if activation == 0:
        for b in range(gradient.size):
            gradient[b] *= d(1) - value[b] * value[b]
    elif activation == 1:
        for b in range(gradient.size):
            gradient[b] = gradient[b] if value[b] > d(0) else d(0)
    elif activation == 2:
        for b in range(gradient.size):
            gradient[b] *= value[b] * (d(1) - value[b])


@njit(**OPTIONS)
def moments(row: Any, counts: Any, total: Any) -> Any:
    """Return mean and (population) variance of a row of samples that count ``counts`` times."""
    mean = dot(row, counts) / total
    variance = row.dtype.type(0)
    for b in range(row.size):
        variance += counts[b] * (row[b] - mean) * (row[b] - mean)
    return mean, variance / total
