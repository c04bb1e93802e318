"""Which units tell something of an outcome by themselves, and the head that reads them alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.feature_selection import f_classif

from kgreg.data.samples import Task
from kgreg.fit import fit_network
from kgreg.fit.guided import compute_all
from kgreg.fit.readings import Readings
from kgreg.fit.selection import cox_score_p, select_columns, univariate_p
from kgreg.nn.guided import GuidedNetwork
from kgreg.nn.integration import BottleneckDesign
from tests.fit.cases import BLUEPRINT, TASKS, first_split
from tests.nn.integration.slow import cox_score
from tests.small_data import FAST, small_samples, with_extras


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5), st.booleans(), st.integers(-3, 3)), min_size=3, max_size=15))
def test_the_score_test_against_a_loop(rows: list[tuple[int, bool, int]]) -> None:
    time, event, x = (list(map(float, column)) for column in zip(*rows, strict=True))
    target = np.array([time, event]).T
    if len(set(x)) < 2 or not any(event):
        return
    statistic = cox_score(x, time, event)
    found = cox_score_p(np.array([x, x]).T, target)
    if np.isfinite(statistic) and statistic < 1e6:
        np.testing.assert_allclose(found, stats.chi2.sf(statistic, 1), atol=1e-8)


def test_the_score_test_of_two_groups_is_the_log_rank_test() -> None:
    from lifelines.statistics import logrank_test

    rng = np.random.default_rng(0)
    group = rng.random(80) < 0.4
    time, event = rng.exponential(np.where(group, 1.0, 2.0)), rng.random(80) < 0.8
    expected = logrank_test(time[group], time[~group], event[group], event[~group]).p_value
    found = cox_score_p(group[:, None].astype(float), np.stack([time, event], axis=1))
    assert found[0] == pytest.approx(expected, rel=1e-6)


def test_a_test_for_every_task() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(100, 5))
    x[:, 4] = 2.5
    for task in TASKS:
        samples = small_samples(task, n=100)
        signal = samples.columns([f"g0{i}.data" for i in range(4)]).mean(axis=1)
        x[:, 0] = signal + 0.5 * rng.normal(size=100) if task != "regression" else samples.target
        p = univariate_p(task, x, samples.target)
        assert p[0] < 1e-3, task
        assert p[4] == 1
        assert 0 in select_columns(task, x, samples.target, 0.01)
    classes = small_samples("classification", n=100).target
    np.testing.assert_allclose(univariate_p("classification", x[:, :4], classes), f_classif(x[:, :4], classes)[1])


def test_where_no_unit_tells_anything_the_least_p_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    x = np.random.default_rng(2).normal(size=(30, 4))
    target = np.arange(30) % 2
    chosen = select_columns("classification", x, target, 1e-9)
    assert chosen.tolist() == [int(np.argmin(univariate_p("classification", x, target)))]
    assert "None of 4 units" in caplog.text


@pytest.mark.parametrize("task", TASKS)
def test_the_head_reads_the_chosen_units_and_all_covariates(task: Task) -> None:
    samples = replace(with_extras(small_samples(task)), blocks={})
    split = first_split(samples)
    design = BottleneckDesign(widths=(12, 10), dropout=0.0, p_value=0.01)
    own = replace(FAST, architecture=design, max_epochs=8)
    model = fit_network(BLUEPRINT, samples, split, own, seed=0)
    network = model.network
    assert isinstance(network, GuidedNetwork)
    scaled = model.preprocessing.apply(Readings.of(samples, BLUEPRINT).rows(np.r_[split.fit, split.stop]))
    read = compute_all(network, network.given(scaled.everything()))
    target = samples.target[np.r_[split.fit, split.stop]]
    chosen = set(select_columns(task, read[:, :10], target, 0.01).tolist())
    weights = network.head.weight.detach().numpy()
    used = set(np.flatnonzero((weights != 0).any(axis=0)).tolist())
    assert used - set(range(10, read.shape[1])) == chosen
    assert used & set(range(10, read.shape[1]))
    assert len(chosen) < 10
