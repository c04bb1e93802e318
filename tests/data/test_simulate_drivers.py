"""What simulated drivers must be: the same for a seed, new samples of one truth for a draw, and driving."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from kgreg.blueprint import compile_hierarchy
from kgreg.data.simulate import Simulation
from kgreg.data.simulate.drivers import simulate_drivers
from kgreg.errors import DataError


def values(simulation: Simulation) -> np.ndarray:
    x: np.ndarray = simulation.adata.X  # type: ignore[union-attr]
    return x


def outcome(simulation: Simulation) -> np.ndarray:
    return simulation.adata.obs["outcome"].to_numpy()  # type: ignore[union-attr]


def test_a_draw_gives_other_samples_of_the_same_truth() -> None:
    one, same, drawn, other = (simulate_drivers(30, seed=s, draw=d) for s, d in ((1, 0), (1, 0), (1, 1), (2, 0)))
    np.testing.assert_array_equal(values(one), values(same))
    pd.testing.assert_frame_equal(one.truth, drawn.truth)
    pd.testing.assert_frame_equal(one.tables["annotations"], drawn.tables["annotations"])
    assert not np.array_equal(values(one), values(drawn))
    assert not one.truth.equals(other.truth)


def test_the_truth_names_what_holds_drivers_and_what_stands_beside_them() -> None:
    found = simulate_drivers(20, n_roots=3, n_children=2, genes=5, planted=2, drivers=3, shared=0.4, seed=4)
    truth, links = found.truth.set_index("node"), found.tables["annotations"]
    names = list(found.adata.var_names)  # type: ignore[union-attr]
    blueprint = compile_hierarchy(
        found.tables["hierarchy"], links, pd.DataFrame({"feature": names, "gene": names}), redundancy=None
    )
    assert set(blueprint.nodes["id"]) == set(truth.index)
    driving = set(truth.query("planted and kind == 'gene'").index)
    planted = set(found.about["planted"])
    assert len(driving) == 6
    assert set(truth.query("planted and kind == 'term'").index) == planted
    for term, genes in blueprint.gene_sets().items():
        assert truth.loc[term, "beside"] == (bool(genes & driving) and term not in planted), term
    own = links.drop_duplicates("gene").set_index("gene")["term"]
    for gene in names:
        assert truth.loc[gene, "beside"] == (own[gene] in planted and gene not in driving)


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_planted_genes_drive_with_their_sign_and_no_others(classes: int) -> None:
    found = simulate_drivers(6000, planted=3, drivers=4, effect=1.5, correlation=0.3, classes=classes, seed=classes)
    x = (values(found) - values(found).mean(axis=0)) / values(found).std(axis=0)
    truth = found.truth.query("kind == 'gene'")
    names = ["outcome"] if classes == 1 else [f"class {c + 1}" for c in range(classes)]
    y = outcome(found) if classes == 1 else np.stack([outcome(found) == name for name in names], axis=1) * 1.0
    slopes = LinearRegression().fit(x, y).coef_.reshape(len(names), -1)
    for name, slope in zip(names, slopes, strict=True):
        driving = (truth["output"] == name).to_numpy()
        assert (slope[driving] * truth["sign"][driving] > 3 * np.abs(slope[~truth["planted"]]).mean()).all()


def test_without_an_effect_the_outcome_has_nothing_to_do_with_expression() -> None:
    found = simulate_drivers(3000, effect=0.0, seed=3)
    second = outcome(found) == "class 2"
    difference = values(found)[second].mean(axis=0) - values(found)[~second].mean(axis=0)
    t = difference / np.sqrt(values(found).var(axis=0) * (1 / second.sum() + 1 / (~second).sum()))
    assert 0.5 < np.mean(t**2) < 2


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_genes_of_a_leaf_are_correlated_as_asked(correlation: float) -> None:
    found = simulate_drivers(4000, n_roots=2, n_children=2, genes=4, shared=0.0, correlation=correlation)
    r = np.corrcoef(values(found).T)
    leaf = np.arange(16) // 4
    within = (leaf[:, None] == leaf) & ~np.eye(16, dtype=bool)
    assert r[within].mean() == pytest.approx(correlation, abs=0.03)
    assert r[leaf[:, None] != leaf].mean() == pytest.approx(0.0, abs=0.02)


@pytest.mark.parametrize(
    "wrong", [{"n_samples": 1}, {"planted": 0}, {"planted": 99}, {"drivers": 7}, {"classes": 0}, {"correlation": 1.0}]
)
def test_numbers_that_do_not_fit_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="do not make a simulation"):
        simulate_drivers(**{"n_samples": 40, **wrong})
