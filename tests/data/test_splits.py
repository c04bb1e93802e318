"""Splits without leakage, and scaling that knows the training part only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from kgreg.data import Samples, Scaler, Split, split_fixed, split_folds, splits_table
from kgreg.errors import DataError

some = settings(max_examples=80, deadline=None)


def make(target: list[int] | list[float], groups: list[int] | None = None) -> Samples:
    classes = isinstance(target[0], int)
    return Samples(
        x=np.zeros((len(target), 1), dtype=np.float32),
        features=["g"],
        names=[f"s{i}" for i in range(len(target))],
        target=np.array(target, dtype=np.int64 if classes else np.float32),
        classes=[f"class {c}" for c in range(max(target) + 1)] if classes else [],
        groups=None if groups is None else np.array([f"donor {g}" for g in groups]),
        task="classification" if classes else "regression",
        **{"label": "y", "layer": "X", "origin": "test"},
    )


def check(splits: list[Split], samples: Samples) -> None:
    """What must hold for every split."""
    everything = set(range(len(samples)))
    assert sorted(np.concatenate([split.test for split in splits])) == sorted(everything)
    for split in splits:
        fit, stop, test = set(split.fit), set(split.stop), set(split.test)
        assert fit
        assert stop
        assert test
        assert fit | stop | test == everything
        assert len(fit) + len(stop) + len(test) == len(everything)
        assert split.train.tolist() == sorted(fit | stop)
        if samples.groups is not None:
            sides = [set(samples.groups[list(part)]) for part in (fit, stop, test)]
            assert sum(map(len, sides)) == len(set(samples.groups)), "a group lies on two sides"
        if samples.task == "classification":
            assert set(samples.target[list(fit)]) == set(samples.target), "a class is not fitted"


@some
@given(st.integers(2, 5), st.data(), st.integers(0, 5))
def test_classes_are_spread_evenly(n_folds: int, data: st.DataObject, seed: int) -> None:
    counts = data.draw(st.lists(st.integers(max(n_folds, 4), 30), min_size=2, max_size=4))
    target = data.draw(st.permutations([c for c, n in enumerate(counts) for _ in range(n)]))
    samples = make(target)
    splits = split_folds(samples, n_folds, seed=seed)
    check(splits, samples)
    for split in splits:
        found = np.bincount(samples.target[split.test], minlength=len(counts))
        assert (np.abs(found - np.array(counts) / n_folds) <= 1).all()


@some
@given(st.integers(2, 5), st.integers(0, 60), st.floats(0.05, 0.4), st.integers(0, 5))
def test_values_are_split_into_folds_of_one_size(n_folds: int, more: int, fraction: float, seed: int) -> None:
    samples = make([float(i) for i in range(3 * n_folds + more)])
    splits = split_folds(samples, n_folds, fraction, seed)
    check(splits, samples)
    sizes = [len(split.test) for split in splits]
    assert max(sizes) - min(sizes) <= 1


@some
@given(st.data(), st.booleans(), st.integers(2, 4), st.integers(0, 3))
def test_no_group_lies_on_two_sides(data: st.DataObject, classes: bool, n_folds: int, seed: int) -> None:
    n_groups = data.draw(st.integers(3, 12))
    sizes = data.draw(st.lists(st.integers(1, 9), min_size=n_groups, max_size=n_groups))
    groups = data.draw(st.permutations([group for group, size in enumerate(sizes) for _ in range(size)]))
    kind = st.integers(0, 2) if classes else st.floats(-1, 1, width=32)
    target = data.draw(st.lists(kind, min_size=len(groups), max_size=len(groups)))
    samples = make(target, groups)
    try:
        splits = split_folds(samples, n_folds, seed=seed)
    except DataError as error:
        # Refused in words: too few groups or too few samples or groups of a class.
        assert any(word in error.message for word in ("group", "Classes with fewer", "too few"))  # noqa: PT017
        return
    check(splits, samples)
    event("split")


@pytest.mark.parametrize("classes", [True, False])
def test_grouped_splits_work_where_there_is_enough(classes: bool) -> None:
    groups = [g for g in range(12) for _ in range(10)]
    target = [i % 2 for i in range(120)] if classes else [i / 7 for i in range(120)]
    samples = make(target, groups)
    splits = split_folds(samples, 4)
    check(splits, samples)
    assert [len(split.test) for split in splits] == [30] * 4


def test_the_same_seed_gives_the_same_splits_and_another_seed_others() -> None:
    samples = make([0, 1, 2] * 20)

    def rows(seed: int) -> list[list[int]]:
        return [part.tolist() for split in split_folds(samples, 3, seed=seed) for part in (split.fit, split.stop)]

    assert rows(1) == rows(1)
    assert rows(1) != rows(2)


def test_the_stopping_part_has_the_share_asked_for() -> None:
    samples = make([0, 1] * 200)
    for split in split_folds(samples, 4, stop_fraction=0.2):
        assert len(split.stop) == pytest.approx(0.2 * len(split.train), abs=2)


@pytest.mark.parametrize("n_folds", [2, 3, 5])
def test_classes_too_small_for_the_folds_are_named_with_their_counts(n_folds: int) -> None:
    with pytest.raises(DataError, match=r"Classes with fewer than \d samples.*: class 1 \(2\)"):
        split_folds(make([0] * 20 + [1, 1] + [2] * 20), n_folds)


def test_two_folds_need_four_samples_of_a_class() -> None:
    with pytest.raises(DataError, match=r"class 0 \(3\), class 1 \(3\)"):
        split_folds(make([0, 1] * 3), 2)
    samples = make([0, 1] * 4)
    check(split_folds(samples, 2), samples)


@pytest.mark.parametrize("n_folds", [1, 0])
def test_less_than_two_folds_are_refused(n_folds: int) -> None:
    with pytest.raises(DataError, match="at least 2 folds"):
        split_folds(make([0, 1] * 10), n_folds)


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.0])
def test_a_stopping_part_of_nothing_or_everything_is_refused(fraction: float) -> None:
    with pytest.raises(DataError, match="stop"):
        split_folds(make([0, 1] * 10), 2, stop_fraction=fraction)


def test_too_few_groups_and_too_few_samples_are_refused() -> None:
    with pytest.raises(DataError, match="3 groups for 4 folds"):
        split_folds(make([0, 1] * 15, [i % 3 for i in range(30)]), 4)
    with pytest.raises(DataError, match="groups"):
        split_folds(make([0, 1] * 15, [i % 2 for i in range(30)]), 2)
    with pytest.raises(DataError, match="5 samples are too few for 2 folds"):
        split_folds(make([0.5, 1.0, 1.5, 2.0, 2.5]), 2)


def test_a_class_that_lives_in_one_group_is_refused_by_name() -> None:
    groups = [g for g in range(8) for _ in range(5)]
    target = [2 if g == 3 else i % 2 for i, g in enumerate(groups)]
    with pytest.raises(DataError, match="class 2"):
        split_folds(make(target, groups), 4)


# ---- survival and labels ---------------------------------------------------------------------------------------------


def with_target(target: np.ndarray, task: str, groups: list[int] | None = None) -> Samples:
    samples = make([float(i) for i in range(len(target))], groups)
    labels = [f"label {i}" for i in range(target.shape[1])] if task == "multilabel" else []
    return replace(samples, target=target.astype(np.float32), task=task, labels=labels)


def survival(events: list[bool], groups: list[int] | None = None) -> Samples:
    return with_target(np.stack([np.arange(len(events)) + 1.0, events], axis=1), "survival", groups)


@some
@given(st.integers(2, 4), st.integers(0, 60), st.integers(0, 20), st.integers(0, 5))
def test_events_are_spread_evenly(n_folds: int, censored: int, more: int, seed: int) -> None:
    n_events = 2 * max(n_folds, 3) + more
    samples = survival([True] * n_events + [False] * censored)
    try:
        splits = split_folds(samples, n_folds, seed=seed)
    except DataError as error:
        # Every part needs two events; just enough in all may not be enough in each.
        assert "events" in error.message or "too few" in error.message  # noqa: PT017
        assert more < 2 * n_folds or n_events + censored < 3 * n_folds
        return
    check(splits, samples)
    for split in splits:
        assert abs(samples.target[split.test, 1].sum() - n_events / n_folds) <= 1
        assert min(samples.target[part, 1].sum() for part in (split.fit, split.stop)) >= 2


def test_events_in_one_group_leave_a_part_without() -> None:
    groups = [g for g in range(6) for _ in range(10)]
    samples = survival([g == 0 for g in groups], groups)
    with pytest.raises(
        DataError, match=r"In fold 1 the (test|fitting|stopping) part holds fewer than 2 events \("
    ) as caught:
        split_folds(samples, 3)
    assert "of" in caught.value.message
    assert "samples" in caught.value.message


def test_too_few_events_are_counted() -> None:
    with pytest.raises(DataError, match="5 events in 100 samples are too few for 4 folds, which need 8"):
        split_folds(survival([True] * 5 + [False] * 95), 4)


@pytest.mark.parametrize("grouped", [True, False])
def test_labels_are_split_like_values(grouped: bool) -> None:
    target = np.random.default_rng(0).integers(0, 2, (60, 3))
    samples = with_target(target, "multilabel", [i % 12 for i in range(60)] if grouped else None)
    splits = split_folds(samples, 4)
    check(splits, samples)
    assert [len(split.test) for split in splits] == [15] * 4


def test_the_table_lists_every_sample_once_a_fold() -> None:
    samples = make([0, 1] * 12)
    table = splits_table(split_folds(samples, 3), samples)
    assert len(table) == 3 * 24
    assert not table.duplicated(["fold", "sample"]).any()
    assert table.loc[table["part"] == "test", "sample"].is_unique
    assert set(table["part"]) == {"fit", "stop", "test"}


# ---- a split that the data fix ---------------------------------------------------------------------------------------


def fixed(target: list[int] | list[float], test: set[int], groups: list[int] | None = None) -> Samples:
    parts = np.array(["test" if i in test else "train" for i in range(len(target))])
    return replace(make(target, groups), parts=parts)


@some
@given(st.integers(3, 60), st.integers(2, 20), st.floats(0.05, 0.5), st.integers(0, 3), st.booleans())
def test_the_test_part_is_the_one_given(n: int, n_test: int, fraction: float, seed: int, classes: bool) -> None:
    values = [i % 2 for i in range(2 * n + n_test)] if classes else [i / 7 for i in range(2 * n + n_test)]
    samples = fixed(values, set(range(n_test)))
    (split,) = split_fixed(samples, fraction, seed)
    assert split.test.tolist() == list(range(n_test))
    assert split.train.tolist() == list(range(n_test, len(samples)))
    assert len(split.fit) > 0
    assert len(split.stop) > 0
    if classes:
        assert set(samples.target[split.fit]) == {0, 1}
    (again,) = split_fixed(samples, fraction, seed)
    assert again.stop.tolist() == split.stop.tolist()


def test_the_stopping_part_of_a_fixed_split_is_whole_groups() -> None:
    samples = fixed([i / 7 for i in range(60)], set(range(20)), [i // 4 for i in range(60)])
    (split,) = split_fixed(samples, 0.2)
    assert not set(samples.groups[split.stop]) & set(samples.groups[split.fit])
    assert len(split.stop) == 8


def test_a_group_in_both_parts_is_named() -> None:
    samples = fixed([i / 7 for i in range(20)], {0, 1, 2, 3, 4}, [i // 3 for i in range(20)])
    with pytest.raises(DataError, match=r"1 groups have samples in both parts: donor 1\."):
        split_fixed(samples)


def test_parts_that_are_too_small_are_refused() -> None:
    with pytest.raises(DataError, match="2 training and 18 test samples are too few"):
        split_fixed(fixed([i / 7 for i in range(20)], set(range(18))))
    with pytest.raises(DataError, match="19 training and 1 test samples are too few"):
        split_fixed(fixed([i / 7 for i in range(20)], {3}))
    with pytest.raises(DataError, match=r"fewer than 2 training samples: class 1 \(1\), class 2 \(0\)"):
        split_fixed(fixed([0] * 10 + [1, 1, 1, 2, 2], {10, 11, 13, 14}))
    with pytest.raises(DataError, match="is one group"):
        split_fixed(fixed([i / 7 for i in range(10)], {0, 1, 2}, [0] * 3 + [1] * 7))
    with pytest.raises(DataError, match="without a column that fixes the split"):
        split_fixed(make([0.5] * 10))
    with pytest.raises(DataError, match="stopping part cannot be"):
        split_fixed(fixed([i / 7 for i in range(10)], {0, 1}), 1.5)


def test_both_parts_of_a_fixed_survival_split_need_events() -> None:
    samples = survival([True] * 12 + [False] * 12)
    parts = np.where(np.arange(24) % 3 == 0, "test", "train")
    (split,) = split_fixed(replace(samples, parts=parts), 0.25)
    assert samples.target[split.stop, 1].sum() >= 2
    parts = np.where(np.arange(24) >= 11, "test", "train")
    with pytest.raises(DataError, match=r"the test part holds fewer than 2 events \(test part 1 of 13 samples"):
        split_fixed(replace(samples, parts=parts))


# ---- scaling ---------------------------------------------------------------------------------------------------------


def test_scaled_training_rows_have_mean_zero_and_sd_one() -> None:
    x = np.random.default_rng(0).gamma(2.0, 3.0, size=(50, 4)).astype(np.float32)
    scaled = Scaler.fit(x).transform(x)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std(axis=0), 1, atol=1e-5)


@some
@given(st.floats(-1e6, 1e6, width=32), st.integers(2, 300), st.floats(-1e6, 1e6, width=32))
def test_a_feature_that_did_not_vary_in_training_is_only_centred(value: float, n: int, other: float) -> None:
    scaler = Scaler.fit(np.full((n, 2), value, dtype=np.float32), "standard")
    assert scaler.sd.tolist() == [1.0, 1.0]
    new = scaler.transform(np.array([[value, other]], dtype=np.float32))
    assert new[0, 0] == pytest.approx(0, abs=max(1e-6, abs(value) * 1e-6))
    assert np.isfinite(new).all()


def test_alterations_stay_zeros_and_ones_and_the_rest_is_standardised() -> None:
    rng = np.random.default_rng(0)
    x = np.stack(
        [rng.normal(3, 2, 40), rng.random(40) < 0.2, np.zeros(40), np.ones(40), rng.integers(0, 3, 40)], axis=1
    )
    x = x.astype(np.float32)
    scaled = Scaler.fit(x).transform(x)
    np.testing.assert_array_equal(scaled[:, 1:4], x[:, 1:4])
    np.testing.assert_allclose(scaled[:, [0, 4]].std(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(Scaler.fit(x, "none").transform(x), x)
    np.testing.assert_allclose(Scaler.fit(x, "standard").transform(x)[:, :2].mean(axis=0), 0, atol=1e-5)
