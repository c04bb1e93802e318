"""Every backend against one node at a time: activations, running statistics, gradients of first and second order."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from kgreg.nn.hierarchy import Backend, Hierarchy, Node, Parameters
from tests.nn.hierarchy.random_nodes import Case, assert_same, cases, errors, fast, slow, slow_on

BACKENDS: tuple[Backend, ...] = ("fused", "csr", "reference")


@settings(max_examples=40, deadline=None)
@given(cases())
def test_all_backends_equal_a_loop_over_the_nodes(case: Case) -> None:
    expected = slow(case)
    for backend in BACKENDS:
        assert_same(fast(case, backend), expected, 1e-10)


@settings(max_examples=25, deadline=None)
@given(cases(well_scaled=True))
def test_in_single_precision_they_are_within_its_rounding(case: Case) -> None:
    """Some draws are ill-conditioned: no backend may lose far more than the loop does in single precision."""
    expected = slow(case, torch.float32)
    lost = max(errors(slow(case, torch.float32, inside=torch.float32), expected).values())
    for backend in BACKENDS:
        assert_same(fast(case, backend, torch.float32), expected, max(1e-5, 10 * lost))


@pytest.mark.parametrize("seed", range(3))
def test_so_are_rectified_neurons_away_from_the_kink(seed: int) -> None:
    nodes = [Node("a", 6, 1, [0, 1, 2], [], "relu", "before"), Node("b", 5, 2, [3], [0], "relu", "after")]
    case = Case(nodes, 4, batch=40, seed=seed)
    for backend in BACKENDS:
        assert_same(fast(case, backend, torch.float32), slow(case, torch.float32), 1e-5)


@settings(max_examples=20, deadline=None)
@given(cases(small=True))
def test_second_derivatives_equal_those_of_the_loop(case: Case) -> None:
    found = []
    for kernel in (True, False):
        hierarchy, x = case.hierarchy(), case.x().requires_grad_()
        leaves = [p.detach().clone().requires_grad_() for p in hierarchy.parameters()]
        if kernel:
            counts = case.count_tensor()
            hidden = hierarchy(x, counts, case.seeds(), "fused", Parameters(*leaves))
        else:
            hidden = slow_on(case, hierarchy, x, Parameters(*leaves)).hidden
        wanted = [x, *leaves]
        first = torch.autograd.grad((hidden * case.weights()).sum(), wanted, create_graph=True, allow_unused=True)
        used = [g for g in first if g is not None and g.requires_grad]
        penalty = sum((g * g).sum() for g in used) if used else torch.zeros((), dtype=torch.float64)
        second = (
            torch.autograd.grad(penalty, wanted, allow_unused=True) if penalty.requires_grad else [None] * len(wanted)
        )
        found.append([torch.zeros_like(p) if g is None else g for p, g in zip(wanted, second, strict=True)])
    scale = max((float(g.abs().max()) for g in found[1] if g.numel()), default=1.0)
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10 * max(scale, 1.0))


@pytest.mark.parametrize("training", [True, False])
def test_first_and_second_derivatives_are_those_of_finite_differences(training: bool) -> None:
    nodes = [
        Node("low", 2, 1, [0, 2], [], norm="before"),
        Node("other", 1, 1, [1], [], "sigmoid", "after"),
        Node("top", 1, 2, [1], [0, 1], edge_dropout=0.3),
    ]
    case = Case(nodes, 3, batch=4, training=training, drop_seeds=[4])
    hierarchy = case.hierarchy()
    leaves = [p.detach().clone().requires_grad_() for p in hierarchy.parameters()]

    def compute(x: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        return hierarchy(x, None, case.seeds(), "fused", Parameters(*parameters))

    inputs = (case.x().requires_grad_(), *leaves)
    assert torch.autograd.gradcheck(compute, inputs, atol=1e-6, fast_mode=True)
    assert torch.autograd.gradgradcheck(compute, inputs, atol=1e-6, fast_mode=True)


def test_a_gradient_is_computed_only_where_one_is_asked_for() -> None:
    case = Case([Node("a", 2, 1, [0], []), Node("b", 2, 2, [], [0])], 1)
    hierarchy = case.hierarchy()
    hierarchy.link_weight.requires_grad_(False)
    hierarchy(case.x()).sum().backward()
    assert hierarchy.link_weight.grad is None
    assert hierarchy.input_weight.grad.abs().sum() > 0
    with torch.no_grad():
        assert not hierarchy(case.x()).requires_grad


def test_a_node_has_its_block_of_weights() -> None:
    nodes = [Node("a", 2, 1, [0, 1], []), Node("b", 3, 1, [1], []), Node("c", 2, 2, [0], [1, 0])]
    hierarchy = Hierarchy(nodes, 2, networks=2)
    assert hierarchy.block(hierarchy.input_weight, "a", links=False).shape == (2, 2, 2)
    assert hierarchy.block(hierarchy.link_weight, "a", links=True).shape == (2, 2, 0)
    of_c = hierarchy.block(hierarchy.link_weight, "c", links=True)
    assert of_c.shape == (2, 2, 5)
    with torch.no_grad():
        of_c[:] = 0  # a view: the module's own weights
        of_c[1, 0, 4] = 1  # network 1, first neuron of c; columns are b's three neurons, then a's two
    hidden = hierarchy.eval()(torch.randn(2, 4, 2))
    c = hierarchy.block(hierarchy.input_weight, "c", links=False)
    assert c.shape == (2, 2, 1)
    x = torch.randn(2, 4, 2)
    hidden = hierarchy(x)
    expected = torch.tanh(c[1, 0, 0] * x[1, :, 0] + hidden[1, hierarchy.rows("a")][1] + hierarchy.bias[1, 5])
    torch.testing.assert_close(hidden[1, hierarchy.rows("c")][0], expected)


def test_inputs_of_another_precision_are_read_in_that_of_the_parameters() -> None:
    case = Case([Node("a", 2, 1, [0, 1], [], norm="before")], 2)
    x = case.x().round()
    for backend in BACKENDS:
        straight = case.hierarchy()(x, backend=backend)
        assert torch.equal(case.hierarchy()(x.float(), backend=backend), straight), backend
        assert torch.equal(case.hierarchy()(x.long(), backend=backend), straight), backend
        counted = case.hierarchy()(x, torch.ones(1, 8, dtype=torch.int64), backend=backend)
        torch.testing.assert_close(counted, straight)


def test_counts_of_zero_leave_a_sample_out_of_the_statistics() -> None:
    case = Case([Node("a", 4, 1, [0, 1, 2], [], norm="before"), Node("b", 2, 2, [], [0], norm="after")], 3, batch=6)
    counts = torch.tensor([[1.0, 1, 1, 1, 0, 0]], dtype=torch.float64)
    for backend in BACKENDS:
        whole, part = case.hierarchy(), case.hierarchy()
        padded = case.x()
        padded[:, 4:] = 1e3
        hidden = whole(padded, counts, backend=backend)
        torch.testing.assert_close(hidden[:, :, :4], part(padded[:, :4], backend=backend), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(whole.running, part.running, rtol=1e-12, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(cases(well_scaled=True))
def test_a_count_is_the_sample_written_out_that_often(case: Case) -> None:
    # Whether a value is dropped depends on the number of its sample, which is another when samples are written out.
    counts = case.counts or [1, 2, 0, 3] + [1] * (case.batch - 4)
    repeats = np.repeat(np.arange(case.batch), counts)
    short, long = case.hierarchy(), case.hierarchy()
    x = case.x()
    tensor = torch.tensor(counts, dtype=torch.float64).repeat(case.networks, 1)
    hidden = short(x, tensor, backend="fused")
    written = long(x[:, repeats], backend="fused")
    weights = case.weights()[:, :, repeats]
    torch.testing.assert_close(hidden[:, :, repeats], written, rtol=1e-9, atol=1e-9)
    (hidden[:, :, repeats] * weights).sum().backward()
    (written * weights).sum().backward()
    torch.testing.assert_close(short.running, long.running, rtol=1e-9, atol=1e-9)
    for a, b in zip(short.parameters(), long.parameters(), strict=True):
        scale = float(b.grad.abs().max()) if b.grad is not None and b.numel() else 1.0
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-8, atol=1e-9 * max(scale, 1.0))
