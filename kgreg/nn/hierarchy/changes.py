"""Kernels that follow a change of some inputs upwards; see :mod:`kgreg.nn.hierarchy.knockouts`.

Arrays as in :mod:`kgreg.nn.hierarchy.kernels`. K knockouts, of which the k-th takes the columns ``columns[ptr[k]]`` to
``columns[ptr[k + 1] - 1]`` from x to ``factors * x + values`` (both ``[R, I]``), and reaches the nodes
``node[reached[k]]`` and on, ascending.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from kgreg.nn.hierarchy.kernels import read, read_sparse
from kgreg.nn.hierarchy.rows import OPTIONS, activate, add_four, add_one

#: Digest of the code that is compiled in here from elsewhere; see :mod:`kgreg.nn.hierarchy.rows`.
MADE_WITH = "cbc783a3076a"


@njit(**OPTIONS)
def reach(P: Any, ptr: Any, columns: Any, among: Any, reached: Any, node: Any) -> None:
    """Follow the readers of each knockout's columns, through nodes that ``among [T]`` admits.

    Fills ``node`` as ``reached`` says; where ``node`` is empty, counts: ``reached[k + 1]`` nodes of knockout k.
    """
    marked = np.zeros(P.start.size, np.bool_)
    for k in range(ptr.size - 1):
        marked[:] = False
        for c in columns[ptr[k] : ptr[k + 1]]:
            for t in P.column_node[P.column_ptr[c] : P.column_ptr[c + 1]]:
                marked[t] = among[t]
        found = 0
        for t in range(marked.size):  # readers stand after what they read
            if marked[t]:
                if node.size:
                    node[reached[k] + found] = t
                found += 1
                for parent in P.parent[P.parent_ptr[t] : P.parent_ptr[t + 1]]:
                    marked[parent] = among[parent]
        if node.size == 0:
            reached[k + 1] = found


@njit(parallel=True, **OPTIONS)
def sums(P: Any, x: Any, sparse: Any, hidden: Any, input_values: Any, link_values: Any, bias: Any, z: Any) -> None:
    """Fill ``z [R, N, B]`` with what nodes compute before normalisation and activation, given all ``hidden``."""
    pointer, sample, value = sparse
    nodes = P.start.size
    for task in prange(hidden.shape[0] * nodes):
        r, t = task // nodes, task % nodes
        scratch = np.empty((0, 0), dtype=hidden.dtype)
        rows = z[r, P.start[t] : P.start[t] + P.width[t]]
        for k in range(P.width[t]):
            rows[k, :] = bias[r, P.start[t] + k]
        which = P.input_column[P.input_ptr[t] : P.input_ptr[t + 1]]
        if pointer.size:
            read_sparse(rows, input_values[r], P.input_offset[t], which, pointer[r], sample, value, 0.0, 0, 0)
        else:
            read(rows, input_values[r], P.input_offset[t], which, x[r], 0.0, 0, 0, scratch)
        which = P.source[P.source_ptr[t] : P.source_ptr[t + 1]]
        read(rows, link_values[r], P.link_offset[t], which, hidden[r], 0.0, 0, 0, scratch)


@njit(**OPTIONS)
def _column(row: Any, x: Any, sparse: Any, r: Any, c: Any) -> None:
    """Fill ``row [B]`` with a column of the inputs."""
    pointer, sample, value = sparse
    if pointer.size:
        row[:] = 0
        for i in range(pointer[r, c], pointer[r, c + 1]):
            row[sample[i]] = value[i]
    else:
        row[:] = x[r, c]


@njit(parallel=True, **OPTIONS)
def find_samples(x: Any, sparse: Any, values: Any, factors: Any, ptr: Any, columns: Any, touched: Any) -> None:
    """Fill ``touched [K, B]``: whether a knockout changes an input of a sample, in any network."""
    for k in prange(touched.shape[0]):
        row = np.empty(touched.shape[1], values.dtype)
        for r in range(values.shape[0]):
            for c in columns[ptr[k] : ptr[k + 1]]:
                _column(row, x, sparse, r, c)
                for b in range(row.size):
                    touched[k, b] |= row[b] != factors[r, c] * row[b] + values[r, c]


@njit(**OPTIONS)
def send(z: Any, values: Any, at: Any, stride: Any, change: Any) -> None:
    """``z[k] += sum_m values[at + k * stride + m] * change[m]``."""
    for k in range(z.shape[0]):
        i, m = at + k * stride, 0
        while m + 4 <= change.shape[0]:
            add_four(z[k], values[i + m], values[i + m + 1], values[i + m + 2], values[i + m + 3], change[m],
                     change[m + 1], change[m + 2], change[m + 3])  # fmt: skip
            m += 4
        while m < change.shape[0]:
            add_one(z[k], values[i + m], change[m])
            m += 1


@njit(parallel=True, **OPTIONS)
def recompute(P: Any, x: Any, sparse: Any, values: Any, factors: Any, ptr: Any, columns: Any, reached: Any,
              node: Any, sample_ptr: Any, samples: Any, n_neurons: Any, hidden: Any, sums: Any, input_values: Any,
              link_values: Any, gain: Any, mean: Any, shift: Any, place: Any, rows: Any) -> None:  # fmt: skip
    """Fill ``rows``: of knockout k, ``[R, n_neurons[k], samples]`` from ``place[k]`` on, the new activations.

    ``gain``, ``mean`` and ``shift`` ``[R, n_normed]`` are those of the running statistics.
    """
    networks, batch = hidden.shape[0], hidden.shape[2]
    knockouts = ptr.size - 1
    for task in prange(knockouts * networks):
        k, r = task // networks, task % networks
        which = samples[sample_ptr[k] : sample_ptr[k + 1]]
        size = which.size
        if size == 0 or n_neurons[k] == 0:
            continue
        begin = place[k] + r * n_neurons[k] * size
        z = rows[begin : begin + n_neurons[k] * size].reshape((n_neurons[k], size))
        nodes = node[reached[k] : reached[k + 1]]
        row_of = np.full(P.start.size, -1, np.int64)
        widest, at = 1, 0
        for t in nodes:
            row_of[t] = at
            for n in range(P.width[t]):
                base = sums[r, P.start[t] + n]
                for b in range(size):
                    z[at + n, b] = base[which[b]]
            at += P.width[t]
            widest = max(widest, P.width[t])
        change = np.empty((widest, size), hidden.dtype)
        whole = np.empty(batch, hidden.dtype)
        for c in columns[ptr[k] : ptr[k + 1]]:
            _column(whole, x, sparse, r, c)
            for b in range(size):
                old = whole[which[b]]
                change[0, b] = factors[r, c] * old + values[r, c] - old
            for e in range(P.column_ptr[c], P.column_ptr[c + 1]):
                t = P.column_node[e]
                if row_of[t] >= 0:
                    send(z[row_of[t] : row_of[t] + P.width[t]], input_values[r],
                          P.input_offset[t] + P.column_position[e], P.input_ptr[t + 1] - P.input_ptr[t],
                          change[:1])  # fmt: skip
        for t in nodes:
            own = z[row_of[t] : row_of[t] + P.width[t]]
            for n in range(P.width[t]):
                row, i, base = own[n], P.norm_start[t] + n, hidden[r, P.start[t] + n]
                if P.norm[t] != 1:
                    activate(row, P.activation[t])
                if P.norm[t] > 0:
                    for b in range(size):
                        row[b] = (row[b] - mean[r, i]) * gain[r, i] + shift[r, i]
                if P.norm[t] == 1:
                    activate(row, P.activation[t])
                for b in range(size):
                    change[n, b] = row[b] - base[which[b]]
            for e in range(P.parent_ptr[t], P.parent_ptr[t + 1]):
                parent = P.parent[e]
                if row_of[parent] >= 0:
                    send(z[row_of[parent] : row_of[parent] + P.width[parent]], link_values[r],
                          P.link_offset[parent] + P.parent_position[e], P.fan[parent],
                          change[: P.width[t]])  # fmt: skip
