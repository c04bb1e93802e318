"""Losses against loops written from their definitions, and Cox's against lifelines."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kgreg.errors import FitError
from kgreg.fit.cox import fit_cox
from kgreg.fit.losses import Ties, binary_cross_entropy, ccc, cox, cross_entropy, huber, loss_function, mse

some = settings(max_examples=60, deadline=None)
HEADS = 3


def draw(n_outputs: int, n: int, seed: int) -> tuple[Tensor, torch.Generator]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(HEADS, n_outputs, n, generator=generator, dtype=torch.float64), generator


def survival(n: int, seed: int, ties: bool, events: float = 0.6) -> Tensor:
    """Return times (many of them equal if ``ties``) and events."""
    rng = np.random.default_rng(seed)
    time = rng.integers(1, 5, n).astype(float) if ties else rng.permutation(n) + 1.0
    return torch.from_numpy(np.stack([time, (rng.random(n) < events).astype(float)], axis=1))


def labels(n: int, n_labels: int, seed: int, unknown: float = 0.3) -> Tensor:
    rng = np.random.default_rng(seed)
    y = (rng.random((n, n_labels)) < 0.4).astype(float)
    y[rng.random(y.shape) < unknown] = np.nan
    return torch.from_numpy(y)


# ---- slow twins, one head at a time ----------------------------------------------------------------------------------


def slow_cross_entropy(z: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> float:
    total = weights = 0.0
    for i, c in enumerate(y):
        w = 1.0 if weight is None else weight[c]
        total -= w * math.log(math.exp(z[c, i]) / sum(math.exp(v) for v in z[:, i]))
        weights += w
    return total / weights


def slow_ccc(z: np.ndarray, y: np.ndarray) -> float:
    x = z[0]
    covariance = np.mean((x - x.mean()) * (y - y.mean()))
    return float(1 - 2 * covariance / (x.var() + y.var() + (x.mean() - y.mean()) ** 2))


def slow_huber(z: np.ndarray, y: np.ndarray) -> float:
    errors = [abs(a - b) for a, b in zip(z[0], y, strict=True)]
    return float(np.mean([e * e / 2 if e <= 1 else e - 0.5 for e in errors]))


def slow_binary(z: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> float:
    total, known = 0.0, 0
    for i in range(y.shape[0]):
        for k in range(y.shape[1]):
            if math.isnan(y[i, k]):
                continue
            p = 1 / (1 + math.exp(-z[k, i]))
            w = 1.0 if weight is None else weight[k]
            total -= w * math.log(p) if y[i, k] else math.log(1 - p)
            known += 1
    return total / max(known, 1)


def slow_cox(z: np.ndarray, y: np.ndarray, ties: str) -> float:
    time, event = y.T
    total = 0.0
    for t in np.unique(time[event == 1]):
        dead = np.flatnonzero((time == t) & (event == 1))
        at_risk = sum(math.exp(v) for v in z[0, time >= t])
        of_dead = sum(math.exp(z[0, i]) for i in dead)
        for number, i in enumerate(dead):
            less = number / len(dead) * of_dead if ties == "efron" else 0.0
            total += math.log(at_risk - less) - z[0, i]
    return total / max(int(event.sum()), 1)


@some
@given(st.integers(1, 20), st.integers(2, 5), st.booleans(), st.integers(0, 99))
def test_cross_entropy(n: int, classes: int, weighted: bool, seed: int) -> None:
    z, generator = draw(classes, n, seed)
    y = torch.randint(0, classes, (n,), generator=generator)
    weight = torch.rand(classes, generator=generator, dtype=torch.float64) + 0.1 if weighted else None
    expected = [slow_cross_entropy(head.numpy(), y.numpy(), None if weight is None else weight.numpy()) for head in z]
    np.testing.assert_allclose(cross_entropy(z, y, weight), expected, rtol=1e-10)


@some
@given(st.integers(2, 20), st.integers(0, 99), st.sampled_from([(mse, None), (huber, slow_huber), (ccc, slow_ccc)]))
def test_losses_of_regression(n: int, seed: int, pair: tuple[Callable[..., Tensor], Any]) -> None:
    fast, slow = pair
    z, generator = draw(1, n, seed)
    y = 2 * torch.randn(n, generator=generator, dtype=torch.float64)
    expected = [slow(h.numpy(), y.numpy()) if slow else np.mean((h.numpy()[0] - y.numpy()) ** 2) for h in z]
    np.testing.assert_allclose(fast(z, y), expected, rtol=1e-10)


@some
@given(st.integers(1, 15), st.integers(1, 4), st.booleans(), st.integers(0, 99))
def test_binary_cross_entropy_of_known_labels(n: int, n_labels: int, weighted: bool, seed: int) -> None:
    z, generator = draw(n_labels, n, seed)
    y = labels(n, n_labels, seed)
    weight = torch.rand(n_labels, generator=generator, dtype=torch.float64) + 0.5 if weighted else None
    expected = [slow_binary(head.numpy(), y.numpy(), None if weight is None else weight.numpy()) for head in z]
    np.testing.assert_allclose(binary_cross_entropy(z, y, weight), expected, rtol=1e-10)


@some
@given(st.integers(1, 20), st.booleans(), st.sampled_from(["efron", "breslow"]), st.integers(0, 99))
def test_cox_partial_likelihood(n: int, ties: bool, method: Ties, seed: int) -> None:
    z, _ = draw(1, n, seed)
    y = survival(n, seed, ties)
    np.testing.assert_allclose(
        cox(z, y, method), [slow_cox(h.numpy(), y.numpy(), method) for h in z], rtol=1e-9, atol=1e-12
    )


# ---- shapes and gradients --------------------------------------------------------------------------------------------

CASES: list[tuple[str, Callable[[Tensor], Tensor], int]] = [
    ("cross entropy", lambda z: cross_entropy(z, torch.arange(8) % 3, torch.tensor([1.0, 2.0, 0.5]).double()), 3),
    ("mse", lambda z: mse(z, torch.linspace(-1, 1, 8).double()), 1),
    ("huber", lambda z: huber(z, torch.linspace(-1, 1, 8).double()), 1),
    ("ccc", lambda z: ccc(z, torch.linspace(-1, 1, 8).double()), 1),
    ("binary", lambda z: binary_cross_entropy(z, labels(8, 2, 0), torch.tensor([2.0, 0.5]).double()), 2),
    ("cox efron", lambda z: cox(z, survival(8, 1, ties=True)), 1),
    ("cox breslow", lambda z: cox(z, survival(8, 1, ties=True), "breslow"), 1),
]
NAMED = pytest.mark.parametrize(("loss", "n_outputs"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])


@NAMED
def test_a_single_network_is_a_head_without_a_number(loss: Callable[[Tensor], Tensor], n_outputs: int) -> None:
    z, _ = draw(n_outputs, 8, seed=4)
    assert loss(z).shape == (HEADS,)
    assert loss(z[0]).shape == ()
    assert loss(z.view(1, HEADS, n_outputs, 8)).shape == (1, HEADS)
    torch.testing.assert_close(loss(z), torch.stack([loss(head) for head in z]))


@NAMED
def test_gradients(loss: Callable[[Tensor], Tensor], n_outputs: int) -> None:
    z, _ = draw(n_outputs, 8, seed=4)
    assert torch.autograd.gradcheck(loss, z.requires_grad_(True))
    (gradient,) = torch.autograd.grad(loss(z)[0], z)
    assert not gradient[1:].any(), "a head has a loss of its own"


@pytest.mark.parametrize("scale", [1e-3, 1.0, 100.0])
def test_cox_stays_finite_for_large_risks(scale: float) -> None:
    z = (torch.randn(1, 1, 40, generator=torch.Generator().manual_seed(0)) * scale).requires_grad_(True)
    value = cox(z, survival(40, 0, ties=True).float())
    (gradient,) = torch.autograd.grad(value.sum(), z)
    assert torch.isfinite(value).all()
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("method", ["efron", "breslow"])
def test_cox_ignores_a_shift_of_all_risks_and_the_order_of_samples(method: Ties) -> None:
    z, generator = draw(1, 12, seed=1)
    y, order = survival(12, 1, ties=True), torch.randperm(12, generator=generator)
    torch.testing.assert_close(cox(z + 7, y, method), cox(z, y, method))
    torch.testing.assert_close(cox(z[..., order], y[order], method), cox(z, y, method))


NOTHING: list[tuple[str, Callable[..., Tensor], Tensor]] = [
    ("no event", cox, torch.tensor([[1.0, 0.0], [2.0, 0.0]]).double()),
    ("no known label", binary_cross_entropy, torch.full((2, 1), torch.nan).double()),
]


@pytest.mark.parametrize(("loss", "y"), [case[1:] for case in NOTHING], ids=[case[0] for case in NOTHING])
def test_a_batch_without_anything_to_learn_from_gives_zero_and_no_gradient(
    loss: Callable[..., Tensor], y: Tensor
) -> None:
    z = torch.randn(HEADS, 1, 2, dtype=torch.float64, requires_grad=True)
    value = loss(z, y)
    (gradient,) = torch.autograd.grad(value.sum(), z)
    assert value.tolist() == [0.0] * HEADS
    assert not gradient.any()


def test_ccc_of_constants_is_finite() -> None:
    z = torch.zeros(1, 4, requires_grad=True)
    for y in (torch.zeros(4), torch.ones(4), torch.arange(4.0)):
        value = ccc(z, y)
        assert value.item() == 1.0
        assert torch.isfinite(torch.autograd.grad(value, z)[0]).all()
    assert ccc(torch.arange(4.0)[None], torch.arange(4.0)).item() == pytest.approx(0)


# ---- against lifelines -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ties", [True, False])
def test_cox_regression_is_that_of_lifelines(ties: bool) -> None:
    lifelines = pytest.importorskip("lifelines")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3))
    x = ((x - x.mean(axis=0)) / x.std(axis=0, ddof=1)).astype(np.float32)  # as lifelines scales
    time = rng.exponential(np.exp(-x[:, 0] + 0.5 * x[:, 1]))
    time = np.ceil(time * 5) if ties else time
    y = np.stack([time, rng.random(120) < 0.7], axis=1).astype(np.float32)
    frame = pd.DataFrame(x, columns=["a", "b", "c"]).assign(time=y[:, 0], event=y[:, 1])
    theirs = lifelines.CoxPHFitter(penalizer=0.1).fit(frame, "time", "event")
    events = y[:, 1].sum()
    # lifelines divides its likelihood by the number of samples, we by that of events.
    ours = fit_cox(x, y, 0.1 * len(y) / events)
    np.testing.assert_allclose(ours, theirs.params_.to_numpy(), atol=2e-3)
    free = lifelines.CoxPHFitter().fit(frame, "time", "event")
    z = torch.from_numpy(x.astype(float) @ free.params_.to_numpy())[None]
    assert -float(cox(z, torch.from_numpy(y).double())) * events == pytest.approx(free.log_likelihood_, rel=1e-6)


# ---- which loss ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "fast"), [("auto", mse), ("mse", mse), ("ccc", ccc), ("huber", huber)])
def test_the_loss_of_a_regression_can_be_chosen(name: Any, fast: Callable[..., Tensor]) -> None:
    z, y = torch.randn(2, 1, 6), torch.randn(6)
    torch.testing.assert_close(loss_function("regression", name)(z, y, None), fast(z, y))


@pytest.mark.parametrize("task", ["classification", "multilabel", "survival"])
def test_other_tasks_have_one_loss(task: Any) -> None:
    assert loss_function(task)
    with pytest.raises(FitError, match=f'"ccc" is for regression; the task is {task}'):
        loss_function(task, "ccc")
