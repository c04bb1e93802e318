"""What must not change a result: threads, repeats, networks side by side; and what must: NaN."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from kgreg.errors import FitError
from kgreg.nn.hierarchy import Backend, Hierarchy, Node, Parameters
from kgreg.nn.hierarchy.layers import drop_rows, random_bits
from tests.nn.hierarchy.random_nodes import Case, cases, fast
from tests.nn.hierarchy.slow_hierarchy import kept

BACKENDS: tuple[Backend, ...] = ("fused", "csr", "reference")
some = settings(max_examples=20, deadline=None)


@pytest.fixture
def two_threads() -> Iterator[None]:
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("numba may use one thread only")
    yield
    torch.set_num_threads(1)


def with_threads(case: Case, threads: int, dtype: torch.dtype) -> dict[str, Tensor]:
    torch.set_num_threads(threads)
    done = fast(case, "fused", dtype)
    return {"hidden": done.hidden, "running": done.running, **done.gradients}


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_same_seed_gives_the_same_bits_on_any_number_of_threads(dtype: torch.dtype) -> None:
    kind = {"edge_dropout": 0.2, "dropout": 0.3}
    low = [Node(f"low{i}", 5, 1, [i, (i + 3) % 40, (i + 8) % 40], [], norm="before", **kind) for i in range(40)]
    middle = [Node(f"middle{i}", 3, 2, [i], [i, i + 1, i + 2], "relu", "after", **kind) for i in range(30)]
    top = Node("top", 6, 3, [], list(range(70)), norm="before")
    case = Case([*low, *middle, top], 40, networks=2, batch=600, seed=3, drop_seeds=[5, 6])
    for form in ("dense", "sparse"):
        first = with_threads(replace(case, form=form), 1, dtype)
        for threads in (1, 2, 2):
            again = with_threads(replace(case, form=form), threads, dtype)
            for name, value in first.items():
                assert torch.equal(again[name], value), (form, threads, name)


def test_another_seed_drops_others() -> None:
    case = Case([Node("a", 8, 1, [0, 1, 2], [], dropout=0.5)], 3, drop_seeds=[5])
    assert torch.equal(fast(case, "fused").hidden, fast(case, "fused").hidden)
    other = fast(replace(case, drop_seeds=[6]), "fused").hidden
    assert ((fast(case, "fused").hidden == 0) != (other == 0)).any()


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_share_that_is_dropped_is_the_one_asked_for_and_the_mean_stays(p: float) -> None:
    node = Node("a", 64, 1, [0], [], "identity", dropout=p)
    hierarchy = Hierarchy([node], 1)
    with torch.no_grad():
        hierarchy.input_weight.zero_()
        hierarchy.bias.fill_(1.0)
    hidden = hierarchy(torch.zeros(1, 600, 1), None, np.array([11]))
    dropped = hidden == 0
    n = hidden.numel()
    assert abs(float(dropped.double().mean()) - p) < 5 * np.sqrt(p * (1 - p) / n)
    torch.testing.assert_close(hidden[~dropped], torch.full_like(hidden[~dropped], 1 / (1 - p)))
    # Neurons and samples are dropped apart from each other.
    share = np.sqrt(p * (1 - p))
    assert (dropped.double().mean(dim=1) - p).abs().max() < 6 * share / np.sqrt(64)
    assert (dropped.double().mean(dim=2) - p).abs().max() < 6 * share / np.sqrt(600)


def test_random_bits_are_those_of_the_hash_that_is_written_down() -> None:
    for seed, key in ((1, 0), (2**31 - 1, 7), (123456789, 2**31 + 5)):
        bits = random_bits(torch.tensor(seed), torch.tensor(key), torch.arange(700))
        for p in (0.05, 0.5, 0.75):
            keep = drop_rows(torch.ones(1, 1, 700), p, torch.tensor([seed]), torch.tensor([key]))[0, 0] != 0
            assert np.array_equal(kept(p, seed, key, 700), keep.numpy())
            assert np.array_equal(kept(p, seed, key, 700), (bits >= int(p * 2**32)).numpy())


def test_nothing_is_dropped_without_a_seed_or_in_evaluation() -> None:
    nodes = [Node("a", 3, 1, [0, 1], [], dropout=0.5, edge_dropout=0.5, pre_dropout=0.5)]
    case = Case(nodes, 2, drop_seeds=[0])
    plain = Case([replace(nodes[0], dropout=0.0, edge_dropout=0.0, pre_dropout=0.0)], 2)
    for backend in BACKENDS:
        expected = fast(plain, backend).hidden
        assert torch.equal(fast(case, backend).hidden, expected)
        assert torch.equal(fast(replace(case, drop_seeds=[3], training=False), backend).hidden, expected)


@some
@given(cases(well_scaled=True))
def test_each_of_several_networks_is_the_network_alone(case: Case) -> None:
    # Batches of unequal sizes: the samples that fill up count 0 and hold anything.
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
        together = case.hierarchy(dtype)
        x = case.x(dtype)
        sizes = [case.batch - 3 * r for r in range(case.networks)]
        counts = torch.zeros(case.networks, case.batch, dtype=dtype)
        for r, size in enumerate(sizes):
            counts[r, :size] = 1
            x[r, size:] = 7.0
        weights = case.weights().to(dtype) * counts[:, None]
        hidden = together(x, counts, case.seeds(), "fused")
        (hidden * weights).sum().backward()
        for r, size in enumerate(sizes):
            alone = replace(case, networks=1).hierarchy(dtype)
            with torch.no_grad():
                for one, all_of_them in zip(alone.parameters(), together.parameters(), strict=True):
                    one.copy_(all_of_them[r : r + 1])
                alone.running.copy_(case.hierarchy(dtype).running[:, r : r + 1])
            own = alone(x[r : r + 1, :size], None, case.seeds()[r : r + 1], "fused")
            (own * weights[r : r + 1, :, :size]).sum().backward()
            gradients = [p.grad for p in alone.parameters() if p.numel()]
            largest = max(1.0, *(float(g.abs().max()) for g in gradients))
            close(hidden[r : r + 1, :, :size], own, tolerance * max(1.0, float(own.detach().abs().max())))
            close(together.running[:, r : r + 1], alone.running, tolerance)
            for one, all_of_them in zip(alone.parameters(), together.parameters(), strict=True):
                close(all_of_them.grad[r : r + 1], one.grad, tolerance * largest)


def close(a: Tensor, b: Tensor, atol: float) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=atol)


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "identity"])
@pytest.mark.parametrize("norm", ["none", "before", "after"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_reads_nan_is_nan(activation: str, norm: str, dtype: torch.dtype) -> None:
    kind = {"activation": activation, "norm": norm}
    nodes = [Node("low", 2, 1, [0, 1], [], **kind), Node("other", 1, 1, [1], [], **kind)]
    nodes.append(Node("top", 1, 2, [], [0], **kind))
    for backend in BACKENDS:
        for form in ("dense", "sparse"):
            case = Case(nodes, 2, batch=40, training=False, form=form)
            hierarchy, x = case.hierarchy(dtype), case.x(dtype)
            x[0, 3, 0] = float("nan")
            hidden = hierarchy(x, backend=backend)
            expected = torch.zeros(4, 40, dtype=torch.bool)
            expected[[0, 1, 3], 3] = True
            found = hidden[0].isnan()
            assert found[expected].all(), (backend, form)
            # Dense matrices multiply NaN by the weights that are not there.
            assert backend == "reference" or torch.equal(found, expected), (backend, form)


@pytest.mark.parametrize("backend", ["fused", "csr"])
def test_under_autocast_to_bfloat16_numbers_are_close(backend: Backend) -> None:
    nodes = [Node("a", 6, 1, [0, 1, 2], [], norm="before"), Node("b", 6, 2, [3], [0], norm="after")]
    case = Case(nodes, 4, batch=64)
    hierarchy, x = case.hierarchy(torch.float32), case.x(torch.float32)
    straight = hierarchy(x, backend=backend)
    straight.square().sum().backward()
    expected = [p.grad.clone() for p in hierarchy.parameters()]
    hierarchy.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = hierarchy(x, backend=backend)
        loss = hidden.float().square().sum()
    loss.backward()
    torch.testing.assert_close(hidden.float(), straight, rtol=0.05, atol=0.05)
    scale = max(float(g.abs().max()) for g in expected)
    for parameter, gradient in zip(hierarchy.parameters(), expected, strict=True):
        assert parameter.grad.dtype == torch.float32
        torch.testing.assert_close(parameter.grad, gradient, rtol=0.05, atol=0.05 * scale)


def test_extreme_values_saturate() -> None:
    nodes = [Node("a", 1, 1, [0], [], "tanh"), Node("b", 1, 1, [0], [], "sigmoid"), Node("c", 1, 1, [0], [], "relu")]
    for dtype in (torch.float32, torch.float64):
        hierarchy = Hierarchy(nodes, 1).to(dtype)
        with torch.no_grad():
            hierarchy.input_weight.fill_(1.0)
            hierarchy.bias.zero_()
        x = torch.tensor([-np.inf, -1e30, -20, -9, -1e-20, 0, 1e-20, 9, 20, 1e30, np.inf], dtype=dtype)
        hidden = hierarchy(x[None, :, None])[0]
        torch.testing.assert_close(hidden[0], torch.tanh(x), rtol=0, atol=1e-6 if dtype == torch.float32 else 1e-15)
        torch.testing.assert_close(hidden[1], torch.sigmoid(x), rtol=0, atol=1e-6 if dtype == torch.float32 else 1e-15)
        assert torch.equal(hidden[2], torch.relu(x))


def test_the_tangent_of_single_precision_is_within_its_bound() -> None:
    hierarchy = Hierarchy([Node("a", 1, 1, [0], [])], 1)
    with torch.no_grad():
        hierarchy.input_weight.fill_(1.0)
        hierarchy.bias.zero_()
    x = torch.linspace(-12, 12, 200_001)
    error = hierarchy(x[None, :, None])[0, 0].double() - torch.tanh(x.double())
    assert error.abs().max() < 4e-7


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([Node("a", 1, 2, [0], []), Node("b", 1, 1, [0], [])], "not ordered by level"),
        ([Node("a", 1, 1, [0], []), Node("b", 1, 1, [], [0])], "b reads a node that does not stand below it"),
        ([Node("a", 1, 1, [2], [])], "a reads an input that is not among the 2"),
        ([Node("a", 1, 1, [0], [], norm="after", pre_dropout=0.1)], "no dropout in between"),
    ],
)
def test_nodes_that_cannot_be_laid_out_are_refused(nodes: list[Node], message: str) -> None:
    with pytest.raises(FitError, match=message):
        Hierarchy(nodes, 2)


def test_a_state_can_be_saved_and_loaded_after_any_backend_ran() -> None:
    case = Case([Node("a", 2, 1, [0], [], norm="before")], 1)
    hierarchy = case.hierarchy()
    names = set(hierarchy.state_dict())
    for backend in BACKENDS:
        hierarchy(case.x(), backend=backend)
    assert set(hierarchy.state_dict()) == names
    assert names == {"input_weight", "link_weight", "bias", "scale", "shift", "running"}
    other = Hierarchy(case.nodes, 1).double().eval()
    other.load_state_dict(hierarchy.state_dict())
    assert torch.equal(other(case.x()), hierarchy.eval()(case.x()))


def test_given_parameters_are_used_in_place_of_the_modules_own() -> None:
    case = Case([Node("a", 2, 1, [0], []), Node("b", 1, 2, [], [0])], 1)
    hierarchy, other = case.hierarchy(), replace(case, seed=5).hierarchy()
    for backend in BACKENDS:
        given = Parameters(*other.parameters())
        assert torch.equal(hierarchy(case.x(), backend=backend, parameters=given), other(case.x(), backend=backend))


@some
@given(cases(well_scaled=True))
def test_levels_one_after_the_other_are_the_whole(case: Case) -> None:
    case = replace(case, training=False, drop_seeds=[0] * case.networks, counts=None)
    hierarchy = case.hierarchy()
    levels = hierarchy.levels_of(case.x())
    torch.testing.assert_close(torch.cat(levels, dim=1), hierarchy(case.x()), rtol=1e-10, atol=1e-10)
    for above, level in enumerate(levels):
        for below in levels[above + 1 :]:
            assert below.requires_grad
        assert level.shape[:1] + level.shape[2:] == (case.networks, case.batch)
