"""Kernel that sets nodes to other values, one at a time, and computes again only what stands above.

Arrays as in :mod:`kgreg.nn.hierarchy.kernels`; ``gain``, ``mean`` and ``shift`` as in
:mod:`kgreg.nn.hierarchy.changes`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from kgreg.nn.hierarchy.changes import send
from kgreg.nn.hierarchy.rows import OPTIONS, activate

#: Digest of the code that is compiled in here from elsewhere; see :mod:`kgreg.nn.hierarchy.rows`.
MADE_WITH = "4a9d76446ad2"


@njit(parallel=True, **OPTIONS)
def set_nodes(P: Any, nodes: Any, times: Any, plus: Any, reached: Any, above: Any, hidden: Any, sums: Any,
              link_values: Any, gain: Any, mean: Any, shift: Any, place: Any, rows: Any,
              taken: Any) -> None:  # fmt: skip
    """Fill ``taken [K, R, m, B]``: the neurons ``rows [m]`` when the neurons h of node k are ``times * h + plus``.

    ``plus [N]``; ``above``: the nodes that read node k, or one that does, ascending, from ``reached[k]`` on;
    ``place [N]``: position of a neuron in ``rows``, or -1; ``sums [R, N, B]``: before normalisation and activation.
    """
    networks, batch = hidden.shape[0], hidden.shape[2]
    for task in prange(nodes.size * networks):
        k, r = task // networks, task % networks
        out, readers = taken[k, r], above[reached[k] : reached[k + 1]]
        for m in range(rows.size):
            out[m] = hidden[r, rows[m]]
        row_of = np.full(P.start.size, -1, np.int64)
        widest, at = P.width[nodes[k]], 0
        for t in readers:
            row_of[t] = at
            at += P.width[t]
            widest = max(widest, P.width[t])
        z, change = np.empty((at, batch), hidden.dtype), np.empty((widest, batch), hidden.dtype)
        for t in readers:
            for n in range(P.width[t]):
                z[row_of[t] + n] = sums[r, P.start[t] + n]
        for step in range(readers.size + 1):
            t = nodes[k] if step == 0 else readers[step - 1]
            for n in range(P.width[t]):
                neuron, i = P.start[t] + n, P.norm_start[t] + n
                row, base = change[n], hidden[r, neuron]
                if step == 0:
                    for b in range(batch):
                        row[b] = times * base[b] + plus[neuron]
                else:
                    row[:] = z[row_of[t] + n]
                    if P.norm[t] != 1:
                        activate(row, P.activation[t])
                    if P.norm[t] > 0:
                        for b in range(batch):
                            row[b] = (row[b] - mean[r, i]) * gain[r, i] + shift[r, i]
                    if P.norm[t] == 1:
                        activate(row, P.activation[t])
                if place[neuron] >= 0:
                    out[place[neuron]] = row
                for b in range(batch):
                    row[b] -= base[b]
            for e in range(P.parent_ptr[t], P.parent_ptr[t + 1]):
                parent = P.parent[e]
                if row_of[parent] >= 0:
                    send(z[row_of[parent] : row_of[parent] + P.width[parent]], link_values[r],
                         P.link_offset[parent] + P.parent_position[e], P.fan[parent], change[: P.width[t]])  # fmt: skip
