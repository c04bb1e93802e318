"""Inputs that are mostly zero, such as mutations, kept as the few values that are not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from kgreg.nn.hierarchy import kernels

#: Inputs with a larger share of values other than 0 are read densely.
SPARSE_BELOW = 0.15


@dataclass(frozen=True)
class SparseRows:
    """``[R, B, I]`` as the values other than 0, sample by sample (the three arrays of a CSR matrix with R B rows)."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.int64]
    values: NDArray[Any]
    shape: tuple[int, int, int]

    @classmethod
    def take(cls, table: sparse.csr_matrix, rows: NDArray[np.int64]) -> SparseRows:
        """Return the rows ``[R, B]`` of a table ``[n, I]``."""
        picked = table[rows.reshape(-1)]
        shape = (rows.shape[0], rows.shape[1], table.shape[1])
        return cls(picked.indptr.astype(np.int64), picked.indices.astype(np.int64), picked.data, shape)

    def dense(self, dtype: torch.dtype = torch.float32, device: Any = "cpu") -> Tensor:
        """Return the tensor ``[R, B, I]``."""
        networks, batch, inputs = self.shape
        matrix = sparse.csr_matrix((self.values, self.indices, self.indptr), shape=(networks * batch, inputs))
        return torch.from_numpy(matrix.toarray()).to(device=device, dtype=dtype).view(networks, batch, inputs)

    def to(self, device: Any, **_: Any) -> SparseRows | Tensor:
        """Return itself on the CPU, the dense tensor elsewhere."""
        return self if torch.device(device).type == "cpu" else self.dense(device=device)

    def by_feature(self, dtype: Any) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]:
        """Return the same values feature by feature: pointer ``[R, I + 1]``, sample, value."""
        networks, batch, inputs = self.shape
        pointer = np.zeros((networks, inputs + 1), np.int64)
        sample, value = np.empty(len(self.indices), np.int64), np.empty(len(self.indices), dtype)
        kernels.sort_by_feature(self.indptr, self.indices, self.values, batch, pointer, sample, value)
        return pointer, sample, value


def find_sparse(x: NDArray[Any]) -> SparseRows | None:
    """Return ``x [R, B, I]`` as :class:`SparseRows` if few of its values are not 0."""
    networks, batch, inputs = x.shape
    flat = x.reshape(networks * batch, inputs)
    if not x.size or np.count_nonzero(flat) > SPARSE_BELOW * x.size:
        return None
    matrix = sparse.csr_matrix(flat)
    return SparseRows(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64), matrix.data, x.shape)
