"""Laplacians of interaction graphs, and the penalty ``tr(W.T L W)`` for any weight matrix, without a dense matrix.

With A the symmetric matrix of the weights of interactions and D the diagonal one of its row sums, the combinatorial
Laplacian is ``D - A``, and ``tr(W.T L W)`` the sum of ``a_ij |w_i - w_j|^2`` over all pairs; the symmetric normalised
one is ``I - D^-1/2 A D^-1/2`` (0 for a feature without interactions), and the sum that of
``a_ij |w_i / sqrt(d_i) - w_j / sqrt(d_j)|^2``. Memory and time grow with the number of interactions: every edge is held
once, 8 bytes in single precision.
"""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kgreg.blueprint.model import Blueprint
from kgreg.errors import FitError
from kgreg.nn.laplacian_kernels import fill, multiply

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

    A module without parameters, so that it moves to a device with the module that owns it. Its buffers, the upper
    triangle of L by rows and its diagonal, follow from the edges and are not part of the state dict. On the CPU, in
    single and double precision, the product reads every edge once; elsewhere L is completed when it is first needed.

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
        If a pair repeats, a feature interacts with itself or is not there, a weight is not a positive number, or there
        are more than about 2^30 edges.
    """

    pointer: Tensor
    column: Tensor
    value: Tensor
    diagonal: Tensor

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
        self._complete: tuple[Tensor, Tensor, Tensor] | None = None
        triangle = _laplacian(edges, weight, n_features, kind, scaled)
        for name, array in zip(("pointer", "column", "value", "diagonal"), triangle, strict=True):
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
        values: Tensor = _Quadratic.apply(weight, self)  # type: ignore[no-untyped-call]
        return values

    def product(self, weight: Tensor) -> Tensor:
        """Return ``L W``, ``[n_features, k]``."""
        found: Tensor = _Product.apply(weight, self)  # type: ignore[no-untyped-call]
        return found

    def extra_repr(self) -> str:
        """Say the size."""
        return f"{self.n_features} features, {self.n_edges} edges, {self.kind}"

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        self._complete = None  # made of buffers that change their device or type here
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    def _multiply(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``L W`` and the sums ``[k]`` of the columns of ``W * L W``."""
        weight = weight.detach().contiguous()
        compiled = weight.device.type == "cpu" and {weight.dtype, self.value.dtype} <= {torch.float32, torch.float64}
        return self._by_edges(weight) if compiled else self._by_entries(weight)

    def _by_edges(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        w = weight.numpy()
        # Of numpy, not torch: where the last step's gradient was freed there is always room for the next one, but not
        # for one that has to be aligned to 64 bytes.
        out = np.zeros(w.shape, w.dtype)
        sums = np.zeros(w.shape[1])  # in double precision: of thousands of numbers, one after the other
        triangle = (array.numpy() for array in (self.pointer, self.column, self.value, self.diagonal))
        multiply(*triangle, w, out, sums)
        return torch.from_numpy(out), torch.from_numpy(sums).to(weight.dtype)

    def _by_entries(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        if self._complete is None:
            self._complete = _complete(self.pointer, self.column, self.value, self.diagonal)
        crow, column, value = self._complete
        size = (self.n_features, self.n_features)
        matrix = torch.sparse_csr_tensor(crow, column, value.to(weight.dtype), size, check_invariants=False)
        with torch.autocast(weight.device.type, enabled=False):
            # In place: :func:`torch.mm` would hold a second matrix of this size.
            product = weight.new_zeros(weight.shape).addmm_(matrix, weight)
        total = weight.new_zeros(weight.shape[1])
        for start in range(0, len(weight), _PIECE):
            rows = slice(start, start + _PIECE)
            total += (weight[rows] * product[rows]).sum(dim=0)
        return product, total


class _Quadratic(torch.autograd.Function):
    """``w.T L w`` of every column; its gradient ``2 L w`` comes with it, at the cost of one product for both."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, penalty: LaplacianPenalty) -> Tensor:
        product, total = penalty._multiply(weight)
        ctx.save_for_backward(weight)
        ctx.penalty = penalty
        ctx.product = product if ctx.needs_input_grad[0] else None
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (weight,) = ctx.saved_tensors
        if torch.is_grad_enabled():  # a derivative of the derivative is wanted
            again: Tensor = _Product.apply(weight, ctx.penalty)  # type: ignore[no-untyped-call]
            return again * (2 * grads[0]), None
        # The product becomes the gradient, in its place; a second pass through a graph that is kept makes a new one.
        product, ctx.product = ctx.product, None
        if product is None:
            product, _ = ctx.penalty._multiply(weight)
        return product.mul_(2 * grads[0]), None


class _Product(torch.autograd.Function):
    """``L W``; L is symmetric, so that its derivative is the same product."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, penalty: LaplacianPenalty) -> Tensor:
        ctx.penalty = penalty
        product, _ = penalty._multiply(weight)
        return product

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        back: Tensor = _Product.apply(grads[0], ctx.penalty)  # type: ignore[no-untyped-call]
        return back, None


def _complete(pointer: Tensor, column: Tensor, value: Tensor, diagonal: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return all of a symmetric matrix in CSR form, given its strict upper triangle and its diagonal."""
    n = len(diagonal)
    every = torch.arange(n + 1, device=column.device)
    row, column = every[:-1].repeat_interleave(pointer.diff()), column.long()
    rows, columns = torch.cat([row, column, every[:-1]]), torch.cat([column, row, every[:-1]])
    order = (rows * n + columns).argsort()
    crow = torch.searchsorted(rows[order], every, out_int32=True)
    return crow, columns[order].int(), torch.cat([value, value, diagonal])[order]


def _laplacian(
    edges: NDArray[np.int64], weight: NDArray[np.float64] | None, n: int, kind: LaplacianKind, scaled: bool
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[Any], NDArray[Any]]:
    """Return the strict upper triangle of L, ``pointer, column, value``, and its diagonal, in torch's default type."""
    if 2 * edges.shape[1] + n >= 2**31:
        raise FitError(f"There are {edges.shape[1]:,} interactions, more than a Laplacian can hold: 2^30.")
    one, two = (np.ascontiguousarray(end, dtype=np.int64) for end in edges)
    a = np.ones(len(one)) if weight is None else np.ascontiguousarray(weight, dtype=float)
    _check(one, two, a, n)
    diagonal: NDArray[Any] = np.bincount(one, a, n) + np.bincount(two, a, n)
    factor = np.ones(n)  # of the weights of a feature's interactions; a second one comes from the other end
    if kind == "normalised":
        linked = diagonal > 0
        np.divide(1.0, np.sqrt(diagonal), out=factor, where=linked)
        diagonal = linked
    elif scaled and len(a):
        norm = np.sqrt(2 * np.dot(a, a))
        factor /= np.sqrt(norm)
        diagonal /= norm
    dtype = np.float64 if torch.get_default_dtype() == torch.float64 else np.float32
    pointer, column, value = np.zeros(n + 1, np.int32), np.empty(len(one), np.int32), np.empty(len(one), dtype)
    twice = fill(one, two, a, factor, pointer, column, value)
    if twice >= 0:
        low, high = np.searchsorted(pointer, twice, side="right") - 1, column[twice]
        raise FitError(f"The features {low} and {high} interact twice.", "Give every pair once.")
    return pointer, column, value, diagonal.astype(dtype)


def _check(one: NDArray[np.int64], two: NDArray[np.int64], a: NDArray[np.float64], n: int) -> None:
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
