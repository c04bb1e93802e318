"""The whole hierarchy in one pass on the CPU: kernels that numba compiles.

A node at a time, the nodes of a level side by side on all threads. Rows are neurons, contiguous along the batch, so
that every inner loop runs over neighbouring numbers. Backward, a node first gathers what its readers send (they
stand above it and are done), then undoes its normalisation and activation, then takes the products for its own weights
while its rows are in the cache; no two nodes of a level write to the same place, so there is nothing to lock and the
sums have one order, whatever the number of threads.

Arrays: R networks of the same shape side by side, N neurons, I inputs, B samples. ``counts [R, B]`` says how often a
sample stands in the batch (0: padding); batch statistics weigh by it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, prange

from kgreg.nn.hierarchy.rows import (
    OPTIONS,
    TILE,
    activate,
    add_block,
    add_dropped,
    add_four,
    add_one,
    dot_block,
    drop,
    mix,
    moments,
    slope,
    stream_of,
    threshold_of,
)

#: Digest of the code that is compiled in here from elsewhere; see :mod:`kgreg.nn.hierarchy.rows`.
MADE_WITH = "d2e5a0c9355a"
_FOUR = np.arange(4)


@njit(**OPTIONS)
def read(z: Any, values: Any, at: Any, which: Any, rows: Any, p: Any, seed: Any, key: Any, scratch: Any) -> None:
    """Add ``values @ rows[which]`` to the rows ``z`` of a node, each row dropped for this node alone with p."""
    if p == 0 or seed == 0:
        add_block(z, values, at, which.size, which, rows)
        return
    for j in range(0, which.size, 4):
        n = min(4, which.size - j)
        for i in range(n):
            drop(rows[which[j + i]], scratch[i], p, seed, (key + j + i) * 4)
        add_block(z, values, at + j, which.size, _FOUR[:n], scratch)


@njit(**OPTIONS)
def read_sparse(z: Any, values: Any, at: Any, which: Any, ptr: Any, sample: Any, value: Any, p: Any, seed: Any,
                 key: Any) -> None:  # fmt: skip
    """As :func:`read` where row i is ``value`` at the samples ``ptr[i]`` to ``ptr[i + 1]`` and 0 elsewhere."""
    p = p if seed != 0 else 0.0
    scale, threshold = z.dtype.type(1.0 / (1.0 - p)), threshold_of(p)
    for j in range(which.size):
        stream = stream_of(seed, (key + j) * 4)
        for i in range(ptr[which[j]], ptr[which[j] + 1]):
            b = sample[i]
            if p > 0 and mix(np.uint32(stream + np.uint32(b) * np.uint32(0x85EBCA77))) < threshold:
                continue
            x = value[i] * scale
            for k in range(z.shape[0]):
                z[k, b] += values[at + k * which.size + j] * x


@njit(**OPTIONS)
def _normalise(row: Any, saved: Any, r: Any, n: Any, i: Any, norm: Any, counts: Any, total: Any, g: Any, s: Any,
               running: Any, stats: Any, training: Any, momentum: Any, epsilon: Any) -> None:  # fmt: skip
    """Normalise the row of neuron n, the i-th that is normalised, of network r over the samples.

    ``running`` and ``stats`` (mean, 1 / sd) are updated. ``saved`` gets what the way back needs: the normalised row
    (before an activation), or the row as it came (after).
    """
    d = row.dtype.type
    kept = saved[r, n]
    if training:
        mean, variance = moments(row, counts, total)
        running[0, r, i] += d(momentum) * (mean - running[0, r, i])
        running[1, r, i] += d(momentum) * (variance * total / max(total - d(1), d(1)) - running[1, r, i])
    else:
        mean, variance = running[0, r, i], running[1, r, i]
    inverse = d(1) / d(math.sqrt(variance + d(epsilon)))
    stats[0, r, i], stats[1, r, i] = mean, inverse
    if norm == 1:
        for b in range(row.size):
            kept[b] = (row[b] - mean) * inverse
            row[b] = g * kept[b] + s
    else:
        for b in range(row.size):
            kept[b] = row[b]
            row[b] = g * (row[b] - mean) * inverse + s


@njit(parallel=True, **OPTIONS)
def forward(P: Any, threads: Any, x: Any, sparse: Any, counts: Any, totals: Any, input_values: Any,
            link_values: Any, bias: Any, scale: Any, shift: Any, running: Any, training: Any, momentum: Any,
            epsilon: Any, seeds: Any, hidden: Any, saved: Any, stats: Any) -> None:  # fmt: skip
    """Fill ``hidden [R, N, B]``; ``saved [R, N, B]`` and ``stats [2, R, n_normed]`` are for :func:`backward`.

    A network without samples (``totals [R]`` 0) is left out; its activations are 0.

    ``x [R, I, B]``, or, where ``sparse`` is (pointer ``[R, I + 1]``, sample, value), only its shape is used. A seed of
    0 stands for no dropout.
    """
    networks, batch = hidden.shape[0], hidden.shape[2]
    pointer, sample, value = sparse
    for level in range(P.level.size - 1):
        first, size = P.level[level], P.level[level + 1] - P.level[level]
        tasks = networks * size
        chunk = _chunk(tasks, threads)
        for c in prange((tasks + chunk - 1) // chunk):
            scratch = np.empty((4, batch), dtype=hidden.dtype)
            for task in range(c * chunk, min((c + 1) * chunk, tasks)):
                r, t = task // size, first + task % size
                seed = seeds[r]
                z = hidden[r, P.start[t] : P.start[t] + P.width[t]]
                if totals[r] == 0:  # nothing to compute: a network that is done while others are not
                    z[:] = 0
                    continue
                for k in range(P.width[t]):
                    z[k, :] = bias[r, P.start[t] + k]
                p, key, at = P.edge_dropout[t], P.key[t] + P.fan[t], P.input_offset[t]
                # Every slice costs counts of references, which threads fight for: none for nothing.
                if P.input_ptr[t] < P.input_ptr[t + 1]:
                    which = P.input_column[P.input_ptr[t] : P.input_ptr[t + 1]]
                    if pointer.size:
                        read_sparse(z, input_values[r], at, which, pointer[r], sample, value, p, seed, key)
                    else:
                        read(z, input_values[r], at, which, x[r], p, seed, key, scratch)
                if P.fan[t] > 0:
                    which = P.source[P.source_ptr[t] : P.source_ptr[t + 1]]
                    read(z, link_values[r], P.link_offset[t], which, hidden[r], p, seed, P.key[t], scratch)
                norm, activation, own = P.norm[t], P.activation[t], counts[r]
                for k in range(P.width[t]):
                    n, i, row = P.start[t] + k, P.norm_start[t] + k, z[k]
                    if norm == 2:
                        activate(row, activation)
                    if norm > 0:
                        _normalise(row, saved, r, n, i, norm, own, totals[r], scale[r, i], shift[r, i],
                                   running, stats, training, momentum, epsilon)  # fmt: skip
                    if P.pre_dropout[t] > 0 and seed != 0:
                        drop(row, row, P.pre_dropout[t], seed, n * 4 + 1)
                    if norm != 2:
                        activate(row, activation)
                    if P.dropout[t] > 0 and seed != 0:
                        drop(row, row, P.dropout[t], seed, n * 4 + 2)


@njit(**OPTIONS)
def _chunk(tasks: Any, threads: Any) -> Any:
    """Return how many nodes one thread takes at a time: few enough that all threads have some."""
    return max(1, tasks // (8 * threads))


@njit(**OPTIONS)
def _undo_norm(grad: Any, value: Any, norm: Any, kept: Any, counts: Any, total: Any, g: Any, mean: Any, inverse: Any,
               training: Any) -> Any:  # fmt: skip
    """Turn the gradient of a normalised row into that of the row; return those of its scale and shift."""
    d = grad.dtype.type
    if norm == 1:
        value[:] = kept
    else:
        for b in range(value.size):
            value[b] = (kept[b] - mean) * inverse
    s0, s1 = d(0), d(0)
    for b in range(value.size):
        s0 += grad[b]
        s1 += grad[b] * value[b]
    g = g * inverse
    if training:
        a0, a1 = s0 / total, s1 / total
        for b in range(value.size):
            grad[b] = g * (grad[b] - counts[b] * (a0 + value[b] * a1))
    else:
        for b in range(value.size):
            grad[b] *= g
    return s1, s0


@njit(**OPTIONS)
def _any_drops(p: Any, which: Any) -> Any:
    for t in which:  # noqa: SIM110 (numba compiles no generators)
        if p[t] > 0:
            return True
    return False


@njit(**OPTIONS)
def add_weighted(acc: Any, values: Any, shift: Any, weight: Any, which: Any, rows: Any) -> None:
    """``acc += sum_j values[weight[j] + shift] * rows[which[j]]``, four rows a pass, a tile of samples at a time."""
    for b0 in range(0, acc.size, TILE):
        b1 = min(b0 + TILE, acc.size)
        j = 0
        while j + 4 <= which.size:
            add_four(acc[b0:b1], values[weight[j] + shift], values[weight[j + 1] + shift],
                      values[weight[j + 2] + shift], values[weight[j + 3] + shift], rows[which[j], b0:b1],
                      rows[which[j + 1], b0:b1], rows[which[j + 2], b0:b1], rows[which[j + 3], b0:b1])  # fmt: skip
            j += 4
        while j < which.size:
            add_one(acc[b0:b1], values[weight[j] + shift], rows[which[j], b0:b1])
            j += 1


@njit(**OPTIONS)
def collect(acc: Any, values: Any, at: Any, stride: Any, rows: Any, p: Any, seed: Any, key: Any, scratch: Any) -> None:
    """Add ``sum_m values[at + m * stride] * rows[m]`` to ``acc``, dropped as the value that was read was."""
    out = scratch if p > 0 and seed != 0 else acc
    if p > 0 and seed != 0:
        scratch[:] = 0
    m = 0
    while m + 4 <= rows.shape[0]:
        i = at + m * stride
        add_four(out, values[i], values[i + stride], values[i + 2 * stride], values[i + 3 * stride],
                 rows[m], rows[m + 1], rows[m + 2], rows[m + 3])  # fmt: skip
        m += 4
    while m < rows.shape[0]:
        add_one(out, values[at + m * stride], rows[m])
        m += 1
    if p > 0 and seed != 0:
        add_dropped(acc, scratch, p, seed, key * 4)


@njit(**OPTIONS)
def _weigh(out: Any, at: Any, z: Any, which: Any, rows: Any, p: Any, seed: Any, key: Any, scratch: Any) -> None:
    """Fill the gradient of a node's block of weights: products of its rows ``z`` with what it reads."""
    if p == 0 or seed == 0:
        dot_block(out, at, which.size, z, which, rows)
        return
    for j in range(0, which.size, 4):
        n = min(4, which.size - j)
        for i in range(n):
            drop(rows[which[j + i]], scratch[i], p, seed, (key + j + i) * 4)
        dot_block(out, at + j, which.size, z, _FOUR[:n], scratch)


