"""Convolutions over one graph that all samples share; activations are ``[nodes, batch, features]``.

Each computes what a layer of torch-geometric does (``ChebConv``, ``GCNConv``, ``SAGEConv``), to which the tests hold
it, as one sparse product of ``[nodes, nodes]`` and ``[nodes, batch x features]``: no message is written down for an
edge and a sample.
"""

from __future__ import annotations

import torch
from scipy import sparse
from torch import Tensor, nn

from kgreg.nn.graphs.genes import Propagation, mean_of_neighbours, normalised_adjacency, scaled_laplacian


class Chebyshev(nn.Module):
    """``y = sum_k T_k(L~) x W_k + b``, the ``K`` first Chebyshev polynomials of the scaled Laplacian.

    Defferrard, Bresson & Vandergheynst (2016). A node sees as far as ``K - 1`` steps.
    """

    def __init__(self, adjacency: sparse.csr_matrix, in_features: int, out_features: int, order: int) -> None:
        super().__init__()
        self.laplacian = Propagation(scaled_laplacian(adjacency))
        self.weight = nn.Parameter(torch.empty(order, in_features, out_features))
        self.bias = nn.Parameter(torch.zeros(out_features))
        for weight in self.weight:
            nn.init.xavier_uniform_(weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x [nodes, batch, in_features]``."""
        before, now = x, x
        y = x @ self.weight[0] + self.bias
        for k in range(1, len(self.weight)):
            before, now = now, self.laplacian(x) if k == 1 else 2 * self.laplacian(now) - before
            y = y + now @ self.weight[k]
        return y


class Gcn(nn.Module):
    """``y = D^-1/2 (A + I) D^-1/2 x W + b`` (Kipf & Welling 2017)."""

    def __init__(self, adjacency: sparse.csr_matrix, in_features: int, out_features: int) -> None:
        super().__init__()
        self.adjacency = Propagation(normalised_adjacency(adjacency))
        self.weight = nn.Parameter(torch.empty(in_features, out_features))
        self.bias = nn.Parameter(torch.zeros(out_features))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x [nodes, batch, in_features]``; the narrower side goes through the graph."""
        narrows = self.weight.shape[1] < self.weight.shape[0]
        mixed: Tensor = self.adjacency(x @ self.weight) if narrows else self.adjacency(x) @ self.weight
        return mixed + self.bias


class Sage(nn.Module):
    """``y = x W_self + mean of the neighbours' x W_neighbours + b`` (GraphSAGE, Hamilton et al. 2017).

    Weights of interactions do not enter. With ``unit_length`` the result (before the activation) has the length 1.
    """

    def __init__(
        self, adjacency: sparse.csr_matrix, in_features: int, out_features: int, unit_length: bool = False
    ) -> None:
        super().__init__()
        self.neighbours = Propagation(mean_of_neighbours(adjacency))
        self.unit_length = unit_length
        self.weight_self = nn.Parameter(torch.empty(in_features, out_features))
        self.weight_neighbours = nn.Parameter(torch.empty(in_features, out_features))
        self.bias = nn.Parameter(torch.zeros(out_features))
        nn.init.xavier_uniform_(self.weight_self)
        nn.init.xavier_uniform_(self.weight_neighbours)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x [nodes, batch, in_features]``."""
        return self.combine(x, self.neighbours(x))

    def combine(self, x: Tensor, mean: Tensor) -> Tensor:
        """Map nodes, given the mean of their neighbours; both ``[nodes, batch, in_features]``."""
        y = x @ self.weight_self + mean @ self.weight_neighbours + self.bias
        return nn.functional.normalize(y, dim=2) if self.unit_length else y
