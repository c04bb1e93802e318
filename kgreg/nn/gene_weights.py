"""A Laplacian penalty for visible networks: what a term learns of two genes is alike where they interact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn

from kgreg.blueprint.model import Blueprint
from kgreg.errors import FitError
from kgreg.nn.hierarchy import Parameters, Program
from kgreg.nn.laplacian import LaplacianPenalty
from kgreg.nn.layout import Layout, edges_of_weights

_Index = NDArray[np.int64]


class GeneWeightPenalty(nn.Module):
    """How much the weights of interacting genes differ within a term.

    For every term t, every pair of interacting genes (g, h) that both annotate t directly, and every neuron n of t: the
    mean of ``(w_n,g - w_n,h)^2``, weighted by the weights of the interactions. It is a Laplacian penalty of the term's
    own gene weights, over the part of the graph that lies within the term. Where genes have a layer, the weights are
    those with which the term reads the genes' neurons. Weights are those in use: signed, scaled, fixed ones as such.

    Raises
    ------
    FitError
        If the blueprint has no interactions.
    """

    def __init__(self, blueprint: Blueprint, layout: Layout, program: Program) -> None:
        super().__init__()
        if blueprint.interactions.empty:
            raise FitError(
                "A Laplacian penalty needs interactions between genes, and the blueprint has none.",
                "Set [knowledge] interactions, or laplacian = 0.",
            )
        one, two, weight = _pairs_of_edges(blueprint)
        self.total = 0.0
        self.penalties = nn.ModuleDict()
        for kind, links in (("input_values", False), ("link_values", True)):
            if not links and not len(layout.input_edges):
                continue
            edge, _ = edges_of_weights(layout, program, links)
            found = _pairs_of_weights(one, two, edge, len(blueprint.edges))
            if found.shape[1]:
                of_pair = weight[found[2]]
                self.penalties[kind] = LaplacianPenalty(found[:2], of_pair, len(edge))
                self.total += float(of_pair.sum())

    def forward(self, weights: Parameters) -> Tensor:
        """Return the mean of every network, ``[R]``; 0 where no two interacting genes share a term."""
        found = weights.bias.new_zeros(len(weights.bias))
        for kind, penalty in self.penalties.items():
            assert isinstance(penalty, LaplacianPenalty)
            values: Tensor = getattr(weights, kind)
            found = found + penalty.each(values[:, : penalty.n_features].t()) / self.total
        return found


def _pairs_of_edges(blueprint: Blueprint) -> tuple[_Index, _Index, NDArray[np.float64]]:
    """Return pairs of edges from interacting genes to one term, and the weights of the interactions."""
    position = {node: i for i, node in enumerate(blueprint.nodes["id"])}
    n = len(position)
    edges, links = blueprint.edges, blueprint.interactions
    own = np.flatnonzero(edges["source"].isin(set(blueprint.genes["id"])))
    source, target = (edges[end].map(position).to_numpy(dtype=np.int64)[own] for end in ("source", "target"))
    # The numbers of the edges, from 1, as entries of a matrix genes x terms; and ones in the same places.
    number = sparse.csr_matrix((own + 1, (source, target)), shape=(n, n))
    there = (number > 0).astype(np.int64)
    low, high = (links[end].map(position).to_numpy(dtype=np.int64) for end in ("source", "target"))
    first = number[low].multiply(there[high]).tocsr()
    second = there[low].multiply(number[high]).tocsr()
    first.sort_indices()
    second.sort_indices()
    weight = np.repeat(links["weight"].to_numpy(dtype=float), np.diff(first.indptr))
    return first.data - 1, second.data - 1, weight


def _pairs_of_weights(one: _Index, two: _Index, edge: _Index, n_edges: int) -> _Index:
    """Return ``[3, m]``: positions of two weights, and the pair of edges they belong to, neuron by neuron."""
    order = np.argsort(edge, kind="stable")  # weights of an edge in the order of the neurons
    count = np.bincount(edge[edge >= 0], minlength=n_edges)
    first = np.searchsorted(edge[order], np.arange(n_edges))
    used = np.flatnonzero((count[one] > 0) & (count[two] > 0))
    if (count[one[used]] != count[two[used]]).any():
        raise FitError("Interacting genes have layers of different width.", "Give every gene as many neurons.")
    size = count[one[used]]
    pair = np.repeat(used, size)
    within = np.arange(len(pair)) - np.repeat(np.cumsum(size) - size, size)
    return np.stack([order[first[one[pair]] + within], order[first[two[pair]] + within], pair])
