"""Random sparse products, and the dense ones they must equal: values, first and second derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from kgreg.nn.sparse import SparsePattern, multiply, sample

Function = Callable[[Tensor, Tensor], Tensor]
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
LAYOUTS = ("contiguous", "transposed", "strided", "expanded")


@dataclass(frozen=True)
class Case:
    """Edges, and the number of replicates (None: no such dimension), samples, memory layout and seed of the tensors."""

    rows: np.ndarray
    cols: np.ndarray
    n_out: int
    n_in: int
    replicates: int | None
    batch: int
    layout: str
    seed: int

    @property
    def pattern(self) -> SparsePattern:
        return SparsePattern(self.rows, self.cols, self.n_out, self.n_in)

    def leaf(self, *shape: int, dtype: torch.dtype, salt: int) -> Tensor:
        """Return a leaf whose ``view`` has ``shape``, with replicates in front if there are any."""
        torch.manual_seed(self.seed + salt)
        full = list(shape) if self.replicates is None else [self.replicates, *shape]
        if self.layout == "transposed":
            full.reverse()
        elif self.layout == "strided":
            full[-1] *= 2
        elif self.layout == "expanded" and self.replicates is not None:
            full[0] = 1
        return (torch.rand(full, dtype=dtype) * 2 - 1).requires_grad_()

    def view(self, leaf: Tensor) -> Tensor:
        if self.layout == "transposed":
            return leaf.permute(*range(leaf.dim() - 1, -1, -1))
        if self.layout == "strided":
            return leaf[..., ::2]
        if self.layout == "expanded" and self.replicates is not None:
            return leaf.expand(self.replicates, *leaf.shape[1:])
        return leaf

    def dense(self, values: Tensor) -> Tensor:
        """Return the matrices with ``values``, one edge at a time; repeated edges add up."""
        matrix = values.new_zeros(*values.shape[:-1], self.n_out, self.n_in)
        for row, col, place in zip(self.rows, self.cols, self.pattern.edge_order, strict=True):
            here = values.new_zeros(self.n_out, self.n_in)
            here[row, col] = 1
            matrix = matrix + values[..., place, None, None] * here
        return matrix


@st.composite
def cases(draw: st.DrawFn, most: int = 6) -> Case:
    """Draw a case; rows and columns may be empty, edges repeated, or absent altogether."""
    n_out, n_in = draw(st.integers(1, most)), draw(st.integers(1, most))
    places = st.tuples(st.integers(0, n_out - 1), st.integers(0, n_in - 1))
    edges = np.array(draw(st.lists(places, max_size=3 * most)), dtype=np.int64).reshape(-1, 2)
    return Case(
        edges[:, 0],
        edges[:, 1],
        n_out,
        n_in,
        draw(st.sampled_from([None, 1, 3])),
        draw(st.sampled_from([1, 2, 5])),
        draw(st.sampled_from(LAYOUTS)),
        draw(st.integers(0, 2**20)),
    )


def assert_all_equal_dense(case: Case, backend: str, dtype: torch.dtype, device: str = "cpu") -> None:
    """Check both products, the first also transposed, against dense ones with derivatives by autograd, in float64."""
    pattern = case.pattern.to(device)
    nnz = pattern.n_edges
    for transposed in (False, True):
        n = case.n_out if transposed else case.n_in

        def fast(v: Tensor, x: Tensor, transposed: bool = transposed) -> Tensor:
            return multiply(pattern, v.to(device), x.to(device), backend, transposed=transposed).cpu()

        def slow(v: Tensor, x: Tensor, transposed: bool = transposed) -> Tensor:
            return (case.dense(v).mT if transposed else case.dense(v)) @ x

        leaves = case.leaf(nnz, dtype=dtype, salt=0), case.leaf(n, case.batch, dtype=dtype, salt=1)
        _assert_equal(case, fast, slow, leaves, TOLERANCE[dtype])

    rows, cols = (np.empty(nnz, dtype=np.int64) for _ in range(2))
    rows[pattern.edge_order], cols[pattern.edge_order] = case.rows, case.cols
    leaves = tuple(case.leaf(n, case.batch, dtype=dtype, salt=n) for n in (case.n_out, case.n_in))
    _assert_equal(
        case,
        lambda a, b: sample(pattern, a.to(device), b.to(device), backend).cpu(),
        lambda a, b: (a @ b.mT)[..., rows, cols],
        leaves,
        TOLERANCE[dtype],
    )


def _assert_equal(case: Case, fast: Function, slow: Function, leaves: Sequence[Tensor], tolerance: float) -> None:
    exact = [leaf.detach().double().requires_grad_() for leaf in leaves]
    for found, expected in zip(_derivatives(case, fast, leaves), _derivatives(case, slow, exact), strict=True):
        assert found.dtype == leaves[0].dtype
        assert found.shape == expected.shape
        if expected.numel():
            error = (found - expected).abs().max() / max(1.0, float(expected.abs().max()))
            assert float(error) <= tolerance


def _derivatives(case: Case, function: Function, leaves: Sequence[Tensor]) -> list[Tensor]:
    """Return the result, its first derivatives along one direction, and second ones along others."""

    def weigh(tensors: Sequence[Tensor], salt: int) -> Tensor:
        generator = torch.Generator().manual_seed(case.seed + salt)
        weights = [torch.rand(t.shape, generator=generator, dtype=torch.float64).to(t) for t in tensors]
        return torch.stack([(t * w).sum() for t, w in zip(tensors, weights, strict=True)]).sum()

    result = function(*(case.view(leaf) for leaf in leaves))
    # The sine makes derivatives depend on both inputs in every order.
    first = torch.autograd.grad(weigh([result.sin()], 10), leaves, create_graph=True, materialize_grads=True)
    second = torch.autograd.grad(weigh(first, 20), leaves, materialize_grads=True)
    return [result.detach(), *(d.detach() for d in first), *second]
