"""The sparse layer against a dense matrix; signs, fixed edges and initial values."""

from __future__ import annotations

import copy

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


def test_the_layer_says_its_size_and_backend() -> None:
    assert "3 -> 2, 3 edges (50.00%), backend=auto" in repr(
        SparseLinear(np.array([0, 1, 1]), np.array([2, 0, 1]), 2, 3)
    )
    assert "3 edges (50.00%), 1 fixed, 2 signed, backend=csr" in repr(constrained(backend="csr"))


def constrained(**options: object) -> SparseLinear:
    """Return a layer whose edges, given as 0..2, are: fixed at -0.5; positive from 0.25; negative and random."""
    return SparseLinear(
        np.array([1, 0, 1]),
        np.array([0, 2, 1]),
        2,
        3,
        sign=np.array([0, 1, -1]),
        trainable=np.array([False, True, True]),
        initial=np.array([-0.5, 0.25, np.nan]),
        **options,
    )


def test_fixed_edges_get_no_gradient_and_stay_while_others_learn() -> None:
    layer = constrained()
    assert [tuple(parameter.shape) for parameter in layer.parameters()] == [(2,)]
    before = layer.to_dense().detach()
    assert before[1, 0] == -0.5
    assert before[0, 2] == 0.25
    assert -1 <= before[1, 1] <= 0
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.1, weight_decay=0.1)
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    layer(x).square().sum().backward()
    assert not layer.fixed.requires_grad
    optimiser.step()
    after = layer.to_dense().detach()
    assert after[1, 0] == -0.5
    assert (after != before).sum() == 2
    torch.testing.assert_close(layer(x), after @ x)


