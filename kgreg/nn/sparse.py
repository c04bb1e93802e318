"""Linear maps that hold parameters only for the edges that exist.

Activations are feature-major (``[features, batch]``): a row of the product gathers contiguous rows of its input.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from kgreg.errors import FitError

# What is used of it (products, sampled products) is checked against dense matrices in the tests.
warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")


class _SparseProduct(torch.autograd.Function):
    """``W @ x`` for a CSR matrix ``W`` whose values are the parameters.

    The backward pass stays sparse: ``W.T @ dy`` for the input and, for the values, ``dy @ x.T`` at the places of the
    edges only (a sampled dense-dense product).
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, x: Tensor, layer: SparseLinear) -> Tensor:
        ctx.save_for_backward(values, x)
        ctx.layer = layer
        return _csr(layer.crow, layer.col, values, (layer.out_features, layer.in_features)) @ x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        values, x = ctx.saved_tensors
        layer: SparseLinear = ctx.layer
        dy = grads[0].contiguous()
        d_values = d_x = None
        if ctx.needs_input_grad[0]:
            pattern = _csr(layer.crow, layer.col, values, (layer.out_features, layer.in_features))
            d_values = torch.sparse.sampled_addmm(pattern, dy, x.t(), beta=0.0).values()
        if ctx.needs_input_grad[1]:
            transposed = _csr(layer.crow_t, layer.col_t, values[layer.order_t], (layer.in_features, layer.out_features))
            d_x = transposed @ dy
        return d_values, d_x, None


def _csr(crow: Tensor, col: Tensor, values: Tensor, size: tuple[int, int]) -> Tensor:
    return torch.sparse_csr_tensor(crow, col, values, size, check_invariants=False)


class SparseLinear(nn.Module):
    """``y = W x`` where ``W[rows[i], cols[i]]`` are the only parameters.

    Parameters
    ----------
    rows, cols
        Integer arrays ``[n_edges]``: output and input index of each edge; no pair twice.
    out_features, in_features
        Size of ``W``.
    fan_in
        Float array ``[out_features]``; weights start uniform in ``+-1/sqrt(fan_in)`` of their row, as those of
        :class:`torch.nn.Linear`. Default: edges of the row.

    Shapes
    ------
    input ``[in_features, batch]``, output ``[out_features, batch]``. ``weight[edge_order[i]]`` belongs to edge ``i``.
    """

    crow: Tensor
    col: Tensor
    crow_t: Tensor
    col_t: Tensor
    order_t: Tensor
    bound: Tensor

    def __init__(
        self,
        rows: NDArray[np.int64],
        cols: NDArray[np.int64],
        out_features: int,
        in_features: int,
        fan_in: NDArray[np.float64] | None = None,
    ) -> None:
        super().__init__()
        self.out_features, self.in_features = out_features, in_features
        by_row = np.lexsort((cols, rows))
        rows, cols = rows[by_row], cols[by_row]
        if len(rows) and ((rows[1:] == rows[:-1]) & (cols[1:] == cols[:-1])).any():
            raise FitError("A sparse layer was given the same edge twice.")
        by_col = np.lexsort((rows, cols))
        self.edge_order = np.argsort(by_row)
        for name, array in (
            ("crow", _pointer(rows, out_features)),
            ("col", cols),
            ("crow_t", _pointer(cols[by_col], in_features)),
            ("col_t", rows[by_col]),
            ("order_t", by_col),
        ):
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(array)), persistent=False)
        if fan_in is None:
            fan_in = np.bincount(rows, minlength=out_features).astype(float)
        bound = torch.from_numpy(1.0 / np.sqrt(np.maximum(fan_in, 1.0))[rows])
        self.register_buffer("bound", bound.to(torch.get_default_dtype()), persistent=False)
        self.weight = nn.Parameter(torch.empty(len(rows)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew from the global torch generator."""
        with torch.no_grad():
            self.weight.uniform_(-1.0, 1.0).mul_(self.bound)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``W x``."""
        if not len(self.weight):
            return x.new_zeros(self.out_features, x.shape[1])
        product: Tensor = _SparseProduct.apply(self.weight, x.contiguous(), self)  # type: ignore[no-untyped-call]
        return product

    def to_dense(self) -> Tensor:
        """Return ``W`` as a dense ``[out_features, in_features]`` tensor (differentiable in the weights)."""
        rows = torch.repeat_interleave(torch.arange(self.out_features, device=self.col.device), self.crow.diff())
        dense = self.weight.new_zeros(self.out_features, self.in_features)
        return dense.index_put((rows, self.col), self.weight)

    def extra_repr(self) -> str:
        """Say the size and how much of it exists."""
        share = len(self.weight) / max(1, self.out_features * self.in_features)
        return f"{self.in_features} -> {self.out_features}, {len(self.weight)} edges ({share:.2%})"


def _pointer(sorted_rows: NDArray[np.int64], n_rows: int) -> NDArray[np.int64]:
    """Return the CSR row pointer ``[n_rows + 1]`` of sorted row indices."""
    pointer = np.zeros(n_rows + 1, dtype=np.int64)
    np.cumsum(np.bincount(sorted_rows, minlength=n_rows), out=pointer[1:])
    return pointer


def uniform_bias(fan_in: NDArray[np.float64]) -> Tensor:
    """Return a bias ``[len(fan_in)]`` uniform in ``+-1/sqrt(fan_in)``, as :class:`torch.nn.Linear` starts it."""
    bound = torch.from_numpy(1.0 / np.sqrt(np.maximum(fan_in, 1.0))).to(torch.get_default_dtype())
    return torch.empty(len(fan_in)).uniform_(-1.0, 1.0).mul_(bound)


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
