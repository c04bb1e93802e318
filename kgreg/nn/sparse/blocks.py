"""Edges between nodes of several neurons as edges between neurons."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def expand_blocks(
    target_start: NDArray[np.int64],
    target_width: NDArray[np.int64],
    source_start: NDArray[np.int64],
    source_width: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Turn edges between nodes of several neurons into edges between neurons.

    Every edge joins each of its target's neurons with each of its source's. Arrays are ``[n_edges]``.

    Returns
    -------
    rows, cols, edge
        ``[n_neuron_edges]``; ``edge`` is the index of the edge a neuron pair came from.
    """
    count = target_width * source_width
    edge = np.repeat(np.arange(len(count)), count)
    within = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    rows = target_start[edge] + within // source_width[edge]
    cols = source_start[edge] + within % source_width[edge]
    return rows, cols, edge