@st.composite
def constraints(draw: st.DrawFn) -> tuple[SparseLinear, dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Draw a layer with signs, fixed edges and initial values that do not contradict each other."""
    n_out, n_in = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    places = st.tuples(st.integers(0, n_out - 1), st.integers(0, n_in - 1))
    rows, cols = np.array(draw(st.lists(places, unique=True, max_size=15)), dtype=np.int64).reshape(-1, 2).T
    sign, trainable, size = (
        np.array(draw(st.lists(values, min_size=len(rows), max_size=len(rows))), dtype=dtype)
        for values, dtype in (
            (st.integers(-1, 1), np.int64),
            (st.booleans(), bool),
            (st.sampled_from([0.0, 0.5, 2.0, np.nan]), float),
        )
    )
    size[~trainable & np.isnan(size)] = 1.0
    given = {"sign": sign, "trainable": trainable, "initial": np.where(sign == 0, size, sign * size)}
    return SparseLinear(rows, cols, n_out, n_in, **given), given, rows, cols


@some
@given(constraints(), st.integers(0, 1000))
def test_signs_and_initial_values_hold_from_the_start_and_through_training(
    drawn: tuple[SparseLinear, dict[str, np.ndarray], np.ndarray, np.ndarray], seed: int
) -> None:
    layer, given, rows, cols = drawn
    weight = layer.effective_weight().detach()[layer.edge_order].numpy()
    known = ~np.isnan(given["initial"])
    assert (weight[known] == given["initial"][known]).all()
    bound = 1 / np.sqrt(np.bincount(rows, minlength=layer.out_features))[rows]
    assert (np.abs(weight[~known]) <= bound[~known] + 1e-6).all()
    torch.testing.assert_close(layer.to_dense()[rows, cols].detach().numpy(), weight)

    torch.manual_seed(seed)
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.5)
    for _ in range(5):
        optimiser.zero_grad()
        (layer(torch.randn(layer.in_features, 3)) - torch.randn(layer.out_features, 3)).square().sum().backward()
        optimiser.step()
    after = layer.effective_weight().detach()[layer.edge_order].numpy()
    assert (after * given["sign"] >= 0).all()
    assert (after[~given["trainable"]] == weight[~given["trainable"]]).all()
    assert (after[given["trainable"]] != weight[given["trainable"]]).all()

    layer.reset_parameters()
    again = layer.effective_weight().detach()[layer.edge_order].numpy()
    assert (again[known] == given["initial"][known]).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_the_gradient_of_a_signed_edge_is_that_of_its_size(sign: int) -> None:
    for raw in (0.5, 0.0, -0.5):
        layer = SparseLinear(np.array([0]), np.array([0]), 1, 1, sign=np.array([sign]))
        with torch.no_grad():
            layer.weight.fill_(raw)
        layer(torch.ones(1, 1)).sum().backward()
        assert layer.effective_weight() == sign * abs(raw)
        assert layer.weight.grad == (-sign if raw < 0 else sign)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trainable": [True, False, True]}, r"Edge 1 \(input 2 -> output 0\) is fixed, but has no initial value"),
        ({"sign": [0, 0, 2]}, r"Edge 2 \(input 1 -> output 1\) has a sign that is none"),
        ({"sign": [0, 0, 1], "initial": [1, 1, -1]}, r"Edge 2 .* contradicts its sign"),
        ({"initial": [np.inf, 0, 0]}, "Edge 0 .* infinite"),
        ({"sign": [0, 1]}, "of 3 edges was given 2 values of 'sign'"),
        ({"fan_in": [1.0]}, "2 outputs was given the fan-in of 1"),
    ],
)
def test_constraints_that_make_no_sense_are_refused_by_edge(options: dict[str, list[float]], message: str) -> None:
    with pytest.raises(FitError, match=message):
        SparseLinear(
            np.array([1, 0, 1]), np.array([0, 2, 1]), 2, 3, **{name: np.array(v) for name, v in options.items()}
        )


def test_a_seed_fixes_weights_and_gradients() -> None:
    found = []
    for _ in range(2):
        torch.manual_seed(7)
        layer = constrained()
        layer(torch.randn(3, 5)).square().sum().backward()
        found.append((layer.effective_weight().detach(), layer.weight.grad))
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))


def test_a_state_dict_carries_weights_and_fixed_values() -> None:
    plain = SparseLinear(np.array([0, 1]), np.array([1, 0]), 2, 2)
    assert list(plain.state_dict()) == ["weight"]
    layer, other = constrained(), constrained()
    assert set(layer.state_dict()) == {"weight", "fixed"}
    with torch.no_grad():
        layer.fixed.fill_(-3.0)
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other.to_dense(), layer.to_dense())
    assert torch.equal(copy.deepcopy(layer).to(device="cpu").double().to_dense(), layer.to_dense().double())


def test_autocast_gives_what_a_linear_layer_gives() -> None:
    torch.manual_seed(0)
    layer, x = constrained(), torch.randn(3, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = layer(x)
        expected = torch.nn.functional.linear(x.t(), layer.to_dense()).t()
    assert y.dtype == expected.dtype == torch.bfloat16
    torch.testing.assert_close(y, expected, rtol=2**-6, atol=2**-6)
    y.float().sum().backward()
    assert layer.weight.grad.dtype == torch.float32


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["eager", "aot_eager"])
@pytest.mark.parametrize("backend", ["csr", "reference"])
def test_a_compiled_layer_gives_the_same_numbers(mode: str, backend: str) -> None:
    torch.compiler.reset()  # What it compiled for one network counts towards its limit for the next.
    torch.manual_seed(0)
    network = torch.nn.Sequential(constrained(backend=backend), torch.nn.Tanh())
    compiled = torch.compile(network, backend=mode, fullgraph=True)
    for batch, autocast in ((4, False), (9, False), (9, True)):
        x = torch.randn(3, batch, requires_grad=True)
        found = []
        for module in (network, compiled):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
                y = module(x)
            found.append((y, *torch.autograd.grad(y.float().square().sum(), (x, network[0].weight))))
        torch.testing.assert_close(found[0], found[1])


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
