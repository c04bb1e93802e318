"""Subsystem activities against principal components computed one term at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from kgreg.data import split_folds
from kgreg.data.samples import Task
from kgreg.decode.activity import (
    activity_axes,
    activity_table,
    by_sample,
    genes_below,
    network_activities,
    subsystem_activity,
)
from kgreg.errors import DataError
from kgreg.fit import CrossValidation, FittedModel, Readings, cross_validate, fit_network
from tests.small_data import FAST, small_blueprint, small_samples

BLUEPRINT = small_blueprint()
SAMPLES = small_samples(n=90)
QUICK = replace(FAST, max_epochs=4)


@pytest.fixture(scope="module")
def result() -> CrossValidation:
    splits = split_folds(SAMPLES, 3)
    return cross_validate(BLUEPRINT, SAMPLES, splits, QUICK, replicates=2, rewired=0, labels=0, seed=3)


def slow_activity(model: FittedModel, train: Readings, test: Readings) -> dict[str, NDArray[np.float64]]:
    """Return term -> activity of the test samples, one singular value decomposition after the other."""
    _, h = model.respond(train)
    _, h_test = model.respond(test)
    scaled = model.preprocessing.scaler.transform(train.x)
    sets, found, start = BLUEPRINT.gene_sets(), {}, 0
    for term, width in zip(model.network.term_ids, model.network.term_widths, strict=True):
        own, new = h[start : start + width].T.astype(float), h_test[start : start + width].T.astype(float)
        start += width
        mean = own.mean(axis=0)
        axis = np.linalg.svd(own - mean, full_matrices=False)[2][0]
        score = (own - mean) @ axis
        below = [i for i, node in enumerate(BLUEPRINT.inputs["node"]) if node in sets[term]]
        sign = np.sign(np.corrcoef(score, scaled[:, below].mean(axis=1))[0, 1])
        found[term] = sign * ((new - mean) @ axis) / score.std()
    return found


def test_activities_are_signed_first_components_of_networks_that_did_not_see_the_sample(
    result: CrossValidation,
) -> None:
    table = subsystem_activity(result)
    assert list(table.index) == SAMPLES.names
    fold = result.splits[1]
    fits = [(job, model) for job, model in result.fits("graph") if job.split.fold == 1]
    each = [slow_activity(m, result.inputs_of(j, fold.train), result.inputs_of(j, fold.test)) for j, m in fits]
    for term in table:
        expected = np.mean([one[term] for one in each], axis=0)
        np.testing.assert_allclose(table[term].to_numpy()[fold.test], expected, atol=2e-4, err_msg=term)


def test_axes_do_not_depend_on_batches_and_give_sd_one(result: CrossValidation) -> None:
    job, model = next(result.fits("graph"))
    train = result.inputs_of(job, job.split.train)
    genes = genes_below(BLUEPRINT, model.network.term_ids)
    axes = activity_axes(model, train, genes)
    np.testing.assert_allclose(axes.direction, activity_axes(model, train, genes, batch_size=7).direction, atol=1e-5)
    values = axes.project(model.respond(train)[1])
    np.testing.assert_allclose(values.mean(axis=1), 0, atol=1e-4)
    np.testing.assert_allclose(values.std(axis=1), 1, atol=1e-4)


def test_a_term_without_genes_has_its_largest_entry_positive(result: CrossValidation) -> None:
    job, model = next(result.fits("graph"))
    none = sparse.csr_matrix((len(model.network.term_ids), len(BLUEPRINT.inputs)))
    axes = activity_axes(model, result.inputs_of(job, job.split.train), none)
    start = 0
    for width in axes.widths:
        own = axes.direction[start : start + width]
        assert own[np.abs(own).argmax()] > 0
        start += width


def test_a_term_that_does_not_vary_has_no_activity() -> None:
    model = fit_network(BLUEPRINT, SAMPLES, split_folds(SAMPLES, 3)[0], QUICK, seed=0)
    same = Readings(np.repeat(SAMPLES.columns(BLUEPRINT.inputs)[:1], 12, axis=0))
    axes = activity_axes(model, same, genes_below(BLUEPRINT, model.network.term_ids))
    assert not axes.direction.any()
    with pytest.raises(DataError, match="two training samples"):
        activity_axes(model, same.rows(np.arange(1)), genes_below(BLUEPRINT, model.network.term_ids))


def test_groups_have_the_mean_over_their_samples_and_an_interval_over_networks(result: CrossValidation) -> None:
    found = list(network_activities(result))
    table = activity_table(result, found)
    assert set(table["group"]) == {"all", *SAMPLES.classes}
    assert (table["n"] == 6).all()
    row = table[(table["node"] == "signal") & (table["group"] == "class 1")].iloc[0]
    terms = list(by_sample(result, found))
    values = [one.values[terms.index("signal"), SAMPLES.target[one.rows] == 1].mean() for one in found]
    assert row["mean"] == pytest.approx(np.mean(values), abs=1e-6)
    assert row["low"] < row["mean"] < row["high"]
    assert row["samples"] == (SAMPLES.target == 1).sum()
    # The class follows from the mean of the genes of this term, and so must its activity.
    other = table[(table["node"] == "signal") & (table["group"] == "class 0")].iloc[0]
    assert row["mean"] > other["high"]


@pytest.mark.parametrize("task", ["regression", "survival", "multilabel"])
def test_other_tasks_have_groups_too(task: Task) -> None:
    samples = small_samples(task, n=60)
    splits = split_folds(samples, 2)
    found = cross_validate(BLUEPRINT, samples, splits[:1], replace(QUICK, max_epochs=2), rewired=0, labels=0)
    table = activity_table(found, list(network_activities(found)))
    thirds = {"all", "lowest third", "middle third", "highest third"}
    assert set(table["group"]) == ({"all", "signal", "noise"} if task == "multilabel" else thirds)
    assert table["low"].isna().all()  # one network: no interval
    assert len(subsystem_activity(found)) == len(splits[0].test)
