"""The two products of every backend that runs on the CPU against dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kgreg.errors import FitError
from kgreg.nn.sparse import SparsePattern, multiply, sample
from tests.nn.sparse.cases import Case, assert_all_equal_dense, cases

BACKENDS = st.sampled_from(["reference", "csr", "auto"])
DTYPES = st.sampled_from([torch.float32, torch.float64])


@settings(max_examples=150, deadline=None)
@given(cases(), BACKENDS, DTYPES)
def test_products_and_their_derivatives_equal_dense_ones(case: Case, backend: str, dtype: torch.dtype) -> None:
    assert_all_equal_dense(case, backend, dtype)


@settings(max_examples=10, deadline=None)
@given(cases(most=3), BACKENDS)
def test_first_and_second_derivatives_equal_finite_differences(case: Case, backend: str) -> None:
    pattern = case.pattern
    v, x = (
        case.leaf(*shape, dtype=torch.float64, salt=i)
        for i, shape in enumerate([(pattern.n_edges,), (case.n_in, case.batch)])
    )
    a, b = (case.leaf(n, case.batch, dtype=torch.float64, salt=n) for n in (case.n_out, case.n_in))
    for check in (torch.autograd.gradcheck, torch.autograd.gradgradcheck):
        if pattern.n_edges:
            assert check(lambda v, x: multiply(pattern, case.view(v), case.view(x), backend), (v, x))
            assert check(lambda a, b: sample(pattern, case.view(a), case.view(b), backend), (a, b))


@pytest.mark.parametrize("backend", ["reference", "csr"])
def test_third_derivatives_exist(backend: str) -> None:
    pattern = SparsePattern(np.array([0, 1, 1, 1]), np.array([2, 0, 1, 1]), 2, 3)
    torch.manual_seed(0)
    v, x = (torch.rand(shape, dtype=torch.float64, requires_grad=True) for shape in [(4,), (3, 2)])
    found = []
    for product in (lambda: multiply(pattern, v, x, backend), lambda: pattern.to_dense(v) @ x):
        derivative = product().exp().sum()
        for _ in range(3):
            (derivative,) = torch.autograd.grad(derivative, x, create_graph=True)
            derivative = derivative.square().sum()
        found.append(torch.autograd.grad(derivative, (v, x)))
    torch.testing.assert_close(found[0], found[1], rtol=1e-10, atol=0)


@pytest.mark.parametrize("backend", ["reference", "csr"])
@pytest.mark.parametrize(("n_out", "n_in", "batch"), [(2, 3, 0), (0, 3, 2), (2, 0, 2)])
def test_sizes_of_zero(backend: str, n_out: int, n_in: int, batch: int) -> None:
    edges = np.array([0] if n_out and n_in else [], dtype=np.int64)
    pattern = SparsePattern(edges, edges, n_out, n_in)
    v = torch.ones(len(edges), requires_grad=True)
    y = multiply(pattern, v, torch.ones(n_in, batch), backend)
    assert y.shape == (n_out, batch)
    assert not y.any()
    y.sum().backward()
    assert torch.equal(v.grad, torch.zeros(len(edges)))


@pytest.mark.parametrize("backend", ["reference", "csr"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sums_of_short_floats_are_taken_in_float32(backend: str, dtype: torch.dtype) -> None:
    n = 4096
    pattern = SparsePattern(np.zeros(n, dtype=np.int64), np.arange(n), 1, n)
    x = torch.ones(n, 3, dtype=dtype, requires_grad=True)
    for v in (torch.full((n,), 0.25, requires_grad=True), torch.full((n,), 0.25, dtype=dtype, requires_grad=True)):
        y = multiply(pattern, v, x, backend)
        assert y.dtype == dtype
        assert torch.equal(y, torch.full((1, 3), n / 4, dtype=dtype))  # Summed in bfloat16 it would stop at 64.
        y.sum().backward()
        assert v.grad.dtype == v.dtype
        assert torch.equal(v.grad, torch.full_like(v, 3))
        assert x.grad.dtype == dtype


@pytest.mark.parametrize("backend", ["reference", "csr"])
def test_autocast_rounds_the_input_and_the_result_and_no_more(backend: str) -> None:
    torch.manual_seed(0)
    rows, cols = np.repeat(np.arange(5), 6), np.tile(np.arange(6), 5)
    pattern = SparsePattern(rows, cols, 5, 6)
    v, x, dy = torch.randn(30, requires_grad=True), torch.randn(6, 7, requires_grad=True), torch.randn(5, 7)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = multiply(pattern, v, x, backend)
        assert y.dtype == torch.nn.functional.linear(x.t(), pattern.to_dense(v)).dtype == torch.bfloat16
        s = sample(pattern, dy, x, backend)
        double = multiply(pattern, v.double(), x.double(), backend)
    y.backward(dy.bfloat16())
    short_x, short_dy, w = x.detach().bfloat16().float(), dy.bfloat16().float(), v.detach().view(5, 6)
    close = {"rtol": 2**-7, "atol": 1e-6}
    torch.testing.assert_close(y, (w @ short_x).bfloat16(), **close)
    torch.testing.assert_close(v.grad, (short_dy @ short_x.t()).flatten(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(x.grad, w.t() @ short_dy, rtol=2**-7, atol=1e-6)
    torch.testing.assert_close(s, (short_dy @ short_x.t()).flatten(), rtol=1e-5, atol=1e-5)
    assert double.dtype == torch.float64


def pattern_of_three() -> SparsePattern:
    return SparsePattern(np.array([0, 1, 1]), np.array([2, 0, 1]), 2, 3)


@pytest.mark.parametrize(
    ("values", "x", "message"),
    [
        (
            torch.ones(2),
            torch.ones(3, 4),
            r"needs values \[3\] and x \[3, 4\]; it was given values \[2\] and x \[3, 4\]",
        ),
        (torch.ones(3), torch.ones(2, 4), r"given values \[3\] and x \[2, 4\]"),
        (torch.ones(3), torch.ones(3), r"given values \[3\] and x \[3\]"),
        (torch.ones(3), torch.ones(1, 3, 4), r"values \[3\] and x \[1, 3, 4\]"),
        (torch.ones(2, 3), torch.ones(3, 3, 4), r"values \[2, 3\] and x \[3, 3, 4\]"),
        (torch.ones(2, 2, 3), torch.ones(2, 2, 3, 4), r"values \[2, 2, 3\]"),
        (torch.ones(3), torch.ones(()), r"x \[\]"),
        (torch.ones(3), torch.ones(3, 4, dtype=torch.float64), "float32, its input is torch.float64"),
        (torch.ones(3).bfloat16(), torch.ones(3, 4), "bfloat16, its input is torch.float32"),
    ],
)
def test_what_does_not_fit_is_refused(values: Tensor, x: Tensor, message: str) -> None:
    with pytest.raises(FitError, match=message):
        multiply(pattern_of_three(), values, x)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (torch.ones(3, 4), torch.ones(3, 4), r"needs a \[2, 4\] and b \[3, 4\]; it was given a \[3, 4\]"),
        (torch.ones(2, 4), torch.ones(3, 5), r"given a \[2, 4\] and b \[3, 5\]"),
        (torch.ones(2, 4), torch.ones(3, 4).double(), "of one type"),
        (torch.ones(1, 2, 4), torch.ones(3, 4), "same number of replicates"),
    ],
)
def test_samples_of_what_does_not_fit_are_refused(a: Tensor, b: Tensor, message: str) -> None:
    with pytest.raises(FitError, match=message):
        sample(pattern_of_three(), a, b)