@njit(**OPTIONS)
def _weigh_sparse(out: Any, at: Any, z: Any, which: Any, ptr: Any, sample: Any, value: Any, p: Any, seed: Any,
                  key: Any) -> None:  # fmt: skip
    """As :func:`_weigh` for inputs as in :func:`read_sparse`."""
    n, p = which.size, p if seed != 0 else 0.0
    scale, threshold = z.dtype.type(1.0 / (1.0 - p)), threshold_of(p)
    for j in range(n):
        stream = stream_of(seed, (key + j) * 4)
        for k in range(z.shape[0]):
            out[at + k * n + j] = 0
        for i in range(ptr[which[j]], ptr[which[j] + 1]):
            b = sample[i]
            if p > 0 and mix(np.uint32(stream + np.uint32(b) * np.uint32(0x85EBCA77))) < threshold:
                continue
            x = value[i] * scale
            for k in range(z.shape[0]):
                out[at + k * n + j] += z[k, b] * x


@njit(parallel=True, **OPTIONS)
def backward(P: Any, threads: Any, x: Any, sparse: Any, counts: Any, totals: Any, input_values: Any,
             link_values: Any, scale: Any, training: Any, seeds: Any, hidden: Any, saved: Any, stats: Any,
             gradient: Any, given: Any, d_x: Any, d_input: Any, d_link: Any, d_bias: Any, d_scale: Any,
             d_shift: Any) -> None:  # fmt: skip
    """Turn ``gradient [R, N, B]``, that of ``hidden``, into that of the sums, and fill ``d_*``.

    Rows that ``given [N]`` leaves out are 0, whatever stands there. ``d_x [R, I, B]`` is filled if it has samples.
    """
    networks, batch = hidden.shape[0], hidden.shape[2]
    pointer, sample, value = sparse
    for step in range(P.level.size - 1):
        level = P.level.size - 2 - step
        first, size = P.level[level], P.level[level + 1] - P.level[level]
        tasks = networks * size
        chunk = _chunk(tasks, threads)
        for c in prange((tasks + chunk - 1) // chunk):
            scratch = np.empty((4, batch), dtype=hidden.dtype)
            for task in range(c * chunk, min((c + 1) * chunk, tasks)):
                r, t = task // size, first + task % size
                seed, p = seeds[r], P.edge_dropout[t]
                for n in range(P.start[t], P.start[t] + P.width[t]):
                    if totals[r] == 0 or not given[n]:
                        gradient[r, n, :] = 0
                if totals[r] == 0:
                    continue
                if P.parent_ptr[t] == P.parent_ptr[t + 1]:
                    pass  # nothing reads it
                elif seed == 0 or not _any_drops(P.edge_dropout, P.parent[P.parent_ptr[t] : P.parent_ptr[t + 1]]):
                    weight = P.reader_weight[P.reader_ptr[t] : P.reader_ptr[t + 1]]
                    which = P.reader[P.reader_ptr[t] : P.reader_ptr[t + 1]]
                    all_rows, values = gradient[r], link_values[r]
                    for k in range(P.width[t]):
                        add_weighted(all_rows[P.start[t] + k], values, k, weight, which, all_rows)
                else:
                    for e in range(P.parent_ptr[t], P.parent_ptr[t + 1]):
                        reader, position = P.parent[e], P.parent_position[e]
                        rows = gradient[r, P.start[reader] : P.start[reader] + P.width[reader]]
                        for k in range(P.width[t]):
                            collect(gradient[r, P.start[t] + k], link_values[r], P.link_offset[reader] + position + k,
                                     P.fan[reader], rows, P.edge_dropout[reader], seed,
                                     P.key[reader] + position + k, scratch[0])  # fmt: skip
                z, value_of = gradient[r, P.start[t] : P.start[t] + P.width[t]], scratch[0]
                norm, activation, own = P.norm[t], P.activation[t], counts[r]
                for k in range(P.width[t]):
                    n, i, row = P.start[t] + k, P.norm_start[t] + k, z[k]
                    value_of[:] = hidden[r, n]
                    if P.dropout[t] > 0 and seed != 0:
                        drop(row, row, P.dropout[t], seed, n * 4 + 2)
                        value_of *= z.dtype.type(1.0 - P.dropout[t])
                    if norm != 2:
                        slope(row, value_of, activation)
                    if P.pre_dropout[t] > 0 and seed != 0:
                        drop(row, row, P.pre_dropout[t], seed, n * 4 + 1)
                    if norm > 0:
                        d_scale[r, i], d_shift[r, i] = _undo_norm(
                            row, value_of, norm, saved[r, n], own, totals[r], scale[r, i], stats[0, r, i],
                            stats[1, r, i], training)  # fmt: skip
                    if norm == 2:
                        slope(row, saved[r, n], activation)
                    total = z.dtype.type(0)
                    for b in range(batch):
                        total += z[k, b]
                    d_bias[r, P.start[t] + k] = total
                key, at = P.key[t] + P.fan[t], P.input_offset[t]
                if P.input_ptr[t] < P.input_ptr[t + 1]:
                    which = P.input_column[P.input_ptr[t] : P.input_ptr[t + 1]]
                    if pointer.size:
                        _weigh_sparse(d_input[r], at, z, which, pointer[r], sample, value, p, seed, key)
                    else:
                        _weigh(d_input[r], at, z, which, x[r], p, seed, key, scratch)
                if P.fan[t] > 0:
                    which = P.source[P.source_ptr[t] : P.source_ptr[t + 1]]
                    _weigh(d_link[r], P.link_offset[t], z, which, hidden[r], p, seed, P.key[t], scratch)
    if d_x.shape[2] == 0:
        return
    inputs = d_x.shape[1]
    for task in prange(networks * inputs):
        r, i = task // inputs, task % inputs
        scratch = np.empty(batch, dtype=hidden.dtype)
        d_x[r, i, :] = 0
        for e in range(P.column_ptr[i], P.column_ptr[i + 1]):
            t, place = P.column_node[e], P.column_position[e]
            n = P.input_ptr[t + 1] - P.input_ptr[t]
            collect(d_x[r, i], input_values[r], P.input_offset[t] + place, n,
                     gradient[r, P.start[t] : P.start[t] + P.width[t]], P.edge_dropout[t], seeds[r],
                     P.key[t] + P.fan[t] + place, scratch)  # fmt: skip
