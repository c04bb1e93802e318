"""Knockouts against predictions of an input that was zeroed by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch

from kgreg.data import split_folds
from kgreg.decode import explain, knock_out, knockout_table
from kgreg.decode.intervals import network_interval, overlap_of
from kgreg.errors import DataError
from kgreg.fit import CrossValidation, FittedModel, Readings, cross_validate, fit_network
from kgreg.nn.architecture import Architecture
from tests.small_data import FAST, GENES, small_blueprint, small_samples, with_extras

BLUEPRINT = small_blueprint()
FEATURES = BLUEPRINT.inputs["feature"].tolist()
SAMPLES = small_samples(n=90)
SPLITS = split_folds(SAMPLES, 3)
X = SAMPLES.columns(FEATURES)


@pytest.fixture(scope="module")
def model() -> FittedModel:
    return fit_network(BLUEPRINT, SAMPLES, SPLITS[0], replace(FAST, max_epochs=4), seed=0)


@pytest.fixture(scope="module")
def result() -> CrossValidation:
    settings = replace(FAST, max_epochs=6)
    return cross_validate(BLUEPRINT, SAMPLES, SPLITS, settings, replicates=2, rewired=0, labels=0, seed=3)


def silenced(x: np.ndarray, genes: list[int], value: float = 0.0) -> np.ndarray:
    changed = x.copy()
    changed[:, genes] = value
    return changed


@pytest.mark.parametrize(("genes", "silent"), [([0], 0.0), ([2, 7, 11], 0.0), ([1, 5], -1.5)])
def test_the_effect_is_the_difference_of_two_predictions(model: FittedModel, genes: list[int], silent: float) -> None:
    before = X.copy()
    effect = knock_out(model, X, genes, silent)
    changed = silenced(X, genes, silent)
    np.testing.assert_allclose(effect.outputs, model.predict(changed) - model.predict(X), atol=1e-6)
    np.testing.assert_array_equal(X, before)

    def hidden(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            scaled = torch.from_numpy(model.preprocessing.scaler.transform(x))
            return model.network(scaled).hidden.numpy().astype(float)

    h, h_changed = hidden(X), hidden(changed)
    for i, (term, at) in enumerate(model.network.term_slices().items()):
        moved = (h_changed[at] - h[at]) / h[at].std(axis=1, keepdims=True)
        np.testing.assert_allclose(effect.subsystems[i], np.sqrt((moved**2).mean(axis=0)), atol=1e-5, err_msg=term)


@pytest.mark.parametrize("gene", range(len(GENES)))
def test_a_gene_moves_the_terms_above_it_and_leaves_all_others_exactly_as_they_were(
    model: FittedModel, gene: int
) -> None:
    above = nx.descendants(BLUEPRINT.to_networkx(), BLUEPRINT.inputs["node"][gene])
    moved = knock_out(model, X, [gene]).subsystems
    for i, term in enumerate(model.network.term_ids):
        if term in above:
            assert (moved[i] > 0).all(), term
        else:
            assert (moved[i] == 0).all(), term


def test_silencing_what_is_silent_changes_nothing(model: FittedModel) -> None:
    x = silenced(X, [4])
    effect = knock_out(model, x, [4])
    assert not effect.outputs.any()
    assert not effect.subsystems.any()


@pytest.mark.parametrize("covariates_at", ["head", "genes", "terms"])
def test_covariates_and_blocks_stay_as_they_are(covariates_at: Any) -> None:
    samples = with_extras(SAMPLES)
    settings = replace(
        FAST, max_epochs=3, architecture=Architecture(blocks={"drug": (3,)}, covariates_at=covariates_at)
    )
    model = fit_network(BLUEPRINT, samples, SPLITS[0], settings, seed=0)
    readings = Readings.of(samples, BLUEPRINT)
    effect = knock_out(model, readings, [0, 3])
    changed = Readings(silenced(readings.x, [0, 3]), samples.covariates, samples.blocks)
    np.testing.assert_allclose(effect.outputs, model.predict(changed) - model.predict(readings), atol=1e-6)
    assert np.abs(effect.outputs).max() > 1e-4
    turned = replace(readings, blocks={"drug": samples.blocks["drug"][::-1]})
    assert not np.allclose(knock_out(model, turned, [0, 3]).outputs, effect.outputs), "the block matters"


def test_a_run_with_covariates_and_blocks_is_explained_and_knocked_out() -> None:
    samples = with_extras(SAMPLES)
    settings = replace(FAST, max_epochs=3, architecture=Architecture(blocks={"drug": (3,)}))
    result = cross_validate(BLUEPRINT, samples, SPLITS, settings, rewired=2, labels=2)
    ranking = explain(result).ranking
    assert set(ranking["node"]) == {*GENES, *BLUEPRINT.terms["id"]}
    table = knockout_table(result, {"one": ["G00"]})
    deltas = []
    for job, model in result.fits("graph"):
        readings = Readings.of(samples, BLUEPRINT).rows(job.split.test)
        after = replace(readings, x=silenced(readings.x, [0]))
        deltas.append(float((model.predict(after) - model.predict(readings))[:, 1].mean()))
    chosen = (table["kind"] == "output") & (table["group"] == "all") & (table["target"] == "class 1")
    assert table.loc[chosen, "delta"].item() == pytest.approx(np.mean(deltas), abs=1e-6)


# ---- the table -------------------------------------------------------------------------------------------------------


def test_the_table_averages_over_samples_and_then_over_networks(result: CrossValidation) -> None:
    table = knockout_table(result, {"one": ["g00.data"], "noise": ["G05", "g06.data"]})
    by_hand: dict[str, list[float]] = {"all": [], "class 1": []}
    for job, model in result.fits("graph"):
        x, target = X[job.split.test], SAMPLES.target[job.split.test]
        difference = model.predict(silenced(x, [0])) - model.predict(x)
        by_hand["all"].append(float(difference[:, 1].mean()))
        by_hand["class 1"].append(float(difference[target == 1, 1].mean()))
    for group, values in by_hand.items():
        chosen = (table["knockout"] == "one") & (table["kind"] == "output") & (table["group"] == group)
        (row,) = table[chosen & (table["target"] == "class 1")].to_dict("records")
        folds = np.array([job.split.fold for job, _ in result.fits("graph")])
        interval = network_interval(np.array(values), folds, overlap_of(result.splits))
        assert (row["delta"], row["low"], row["high"]) == pytest.approx(interval[:3], abs=1e-6)
        assert (row["n"], row["seed"], row["genes"]) == (6, 3, "g00.data")


def test_the_table_has_a_row_for_every_knockout_group_and_target(result: CrossValidation) -> None:
    table = knockout_table(result, {"one": ["g00.data"], "noise": ["G05", "g06.data"]})
    n_targets = len(SAMPLES.classes) + len(BLUEPRINT.terms)
    assert len(table) == 2 * 3 * n_targets
    assert not table.duplicated(["knockout", "kind", "group", "target"]).any()
    assert set(table["group"]) == {"all", "class 0", "class 1"}
    assert set(table.loc[table["kind"] == "term", "target"]) == set(BLUEPRINT.terms["id"])
    assert set(table.loc[table["knockout"] == "noise", "genes"]) == {"G05, g06.data"}
    outputs = table[table["kind"] == "output"].groupby(["knockout", "group"])["delta"].sum()
    np.testing.assert_allclose(outputs, 0, atol=1e-6)  # probabilities move from one class to the other


def test_the_genes_of_the_signal_move_the_output_more_than_others(result: CrossValidation) -> None:
    table = knockout_table(result, {"signal": ["G00", "G01", "G02", "G03"], "noise": ["G04", "G05", "G06", "G07"]})
    chosen = (table["kind"] == "output") & (table["group"] == "class 1") & (table["target"] == "class 1")
    delta = table[chosen].set_index("knockout")["delta"]
    assert delta["signal"] < -0.2  # the class is the one with much of these genes
    assert abs(delta["noise"]) < abs(delta["signal"]) / 2
    terms = table[(table["kind"] == "term") & (table["group"] == "all")].set_index(["knockout", "target"])["delta"]
    assert terms["signal", "noise"] == terms["noise", "signal"] == 0


def test_centred_data_are_silenced_at_their_lowest_value(result: CrossValidation) -> None:
    centred = replace(result, samples=replace(SAMPLES, x=SAMPLES.x - 3))
    # Each gene at its own: the lowest value of the data may be another gene's, or no input's at all.
    lowest = float(centred.samples.columns(centred.blueprint.inputs["feature"].tolist())[:, 0].min())
    table = knockout_table(centred, {"one": ["G00"]})
    by_hand = []
    for job, model in centred.fits("graph"):
        x = centred.inputs_of(job, job.split.test).x
        by_hand.append(float((model.predict(silenced(x, [0], lowest)) - model.predict(x))[:, 0].mean()))
    chosen = (table["kind"] == "output") & (table["group"] == "all") & (table["target"] == "class 0")
    assert table.loc[chosen, "delta"].item() == pytest.approx(np.mean(by_hand), abs=1e-6)


def test_regression_has_one_group_and_the_label_as_target() -> None:
    samples = small_samples("regression", n=90)
    result = cross_validate(
        *(BLUEPRINT, samples, split_folds(samples, 3), replace(FAST, max_epochs=3)), rewired=0, labels=0
    )
    table = knockout_table(result, {"one": ["G00"]})
    assert set(table["group"]) == {"all"}
    assert table.loc[table["kind"] == "output", "target"].tolist() == ["stage"]


def test_labels_have_a_group_each_and_survival_has_none() -> None:
    for task, groups, targets in (
        ("multilabel", {"all", "signal", "noise"}, {"signal", "noise"}),
        ("survival", {"all"}, {"risk"}),
    ):
        samples = small_samples(task, n=90)
        splits = split_folds(samples, 3)
        result = cross_validate(BLUEPRINT, samples, splits, replace(FAST, max_epochs=3), rewired=0, labels=0)
        table = knockout_table(result, {"one": ["G00"]})
        outputs = table[table["kind"] == "output"]
        assert (set(outputs["group"]), set(outputs["target"])) == (groups, targets)
        if task == "multilabel":
            carriers = outputs.groupby("group")["samples"].first()
            assert carriers["noise"] == (samples.target[:, 1] == 1).sum()


def test_a_gene_that_the_network_does_not_read_is_named(result: CrossValidation) -> None:
    with pytest.raises(DataError, match=r"Not inputs of the network: TP53, foreign") as caught:
        knockout_table(result, {"fine": ["G00"], "wrong": ["G01", "TP53", "foreign"]})
    assert "12 genes" in caught.value.hint
    with pytest.raises(DataError, match="names no gene"):
        knockout_table(result, {"nothing": []})


def test_no_knockouts_make_an_empty_table(result: CrossValidation) -> None:
    table = knockout_table(result, {})
    assert table.empty
    assert {"knockout", "delta", "low", "high", "n"} <= set(table.columns)
