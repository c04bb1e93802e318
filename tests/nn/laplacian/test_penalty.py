"""The penalty is tr(W.T L W) of the dense formula, forward and backward, in every form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.memory import MB, in_process
from kgreg.blueprint import compile_interactions
from kgreg.errors import FitError
from kgreg.nn.laplacian import LaplacianPenalty, feature_interactions

some = settings(max_examples=40, deadline=None)


@pytest.fixture(autouse=True)
def doubles() -> Any:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@st.composite
def graphs(draw: st.DrawFn) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    n = draw(st.integers(2, 12))
    pairs = [(i, j) for i in range(n) for j in range(i)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=25))
    turned = [pair if draw(st.booleans()) else pair[::-1] for pair in chosen]
    weight = [draw(st.floats(0.01, 10)) for _ in chosen]
    return np.array(turned, dtype=np.int64).reshape(-1, 2).T, np.array(weight), n


def dense(edges: NDArray[np.int64], weight: NDArray[np.float64], n: int, kind: str, scaled: bool) -> Tensor:
    """L as it is written in papers."""
    a = torch.zeros(n, n)
    for i, j, w in zip(*edges, weight, strict=True):
        a[i, j] = a[j, i] = w
    if scaled and a.any():
        a = a / torch.linalg.matrix_norm(a)
    d = a.sum(dim=1)
    if kind == "combinatorial":
        return torch.diag(d) - a
    root = torch.where(d > 0, d.clamp(min=1e-300) ** -0.5, 0.0)
    return torch.diag((d > 0).double()) - root[:, None] * a * root[None]


@some
@given(graphs(), st.sampled_from(["combinatorial", "normalised"]), st.booleans(), st.booleans(), st.integers(1, 5))
def test_it_equals_the_dense_formula(graph: Any, kind: Any, scaled: bool, unit_rows: bool, k: int) -> None:
    edges, weight, n = graph
    penalty = LaplacianPenalty(edges, weight, n, kind=kind, scaled=scaled, unit_rows=unit_rows)
    matrix = dense(edges, weight, n, kind, scaled)
    torch.manual_seed(0)
    fast = torch.randn(n, k).requires_grad_()
    slow = fast.detach().clone().requires_grad_()
    w = slow / (slow.norm(dim=1, keepdim=True) * n**0.5) if unit_rows else slow
    expected = torch.trace(w.t() @ matrix @ w)
    found = penalty(fast)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    (3 * found).backward()
    (3 * expected).backward()
    torch.testing.assert_close(fast.grad, slow.grad, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(penalty.product(fast), matrix @ fast, rtol=1e-10, atol=1e-10)
    assert float(found.detach()) >= -1e-12


@some
@given(graphs())
def test_it_is_the_sum_over_pairs(graph: Any) -> None:
    edges, weight, n = graph
    w = torch.randn(n, 3)
    found = LaplacianPenalty(edges, weight, n).each(w)
    expected = sum((a * (w[i] - w[j]) ** 2 for i, j, a in zip(*edges, weight, strict=True)), torch.zeros(3))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@some
@given(graphs(), st.randoms(use_true_random=False), st.sampled_from(["combinatorial", "normalised"]))
def test_neither_order_nor_direction_of_edges_matters(graph: Any, random: Any, kind: Any) -> None:
    edges, weight, n = graph
    order = random.sample(range(len(weight)), len(weight))
    turned = np.where([random.random() < 0.5 for _ in order], edges[::-1, order], edges[:, order])
    one, two = (LaplacianPenalty(e, a, n, kind=kind) for e, a in ((edges, weight), (turned, weight[order])))
    assert torch.equal(one.column, two.column)
    for found, expected in ((one.value, two.value), (one.diagonal, two.diagonal)):
        torch.testing.assert_close(found, expected, rtol=1e-14, atol=0)  # degrees are sums, in the order of the edges


@some
@given(graphs(), st.sampled_from(["combinatorial", "normalised"]), st.sampled_from([torch.float32, torch.float64]))
def test_the_product_of_other_devices_is_the_same(graph: Any, kind: Any, dtype: torch.dtype) -> None:
    edges, weight, n = graph
    penalty = LaplacianPenalty(edges, weight, n, kind=kind)
    w = torch.randn(n, 4, dtype=dtype)
    near = {"rtol": 1e-10, "atol": 1e-10} if dtype == torch.float64 else {"rtol": 1e-4, "atol": 1e-4}
    for found, expected in zip(penalty._by_edges(w), penalty._by_entries(w), strict=True):
        assert found.dtype == expected.dtype == dtype
        torch.testing.assert_close(found, expected, **near)
    assert penalty.float()._complete is None  # made anew of the buffers that moved
    torch.testing.assert_close(penalty._by_entries(w)[0], penalty._by_edges(w)[0], rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_it_moves_to_a_gpu() -> None:
    penalty = LaplacianPenalty(np.array([[0, 1, 3], [1, 2, 0]]), np.array([1.0, 2.0, 0.5]), 5)
    here = torch.randn(5, 2, requires_grad=True)
    there = here.detach().cuda().requires_grad_()
    expected = penalty(here)
    expected.backward()
    found = penalty.cuda()(there)
    found.backward()
    torch.testing.assert_close(found.cpu(), expected)
    torch.testing.assert_close(there.grad.cpu(), here.grad)  # type: ignore[union-attr]


@pytest.mark.parametrize(("dtype", "size"), [(torch.float32, 8), (torch.float64, 12)])
def test_every_edge_is_held_once(dtype: torch.dtype, size: int) -> None:
    torch.set_default_dtype(dtype)
    edges = np.stack(np.triu_indices(100, 1))
    held = sum(buffer.nbytes for buffer in LaplacianPenalty(edges, None, 100).buffers())
    assert held == size * edges.shape[1] + (size - 4) * 100 + 4 * 101


def test_derivatives_of_every_order_and_repeated_passes() -> None:
    edges = np.array([[0, 1, 3], [1, 2, 0]])
    penalty = LaplacianPenalty(edges, np.array([1.0, 2.0, 0.5]), 5)
    w = torch.randn(5, 2, requires_grad=True)
    assert torch.autograd.gradcheck(penalty.each, (w,))
    assert torch.autograd.gradgradcheck(penalty.each, (w,))
    assert torch.autograd.gradgradcheck(penalty.product, (w,))
    loss = penalty(w)
    first, second = (torch.autograd.grad(loss, w, retain_graph=True)[0] for _ in range(2))
    torch.testing.assert_close(first, second)


def test_it_takes_transposed_and_single_precision_weights() -> None:
    edges = np.array([[0, 1], [1, 2]])
    penalty = LaplacianPenalty(edges, None, 3)
    w = torch.randn(4, 3)
    torch.testing.assert_close(penalty(w.t()), penalty(w.t().contiguous()))
    assert penalty(w.t().float()).dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(penalty(w.t().float()).double(), penalty(w.t()), rtol=1e-5, atol=1e-5)


def test_it_moves_with_its_module_and_leaves_no_trace_in_the_state() -> None:
    layer = torch.nn.Linear(4, 3)
    layer.add_module("penalty", LaplacianPenalty(np.array([[0], [1]]), None, 3))
    assert set(layer.state_dict()) == {"weight", "bias"}
    assert "3 features, 1 edges" in repr(layer)


@pytest.mark.parametrize(
    ("edges", "weight", "said"),
    [
        ([[0], [0]], None, "interacts with itself"),
        ([[0, 1], [1, 0]], None, "0 and 1 interact twice"),
        ([[0], [9]], None, "not among the 3"),
        ([[-1], [1]], None, "not among the 3"),
        ([[0], [1]], [-1.0], "the weight -1"),
        ([[0], [1]], [np.nan], "the weight nan"),
        ([[0], [1]], [1.0, 2.0], "1 interactions, but 2 weights"),
    ],
)
def test_what_is_no_graph_is_refused(edges: Any, weight: Any, said: str) -> None:
    with pytest.raises(FitError, match=said):
        LaplacianPenalty(np.array(edges), None if weight is None else np.array(weight), 3)


def test_more_edges_than_indices_are_refused() -> None:
    with pytest.raises(FitError, match="1,073,741,824 interactions"):
        LaplacianPenalty(np.broadcast_to(np.int64(0), (2, 2**30)), None, 3)


def test_weights_of_another_size_are_refused() -> None:
    with pytest.raises(FitError, match="of 3 features"):
        LaplacianPenalty(np.array([[0], [1]]), None, 3)(torch.randn(4, 3))


def test_an_empty_graph_has_no_penalty() -> None:
    penalty = LaplacianPenalty(np.zeros((2, 0), dtype=np.int64), None, 3, scaled=True)
    w = torch.randn(3, 2, requires_grad=True)
    penalty(w).backward()
    assert float(penalty(w).detach()) == 0
    assert not w.grad.any()  # type: ignore[union-attr]


def test_inputs_interact_within_their_modality() -> None:
    features = pd.DataFrame(
        [("A", "A", "rna"), ("A", "A", "protein"), ("B", "B", "rna"), ("B", "B", "protein"), ("C", "C", "rna")],
        columns=["feature", "gene", "modality"],
    )
    table = pd.DataFrame({"source": ["B", "C"], "target": ["A", "B"], "weight": [2.0, 3.0]})
    blueprint = compile_interactions(table, features)
    inputs = [f"{row.feature} {row.modality}" for row in blueprint.inputs.itertuples()]
    found = {
        (frozenset((inputs[row.source], inputs[row.target])), row.weight)  # type: ignore[call-overload,index]
        for row in feature_interactions(blueprint).itertuples()
    }
    assert found == {
        (frozenset({"A rna", "B rna"}), 2.0),
        (frozenset({"A protein", "B protein"}), 2.0),
        (frozenset({"B rna", "C rna"}), 3.0),
    }


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks are read from Linux's /proc")
def test_memory_grows_with_the_interactions_and_not_with_the_square_of_the_features() -> None:
    size = ["--genes", "20000", "--edges", "1000000", "--factors", "100", "--threads", "1"]
    found = in_process("benchmarks.laplacian", ["--memory", "sparse", *size])
    dense = 4 * 20000**2 / MB
    assert found["held"] < dense / 190
    assert found["building"] < dense / 100
    assert found["step"] < dense / 95  # half of it is the gradient
