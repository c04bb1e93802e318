"""Laplacians of interaction graphs, and the penalty ``tr(W.T L W)`` for any weight matrix, without a dense matrix.

With A the symmetric matrix of the weights of interactions and D the diagonal one of its row sums, the combinatorial
Laplacian is ``D - A``, and ``tr(W.T L W)`` the sum of ``a_ij |w_i - w_j|^2`` over all pairs; the symmetric normalised
one is ``I - D^-1/2 A D^-1/2`` (0 for a feature without interactions), and the sum that of
``a_ij |w_i / sqrt(d_i) - w_j / sqrt(d_j)|^2``. Memory and time grow with the number of interactions.
"""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor, nn

from kgreg.blueprint.model import Blueprint
from kgreg.errors import FitError

LaplacianKind = Literal["combinatorial", "normalised"]

#: Rows whose products are summed at a time: no temporary matrix of the size of the weights.
_PIECE = 512

warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")


def feature_interactions(blueprint: Blueprint) -> pd.DataFrame:
    """Return which inputs interact: those of interacting genes, within a modality.

    Returns
    -------
    DataFrame
        ``source, target`` (positions in ``blueprint.inputs``) and ``weight``, every pair once.
    """
    inputs = pd.DataFrame(
        {
            "node": blueprint.inputs["node"].to_numpy(),
            "modality": blueprint.inputs["modality"].to_numpy(),
            "position": np.arange(len(blueprint.inputs)),
        }
    )
    links = blueprint.interactions[["source", "target", "weight"]]
    found = links.merge(inputs.rename(columns={"node": "source", "position": "one"}), on="source")
    found = found.merge(inputs.rename(columns={"node": "target", "position": "two"}), on=["target", "modality"])
    return pd.DataFrame(
        {
            "source": found["one"].to_numpy(dtype=np.int64),
            "target": found["two"].to_numpy(dtype=np.int64),
            "weight": found["weight"].to_numpy(dtype=float),
        }
    )


class LaplacianPenalty(nn.Module):
    """``tr(W.T L W)`` for a weight matrix with a row a feature; for any layer of any network.

    A module without parameters, so that it moves to a device with the module that owns it. Its buffers follow from the
    edges and are not part of the state dict.

    Parameters
    ----------
    edges
        ``[2, m]`` features that interact, every pair once, in either direction.
    weight
        ``[m]`` positive; default: 1.
    n_features
        Rows of the weight matrices.
    kind
        "combinatorial" or "normalised", see :mod:`kgreg.nn.laplacian`.
    scaled
        Whether A is divided by its Frobenius norm first (Ma & Zhang 2019); the normalised Laplacian does not see it.
    unit_rows
        Whether the rows of W are first scaled to the length ``1 / sqrt(n_features)`` (as there), so that the penalty
        cannot be lowered by making W small; rows of zeros stay.

    Raises
    ------
    FitError
        If a pair repeats, a feature interacts with itself or is not there, or a weight is not a positive number.
    """

    crow: Tensor
    col: Tensor
    value: Tensor

    def __init__(
        self,
        edges: NDArray[np.int64],
        weight: NDArray[np.float64] | None,
        n_features: int,
        *,
        kind: LaplacianKind = "combinatorial",
        scaled: bool = False,
        unit_rows: bool = False,
    ) -> None:
        super().__init__()
        self.n_features, self.n_edges, self.kind, self.unit_rows = n_features, edges.shape[1], kind, unit_rows
        matrix = _laplacian(edges, weight, n_features, kind, scaled)
        for name, array in (("crow", matrix.indptr), ("col", matrix.indices), ("value", matrix.data)):
            self.register_buffer(name, torch.from_numpy(array), persistent=False)

    def forward(self, weight: Tensor) -> Tensor:
        """Return the penalty of ``weight [n_features, k]``, a number; of ``[k, n_features]`` give ``weight.t()``."""
        return self.each(weight).sum()

    def each(self, weight: Tensor) -> Tensor:
        """Return ``w.T L w`` of every column of ``weight [n_features, k]``, ``[k]``; their sum is the penalty.

        Raises
        ------
        FitError
            If the matrix has another number of rows.
        """
        if weight.dim() != 2 or len(weight) != self.n_features:
            raise FitError(
                f"The Laplacian is of {self.n_features} features, the weights are {list(weight.shape)}.",
                "Give a matrix with a row a feature.",
            )
        if self.unit_rows:
            weight = nn.functional.normalize(weight, dim=1) / self.n_features**0.5
        values: Tensor = _Quadratic.apply(weight, self.crow, self.col, self.value)  # type: ignore[no-untyped-call]
        return values

    def product(self, weight: Tensor) -> Tensor:
        """Return ``L W``, ``[n_features, k]``."""
        found: Tensor = _Product.apply(weight, self.crow, self.col, self.value)  # type: ignore[no-untyped-call]
        return found

    def extra_repr(self) -> str:
        """Say the size."""
        return f"{self.n_features} features, {self.n_edges} edges, {self.kind}"


