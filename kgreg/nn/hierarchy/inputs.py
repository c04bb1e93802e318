"""Inputs that are mostly zero, such as mutations, kept as the few values that are not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from kgreg.nn.hierarchy import features

#: Inputs with a larger share of values other than 0 are read densely.
SPARSE_BELOW = 0.15


class ByFeature(NamedTuple):
    """Values other than 0 of R tables: of feature i, ``value`` at the samples ``sample``, both from ``pointer[r, i]``
    (``[R, I + 1]``) on."""

    pointer: NDArray[np.int64]
    sample: NDArray[np.int64]
    value: NDArray[Any]


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

    def scaled(self, factor: float) -> SparseRows:
        """Return the values times a factor."""
        return replace(self, values=self.values * self.values.dtype.type(factor))

    def dense(self, dtype: torch.dtype = torch.float32, device: Any = "cpu") -> Tensor:
        """Return the tensor ``[R, B, I]``."""
        networks, batch, inputs = self.shape
        matrix = sparse.csr_matrix((self.values, self.indices, self.indptr), shape=(networks * batch, inputs))
        return torch.from_numpy(matrix.toarray()).to(device=device, dtype=dtype).view(networks, batch, inputs)

    def to(self, device: Any, **_: Any) -> SparseRows | Tensor:
        """Return itself on the CPU, the dense tensor elsewhere."""
        return self if torch.device(device).type == "cpu" else self.dense(device=device)

    def by_feature(self, dtype: Any) -> ByFeature:
        """Return the same values feature by feature."""
        networks, batch, inputs = self.shape
        pointer = np.zeros((networks, inputs + 1), np.int64)
        sample, value = np.empty(len(self.indices), np.int64), np.empty(len(self.indices), dtype)
        features.sort_by_feature(self.indptr, self.indices, self.values, batch, pointer, sample, value)
        return ByFeature(pointer, sample, value)


def find_sparse(x: NDArray[Any]) -> ByFeature | None:
    """Return the values of ``x [R, B, I]`` that are not 0, if they are few."""
    networks, _, inputs = x.shape
    counts = np.zeros((networks, inputs), np.int64)
    features.count_by_feature(x, counts)
    total = int(counts.sum())
    if not x.size or total > SPARSE_BELOW * x.size:
        return None
    ends = np.cumsum(counts).reshape(networks, inputs)
    pointer = np.concatenate([ends[:, :1] - counts[:, :1], ends], axis=1)
    sample, value = np.empty(total, np.int64), np.empty(total, x.dtype)
    features.list_by_feature(x, pointer, sample, value)
    return ByFeature(pointer, sample, value)
