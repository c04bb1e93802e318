"""One fit: what it learns, that it can be repeated, and when it stops."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from kgreg.data import Samples, Scaler, Split
from kgreg.data.samples import Task
from kgreg.errors import DataError
from kgreg.fit import FittedModel, fit_network, score
from kgreg.fit.losses import LossName, binary_cross_entropy, cox
from kgreg.nn.architecture import Architecture
from tests.fit.cases import BLUEPRINT, TASKS, first_split, inputs, same
from tests.small_data import FAST, small_samples


@pytest.fixture(scope="module")
def samples() -> Samples:
    return small_samples()


@pytest.fixture(scope="module")
def fitted(samples: Samples) -> FittedModel:
    return fit_network(BLUEPRINT, samples, first_split(samples), FAST, seed=1)


# ---- learning --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("classes", "least"), [(2, 0.85), (3, 0.6)])
def test_classes_that_follow_from_a_subsystem_are_learned(classes: int, least: float) -> None:
    samples = small_samples(n=240, classes=classes)
    split = first_split(samples)
    model = fit_network(BLUEPRINT, samples, split, FAST, seed=0)
    predicted = model.predict(inputs(samples, split.test))
    assert predicted.shape == (len(split.test), classes)
    np.testing.assert_allclose(predicted.sum(axis=1), 1, atol=1e-5)
    assert score("classification", samples.target[split.test], predicted)["balanced_accuracy"] > least


def test_values_that_follow_from_a_subsystem_are_learned_in_their_own_units() -> None:
    samples = small_samples("regression", n=240)
    split = first_split(samples)
    model = fit_network(BLUEPRINT, samples, split, FAST, seed=0)
    predicted = model.predict(inputs(samples, split.test))
    assert predicted.shape == (len(split.test), 1)
    scores = score("regression", samples.target[split.test], predicted)
    assert scores["pearson_r"] > 0.85
    assert scores["r2"] > 0.6
    assert model.target_scale[0] == pytest.approx(float(samples.target[split.train].mean()))


def test_labels_that_follow_from_subsystems_are_learned() -> None:
    samples = small_samples("multilabel", n=300)
    split = first_split(samples)
    model = fit_network(BLUEPRINT, samples, split, FAST, seed=0)
    predicted = model.predict(inputs(samples, split.test))
    assert predicted.shape == (len(split.test), 2)
    assert ((predicted > 0) & (predicted < 1)).all()
    assert score("multilabel", samples.target[split.test], predicted)["auroc"] > 0.85


def test_survival_that_follows_from_a_subsystem_is_learned() -> None:
    samples = small_samples("survival", n=300)
    split = first_split(samples)
    model = fit_network(BLUEPRINT, samples, split, FAST, seed=0)
    predicted = model.predict(inputs(samples, split.test))
    assert predicted.shape == (len(split.test), 1)
    assert score("survival", samples.target[split.test], predicted)["concordance"] > 0.7
    assert model.predict(inputs(samples, split.train)).mean() == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("loss", ["ccc", "huber"])
def test_a_regression_learns_by_other_losses(loss: LossName) -> None:
    samples = small_samples("regression", n=240)
    split = first_split(samples)
    model = fit_network(BLUEPRINT, samples, split, replace(FAST, loss=loss), seed=0)
    scores = score("regression", samples.target[split.test], model.predict(inputs(samples, split.test)))
    assert scores["pearson_r"] > 0.85
    assert scores["r2"] > 0.6, "predicted in the units of the target"


@pytest.mark.parametrize(
    "options",
    [
        {"architecture": Architecture(norm="after")},
        {"architecture": Architecture(norm="none", activation="relu")},
        {"architecture": Architecture(dropout=0.1)},
        {"architecture": Architecture(heads="layer", readout="heads")},
        {"architecture": Architecture(heads="tanh-linear", readout="head", gene_scaling=True)},
        {"auxiliary": 0.0},
        {"auxiliary": 0.1, "auxiliary_sum": True},
        {"class_weight": "none"},
    ],
)
def test_every_setting_trains(samples: Samples, options: dict[str, object]) -> None:
    settings = replace(FAST, **options)
    split = first_split(samples)
    model = fit_network(BLUEPRINT, samples, split, settings, seed=0)
    assert (model.network.readout.n_heads == 0) == (settings.auxiliary == 0)
    assert model.network.architecture == settings.used_architecture
    assert model.history[-1]["train_loss"] < model.history[0]["train_loss"]
    assert (
        score("classification", samples.target[split.test], model.predict(inputs(samples, split.test)))["auroc"] > 0.8
    )


def test_rare_classes_weigh_as_much_as_common_ones() -> None:
    samples = small_samples(n=200)
    # Make class 1 rare by moving most of it out, and remove the signal: only the prior is left to learn.
    rng = np.random.default_rng(0)
    target = (rng.random(200) < 0.15).astype(np.int64)
    samples = replace(samples, target=target)
    split = first_split(samples)

    def mean_probability(class_weight: str) -> float:
        settings = replace(FAST, class_weight=class_weight, max_epochs=6, weight_decay=1.0)
        return float(
            fit_network(BLUEPRINT, samples, split, settings, 0).predict(inputs(samples, split.stop))[:, 1].mean()
        )

    assert mean_probability("none") < 0.3 < mean_probability("balanced")


@pytest.mark.parametrize("stopping", ["early", "none"])
def test_classes_are_balanced_over_the_rows_that_are_trained(stopping: Any) -> None:
    samples = small_samples()
    # A stopping part with more of one class than the rest has.
    stop = np.concatenate([np.flatnonzero(samples.target == 1)[:30], np.flatnonzero(samples.target == 0)[:8]])
    rest = np.setdiff1d(np.arange(len(samples)), stop)
    split = Split(0, rest[:60], np.sort(stop), rest[60:])
    settings = replace(FAST, stopping=stopping, max_epochs=3, patience=3)
    model = fit_network(BLUEPRINT, samples, split, settings, seed=0)
    rows = split.fit if stopping == "early" else split.train
    weight = torch.from_numpy((len(rows) / (2 * np.bincount(samples.target[rows]))).astype(np.float32))
    with torch.no_grad():
        scaled = model.preprocessing.scaler.transform(inputs(samples, split.stop))
        outputs = model.network.predict(torch.from_numpy(scaled))
        loss = F.cross_entropy(outputs, torch.from_numpy(samples.target[split.stop]), weight=weight)
    assert float(loss) == pytest.approx(model.history[model.best_epoch]["stop_loss"], rel=1e-4)


# ---- the same numbers ------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_model_whatever_ran_before(samples: Samples, fitted: FittedModel) -> None:
    torch.manual_seed(12345)
    np.random.seed(1)
    torch.rand(7)
    assert same(fit_network(BLUEPRINT, samples, first_split(samples), FAST, seed=1), fitted)


def test_another_seed_gives_another_model(samples: Samples, fitted: FittedModel) -> None:
    other = fit_network(BLUEPRINT, samples, first_split(samples), FAST, seed=2)
    assert not torch.equal(other.network.hierarchy.bias, fitted.network.hierarchy.bias)
    assert other.history != fitted.history


def test_columns_are_found_by_name(samples: Samples, fitted: FittedModel) -> None:
    turned = replace(samples, x=samples.x[:, ::-1].copy(), features=samples.features[::-1])
    assert same(fit_network(BLUEPRINT, turned, first_split(samples), FAST, seed=1), fitted)


def test_data_without_a_gene_of_the_blueprint_are_refused(samples: Samples) -> None:
    lacking = replace(samples, features=["renamed" if f == "g05.data" else f for f in samples.features])
    with pytest.raises(DataError, match=r"g05\.data"):
        fit_network(BLUEPRINT, lacking, first_split(samples), FAST, seed=1)


@pytest.mark.parametrize("task", TASKS)
def test_test_samples_have_no_influence(task: Task) -> None:
    samples = small_samples(task)
    split = first_split(samples)
    x, target = samples.x.copy(), samples.target.copy()
    x[split.test] = x[split.test] * 1000 + 5
    target[split.test] = target[split.test][::-1] if task == "classification" else -1e6
    altered = replace(samples, x=x, target=target)
    assert not np.array_equal(altered.target, samples.target)
    model, other = (fit_network(BLUEPRINT, data, split, FAST, seed=3) for data in (samples, altered))
    assert same(model, other)
    own = Scaler.fit(inputs(samples, split.train))
    np.testing.assert_array_equal(model.preprocessing.scaler.mean, own.mean)
    np.testing.assert_array_equal(model.preprocessing.scaler.sd, own.sd)


# ---- stopping --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_the_weights_are_those_of_the_epoch_with_the_least_stopping_loss(task: Task) -> None:
    samples = small_samples(task)
    split = first_split(samples)
    settings = replace(FAST, learning_rate=0.3 if task == "multilabel" else 0.1, max_epochs=10, patience=9)
    model = fit_network(BLUEPRINT, samples, split, settings, seed=0)
    losses = [row["stop_loss"] for row in model.history]
    assert [row["epoch"] for row in model.history] == list(range(len(losses)))
    assert model.best_epoch == int(np.argmin(losses))
    assert model.best_epoch < len(losses) - 1, "the last epoch must not be the best for this to tell anything"
    with torch.no_grad():
        scaled = model.preprocessing.scaler.transform(inputs(samples, split.stop))
        outputs = model.network.predict(torch.from_numpy(scaled))
    target = samples.target[split.stop]
    if task == "classification":
        counts = np.bincount(samples.target[split.fit])
        weight = torch.tensor(len(split.fit) / (2 * counts), dtype=torch.float32)
        loss = F.cross_entropy(outputs, torch.from_numpy(target), weight=weight)
    elif task == "multilabel":
        positive, negative = ((samples.target[split.fit] == value).sum(axis=0) for value in (1, 0))
        weight = torch.tensor(negative / positive, dtype=torch.float32)
        loss = binary_cross_entropy(outputs.t(), torch.from_numpy(target), weight)
    elif task == "survival":
        loss = cox(outputs.t(), torch.from_numpy(target))
    else:
        centre, spread = model.target_scale
        loss = F.mse_loss(outputs[:, 0], torch.from_numpy((target - centre) / spread))
    assert float(loss) == pytest.approx(min(losses), rel=1e-4)
    assert not model.network.training


def test_training_stops_when_patience_is_spent() -> None:
    rng = np.random.default_rng(0)
    samples = replace(small_samples(), target=rng.integers(0, 2, 120))
    model = fit_network(BLUEPRINT, samples, first_split(samples), replace(FAST, max_epochs=60, patience=3), seed=0)
    assert len(model.history) == model.best_epoch + 1 + 3 < 60


def test_progress_is_told_after_every_epoch(samples: Samples) -> None:
    calls: list[tuple[int, int]] = []
    settings = replace(FAST, max_epochs=3)
    fit_network(BLUEPRINT, samples, first_split(samples), settings, 0, on_epoch=lambda *now: calls.append(now))
    assert calls == [(1, 3), (2, 3), (3, 3)]
