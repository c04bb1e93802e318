"""The linear baseline: how its penalty is chosen, and that test samples have no say in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score

from kgreg.data import Samples, dense_inputs, split_folds
from kgreg.data.samples import Task
from kgreg.fit import fit_baseline
from kgreg.fit.baseline import ALPHA_GRID, C_GRID, PENALTY_GRID
from kgreg.fit.cox import fit_cox
from kgreg.fit.metrics import concordance
from tests.small_data import FAST, GENES, small_samples

FEATURES = [f"{gene}.data" for gene in GENES]


def scaled(samples: Samples, rows: np.ndarray) -> np.ndarray:
    x = samples.columns(FEATURES)
    return (x - x[rows].mean(axis=0)) / x[rows].std(axis=0)


def test_the_penalty_is_the_one_that_does_best_on_the_stopping_part() -> None:
    samples = small_samples(n=150, classes=3)
    for split in split_folds(samples, 3):
        x, y = scaled(samples, split.train), samples.target
        quality = {}
        for c in C_GRID:
            model = LogisticRegression(C=c, class_weight="balanced", max_iter=2000).fit(x[split.fit], y[split.fit])
            quality[c] = balanced_accuracy_score(y[split.stop], model.predict(x[split.stop]))
        best = max(quality.values())
        predicted, chosen = fit_baseline(samples, FEATURES, split, FAST, seed=0)
        # Of penalties that do equally well, the strongest.
        assert chosen == {"C": min(c for c, value in quality.items() if value == best)}
        final = LogisticRegression(C=chosen["C"], class_weight="balanced", max_iter=2000)
        final.fit(x[split.train], y[split.train])
        np.testing.assert_allclose(predicted, final.predict_proba(x[split.test]), atol=1e-3)


def test_ridge_for_values() -> None:
    samples = small_samples("regression", n=150)
    split = split_folds(samples, 3)[0]
    x, y = scaled(samples, split.train), samples.target
    quality = {
        alpha: np.corrcoef(Ridge(alpha=alpha).fit(x[split.fit], y[split.fit]).predict(x[split.stop]), y[split.stop])[
            0, 1
        ]
        for alpha in ALPHA_GRID
    }
    predicted, chosen = fit_baseline(samples, FEATURES, split, FAST, seed=0)
    assert chosen == {"alpha": max(quality, key=quality.__getitem__)}
    assert predicted.shape == (len(split.test), 1)
    assert np.corrcoef(predicted[:, 0], y[split.test])[0, 1] > 0.9


def test_every_label_has_a_logistic_regression_over_the_samples_in_which_it_is_known() -> None:
    samples = small_samples("multilabel", n=150)
    split = split_folds(samples, 3)[0]
    x = scaled(samples, split.train)
    predicted, chosen = fit_baseline(samples, FEATURES, split, FAST, seed=0)
    for i in range(2):
        rows = split.train[~np.isnan(samples.target[split.train, i])]
        assert (len(rows) < len(split.train)) == (i == 1)
        model = LogisticRegression(C=chosen["C"], class_weight="balanced", max_iter=2000)
        model.fit(x[rows], samples.target[rows, i])
        np.testing.assert_allclose(predicted[:, i], model.predict_proba(x[split.test])[:, 1], atol=1e-3)


def test_a_label_that_does_not_vary_in_training_is_predicted_at_its_rate() -> None:
    samples = small_samples("multilabel")
    split = split_folds(samples, 3)[0]
    target = samples.target.copy()
    target[split.train, 1] = 1
    predicted, _ = fit_baseline(replace(samples, target=target), FEATURES, split, FAST, seed=0)
    assert set(predicted[:, 1]) == {1.0}
    target[split.train, 1] = np.nan
    predicted, _ = fit_baseline(replace(samples, target=target), FEATURES, split, FAST, seed=0)
    assert set(predicted[:, 1]) == {0.5}


def test_cox_regression_for_survival() -> None:
    samples = small_samples("survival", n=240)
    split = split_folds(samples, 3)[0]
    x, y = scaled(samples, split.train), samples.target
    quality = {}
    for penalty in PENALTY_GRID:
        risk = x[split.stop] @ fit_cox(x[split.fit], y[split.fit], penalty)
        quality[penalty] = concordance(*y[split.stop].T, risk)
    best = max(quality.values())
    predicted, chosen = fit_baseline(samples, FEATURES, split, FAST, seed=0)
    # Of penalties that do equally well, the strongest.
    assert chosen == {"penalty": max(p for p, value in quality.items() if value == pytest.approx(best, abs=1e-9))}
    assert predicted.shape == (len(split.test), 1)
    assert concordance(*y[split.test].T, predicted[:, 0]) > 0.75


@pytest.mark.parametrize("task", ["classification", "regression", "multilabel", "survival"])
def test_test_samples_do_not_influence_the_baseline(task: Task) -> None:
    samples = small_samples(task)
    split = split_folds(samples, 3)[1]
    predicted, chosen = fit_baseline(samples, FEATURES, split, FAST, seed=0)
    target, x = samples.target.copy(), samples.x.copy()
    target[split.test] = target[split.test][::-1]
    x[split.test[0]] *= 100
    other, other_chosen = fit_baseline(replace(samples, target=target, x=x), FEATURES, split, FAST, seed=0)
    assert other_chosen == chosen
    np.testing.assert_array_equal(other[1:], predicted[1:])
    assert not np.array_equal(other[0], predicted[0])


def test_rare_classes_weigh_the_same_only_where_asked_for() -> None:
    rng = np.random.default_rng(0)
    samples = replace(small_samples(n=200), target=(rng.random(200) < 0.15).astype(np.int64))
    split = split_folds(samples, 3)[0]

    def mean_probability(class_weight: str) -> float:
        settings = replace(FAST, class_weight=class_weight)
        return float(fit_baseline(samples, FEATURES, split, settings, seed=0)[0][:, 1].mean())

    assert mean_probability("none") < 0.25 < mean_probability("balanced")


def test_covariates_stand_beside_the_genes_and_test_samples_do_not_influence_them() -> None:
    samples = small_samples("regression", n=150)
    dataset = np.where(np.arange(150) % 2, "A", "B")
    shifted = replace(
        samples,
        target=samples.target + np.where(dataset == "A", 40, 0).astype(np.float32),
        covariates=pd.DataFrame({"dataset": dataset}),
    )
    split = split_folds(shifted, 3)[0]
    extra = dense_inputs(shifted, split.train, "auto")
    assert extra is not None

    def error(extra: np.ndarray | None) -> float:
        predicted, _ = fit_baseline(shifted, FEATURES, split, FAST, 0, extra)
        return float(np.abs(predicted[:, 0] - shifted.target[split.test]).mean())

    assert error(extra) < error(None) / 3
    renamed = np.array(dataset, dtype=object)
    renamed[split.test] = "new"
    other = dense_inputs(replace(shifted, covariates=pd.DataFrame({"dataset": renamed})), split.train, "auto")
    assert other is not None
    np.testing.assert_array_equal(other[split.train], extra[split.train])
    assert not other[split.test].any()
