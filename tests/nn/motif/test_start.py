"""The head that training begins with is the minimum of the loss that training goes on with."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from kgreg.nn.motif.start import LinearStart, _kernel_logistic, fit_start
from kgreg.nn.readout import Link


def draw(n: int, m: int, classes: int = 2, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    z, y = rng.normal(size=(n, m)), np.arange(n) % classes
    z[:, 0] += 2 * (y == 0)
    z[:, 1] += 2 * (y == 1)
    return (z - z.mean(axis=0)) / z.std(axis=0), y


def objective(start: LinearStart, z: NDArray[np.float64], y: NDArray[np.float64], link: Link) -> torch.Tensor:
    """Return the gradient of the mean loss plus the penalty, at the start, over weights and biases."""
    weight, bias = (torch.from_numpy(np.array(part)).requires_grad_() for part in (start.weight, start.bias))
    outputs = torch.nn.functional.linear(torch.from_numpy(z), weight * torch.from_numpy(start.scale), bias)
    if link == "softmax":
        loss = torch.nn.functional.cross_entropy(outputs, torch.from_numpy(y).long())
    elif link == "sigmoid":
        each = torch.nn.functional.binary_cross_entropy_with_logits(outputs, torch.from_numpy(y), reduction="none")
        loss = each.mean(dim=0).sum()
    else:
        loss = (outputs[:, 0] - torch.from_numpy(y)).square().mean()
    loss = loss + (torch.from_numpy(start.penalty) * weight.square().sum(dim=1)).sum()
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, [weight, bias])])


@pytest.mark.parametrize(("n", "m"), [(40, 12), (20, 60)])
@pytest.mark.parametrize(("link", "classes"), [("softmax", 2), ("softmax", 3), ("sigmoid", 2), ("identity", 2)])
@pytest.mark.parametrize("exponents", [(0,), (2,)])
def test_the_start_is_a_minimum(n: int, m: int, link: Link, classes: int, exponents: tuple[int, ...]) -> None:
    n = n // classes * classes  # classes of one size: their weights are 1
    z, y = draw(n, m, classes)
    target = y if link == "softmax" else np.stack([y, 1 - y], axis=1) if link == "sigmoid" else z[:, 0] + 0.1 * z[:, 5]
    start = fit_start(z, target, link, {"softmax": classes, "sigmoid": 2, "identity": 1}[link], exponents)
    assert start is not None
    assert start.scale.max() == pytest.approx(1)
    assert float(objective(start, z, target.astype(float), link).abs().max()) < 1e-4


def test_few_scores_that_tell_the_outcome_are_penalised_less_than_the_rest() -> None:
    z, y = draw(60, 300)
    plain, adaptive = fit_start(z, y, "softmax", 2, (0,)), fit_start(z, y, "softmax", 2)
    assert plain is not None
    assert adaptive is not None
    fresh, truth = draw(2000, 300, seed=1)

    def accuracy(start: LinearStart) -> float:
        outputs = fresh @ (start.weight * start.scale).T + start.bias
        return float((outputs.argmax(axis=1) == truth).mean())

    assert accuracy(adaptive) > accuracy(plain) + 0.05
    assert set(np.argsort(adaptive.scale[0])[-2:]) == {0, 1}


def test_classes_that_are_not_there_are_never_predicted() -> None:
    z, y = draw(20, 5)
    start = fit_start(z, y + 1, "softmax", 4, (0,))
    assert start is not None
    outputs = z @ (start.weight * start.scale).T + start.bias
    assert set(outputs.argmax(axis=1)) <= {1, 2}
    alone = fit_start(z, np.full(20, 2), "softmax", 3)
    assert alone is not None
    assert alone.bias.argmax() == 2


def test_labels_may_be_unknown_and_all_alike() -> None:
    z, y = draw(20, 5)
    labels = np.stack([np.where(np.arange(20) < 4, np.nan, y), np.ones(20), np.full(20, np.nan)], axis=1)
    start = fit_start(z, labels, "sigmoid", 3, (1,))
    assert start is not None
    assert start.bias[1:].tolist() == [30, 0]
    assert np.abs(start.weight[0]).max() > 0


def test_survival_and_very_many_labels_have_no_start() -> None:
    assert fit_start(np.zeros((4, 2)), np.ones((4, 40)), "sigmoid", 40) is None
    assert fit_start(np.zeros((4, 2)), np.ones((4, 2)), "identity", 1) is None


def test_kernels_find_what_features_do() -> None:
    z, _ = draw(50, 80)
    y = (np.arange(50) < 15).astype(np.int64)
    dual, intercept = _kernel_logistic(z @ z.T, y, [0.01, 1.0, 100.0])
    for c, a, b in zip([0.01, 1.0, 100.0], dual, intercept, strict=True):
        model = LogisticRegression(C=c, class_weight="balanced", max_iter=5000, tol=1e-7).fit(z, y)
        np.testing.assert_allclose(z.T @ a, model.coef_[0], atol=2e-3)
        assert b == pytest.approx(model.intercept_[0], abs=5e-3)