class _Quadratic(torch.autograd.Function):
    """``w.T L w`` of every column; its gradient ``2 L w`` comes with it, at the cost of one product for both."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, crow: Tensor, col: Tensor, value: Tensor) -> Tensor:
        product = _multiply(crow, col, value, weight.detach())
        total = weight.new_zeros(weight.shape[1])
        for start in range(0, len(weight), _PIECE):
            rows = slice(start, start + _PIECE)
            total += (weight[rows] * product[rows]).sum(dim=0)
        ctx.save_for_backward(weight, crow, col, value)
        ctx.product = product if ctx.needs_input_grad[0] else None
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        weight, crow, col, value = ctx.saved_tensors
        if torch.is_grad_enabled():  # a derivative of the derivative is wanted
            again: Tensor = _Product.apply(weight, crow, col, value)  # type: ignore[no-untyped-call]
            return again * (2 * grads[0]), None, None, None
        # The product becomes the gradient, in its place; a second pass through a graph that is kept makes a new one.
        product, ctx.product = ctx.product, None
        if product is None:
            product = _multiply(crow, col, value, weight)
        return product.mul_(2 * grads[0]), None, None, None


class _Product(torch.autograd.Function):
    """``L W``; L is symmetric, so that its derivative is the same product."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, crow: Tensor, col: Tensor, value: Tensor) -> Tensor:
        ctx.save_for_backward(crow, col, value)
        return _multiply(crow, col, value, weight.detach())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        back: Tensor = _Product.apply(grads[0], *ctx.saved_tensors)  # type: ignore[no-untyped-call]
        return back, None, None, None


def _multiply(crow: Tensor, col: Tensor, value: Tensor, weight: Tensor) -> Tensor:
    size = (len(crow) - 1, len(crow) - 1)
    matrix = torch.sparse_csr_tensor(crow, col, value.to(weight.dtype), size, check_invariants=False)
    with torch.autocast(weight.device.type, enabled=False):
        # In place: :func:`torch.mm` would hold a second matrix of this size.
        return weight.new_zeros(weight.shape).addmm_(matrix, weight.contiguous())


def _laplacian(
    edges: NDArray[np.int64], weight: NDArray[np.float64] | None, n: int, kind: LaplacianKind, scaled: bool
) -> sparse.csr_matrix:
    """Return L in CSR form, with 32-bit indices, in torch's default type."""
    one, two = (np.asarray(end, dtype=np.int32) for end in edges)
    a = np.ones(len(one)) if weight is None else np.asarray(weight, dtype=float)
    _check(one, two, a, n)
    if scaled and len(a):
        a = a / np.sqrt(2 * np.sum(a**2))
    degree = np.bincount(one, a, n) + np.bincount(two, a, n)
    if kind == "normalised":
        root = np.sqrt(degree)
        a = a / (root[one] * root[two])
        degree = (degree > 0).astype(float)
    dtype = np.float64 if torch.get_default_dtype() == torch.float64 else np.float32
    off = (-a).astype(dtype)
    values = np.concatenate([off, off, degree.astype(dtype)])
    every = np.arange(n, dtype=np.int32)
    rows, columns = np.concatenate([one, two, every]), np.concatenate([two, one, every])
    matrix = sparse.csr_matrix((values, (rows, columns)), shape=(n, n))
    if matrix.nnz < len(values):  # entries of one place were added up
        pairs = pd.DataFrame({"low": np.minimum(one, two), "high": np.maximum(one, two)})
        low, high = pairs[pairs.duplicated()].iloc[0]
        raise FitError(f"The features {low} and {high} interact twice.", "Give every pair once.")
    return matrix


def _check(one: NDArray[np.int32], two: NDArray[np.int32], a: NDArray[np.float64], n: int) -> None:
    """Refuse what is no simple undirected graph with positive weights."""
    if len(a) != len(one):
        raise FitError(f"There are {len(one)} interactions, but {len(a)} weights.")
    if not len(a):
        return
    if min(one.min(), two.min()) < 0 or max(one.max(), two.max()) >= n:
        raise FitError(f"An interaction names a feature that is not among the {n} there are.")
    if not (np.isfinite(a) & (a > 0)).all():
        bad = int(np.flatnonzero(~(np.isfinite(a) & (a > 0)))[0])
        raise FitError(
            f"The interaction of the features {one[bad]} and {two[bad]} has the weight {a[bad]:g}.",
            "A Laplacian needs positive weights.",
        )
    if (one == two).any():
        raise FitError(f"The feature {one[one == two][0]} interacts with itself.", "Leave such interactions out.")
