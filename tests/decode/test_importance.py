"""Importance against what it says it is: change a neuron a little and see what the output does."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from kgreg.blueprint import Blueprint, compile_hierarchy
from kgreg.data import Samples, Split, split_folds
from kgreg.decode import node_importance
from kgreg.errors import DataError
from kgreg.fit import FittedModel, Readings, fit_network
from kgreg.nn.architecture import Architecture
from kgreg.nn.inputs import Inputs
from tests.decode.slow_responses import SlowResponses
from tests.random_graphs import Knowledge
from tests.small_data import ANNOTATIONS, FAST, GENES, LINKS, small_blueprint, small_samples, with_extras

BLUEPRINT = small_blueprint(width=2)
EPS = 1e-5
Fitted = tuple[FittedModel, Samples, Split]


def fit(samples: Samples, blueprint: Blueprint = BLUEPRINT, **options: Any) -> Fitted:
    split = split_folds(samples, 3)[0]
    return fit_network(blueprint, samples, split, replace(FAST, max_epochs=4, **options), seed=2), samples, split


@pytest.fixture(scope="module", params=["before", "after", "none"])
def three_classes(request: pytest.FixtureRequest) -> Fitted:
    return fit(small_samples(classes=3), architecture=Architecture(norm=request.param))


@pytest.fixture(scope="module")
def values() -> Fitted:
    return fit(small_samples("regression"))


def importance(fitted: Fitted, **options: object) -> pd.DataFrame:
    model, samples, split = fitted
    readings = Readings.of(samples, model.blueprint)
    target, reference = samples.target[split.test], readings.rows(split.train)
    return node_importance(model, readings.rows(split.test), target, reference, samples.outputs, **options)


def by_pushing(fitted: Fitted, label: int = 0) -> np.ndarray:
    """Return attributions ``[n_nodes, n_test]`` to each sample's own class, or to an output, by central differences."""
    model, samples, split = fitted
    slow = SlowResponses(model)
    readings = Readings.of(samples, model.blueprint)
    given, reference = (slow.inputs(readings.rows(rows)) for rows in (split.test, split.train))
    assert isinstance(given.genes, torch.Tensor)
    assert isinstance(reference.genes, torch.Tensor)
    classes = model.task == "classification"
    n = len(split.test)
    chosen_output = torch.from_numpy(samples.target[split.test]).long() if classes else torch.full((n,), label)

    def outcome(x: Inputs, push: dict[str, torch.Tensor] | None = None) -> torch.Tensor:
        logits = slow(x, push)[0]
        chosen = logits.gather(1, chosen_output[:, None])[:, 0]
        return chosen - logits.mean(dim=1) if classes else chosen

    with torch.no_grad():
        centre = reference.genes[0].mean(dim=0)
        columns = []
        for i in range(given.genes.shape[2]):
            step = torch.zeros_like(given.genes)
            step[0, :, i] = EPS
            up, down = (outcome(replace(given, genes=given.genes + s * step)) for s in (1, -1))
            columns.append((given.genes[0, :, i] - centre[i]) * (up - down) / (2 * EPS))
        nodes = model.blueprint.inputs["node"].to_numpy()
        rows = [
            torch.stack([columns[i] for i in np.flatnonzero(nodes == node)]).sum(dim=0) for node in pd.unique(nodes)
        ]
        signal, mean = slow(given)[1], slow(reference)[1]
        for term in model.network.term_ids:
            total = torch.zeros(n, dtype=torch.float64)
            for k in range(len(signal[term])):
                step = torch.zeros_like(signal[term])
                step[k] = EPS
                slope = (outcome(given, {term: step}) - outcome(given, {term: -step})) / (2 * EPS)
                total += (signal[term][k] - mean[term][k].mean()) * slope
            rows.append(total)
    return torch.stack(rows).numpy()


def test_classes_equal_finite_differences_for_genes_and_terms(three_classes: Fitted) -> None:
    model, samples, split = three_classes
    table, expected = importance(three_classes), by_pushing(three_classes)
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
    np.testing.assert_allclose(table["all"], np.abs(by_pushing(values)).mean(axis=1), rtol=1e-3, atol=1e-5)


def test_risks_equal_finite_differences() -> None:
    fitted = fit(small_samples("survival"))
    table = importance(fitted)
    assert list(table.columns) == ["all"]
    np.testing.assert_allclose(table["all"], np.abs(by_pushing(fitted)).mean(axis=1), rtol=1e-3, atol=1e-5)


