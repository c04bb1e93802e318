"""Total derivatives with respect to every neuron and input, by one sweep downwards, in evaluation mode.

The way back of training turns derivatives of activations into those of sums, and takes the products for the weights;
what decoding asks for are the derivatives of the activations themselves, and no weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from kgreg.nn.hierarchy.kernels import add_weighted, collect
from kgreg.nn.hierarchy.rows import OPTIONS, slope

#: Digest of the code that is compiled in here from elsewhere; see :mod:`kgreg.nn.hierarchy.rows`.
MADE_WITH = "cbc783a3076a"


@njit(parallel=True, **OPTIONS)
def adjoints(P: Any, input_values: Any, link_values: Any, scale: Any, hidden: Any, saved: Any, stats: Any,
             total: Any, sums: Any, d_x: Any) -> None:  # fmt: skip
    """Turn ``total [R, N, B]``, direct derivatives by activations, into the derivatives through all paths.

    Arrays as in :mod:`kgreg.nn.hierarchy.kernels`, ``hidden``, ``saved`` and ``stats`` as its ``forward`` left them.
    ``sums [R, N, B]`` gets the derivatives by the sums, ``d_x [R, I, B]`` those by the inputs.
    """
    networks, batch = hidden.shape[0], hidden.shape[2]
    for step in range(P.level.size - 1):
        level = P.level.size - 2 - step
        first, size = P.level[level], P.level[level + 1] - P.level[level]
        for task in prange(networks * size):
            r, t = task // size, first + task % size
            weight = P.reader_weight[P.reader_ptr[t] : P.reader_ptr[t + 1]]
            which = P.reader[P.reader_ptr[t] : P.reader_ptr[t + 1]]
            for k in range(P.width[t]):
                n, i = P.start[t] + k, P.norm_start[t] + k
                if which.size:
                    add_weighted(total[r, n], link_values[r], k, weight, which, sums[r])
                row = sums[r, n]
                row[:] = total[r, n]
                if P.norm[t] > 0:
                    row *= scale[r, i] * stats[1, r, i]
                slope(row, saved[r, n] if P.norm[t] == 2 else hidden[r, n], P.activation[t])
    inputs = d_x.shape[1]
    for task in prange(networks * inputs):
        r, i = task // inputs, task % inputs
        scratch = np.empty(batch, dtype=hidden.dtype)
        d_x[r, i, :] = 0
        for e in range(P.column_ptr[i], P.column_ptr[i + 1]):
            t, place = P.column_node[e], P.column_position[e]
            n = P.input_ptr[t + 1] - P.input_ptr[t]
            collect(d_x[r, i], input_values[r], P.input_offset[t] + place, n,
                    sums[r, P.start[t] : P.start[t] + P.width[t]], 0.0, 0, 0, scratch)  # fmt: skip
