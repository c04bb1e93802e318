"""Fits of networks that are no hierarchies: every task, interruptions, files, heads of unsupervised ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from torch import nn

from kgreg.blueprint import Blueprint
from kgreg.data import Samples
from kgreg.data.samples import Task
from kgreg.errors import FitError
from kgreg.fit import FittedModel, cross_validate, fit_network, load_fitted, save_fitted, score
from kgreg.fit.metrics import MAIN_METRIC
from kgreg.fit.probe import fit_probe
from kgreg.nn.dense import DenseDesign
from kgreg.nn.design import Design
from kgreg.nn.designs import DESIGNS
from kgreg.nn.guided import Given, GuidedNetwork, Passed, TaskLoss
from kgreg.nn.readout import Link
from tests.fit.cases import BLUEPRINT, TASKS, first_split, inputs, interrupt_at, same
from tests.small_data import FAST, small_blueprint, small_samples

DENSE = replace(FAST, architecture=DenseDesign(widths=(16, 8), dropout=0.2), max_epochs=8, patience=8)


class Squeeze(Design):
    """A linear autoencoder whose three latent neurons carry the names of terms."""

    model: Literal["squeeze"] = "squeeze"

    def build(
        self, blueprint: Blueprint, n_outputs: int, *, covariates: Sequence[str] = (), link: Link = "identity"
    ) -> SqueezeNetwork:
        return SqueezeNetwork(blueprint, n_outputs)

    def size(self, blueprint: Blueprint, n_outputs: int) -> tuple[int, int]:
        return 6 * len(blueprint.inputs), 2 * len(blueprint.inputs)


class SqueezeNetwork(GuidedNetwork):
    supervised = False

    def __init__(self, blueprint: Blueprint, n_outputs: int) -> None:
        super().__init__(blueprint, n_outputs, ["signal", "noise", "other"], [1, 1, 1])
        self.encoder, self.decoder = nn.Linear(self.n_inputs, 3), nn.Linear(3, self.n_inputs)
        self.head = nn.Linear(3, n_outputs)
        self.steps, self.epochs, self.seen = 0, [], 0

    def compute(self, given: Given) -> Passed:
        latent = self.encoder(given.x)
        return Passed(self.head(latent), [latent], self.decoder(latent))

    def loss(self, passed: Passed, given: Given, target: torch.Tensor, task_loss: TaskLoss) -> torch.Tensor:
        return (passed.extra - given.x).square().mean()

    def begin(self, given: Given, target: torch.Tensor) -> None:
        self.seen = len(given.x)

    def at_epoch(self, epoch: int) -> None:
        self.epochs.append(epoch)

    def after_step(self, learning_rate: float) -> None:
        self.steps += 1
        self.decoder.weight.clamp_(min=0)


@pytest.fixture(autouse=True)
def squeeze(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DESIGNS, "squeeze", Squeeze)


@pytest.fixture(scope="module")
def samples() -> Samples:
    return small_samples()


def quality(model: FittedModel, samples: Samples, rows: np.ndarray) -> float:
    found = score(samples.task, samples.target[rows], model.predict(inputs(samples, rows)))
    return found[MAIN_METRIC[samples.task]]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("model", ["dense", "squeeze"])
def test_every_task_is_learned(task: Task, model: str, tmp_path: Path) -> None:
    samples = small_samples(task, n=240)
    split = first_split(samples)
    design: Design = DenseDesign(widths=(16,), dropout=0.0) if model == "dense" else Squeeze()
    settings = replace(FAST, architecture=design, max_epochs=40, patience=40, learning_rate=0.01)
    fitted = fit_network(BLUEPRINT, samples, split, settings, seed=1)
    chance = {"classification": 0.5, "multilabel": 0.5, "regression": 0.0, "survival": 0.5}[task]
    # Three latent neurons of an autoencoder need not hold what the target follows from; some of it they do.
    assert quality(fitted, samples, split.test) > chance + (0.2 if model == "dense" else 0.02)
    if task == "survival":
        assert abs(float(fitted.predict(inputs(samples, split.train)).mean())) < 1e-4
    save_fitted(fitted, settings, tmp_path)
    again = load_fitted(tmp_path, BLUEPRINT)
    assert same(again, fitted)
    np.testing.assert_array_equal(
        again.predict(inputs(samples, split.test)), fitted.predict(inputs(samples, split.test))
    )


@pytest.mark.parametrize("epoch", [1, 3])
@pytest.mark.parametrize("settings", [DENSE, replace(DENSE, architecture=Squeeze())], ids=["dense", "squeeze"])
def test_a_resumed_fit_equals_one_that_was_not_interrupted(
    samples: Samples, tmp_path: Path, epoch: int, settings: object
) -> None:
    split = first_split(samples)
    whole = fit_network(BLUEPRINT, samples, split, settings, seed=5)
    with pytest.raises(KeyboardInterrupt):
        fit_network(BLUEPRINT, samples, split, settings, 5, tmp_path, interrupt_at(epoch, KeyboardInterrupt()))
    torch.manual_seed(999)
    assert same(fit_network(BLUEPRINT, samples, split, settings, 5, tmp_path), whole)
    assert not (tmp_path / "checkpoints").exists()


def test_a_network_is_told_of_samples_epochs_and_steps(samples: Samples) -> None:
    split = first_split(samples)
    settings = replace(DENSE, architecture=Squeeze(), max_epochs=3, stopping="none")
    network = fit_network(BLUEPRINT, samples, split, settings, seed=0).network
    assert isinstance(network, SqueezeNetwork)
    assert network.seen == len(split.train)
    assert network.epochs == [0, 1, 2]
    assert network.steps == 3 * -(-len(split.train) // FAST.batch_size)
    assert float(network.decoder.weight.detach().min()) >= 0


def test_what_is_drawn_follows_from_the_seed_alone(samples: Samples) -> None:
    split = first_split(samples)
    torch.manual_seed(1)
    one = fit_network(BLUEPRINT, samples, split, DENSE, seed=3)
    torch.manual_seed(2)
    assert same(one, fit_network(BLUEPRINT, samples, split, DENSE, seed=3))
    assert not same(one, fit_network(BLUEPRINT, samples, split, DENSE, seed=4))


@pytest.mark.parametrize("optimiser", ["adam", "adamw", "amsgrad", "adagrad", "sgd"])
def test_every_optimiser_lowers_the_loss(
    samples: Samples, optimiser: Literal["adam", "adamw", "amsgrad", "adagrad", "sgd"]
) -> None:
    settings = replace(DENSE, optimiser=optimiser, decay=0.5, decay_every=4)
    history = fit_network(BLUEPRINT, samples, first_split(samples), settings, seed=0).history
    assert history[-1]["train_loss"] < history[0]["train_loss"]


def test_a_damaged_or_foreign_checkpoint_is_refused(samples: Samples, tmp_path: Path) -> None:
    split = first_split(samples)
    with pytest.raises(KeyboardInterrupt):
        fit_network(BLUEPRINT, samples, split, DENSE, 5, tmp_path, interrupt_at(2, KeyboardInterrupt()))
    with pytest.raises(FitError, match="other settings"):
        fit_network(BLUEPRINT, samples, split, replace(DENSE, learning_rate=0.1), 5, tmp_path)
    with pytest.raises(FitError, match="another blueprint"):
        fit_network(small_blueprint(width=2), samples, split, DENSE, 5, tmp_path)


def test_a_network_that_would_not_fit_into_memory_is_refused(samples: Samples) -> None:
    huge = replace(DENSE, architecture=DenseDesign(widths=(40_000, 4_000_000)))
    with pytest.raises(FitError, match="needs about"):
        fit_network(BLUEPRINT, samples, first_split(samples), huge, seed=0)


def test_all_arms_are_trained_and_scored(samples: Samples, tmp_path: Path) -> None:
    splits = [first_split(samples)]
    found = cross_validate(BLUEPRINT, samples, splits, DENSE, rewired=1, labels=1, folder=tmp_path, replicates=2)
    assert set(found.scores["arm"]) == {"graph", "rewired-0", "labels-0", "baseline"}
    assert found.scores["value"].notna().all()


# ---- heads -----------------------------------------------------------------------------------------------------------


class Latent(GuidedNetwork):
    """A network that the head reads the inputs of."""

    def __init__(self, n_outputs: int) -> None:
        super().__init__(BLUEPRINT, n_outputs, [], [])
        self.head = nn.Linear(self.n_inputs, n_outputs).double()

    def compute(self, given: Given) -> Passed:
        return Passed(self.head(given.x), [])

    def read(self, passed: Passed) -> torch.Tensor:
        raise NotImplementedError


@pytest.mark.parametrize("classes", [2, 3])
def test_the_head_of_classes_is_a_logistic_regression_of_standardised_columns(classes: int) -> None:
    samples = small_samples(classes=classes)
    x = samples.columns(BLUEPRINT.inputs).astype(np.float64)
    x[:, 5] = 7.0  # a neuron that does not vary has no weight
    network = Latent(classes)
    fit, stop = slice(0, 90), slice(90, 120)
    chosen = fit_probe(
        network, "classification", classes, (x[fit], samples.target[fit]), (x[stop], samples.target[stop]), True, 0
    )
    scaled = (x - x.mean(axis=0)) / np.where(x.std(axis=0) > 0, x.std(axis=0), 1)
    twin = LogisticRegression(C=chosen["C"], class_weight="balanced", max_iter=2000).fit(scaled, samples.target)
    with torch.no_grad():
        predicted = torch.softmax(network.head(torch.from_numpy(x)), dim=1).numpy()
    np.testing.assert_allclose(predicted, twin.predict_proba(scaled), atol=1e-6)
    assert (network.head.weight[:, 5] == 0).all()


def test_the_head_of_values_is_a_ridge_regression() -> None:
    samples = small_samples("regression")
    x = samples.columns(BLUEPRINT.inputs).astype(np.float64)
    network = Latent(1)
    y = samples.target.astype(np.float64)
    chosen = fit_probe(network, "regression", 1, (x[:90], y[:90]), (x[90:], y[90:]), True, 0)
    scaled = (x - x.mean(axis=0)) / x.std(axis=0)
    twin = Ridge(alpha=chosen["alpha"]).fit(scaled, y)
    with torch.no_grad():
        np.testing.assert_allclose(network.head(torch.from_numpy(x))[:, 0].numpy(), twin.predict(scaled), atol=1e-6)


def test_a_class_that_was_never_seen_is_never_predicted() -> None:
    samples = small_samples(classes=2)
    x = samples.columns(BLUEPRINT.inputs).astype(np.float64)
    network = Latent(3)
    fit_probe(network, "classification", 3, (x[:90], samples.target[:90]), (x[90:], samples.target[90:]), True, 0)
    with torch.no_grad():
        assert float(torch.softmax(network.head(torch.from_numpy(x)), dim=1)[:, 2].max()) < 1e-6
