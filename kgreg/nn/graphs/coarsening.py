"""Coarsening of a graph, and max pooling over what was merged.

Neighbours are merged in pairs, greedily, by the local normalised cut ``A[i, j] (1/d[i] + 1/d[j])`` (Graclus: Dhillon,
Guan & Kulis 2007), as graph CNNs do since Defferrard et al. (2016). Nodes choose in order of rising degree, ties in the
order of the graph, so that nothing is drawn; the published code visits the first level in random order.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn


def merge_pairs(graph: sparse.csr_matrix) -> NDArray[np.int64]:
    """Return the cluster ``[n]`` of every node, at most two nodes each; a node without a free neighbour stays alone.

    Parameters
    ----------
    graph
        Symmetric weights. The diagonal holds what lies within nodes that were merged before, and counts to degrees.

    Returns
    -------
    clusters
        Numbered in the order of their first nodes, so that the coarse graph keeps the order of the fine one.
    """
    graph = graph.sorted_indices()
    pointer, column, weight = graph.indptr, graph.indices, graph.data
    degree = np.asarray(graph.sum(axis=1), dtype=np.float64).ravel()
    partner = np.arange(graph.shape[0])
    free = np.ones(graph.shape[0], dtype=bool)
    for node in np.argsort(degree, kind="stable"):
        if not free[node]:
            continue
        free[node] = False
        row = slice(pointer[node], pointer[node + 1])
        open_ = free[column[row]]
        if not open_.any():
            continue
        near = column[row][open_]
        best = near[np.argmax(weight[row][open_] * (1.0 / degree[node] + 1.0 / degree[near]))]
        free[best] = False
        partner[node], partner[best] = best, node
    first = np.minimum(np.arange(len(partner)), partner)
    clusters: NDArray[np.int64] = np.unique(first, return_inverse=True)[1].astype(np.int64)
    return clusters


def coarsen(graph: sparse.csr_matrix, rounds: int) -> tuple[NDArray[np.int64], sparse.csr_matrix]:
    """Merge pairs ``rounds`` times.

    Parameters
    ----------
    graph
        See :func:`merge_pairs`.
    rounds
        Clusters have up to ``2 ** rounds`` nodes.

    Returns
    -------
    clusters, coarse
        ``[n]``, and the summed weights between clusters; on the diagonal those within.
    """
    clusters = np.arange(graph.shape[0], dtype=np.int64)
    for _ in range(rounds):
        merged = merge_pairs(graph)
        n = len(merged)
        sum_up = sparse.csr_matrix((np.ones(n), (merged, np.arange(n))))
        graph = (sum_up @ graph @ sum_up.T).tocsr()
        clusters = merged[clusters]
    return clusters, graph


def without_diagonal(graph: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return what joins different nodes."""
    entries = graph.tocoo()
    between = entries.row != entries.col
    return sparse.csr_matrix(
        (entries.data[between], (entries.row[between], entries.col[between])), shape=graph.shape
    ).sorted_indices()


class MaxPooling(nn.Module):
    """The largest value among the nodes of a cluster, for each sample and feature.

    Parameters
    ----------
    clusters
        ``[n]``: the cluster of every node, from 0 without gaps.
    """

    members: Tensor

    def __init__(self, clusters: NDArray[np.int64]) -> None:
        super().__init__()
        order = np.argsort(clusters, kind="stable")
        size = np.bincount(clusters)
        start = np.cumsum(size) - size
        # Clusters with fewer nodes name their last one again, which changes no maximum.
        place = np.minimum(np.arange(int(size.max()))[None], size[:, None] - 1)
        self.register_buffer("members", torch.from_numpy(order[start[:, None] + place]), persistent=False)

    def forward(self, h: Tensor) -> Tensor:
        """Pool ``h [nodes, batch, features]`` into ``[clusters, batch, features]``."""
        pooled = h[self.members[:, 0]]
        for k in range(1, self.members.shape[1]):
            pooled = torch.maximum(pooled, h[self.members[:, k]])
        return pooled
