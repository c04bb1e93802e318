"""The products through torch's CSR matrices: for the CPU, and wherever a CUDA kernel cannot run.

Replicates are looped over. With eight replicates of 356,000 edges, 256 samples and one core that took 215 ms, and one
block-diagonal matrix of all replicates 269 ms.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from kgreg.nn.sparse import reference
from kgreg.nn.sparse.pattern import Index

# What is used of it (products, sampled products) is checked against dense matrices in the tests.
warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")


def product(index: Index, values: Tensor, x: Tensor, transposed: bool) -> Tensor:
    """Return ``W x`` or ``W.T x``, ``[R, rows, batch]``, for ``values [R, nnz]`` and ``x [R, columns, batch]``."""
    crow, col, size = index.crow, index.col, index.shape
    if transposed:
        crow, col, size = index.crow_t, index.col_t, size[::-1]
        values = values.index_select(1, index.order_t)
    y = x.new_empty(x.shape[0], size[0], x.shape[2])
    for r in range(len(x)):
        torch.mm(_matrix(crow, col, values[r], size), x[r].contiguous(), out=y[r])
    return y


def sampled(index: Index, a: Tensor, b: Tensor) -> Tensor:
    """Return ``a b.T`` at the pattern, ``[R, nnz]``, for ``a [R, out, batch]`` and ``b [R, in, batch]``."""
    if len(index.col) > index.shape[0] * index.shape[1]:
        # Torch refuses more entries, repeated ones, than a matrix has places. So small a matrix may as well be dense.
        return reference.sampled(index, a, b)
    pattern = _matrix(index.crow, index.col, a.new_zeros(len(index.col)), index.shape)
    return torch.stack(
        [
            torch.sparse.sampled_addmm(pattern, a[r].contiguous(), b[r].contiguous().t(), beta=0.0).values()
            for r in range(len(a))
        ]
    )


def _matrix(crow: Tensor, col: Tensor, values: Tensor, size: tuple[int, int]) -> Tensor:
    return torch.sparse_csr_tensor(crow, col, values, size, check_invariants=False)