def test_labels_equal_finite_differences_over_the_samples_that_have_them() -> None:
    fitted = fit(small_samples("multilabel"))
    _, samples, split = fitted
    table = importance(fitted)
    assert list(table.columns) == ["signal", "noise", "all"]
    sizes = []
    for i, label in enumerate(samples.labels):
        own = by_pushing(fitted, i)[:, samples.target[split.test, i] == 1]
        np.testing.assert_allclose(table[label], own.mean(axis=1), rtol=1e-3, atol=1e-5)
        sizes.append(np.abs(own).mean(axis=1))
    np.testing.assert_allclose(table["all"], np.mean(sizes, axis=0), rtol=1e-3, atol=1e-5)


def modalities(samples: Samples) -> tuple[Blueprint, Samples]:
    """Return the samples with every gene read twice, and a blueprint that reads both."""
    both = replace(
        samples,
        x=np.concatenate([samples.x, np.sqrt(samples.x[:, ::-1]) + 1], axis=1),
        features=samples.features * 2,
        modalities=["first"] * len(samples.features) + ["second"] * len(samples.features),
    )
    knowledge = Knowledge(LINKS, ANNOTATIONS, GENES)
    features = knowledge.feature_table.merge(pd.DataFrame({"modality": ["first", "second"]}), how="cross")
    blueprint = compile_hierarchy(
        *(knowledge.hierarchy_table, knowledge.annotation_table, features), redundancy=None, width=2
    )
    return blueprint, both


BLOCKS = {"blocks": {"drug": (4, 2)}}


@pytest.mark.parametrize(
    "options",
    [
        {**BLOCKS, "readout": "joined", "heads": "tanh-linear"},
        {**BLOCKS, "readout": "terms", "gene_layer": True, "gene_scaling": True, "norm": "after"},
        {**BLOCKS, "covariates_at": "genes"},
        {**BLOCKS, "covariates_at": "terms", "burden": 0.5},
        {"heads": "layer", "readout": "heads", "covariates_at": "genes"},
    ],
    ids=["joined", "terms", "at genes", "at terms", "layer heads"],
)
@pytest.mark.parametrize("several", [False, True], ids=["one modality", "two modalities"])
def test_finite_differences_hold_beside_covariates_blocks_and_modalities(
    options: dict[str, Any], several: bool
) -> None:
    samples = small_samples("regression")
    blueprint, samples = modalities(samples) if several else (BLUEPRINT, samples)
    samples = with_extras(samples)
    if "blocks" not in options:
        samples = replace(samples, blocks={})
    fitted = fit(samples, blueprint, architecture=Architecture(**options))
    table = importance(fitted)
    assert list(table.index) == [*GENES, *fitted[0].network.term_ids]
    np.testing.assert_allclose(table["all"], np.abs(by_pushing(fitted)).mean(axis=1), rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("covariates_at", ["head", "genes"])
def test_where_the_network_is_linear_the_genes_add_up_to_the_output(covariates_at: Any) -> None:
    blueprint, samples = modalities(small_samples("multilabel"))
    samples = with_extras(samples)
    architecture = Architecture(activation="identity", covariates_at=covariates_at, **BLOCKS)
    fitted = fit(samples, blueprint, architecture=architecture)
    model, _, split = fitted
    table = importance(fitted)
    readings = Readings.of(samples, blueprint)
    centre = readings.x[split.train].mean(axis=0)
    test = readings.rows(split.test)
    slow = SlowResponses(model)
    with torch.no_grad():
        change = slow(slow.inputs(test))[0] - slow(slow.inputs(replace(test, x=np.tile(centre, (len(test), 1)))))[0]
    for i, label in enumerate(samples.labels):
        has = samples.target[split.test, i] == 1
        expected = float(change[torch.from_numpy(has), i].mean())
        assert table.loc[GENES, label].sum() == pytest.approx(expected, rel=1e-3, abs=1e-5)
        # All that the genes say reaches the output through the only node that is read.
        if covariates_at == "head":
            assert table.loc["root", label] == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_the_batch_size_does_not_matter(three_classes: Fitted) -> None:
    pd.testing.assert_frame_equal(importance(three_classes, batch_size=7), importance(three_classes), rtol=1e-4)


def test_a_shift_common_to_all_classes_changes_nothing(three_classes: Fitted) -> None:
    model, samples, split = three_classes
    shifted = copy.deepcopy(model)
    with torch.no_grad():
        shifted.network.readout.weight += torch.randn(shifted.network.readout.weight.shape[-1])
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
