"""Importance against what it says it is: change a neuron a little and see what the output does."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from kgreg.data import Samples, Split, split_folds
from kgreg.decode import node_importance
from kgreg.errors import DataError
from kgreg.fit import FittedModel, fit_network
from tests.nn.slow_network import SlowNetwork
from tests.small_data import FAST, small_blueprint, small_samples

BLUEPRINT = small_blueprint(width=2)
FEATURES = BLUEPRINT.inputs["feature"].tolist()
EPS = 1e-5
Fitted = tuple[FittedModel, Samples, Split]


def fit(samples: Samples, **options: object) -> Fitted:
    split = split_folds(samples, 3)[0]
    return fit_network(BLUEPRINT, samples, split, replace(FAST, max_epochs=4, **options), seed=2), samples, split


@pytest.fixture(scope="module", params=["norm-tanh", "tanh-norm"])
def three_classes(request: pytest.FixtureRequest) -> Fitted:
    return fit(small_samples(classes=3), order=request.param)


@pytest.fixture(scope="module")
def values() -> Fitted:
    return fit(small_samples("regression"))


def importance(fitted: Fitted, **options: object) -> pd.DataFrame:
    model, samples, split = fitted
    x = samples.columns(FEATURES)
    target, reference = samples.target[split.test], x[split.train]
    return node_importance(model, x[split.test], target, reference, samples.outputs, **options)


def by_nudging(fitted: Fitted, label: int = 0) -> np.ndarray:
    """Return attributions ``[n_nodes, n_test]`` to each sample's own class, or to an output, by central differences."""
    model, samples, split = fitted
    slow = SlowNetwork(copy.deepcopy(model.network).double(), BLUEPRINT)
    raw = samples.columns(FEATURES)
    x, reference = (torch.from_numpy(model.scaler.transform(raw[rows])).double() for rows in (split.test, split.train))
    classes = model.task == "classification"
    own = torch.from_numpy(samples.target[split.test]).long() if classes else torch.full((len(x),), label)

    def outcome(x: torch.Tensor, nudge: dict[str, torch.Tensor] | None = None) -> torch.Tensor:
        logits = slow(x, training=False, nudge=nudge)[0]
        chosen = logits.gather(1, own[:, None])[:, 0]
        return chosen - logits.mean(dim=1) if classes else chosen

    with torch.no_grad():
        rows = []
        for i in range(x.shape[1]):
            step = torch.zeros_like(x)
            step[:, i] = EPS
            rows.append(x[:, i] * (outcome(x + step) - outcome(x - step)) / (2 * EPS))
        signal, mean = slow(x, training=False)[2], slow(reference, training=False)[2]
        for term in model.network.term_ids:
            total = torch.zeros(len(x), dtype=torch.float64)
            for k in range(len(signal[term])):
                step = torch.zeros_like(signal[term])
                step[k] = EPS
                slope = (outcome(x, {term: step}) - outcome(x, {term: -step})) / (2 * EPS)
                total += (signal[term][k] - mean[term][k].mean()) * slope
            rows.append(total)
    return torch.stack(rows).numpy()


def test_classes_equal_finite_differences_for_genes_and_terms(three_classes: Fitted) -> None:
    model, samples, split = three_classes
    table, expected = importance(three_classes), by_nudging(three_classes)
    assert list(table.index) == [*BLUEPRINT.inputs["node"], *model.network.term_ids]
    assert list(table.columns) == [*samples.classes, "all"]
    own = samples.target[split.test]
    for c, name in enumerate(samples.classes):
        np.testing.assert_allclose(table[name], expected[:, own == c].mean(axis=1), rtol=1e-3, atol=1e-5)
    sizes = [np.abs(expected[:, own == c]).mean(axis=1) for c in range(3)]
    np.testing.assert_allclose(table["all"], np.mean(sizes, axis=0), rtol=1e-3, atol=1e-5)
    assert (table["all"] > 1e-4).all(), "every node must carry something for this to tell anything"


def test_values_equal_finite_differences(values: Fitted) -> None:
    table = importance(values)
    assert list(table.columns) == ["all"]
    np.testing.assert_allclose(table["all"], np.abs(by_nudging(values)).mean(axis=1), rtol=1e-3, atol=1e-5)


def test_risks_equal_finite_differences() -> None:
    fitted = fit(small_samples("survival"))
    table = importance(fitted)
    assert list(table.columns) == ["all"]
    np.testing.assert_allclose(table["all"], np.abs(by_nudging(fitted)).mean(axis=1), rtol=1e-3, atol=1e-5)


def test_labels_equal_finite_differences_over_the_samples_that_have_them() -> None:
    fitted = fit(small_samples("multilabel"))
    _, samples, split = fitted
    table = importance(fitted)
    assert list(table.columns) == ["signal", "noise", "all"]
    sizes = []
    for i, label in enumerate(samples.labels):
        own = by_nudging(fitted, i)[:, samples.target[split.test, i] == 1]
        np.testing.assert_allclose(table[label], own.mean(axis=1), rtol=1e-3, atol=1e-5)
        sizes.append(np.abs(own).mean(axis=1))
    np.testing.assert_allclose(table["all"], np.mean(sizes, axis=0), rtol=1e-3, atol=1e-5)


def test_the_batch_size_does_not_matter(three_classes: Fitted) -> None:
    pd.testing.assert_frame_equal(importance(three_classes, batch_size=7), importance(three_classes), rtol=1e-4)


def test_a_shift_common_to_all_classes_changes_nothing(three_classes: Fitted) -> None:
    model, samples, split = three_classes
    shifted = copy.deepcopy(model)
    with torch.no_grad():
        shifted.network.readout.weight += torch.randn(shifted.network.readout.weight.shape[1])
    before, after = importance(three_classes), importance((shifted, samples, split))
    pd.testing.assert_frame_equal(before, after, rtol=1e-3, atol=1e-5)


def test_a_class_without_samples_is_undefined_and_does_not_spoil_the_rest(three_classes: Fitted) -> None:
    model, samples, split = three_classes
    keep = split.test[samples.target[split.test] != 1]
    table, full = importance((model, samples, replace(split, test=keep))), importance(three_classes)
    assert table["class 1"].isna().all()
    np.testing.assert_allclose(table["class 0"], full["class 0"], rtol=1e-4, atol=1e-7)
    assert table["all"].notna().all()


def test_scoring_leaves_the_model_as_it_was(three_classes: Fitted) -> None:
    model = three_classes[0]
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    importance(three_classes)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.network.state_dict().items())
    assert all(parameter.grad is None for parameter in model.network.parameters())


def test_no_samples_are_an_error(values: Fitted) -> None:
    model, samples, split = values
    with pytest.raises(DataError, match="no samples"):
        importance((model, samples, replace(split, test=split.test[:0])))
