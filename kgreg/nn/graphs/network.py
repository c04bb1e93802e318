"""A network whose samples are graphs of genes: convolutions, pooling, a dense branch, a head."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from kgreg.blueprint.model import Blueprint
from kgreg.nn.dense import ACTIVATIONS, dense_layers
from kgreg.nn.graphs.attention import GraphAttention
from kgreg.nn.graphs.coarsening import MaxPooling, coarsen, without_diagonal
from kgreg.nn.graphs.convolutions import Chebyshev, Gcn, Sage
from kgreg.nn.graphs.design import KEPT, GraphDesign
from kgreg.nn.graphs.genes import GeneGraph, gene_graph
from kgreg.nn.graphs.sampling import sample_blocks
from kgreg.nn.guided import Given, GuidedNetwork, Passed
from kgreg.nn.inputs import Inputs


class GraphNetwork(GuidedNetwork):
    """See :class:`~kgreg.nn.graphs.design.GraphDesign`.

    Where genes are pooled, the clusters of the last pooling are the inner nodes, called ``cluster:`` and the id of
    their first gene; :attr:`cluster_genes` has them all. Without pooling there are no inner nodes: hidden features of a
    gene would only be called by the name of the gene, whose importance is read at the inputs.

    Attributes
    ----------
    graph
        The genes and what joins them.
    cluster_genes
        Id of a cluster -> ids of its genes.

    Raises
    ------
    FitError
        If no interaction of the blueprint joins two genes.
    """

    inputs: Tensor

    def __init__(self, blueprint: Blueprint, n_outputs: int, design: GraphDesign, n_covariates: int = 0) -> None:
        self.design, self.graph = design, gene_graph(blueprint)
        adjacency, widths = self.graph.adjacency(), design.out_widths()
        pooled = any(size > 1 for size in design.pool)
        graphs, poolings, clusters = _coarse_graphs(adjacency, design.pool or (1,) * len(widths))
        self.cluster_genes = _named_clusters(self.graph, clusters) if pooled else {}
        super().__init__(
            blueprint, n_outputs, list(self.cluster_genes), [widths[-1]] * len(self.cluster_genes), n_covariates
        )
        n, n_modalities = self.graph.inputs.shape
        self.register_buffer("inputs", torch.from_numpy(self.graph.inputs), persistent=False)
        below = design.gene_features or n_modalities
        if design.gene_features:
            # Each gene's own map begins as one that all genes share, with a little of its own.
            shared = nn.init.xavier_uniform_(torch.empty(n_modalities, below))
            self.gene_weight = nn.Parameter(shared + 0.1 * torch.randn(n, n_modalities, below))
            self.gene_bias = nn.Parameter(torch.zeros(n, below))
        layers: list[nn.Module] = []
        for k, (graph, width) in enumerate(zip(graphs, widths, strict=True)):
            layers.append(_convolution(design, graph, below, k))
            below = width
        self.convolutions, self.poolings = nn.ModuleList(layers), nn.ModuleList(poolings)
        self.dense = dense_layers(self.n_inputs, design.dense, design.activation, design.dropout)
        nodes = int(clusters.max()) + 1 if design.readout == "flatten" else 1
        read = nodes * below + sum(design.dense[-1:]) + n_covariates
        self.hidden = dense_layers(read, design.hidden, design.activation, design.dropout)
        self.head = nn.Linear(design.hidden[-1] if design.hidden else read, n_outputs)
        self._activation = ACTIVATIONS[design.activation]()
        self._numbers = _numbers_a_sample(design, graphs, n_modalities)

    def compute(self, given: Given) -> Passed:
        """Do one pass. In training with ``seeds``, over a sampled part of the graph."""
        design = self.design
        h = self._sampled(given.x) if self.training and design.seeds else self._whole(given.x)
        levels = self.changed([h.flatten(1)]) if self.cluster_genes else []
        if levels:
            h = levels[0].view(h.shape)
        parts = [h.mean(dim=1) if design.readout == "mean" else h.flatten(1)]
        if len(self.dense):
            parts.append(self.dense(given.x))
        if given.covariates is not None:
            parts.append(given.covariates)
        read = nn.functional.dropout(torch.cat(parts, dim=1), design.dropout, self.training)
        return Passed(self.head(self.hidden(read)), levels)

    def edge_attention(self, x: Tensor | Inputs) -> Tensor | None:
        """Return how much attention goes along each interaction, mean over the samples; None without attention.

        Attention is counted in units of what a gene would pay to each of its neighbours (and itself) if it paid the
        same to all: 1 is uniform. It is averaged over both directions, the heads, and the layers before any pooling.

        Returns
        -------
        Tensor
            ``[n_interactions]`` in the order of ``blueprint.interactions``; NaN for one that does not join two genes.
        """
        if self.design.conv != "gat":
            return None
        given = self.given(x)
        with torch.no_grad():
            pieces = [self._attention_of(given.x[piece]) for piece in _pieces(len(given.x), KEPT // self._numbers)]
        found = torch.stack(pieces).sum(dim=0) / len(given.x)
        attention = found.new_full((self.graph.n_interactions,), torch.nan)
        attention[torch.from_numpy(self.graph.joined).to(found.device)] = found
        return attention

    # ---- the graph part ------------------------------------------------------------------------------------------

    def _whole(self, x: Tensor) -> Tensor:
        """Return the features of every gene or cluster, ``[batch, nodes, features]``."""
        size = max(1, KEPT // self._numbers)
        if len(x) <= size:
            return self._graph_part(x)
        parts = []
        for piece in _pieces(len(x), size):
            if torch.is_grad_enabled():
                parts.append(checkpoint(self._graph_part, x[piece], use_reentrant=False))
            else:
                parts.append(self._graph_part(x[piece]))
        return torch.cat(parts)

    def _graph_part(self, x: Tensor) -> Tensor:
        h = self._features(x, self.inputs)
        for convolution, pooling in zip(self.convolutions, self.poolings, strict=True):
            h = self._activation(convolution(self._dropped_features(h)))
            h = pooling(h)
        return h.transpose(0, 1)

    def _sampled(self, x: Tensor) -> Tensor:
        """Return the features of some genes, from sampled neighbours, ``[batch, seeds, features]``."""
        n = len(self.inputs)
        layers = [layer for layer in self.convolutions if isinstance(layer, Sage)]
        index = layers[0].neighbours.pattern.index
        seeds = torch.randperm(n, device=x.device)[: self.design.seeds]
        nodes, blocks = sample_blocks(index.crow, index.col, seeds, self.design.fanout)
        h = self._features(x, self.inputs[nodes], nodes)
        for layer, block in zip(layers, blocks, strict=True):
            h = self._dropped_features(h)
            h = self._activation(layer.combine(h[block.itself], block.mean(h)))
        return h.transpose(0, 1)

    def _features(self, x: Tensor, inputs: Tensor, nodes: Tensor | None = None) -> Tensor:
        """Return what is measured of genes, ``[genes, batch, features]``; 0 where a modality is missing."""
        h = torch.cat([x.t(), x.new_zeros(1, len(x))])[inputs].transpose(1, 2)
        if not self.design.gene_features:
            return h.contiguous()
        weight: Tensor = self.gene_weight
        bias: Tensor = self.gene_bias
        if nodes is not None:
            weight, bias = weight[nodes], bias[nodes]
        return h @ weight + bias[:, None]

    def _attention_of(self, x: Tensor) -> Tensor:
        """Return attention in units of the uniform, summed over samples, ``[interactions between genes]``."""
        layers = []
        h = self._features(x, self.inputs)
        for convolution, size in zip(self.convolutions, self.design.pool or (1,) * len(self.convolutions), strict=True):
            assert isinstance(convolution, GraphAttention)
            pointer, row, place = convolution.pattern.crow, convolution.pattern.row, self._places(convolution)
            paid = convolution.attention(h).mean(dim=0).sum(dim=0) * torch.diff(pointer)[row]
            layers.append(paid[place].mean(dim=0))
            if size > 1:
                break
            h = self._activation(convolution(h))
        return torch.stack(layers).mean(dim=0)

    def _places(self, convolution: GraphAttention) -> Tensor:
        """Return where each interaction stands among the pairs of the convolution, ``[2, n]``: in both directions."""
        n, pattern = len(self.inputs), convolution.pattern
        keys = pattern.row * n + pattern.col
        one, two = (torch.from_numpy(end).to(keys.device) for end in (self.graph.one, self.graph.two))
        return torch.searchsorted(keys, torch.stack([one * n + two, two * n + one]))

    def _dropped_features(self, h: Tensor) -> Tensor:
        return nn.functional.dropout(h, self.design.feature_dropout, self.training)


def _coarse_graphs(
    adjacency: sparse.csr_matrix, sizes: Sequence[int]
) -> tuple[list[sparse.csr_matrix], list[nn.Module], NDArray[np.int64]]:
    """Return the graph that each layer works on, the pooling after it, and the last cluster of every gene."""
    graphs: list[sparse.csr_matrix] = []
    poolings: list[nn.Module] = []
    graph, clusters = adjacency, np.arange(adjacency.shape[0], dtype=np.int64)
    for size in sizes:
        graphs.append(without_diagonal(graph))
        if size == 1:
            poolings.append(nn.Identity())
            continue
        merged, graph = coarsen(graph, size.bit_length() - 1)
        poolings.append(MaxPooling(merged))
        clusters = merged[clusters]
    return graphs, poolings, clusters


def _named_clusters(graph: GeneGraph, clusters: NDArray[np.int64]) -> dict[str, list[str]]:
    members: dict[int, list[str]] = {}
    for gene, cluster in zip(graph.genes, clusters.tolist(), strict=True):
        members.setdefault(cluster, []).append(gene)
    return {f"cluster:{genes[0]}": genes for _, genes in sorted(members.items())}


def _convolution(design: GraphDesign, graph: sparse.csr_matrix, below: int, layer: int) -> nn.Module:
    width = design.widths[layer]
    if design.conv == "cheb":
        return Chebyshev(graph, below, width, design.order)
    if design.conv == "gcn":
        return Gcn(graph, below, width)
    if design.conv == "sage":
        return Sage(graph, below, width, design.unit_length)
    average = design.last_heads == "mean" and layer == len(design.widths) - 1
    return GraphAttention(graph, below, width, design.heads, average, design.attention_dropout)


def _numbers_a_sample(design: GraphDesign, graphs: Sequence[sparse.csr_matrix], n_modalities: int) -> int:
    """Return about how many numbers the graph part keeps for the way back, for one sample."""
    numbers, below = 0, design.gene_features or n_modalities
    for graph, width in zip(graphs, design.out_widths(), strict=True):
        n = graph.shape[0]
        if design.conv == "gat":
            numbers += n * (below + 3 * width) + 6 * design.heads * (graph.nnz + n)
        else:
            numbers += n * (below * (design.order if design.conv == "cheb" else 2) + 2 * width)
        below = width
    return numbers


def _pieces(n: int, size: int) -> list[slice]:
    size = max(1, size)
    return [slice(start, start + size) for start in range(0, n, size)]
