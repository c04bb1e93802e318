"""Samples that lack a modality: scaled, fed, scored and knocked out without it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from kgreg.blueprint import Blueprint
from kgreg.data import Samples, Scaler, Split, split_folds
from kgreg.data.inputs import input_table, usable_features
from kgreg.data.presence import Presence
from kgreg.decode import knock_out, knockout_table, node_importance
from kgreg.errors import DataError
from kgreg.fit import FittedModel, cross_validate, fit_network
from kgreg.fit.baseline import fit_baseline
from kgreg.fit.feeding import Feed
from kgreg.fit.readings import Preprocessing, Readings
from kgreg.nn.design import Design
from kgreg.nn.integration import BottleneckDesign, LateDesign, MoliDesign
from tests.nn.integration.cases import MEASURED, blueprint_of
from tests.small_data import FAST, GENES

ORDER = ["protein", "expression", "mutation"]


def cohort(n: int = 90, missing: float = 0.35, seed: int = 0) -> Samples:
    """Return samples of two classes; expression and protein of g00..g03 and g05..g08 tell them apart."""
    rng = np.random.default_rng(seed)
    target = np.arange(n) % 2
    parts, features, modalities = [], [], []
    for name in ORDER:
        genes = list(MEASURED[name])
        x = rng.normal(size=(n, len(genes)))
        if name == "mutation":
            x = (x > 0.7).astype(float)
        else:
            x[:, :4] += 1.5 * target[:, None]
            x = x * 3 + 10
        parts.append(x)
        features += [f"{GENES[i]}.data" for i in genes]
        modalities += [name] * len(genes)
    present = (rng.random((n, 3)) > missing).astype(np.float32)
    present[present.sum(axis=1) == 0, 1] = 1
    place = np.array([ORDER.index(name) for name in modalities])
    return Samples(
        x=(np.hstack(parts) * present[:, place]).astype(np.float32),
        features=features,
        names=[f"s{i}" for i in range(n)],
        target=target,
        classes=["a", "b"],
        groups=None,
        task="classification",
        label="y",
        layer="all",
        origin="made here",
        modalities=modalities,
        present=present,
    )


BLUEPRINT, SAMPLES = blueprint_of(), cohort()
SPLIT = split_folds(SAMPLES, 3)[0]
QUICK = replace(FAST, max_epochs=4)
DESIGNS: list[Design] = [
    MoliDesign(width=6),
    MoliDesign(first="terms", presence=True),
    LateDesign(widths=(6,)),
    BottleneckDesign(widths=(8, 4)),
]


def mask_of(blueprint: Blueprint, samples: Samples) -> np.ndarray:
    """Return ``[n, n_inputs]`` whether a value was measured, one by one."""
    assert samples.present is not None
    return np.array(
        [[samples.present[i, ORDER.index(m)] > 0 for m in blueprint.inputs["modality"]] for i in range(len(samples))]
    )


def test_presence_is_in_the_order_of_the_blueprint() -> None:
    readings = Readings.of(SAMPLES, BLUEPRINT)
    assert readings.presence is not None
    assert list(readings.presence.modalities) == list(dict.fromkeys(BLUEPRINT.inputs["modality"]))
    assert list(readings.presence.modalities) != ORDER
    np.testing.assert_array_equal(readings.presence.mask, mask_of(BLUEPRINT, SAMPLES))
    some = readings.rows(np.array([4, 2]))
    assert some.presence is not None
    np.testing.assert_array_equal(some.presence.mask, mask_of(BLUEPRINT, SAMPLES)[[4, 2]])


def test_scaling_is_fitted_on_what_was_measured_and_the_rest_is_0() -> None:
    readings, mask = Readings.of(SAMPLES, BLUEPRINT), mask_of(BLUEPRINT, SAMPLES)
    train = Preprocessing.fit(readings.rows(SPLIT.train), "standard")
    scaled = train.apply(readings)
    x = scaled.x if isinstance(scaled.x, np.ndarray) else scaled.x.toarray()
    for j in range(x.shape[1]):
        rows = [i for i in SPLIT.train if mask[i, j]]
        mean, sd = readings.x[rows, j].mean(dtype=float), readings.x[rows, j].std(dtype=float)
        np.testing.assert_allclose(x[mask[:, j], j], (readings.x[mask[:, j], j] - mean) / sd, rtol=1e-3, atol=1e-4)
    assert (x[~mask] == 0).all()
    garbage = replace(readings, x=np.where(mask, readings.x, 1e6).astype(np.float32))
    again = Preprocessing.fit(garbage.rows(SPLIT.train), "auto").apply(garbage)
    own = Preprocessing.fit(readings.rows(SPLIT.train), "auto").apply(readings)
    for left, right in zip((again.x, again.present), (own.x, own.present), strict=True):
        np.testing.assert_array_equal(np.asarray(left), np.asarray(right))


def test_batches_know_what_is_there() -> None:
    scaled = Preprocessing.fit(Readings.of(SAMPLES, BLUEPRINT), "auto").apply(Readings.of(SAMPLES, BLUEPRINT))
    assert scaled.present is not None
    feed = Feed([scaled, scaled], [SAMPLES.target, SAMPLES.target])
    batch = feed[[np.array([3, 1]), np.array([2, 0])]].to(torch.device("cpu"))
    assert batch.inputs.present is not None
    np.testing.assert_array_equal(batch.inputs.present[1], scaled.present[[2, 0]])


def test_a_modality_that_no_training_sample_has() -> None:
    presence = Presence(np.array([[1, 0], [1, 0]], dtype=np.float32), ("one", "two"), np.array([0, 1]))
    with pytest.raises(DataError, match="None of the 2 training samples has the modality two"):
        Scaler.fit(np.ones((2, 2), dtype=np.float32), "auto", presence)


def test_a_gene_that_varies_only_by_being_absent_is_constant() -> None:
    x, place = SAMPLES.x.copy(), SAMPLES.features.index("g11.data")
    column = [i for i, feature in enumerate(SAMPLES.features) if feature == "g11.data"]
    assert SAMPLES.present is not None
    for i in column:
        x[:, i] = 5 * SAMPLES.present[:, ORDER.index(SAMPLES.modalities[i])]
    assert len(column) == 2
    assert place == column[0]
    with pytest.raises(DataError, match=r"g11\.data"):
        usable_features(replace(SAMPLES, x=x), SAMPLES.genes)


def test_inputs_are_what_was_measured() -> None:
    table = input_table(SAMPLES, BLUEPRINT.genes.assign(feature=BLUEPRINT.genes["id"] + ".data", gene="x"))
    pairs = list(zip(table["feature"], table["modality"], strict=True))
    assert sorted(pairs) == sorted(zip(SAMPLES.features, SAMPLES.modalities, strict=True))
    assert pairs[:2] == [("g00.data", "expression"), ("g00.data", "mutation")]


def test_the_baseline_has_the_same_inputs() -> None:
    predicted, _ = fit_baseline(SAMPLES, BLUEPRINT.inputs, SPLIT, FAST, 0)
    mask = np.array([[SAMPLES.present[i, ORDER.index(m)] > 0 for m in SAMPLES.modalities] for i in range(len(SAMPLES))])  # type: ignore[index]
    garbage = replace(SAMPLES, x=np.where(mask, SAMPLES.x, -1e4).astype(np.float32))
    again, _ = fit_baseline(garbage, BLUEPRINT.inputs, SPLIT, FAST, 0)
    np.testing.assert_array_equal(predicted, again)
    assert ((predicted[:, 1] > 0.5) == SAMPLES.target[SPLIT.test]).mean() > 0.75


def fitted(design: Design | None, split: Split = SPLIT) -> FittedModel:
    settings = QUICK if design is None else replace(QUICK, architecture=design)
    return fit_network(BLUEPRINT, SAMPLES, split, settings, seed=0)


@pytest.mark.parametrize("design", [None, *DESIGNS])
def test_what_was_not_measured_is_neither_important_nor_knocked_out(design: Design | None) -> None:
    model = fitted(design)
    readings, mask = Readings.of(SAMPLES, BLUEPRINT), mask_of(BLUEPRINT, SAMPLES)
    knocked = [i for i, node in enumerate(BLUEPRINT.inputs["node"]) if node in ("g00", "g06")]
    effect = knock_out(model, readings, knocked, 0.0)
    predicted = model.predict(readings)
    for i in range(12):
        x = readings.x[i : i + 1].copy()
        x[0, [j for j in knocked if mask[i, j]]] = 0.0
        alone = model.predict(replace(readings.rows(np.array([i])), x=x))
        np.testing.assert_allclose(effect.outputs[i], alone[0] - predicted[i], atol=1e-5)
    only = np.flatnonzero(~mask[:, BLUEPRINT.inputs["modality"] == "protein"].any(axis=1))
    found = node_importance(model, readings.rows(only), SAMPLES.target[only], readings, ["a", "b"])["all"]
    garbage = readings.rows(only)
    garbage = replace(garbage, x=np.where(mask[only], garbage.x, 9e3).astype(np.float32))
    again = node_importance(model, garbage, SAMPLES.target[only], readings, ["a", "b"])["all"]
    np.testing.assert_array_equal(found, again)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("design", [None, MoliDesign(width=6), LateDesign(widths=(6,))])
def test_everything_is_predicted_and_better_than_by_chance(design: Design | None) -> None:
    settings = replace(FAST, max_epochs=10) if design is None else replace(FAST, max_epochs=10, architecture=design)
    result = cross_validate(BLUEPRINT, SAMPLES, split_folds(SAMPLES, 2), settings, rewired=0, labels=0)
    scores = result.scores[result.scores["metric"] == "auroc"].groupby("arm")["value"].mean()
    assert scores["graph"] > 0.75
    table = knockout_table(result, {"g00": ["g00.data"]})
    assert np.isfinite(table["delta"]).all()
