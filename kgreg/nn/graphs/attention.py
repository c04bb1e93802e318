"""Graph attention (Velickovic et al. 2018) over one graph that all samples share."""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from kgreg.nn.graphs.genes import with_loops
from kgreg.nn.sparse import SparsePattern, multiply

#: Scores up to this size go through exp as they are; larger ones first lose the largest of their node.
_SAFE = 50.0


class GraphAttention(nn.Module):
    """``y_i = sum_j a_ij W x_j + b`` over the neighbours of ``i`` and ``i`` itself, for every head.

    ``a_i = softmax_j(LeakyReLU(u . W x_i + v . W x_j))`` with slope 0.2: it depends on the sample. Heads stand side by
    side in the result, or are averaged. As ``GATConv`` of torch-geometric, which takes no graph that samples share.

    Parameters
    ----------
    out_features
        Of one head.
    dropout
        Of attention, after the softmax.
    """

    SLOPE = 0.2

    def __init__(
        self,
        adjacency: sparse.csr_matrix,
        in_features: int,
        out_features: int,
        heads: int,
        average: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        entries = with_loops(adjacency).tocoo()
        self.pattern = SparsePattern(
            entries.row.astype(np.int64), entries.col.astype(np.int64), entries.shape[0], entries.shape[1]
        )
        self.heads, self.average, self.dropout = heads, average, dropout
        self.weight = nn.Parameter(torch.empty(in_features, heads * out_features))
        self.receiver = nn.Parameter(torch.empty(heads, out_features))
        self.sender = nn.Parameter(torch.empty(heads, out_features))
        self.bias = nn.Parameter(torch.zeros(out_features if average else heads * out_features))
        for parameter in (self.weight, self.receiver, self.sender):
            nn.init.xavier_uniform_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x [nodes, batch, in_features]``."""
        projected = self._project(x)
        scores, total = self._scores(projected)
        scores = nn.functional.dropout(scores, self.dropout, self.training)
        n, (heads, batch, features) = len(x), (self.heads, x.shape[1], projected.shape[3])
        # Divided after the product: there are many pairs to a node.
        y = multiply(self.pattern, scores, projected.reshape(heads * batch, n, features)) / total[:, :, None]
        y = y.view(heads, batch, n, features)
        if self.average:
            return y.mean(dim=0).transpose(0, 1) + self.bias
        return y.permute(2, 1, 0, 3).reshape(n, batch, heads * features) + self.bias

    def attention(self, x: Tensor) -> Tensor:
        """Return the attention of ``x [nodes, batch, in_features]``, ``[heads, batch, pairs]``.

        Pairs (receiver, sender) are those of ``pattern``, in its order; the attention of a receiver sums to 1.
        """
        scores, total = self._scores(self._project(x))
        return (scores / total.index_select(1, self.pattern.row)).view(self.heads, x.shape[1], -1)

    def _project(self, x: Tensor) -> Tensor:
        """Return ``W x`` as ``[heads, batch, nodes, out_features]``."""
        return (x @ self.weight).view(*x.shape[:2], self.heads, -1).permute(2, 1, 0, 3)

    def _scores(self, projected: Tensor) -> tuple[Tensor, Tensor]:
        """Return undivided attention ``[heads x batch, pairs]`` and its sums ``[heads x batch, nodes]``."""
        row, col = self.pattern.row, self.pattern.col
        to = (projected * self.receiver[:, None, None]).sum(dim=3).flatten(0, 1)
        come = (projected * self.sender[:, None, None]).sum(dim=3).flatten(0, 1)
        e = nn.functional.leaky_relu(to.index_select(1, row) + come.index_select(1, col), self.SLOPE)
        with torch.no_grad():
            safe = float(to.abs().max() + come.abs().max()) < _SAFE
        if not safe:
            with torch.no_grad():
                largest = torch.segment_reduce(e.t(), "max", offsets=self.pattern.crow, axis=0).t()
            e = e - largest.index_select(1, row)
        scores = torch.exp(e)
        return scores, scores.new_zeros(to.shape).index_add(1, row, scores)
