"""The products through dense matrices: slow, obvious, on every device. What the other backends are tested against."""

from __future__ import annotations

from torch import Tensor

from kgreg.nn.sparse.pattern import Index


def product(index: Index, values: Tensor, x: Tensor, transposed: bool) -> Tensor:
    """Return ``W x`` or ``W.T x``, ``[R, rows, batch]``, for ``values [R, nnz]`` and ``x [R, columns, batch]``."""
    n_rows, n_cols = index.shape
    dense = values.new_zeros(values.shape[0], n_rows * n_cols)
    dense.index_add_(1, index.row * n_cols + index.col, values)
    dense = dense.view(-1, n_rows, n_cols)
    return (dense.mT if transposed else dense) @ x


def sampled(index: Index, a: Tensor, b: Tensor) -> Tensor:
    """Return ``a b.T`` at the pattern, ``[R, nnz]``, for ``a [R, out, batch]`` and ``b [R, in, batch]``."""
    return (a @ b.mT)[:, index.row, index.col]
