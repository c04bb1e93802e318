"""The sparse layer against a dense matrix."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kgreg.errors import FitError
from kgreg.nn import SparseLinear
from kgreg.nn.sparse import expand_blocks

some = settings(max_examples=60, deadline=None)


@st.composite
def layers(draw: st.DrawFn) -> tuple[SparseLinear, np.ndarray, np.ndarray]:
    """Draw a layer in double precision and its edges in the order they were given."""
    n_out, n_in = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    places = st.tuples(st.integers(0, n_out - 1), st.integers(0, n_in - 1))
    edges = np.array(draw(st.lists(places, unique=True, max_size=20)), dtype=np.int64).reshape(-1, 2)
    rows, cols = edges[:, 0], edges[:, 1]
    return SparseLinear(rows, cols, n_out, n_in).double(), rows, cols


@some
@given(layers(), st.integers(1, 4))
def test_forward_and_backward_equal_the_dense_product(
    drawn: tuple[SparseLinear, np.ndarray, np.ndarray], batch: int
) -> None:
    layer, rows, cols = drawn
    weight = torch.zeros(layer.out_features, layer.in_features, dtype=torch.float64)
    weight[rows, cols] = layer.weight.detach()[layer.edge_order]
    assert torch.equal(layer.to_dense(), weight)
    weight.requires_grad_()
    x = torch.randn(layer.in_features, batch, dtype=torch.float64)
    x_sparse, x_dense = x.clone().requires_grad_(), x.clone().requires_grad_()
    dy = torch.randn(layer.out_features, batch, dtype=torch.float64)

    y = layer(x_sparse)
    torch.testing.assert_close(y, weight @ x_dense)
    if not len(rows):
        assert y.shape == (layer.out_features, batch)
        assert not y.any()
        return
    y.backward(dy)
    (weight @ x_dense).backward(dy)
    torch.testing.assert_close(x_sparse.grad, x_dense.grad)
    torch.testing.assert_close(layer.weight.grad[layer.edge_order], weight.grad[rows, cols])


@settings(max_examples=15, deadline=None)
@given(layers())
def test_gradients_equal_finite_differences(drawn: tuple[SparseLinear, np.ndarray, np.ndarray]) -> None:
    layer, rows, _ = drawn
    x = torch.randn(layer.in_features, 3, dtype=torch.float64, requires_grad=True)
    if len(rows):
        assert torch.autograd.gradcheck(
            lambda values, x: torch.func.functional_call(layer, {"weight": values}, (x,)),
            (layer.weight.detach().clone().requires_grad_(), x),
        )


def test_input_that_is_a_transposed_view_gives_the_same() -> None:
    layer = SparseLinear(np.array([0, 1, 1]), np.array([2, 0, 1]), 2, 3)
    x = torch.randn(5, 3)
    assert torch.equal(layer(x.t()), layer(x.t().contiguous()))


def test_gradient_flows_to_weights_alone_and_to_input_alone() -> None:
    layer = SparseLinear(np.array([0, 1]), np.array([1, 0]), 2, 2)
    layer(torch.ones(2, 3)).sum().backward()
    assert torch.equal(layer.weight.grad, torch.full((2,), 3.0))
    layer.weight.grad = None
    layer.weight.requires_grad_(False)
    x = torch.ones(2, 3, requires_grad=True)
    layer(x).sum().backward()
    assert layer.weight.grad is None
    torch.testing.assert_close(x.grad, layer.weight[[1, 0]][:, None].expand(2, 3))


def test_an_edge_given_twice_is_refused() -> None:
    with pytest.raises(FitError, match="same edge twice"):
        SparseLinear(np.array([0, 1, 0]), np.array([1, 1, 1]), 2, 2)


def test_weights_start_within_their_rows_bound() -> None:
    rows = np.repeat([0, 1], [400, 100])
    cols = np.concatenate([np.arange(400), np.arange(100)])
    layer = SparseLinear(rows, cols, 2, 400)
    dense = layer.to_dense().detach().abs()
    for row, n in ((0, 400), (1, 100)):
        assert 0.9 / np.sqrt(n) < float(dense[row].max()) <= 1 / np.sqrt(n)
    given_fan_in = SparseLinear(rows, cols, 2, 400, fan_in=np.array([1e4, 1e4]))
    assert float(given_fan_in.weight.detach().abs().max()) <= 0.01


def test_the_layer_says_its_size() -> None:
    assert "3 -> 2, 3 edges (50.00%)" in repr(SparseLinear(np.array([0, 1, 1]), np.array([2, 0, 1]), 2, 3))


@some
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), max_size=5))
def test_blocks_join_every_neuron_of_source_and_target(widths: list[tuple[int, int]]) -> None:
    target, source = (np.array([pair[i] for pair in widths], dtype=np.int64) for i in (0, 1))
    starts = [np.cumsum(width) - width for width in (target, source)]
    rows, cols, edge = expand_blocks(starts[0], target, starts[1], source)
    expected = [
        (starts[0][e] + i, starts[1][e] + j, e)
        for e in range(len(widths))
        for i in range(target[e])
        for j in range(source[e])
    ]
    assert list(zip(rows.tolist(), cols.tolist(), edge.tolist(), strict=True)) == expected
