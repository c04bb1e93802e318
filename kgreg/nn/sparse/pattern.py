"""Which entries of a matrix exist."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kgreg.errors import FitError


class Index(NamedTuple):
    """Where the entries of ``W [out_features, in_features]`` lie: int64 tensors, entries ordered by row, then column.

    ``crow [out_features + 1]``, ``row [nnz]``, ``col [nnz]``: CSR of ``W``, and the row of every entry.
    ``crow_t [in_features + 1]``, ``col_t [nnz]``: CSR of ``W.T``; its entry ``i`` is entry ``order_t[i]`` of ``W``.
    """

    crow: Tensor
    row: Tensor
    col: Tensor
    crow_t: Tensor
    col_t: Tensor
    order_t: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """Return ``(out_features, in_features)``."""
        return self.crow.shape[0] - 1, self.crow_t.shape[0] - 1


class SparsePattern(nn.Module):
    """The entries of a matrix that exist, without their values.

    A module without parameters, so that it moves to a device with the module that owns it. Its buffers (those of
    :class:`Index`) follow from the edges and are not part of the state dict.

    Parameters
    ----------
    rows, cols
        Integer arrays ``[nnz]``: output and input index of each edge. An edge may be repeated: its values add up.
    out_features, in_features
        Size of the matrix.

    Attributes
    ----------
    edge_order
        ``[nnz]``: the value of edge ``i``, as given, is entry ``edge_order[i]`` of the pattern.

    Raises
    ------
    FitError
        If an edge lies outside the matrix, or ``rows`` and ``cols`` differ in length.
    """

    crow: Tensor
    row: Tensor
    col: Tensor
    crow_t: Tensor
    col_t: Tensor
    order_t: Tensor

    def __init__(self, rows: NDArray[np.int64], cols: NDArray[np.int64], out_features: int, in_features: int) -> None:
        super().__init__()
        self.out_features, self.in_features, self.n_edges = int(out_features), int(in_features), len(rows)
        _check_edges(rows, cols, out_features, in_features)
        by_row = np.lexsort((cols, rows))
        self.edge_order: NDArray[np.int64] = np.argsort(by_row)
        rows, cols = rows[by_row], cols[by_row]
        by_col = np.lexsort((rows, cols))
        index = {
            "crow": _pointer(rows, out_features),
            "row": rows,
            "col": cols,
            "crow_t": _pointer(cols[by_col], in_features),
            "col_t": rows[by_col],
            "order_t": by_col,
        }
        for name, array in index.items():
            tensor = torch.from_numpy(np.ascontiguousarray(array, dtype=np.int64))
            self.register_buffer(name, tensor, persistent=False)

    @property
    def index(self) -> Index:
        """Return the buffers, on the device where they are now."""
        return Index(self.crow, self.row, self.col, self.crow_t, self.col_t, self.order_t)

    def to_dense(self, values: Tensor) -> Tensor:
        """Return ``values [..., nnz]`` as matrices ``[..., out_features, in_features]`` (differentiable)."""
        flat = values.new_zeros(*values.shape[:-1], self.out_features * self.in_features)
        flat = flat.index_add(-1, self.row * self.in_features + self.col, values)
        return flat.view(*values.shape[:-1], self.out_features, self.in_features)

    def extra_repr(self) -> str:
        """Say the size and how many entries exist."""
        return f"{self.in_features} -> {self.out_features}, {self.n_edges} edges"


def _check_edges(rows: NDArray[np.int64], cols: NDArray[np.int64], out_features: int, in_features: int) -> None:
    if len(rows) != len(cols):
        raise FitError(f"A sparse pattern was given {len(rows)} rows, but {len(cols)} columns.")
    outside = (rows < 0) | (rows >= out_features) | (cols < 0) | (cols >= in_features)
    if outside.any():
        edge = int(np.flatnonzero(outside)[0])
        raise FitError(
            f"Edge {edge} (input {cols[edge]} -> output {rows[edge]}) lies outside a matrix of "
            f"{in_features} inputs and {out_features} outputs."
        )


def _pointer(sorted_rows: NDArray[np.int64], n_rows: int) -> NDArray[np.int64]:
    """Return the CSR row pointer ``[n_rows + 1]`` of sorted row indices."""
    pointer = np.zeros(n_rows + 1, dtype=np.int64)
    np.cumsum(np.bincount(sorted_rows, minlength=n_rows), out=pointer[1:])
    return pointer
