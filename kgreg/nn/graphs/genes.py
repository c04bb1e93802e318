"""The graph of genes that a blueprint holds, and the matrices that convolutions multiply by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn

from kgreg.blueprint.model import Blueprint
from kgreg.errors import FitError, some
from kgreg.nn.sparse import SparsePattern, multiply


@dataclass(frozen=True)
class GeneGraph:
    """Genes that were measured, and what joins them.

    Attributes
    ----------
    genes
        Ids, in the order in which ``blueprint.inputs`` first names them.
    inputs
        ``[n_genes, n_modalities]``: position in ``blueprint.inputs``; ``n_inputs`` where a gene was not measured so.
    n_interactions
        Rows of ``blueprint.interactions``.
    joined
        Those that join two of the genes.
    one, two
        The genes that each of these joins, as positions in ``genes``.
    weight
        Of each, positive.
    """

    genes: list[str]
    inputs: NDArray[np.int64]
    n_interactions: int
    joined: NDArray[np.int64]
    one: NDArray[np.int64]
    two: NDArray[np.int64]
    weight: NDArray[np.float64]

    def adjacency(self) -> sparse.csr_matrix:
        """Return the symmetric matrix of weights ``[n_genes, n_genes]``, its diagonal empty."""
        n = len(self.genes)
        ends = (np.concatenate([self.one, self.two]), np.concatenate([self.two, self.one]))
        return sparse.csr_matrix((np.concatenate([self.weight, self.weight]), ends), shape=(n, n))


def gene_graph(blueprint: Blueprint) -> GeneGraph:
    """Return the graph of a blueprint's genes.

    Genes without an interaction stay, as nodes that hear of nobody.

    Raises
    ------
    FitError
        If no interaction joins two genes, or a gene has several features of one modality.
    """
    gene, ids = pd.factorize(blueprint.inputs["node"])
    modality, kinds = pd.factorize(blueprint.inputs["modality"])
    twice = blueprint.inputs.duplicated(["node", "modality"])
    if twice.any():
        raise FitError(
            f"Several features of one modality belong to one gene: {some(blueprint.inputs.loc[twice, 'node'])}.",
            "Keep one of them for each gene.",
        )
    inputs = np.full((len(ids), len(kinds)), len(gene), dtype=np.int64)
    inputs[gene, modality] = np.arange(len(gene))
    place = pd.Series(np.arange(len(ids)), index=ids)
    ends = [place.reindex(blueprint.interactions[end]).to_numpy(dtype=float) for end in ("source", "target")]
    joined = np.flatnonzero(np.isfinite(ends[0]) & np.isfinite(ends[1]))
    if not len(joined):
        raise FitError(
            f"A graph network needs interactions, and the blueprint has none between its {len(ids)} genes.",
            'Choose them in [knowledge]: guide = "interactions" with interactions = "reactome", "string" or a file.',
        )
    one, two = (end[joined].astype(np.int64) for end in ends)
    weight = blueprint.interactions["weight"].to_numpy(dtype=np.float64)[joined]
    return GeneGraph([str(node) for node in ids], inputs, len(blueprint.interactions), joined, one, two, weight)


class Propagation(nn.Module):
    """A fixed sparse matrix that mixes nodes: ``h[i] <- sum_j M[i, j] h[j]``.

    Its entries follow from the graph and are not part of the state dict.
    """

    values: Tensor

    def __init__(self, matrix: sparse.spmatrix) -> None:
        super().__init__()
        entries = sparse.coo_matrix(matrix)
        self.pattern = SparsePattern(
            entries.row.astype(np.int64), entries.col.astype(np.int64), entries.shape[0], entries.shape[1]
        )
        values = np.empty(entries.nnz)
        values[self.pattern.edge_order] = entries.data
        self.register_buffer("values", torch.from_numpy(values).to(torch.get_default_dtype()), persistent=False)

    def forward(self, h: Tensor) -> Tensor:
        """Mix ``h [nodes, batch, features]``."""
        mixed = multiply(self.pattern, self.values, h.flatten(1))
        return mixed.view(len(mixed), *h.shape[1:])


def scaled_laplacian(adjacency: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return ``L - I`` with the normalised Laplacian ``L = I - D^-1/2 A D^-1/2``.

    That is ``2 L / lambda_max - I`` for the bound ``lambda_max = 2``, which Defferrard et al. (2016) and Kipf & Welling
    (2017) use as well. The row of an isolated node is empty.
    """
    from torch_geometric.utils import get_laplacian

    edges, values = get_laplacian(*_edges(adjacency), normalization="sym", num_nodes=adjacency.shape[0])
    matrix = _matrix(edges, values, adjacency.shape[0]) - sparse.identity(adjacency.shape[0], format="csr")
    matrix.eliminate_zeros()
    return matrix.tocsr()


def normalised_adjacency(adjacency: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return ``D^-1/2 (A + I) D^-1/2`` with the degrees ``D`` of ``A + I`` (Kipf & Welling 2017)."""
    from torch_geometric.nn.conv.gcn_conv import gcn_norm

    edges, values = gcn_norm(*_edges(adjacency), num_nodes=adjacency.shape[0])
    return _matrix(edges, values, adjacency.shape[0])


def mean_of_neighbours(adjacency: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the matrix that takes the plain mean over neighbours; the row of an isolated node is empty."""
    degree = np.diff(adjacency.indptr)
    values = np.repeat(1.0 / np.maximum(degree, 1), degree)
    return sparse.csr_matrix((values, adjacency.indices, adjacency.indptr), shape=adjacency.shape)


def with_loops(adjacency: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return ones where nodes are joined, and on the diagonal: whom each node attends to."""
    pattern = sparse.csr_matrix(
        (np.ones(adjacency.nnz), adjacency.indices, adjacency.indptr), shape=adjacency.shape
    ) + sparse.identity(adjacency.shape[0], format="csr")
    return pattern.tocsr()


def _edges(adjacency: sparse.csr_matrix) -> tuple[Tensor, Tensor]:
    entries = adjacency.tocoo()
    index = np.stack([entries.row, entries.col]).astype(np.int64)
    return torch.from_numpy(index), torch.from_numpy(entries.data.astype(np.float64))


def _matrix(edges: Tensor, values: Tensor, n: int) -> sparse.csr_matrix:
    return sparse.csr_matrix((values.numpy(), edges.numpy()), shape=(n, n))
