"""Checks of the Triton kernels. test_triton.py runs them in processes of their own: interpreted, and on a GPU."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from kgreg.nn.sparse import SparseLinear, SparsePattern, multiply, sample
from tests.nn.sparse.cases import Case, assert_all_equal_dense, cases

DEVICE = os.environ["KGREG_TRITON_DEVICE"]


@settings(max_examples=15 if DEVICE == "cpu" else 150, deadline=None)
@given(cases())
def test_products_and_their_derivatives_equal_dense_ones(case: Case) -> None:
    assert_all_equal_dense(case, "triton", torch.float32, DEVICE)


def test_batches_of_several_tiles_and_a_row_of_every_input() -> None:
    torch.manual_seed(0)
    rows, cols = np.array([0] * 5 + [2, 2]), np.array([0, 1, 2, 3, 4, 4, 4])
    pattern = SparsePattern(rows, cols, 3, 5).to(DEVICE)
    v, x, dy = (torch.randn(2, *shape, device=DEVICE) for shape in [(7,), (5, 1100), (3, 1100)])
    close = {"rtol": 1e-5, "atol": 1e-5}
    torch.testing.assert_close(multiply(pattern, v, x, "triton"), multiply(pattern, v, x, "csr"), **close)
    for a, b in ((dy, x), (dy[..., :1], x[..., :1])):
        found, expected = sample(pattern, a, b, "triton"), sample(pattern, a.double(), b.double(), "csr")
        torch.testing.assert_close(found, expected.float(), rtol=1e-5, atol=1e-4)
    transposed = [multiply(pattern, v, dy, backend, transposed=True) for backend in ("triton", "csr")]
    torch.testing.assert_close(*transposed, **close)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sums_of_short_floats_are_taken_in_float32(dtype: torch.dtype) -> None:
    n = 300
    pattern = SparsePattern(np.zeros(n, dtype=np.int64), np.arange(n), 1, n).to(DEVICE)
    x = torch.ones(n, 3, dtype=dtype, device=DEVICE, requires_grad=True)
    v = torch.ones(n, device=DEVICE, requires_grad=True)
    y = multiply(pattern, v, x, "triton")
    assert y.dtype == dtype
    assert torch.equal(y, torch.full((1, 3), 300, dtype=dtype, device=DEVICE))  # In bfloat16 it would stop at 256.
    y.sum().backward()
    assert torch.equal(v.grad, torch.full((n,), 3.0, device=DEVICE))
    assert x.grad.dtype == dtype


def test_results_are_the_same_bits_every_time() -> None:
    torch.manual_seed(0)
    pattern = SparsePattern(np.repeat(np.arange(4), 8), np.tile(np.arange(8), 4), 4, 8).to(DEVICE)
    a, b = torch.randn(4, 700, device=DEVICE), torch.randn(8, 700, device=DEVICE)
    assert torch.equal(sample(pattern, a, b, "triton"), sample(pattern, a, b, "triton"))


def test_a_layer_under_autocast_equals_that_of_csr() -> None:
    rows, cols = np.array([0, 1, 1]), np.array([2, 0, 1])
    results = []
    for backend in ("triton", "csr"):
        torch.manual_seed(0)
        layer = SparseLinear(rows, cols, 2, 3, backend=backend).to(DEVICE)
        x = torch.randn(3, 9).to(DEVICE)
        with torch.autocast(DEVICE, dtype=torch.bfloat16):
            y = layer(x)
        y.float().square().sum().backward()
        results.append((y, layer.weight.grad))
    torch.testing.assert_close(results[0][0], results[1][0], rtol=2**-7, atol=1e-6)
    torch.testing.assert_close(results[0][1], results[1][1], rtol=2**-6, atol=1e-5)


def test_doubles_are_computed_as_doubles() -> None:
    pattern = SparsePattern(np.array([0]), np.array([0]), 1, 1).to(DEVICE)
    v = torch.tensor([1.0 + 2**-40], dtype=torch.float64, device=DEVICE)
    y = multiply(pattern, v, torch.ones(1, 1, dtype=torch.float64, device=DEVICE), "triton")
    assert torch.equal(y[0], v)
