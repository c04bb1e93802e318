"""Signals that spread over fitted networks: against a loop over cells and genes, and against a known circuit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import sparse
from sklearn.metrics import roc_auc_score

from kgreg.data.cells import Cells, read_cells
from kgreg.data.simulate.base import Simulation
from kgreg.data.simulate.circuit import simulate_circuit
from kgreg.decode.propagation import (
    PropagationResult,
    PropagationSettings,
    embedding_shift,
    propagate,
    propagate_knockouts,
)
from kgreg.errors import DataError


def spread_one_by_one(
    x: NDArray[np.float64], links: NDArray[np.float64], genes: list[int], dose: float, steps: int
) -> NDArray[np.float64]:
    """The definition: cell by cell, gene by gene."""
    result = np.zeros_like(x)
    for cell in range(len(x)):
        change = np.zeros(x.shape[1])
        for gene in genes:
            change[gene] = (dose - 1) * x[cell, gene]
        for _ in range(steps):
            new = np.zeros(x.shape[1])
            for target in range(x.shape[1]):
                if target in genes:
                    new[target] = (dose - 1) * x[cell, target]
                    continue
                new[target] = sum(links[tf, target] * change[tf] for tf in range(x.shape[1]))
                new[target] = max(new[target], -x[cell, target])
            change = new
        for gene in range(x.shape[1]):
            if gene not in genes:
                level = min(max(x[cell, gene] + change[gene], x[:, gene].min()), x[:, gene].max())
                change[gene] = level - x[cell, gene]
        result[cell] = change
    return result


@pytest.mark.parametrize(("genes", "dose", "steps"), [([0], 0.0, 3), ([0, 2], 0.0, 1), ([1], 2.0, 2)])
def test_a_signal_spreads_as_one_cell_after_another(genes: list[int], dose: float, steps: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.gamma(1.0, 1.0, (9, 7))
    links = rng.normal(size=(7, 7)) * (rng.random((7, 7)) < 0.4)
    made = propagate(x, sparse.csr_matrix(links), genes, dose=dose, steps=steps)
    np.testing.assert_allclose(made, spread_one_by_one(x, links, genes, dose, steps), atol=1e-12)


def test_nothing_changes_at_the_measured_dose() -> None:
    x = np.random.default_rng(0).gamma(1.0, 1.0, (5, 4))
    links = sparse.csr_matrix(np.triu(np.ones((4, 4)), 1))
    assert not propagate(x, links, [0], dose=1.0).any()


@pytest.fixture(scope="module")
def circuit() -> Simulation:
    return simulate_circuit(n_cells=300, n_targets=48, seed=1)


@pytest.fixture(scope="module")
def cells(circuit: Simulation) -> Cells:
    return read_cells(circuit.adata, group="type", embedding="X_pca")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def result(circuit: Simulation, cells: Cells) -> PropagationResult:
    factors = circuit.truth.loc[circuit.truth["planted"], "node"]
    settings = PropagationSettings(bootstrap=8, rewired=5)
    return propagate_knockouts(cells, circuit.tables["network"], {f: [f] for f in factors}, settings)


def test_genes_downstream_are_found_and_move_the_right_way(circuit: Simulation, result: PropagationResult) -> None:
    areas, right, without = [], [], []
    for (factor, kind), true in circuit.tables["knockouts"].groupby(["knockout", "type"]):
        change = true[true["gene"] != factor].set_index("gene")["delta"]
        rows = result.table[(result.table["knockout"] == factor) & (result.table["group"] == kind)].set_index("gene")
        below = change.abs() > 0.05
        if below.sum() < 3 or below.all():
            continue
        found = rows["delta"].reindex(change.index).fillna(0.0)
        areas.append(roc_auc_score(below, found.abs()))
        without.append(roc_auc_score(below, rows["alone"].reindex(change.index).fillna(0.0).abs()))
        right.append((np.sign(found[below]) == np.sign(change[below])).mean())
    assert np.mean(areas) > 0.93
    assert np.mean(areas) > np.mean(without)
    assert np.mean(right) > 0.93


def test_the_network_predicts_better_than_rewired_ones(result: PropagationResult) -> None:
    groups = result.groups
    assert groups["group"].tolist() == ["A", "B"]
    assert (groups["r2"] > groups["r2_rewired"] + 0.05).all()
    assert (groups["p_rewired"] == 1 / 6).all()
    assert ((groups["low"] < groups["r2"]) & (groups["r2"] < groups["high"])).all()


def test_every_change_comes_with_n_seed_and_interval(result: PropagationResult) -> None:
    table = result.table[~result.table["knocked"]]
    assert (table["n"] == 8).all()
    assert (table["cells"] == 150).all()
    strong = table[table["q"] < 1e-4]
    assert ((strong["low"] * strong["high"]) > 0).mean() > 0.95
    set_to = result.table[result.table["knocked"]]
    assert (set_to["delta"] < 0).all()
    assert set(result.links.columns) == {"group", "tf", "target", "coefficient"}


def test_without_draws_there_is_no_interval(circuit: Simulation, cells: Cells) -> None:
    settings = PropagationSettings(bootstrap=0, rewired=0)
    made = propagate_knockouts(cells, circuit.tables["network"], {"TF01": ["TF01"]}, settings)
    assert made.table[["low", "high", "p", "q"]].isna().all(axis=None)
    assert made.groups[["r2_rewired", "p_rewired"]].isna().all(axis=None)


def test_changes_and_shifts_are_those_of_the_cells(cells: Cells, result: PropagationResult) -> None:
    change = result.change["TF01"]
    assert change.shape == (300, len(cells.genes))
    np.testing.assert_allclose(change[:, cells.genes.index("TF01")], -np.asarray(cells.x)[:, 0], rtol=1e-6)
    mine = cells.groups == "A"
    rows = result.table[(result.table["knockout"] == "TF01") & (result.table["group"] == "A")].set_index("gene")
    expected = pd.Series(change[mine].mean(axis=0), index=cells.genes)[rows.index]
    np.testing.assert_allclose(rows["delta"], expected, atol=1e-5)
    shift, control = result.shift["TF01"], result.shift["TF01, control"]
    assert shift.shape == control.shape == (300, 2)
    assert np.linalg.norm(shift.mean(axis=0)) > 2 * np.linalg.norm(control.mean(axis=0))


def test_cells_move_to_where_their_change_leads() -> None:
    rng = np.random.default_rng(0)
    place = rng.uniform(size=(150, 2))
    x = np.column_stack([place, rng.normal(size=(150, 5)) * 0.01])
    change = np.zeros_like(x)
    change[:, 0] = 0.3
    change[7] = 0
    shift = embedding_shift(x, change, place.astype(np.float32), neighbours=20)
    assert shift[:, 0].mean() > 0.3
    assert abs(shift[:, 1].mean()) < 0.1
    assert not shift[7].any()


@pytest.mark.parametrize(
    ("knockouts", "message"),
    [
        ({"x": ["tf01"]}, "Did you mean TF01"),
        ({"x": ["G001"]}, "regulates no gene"),
        ({}, "No gene is named"),
    ],
)
def test_bad_questions_are_refused(
    circuit: Simulation, cells: Cells, knockouts: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(DataError) as caught:
        propagate_knockouts(cells, circuit.tables["network"], knockouts)
    assert message in str(caught.value)


def test_small_groups_and_bad_settings_are_refused(circuit: Simulation) -> None:
    data = circuit.adata
    assert data is not None
    few = data[np.r_[np.flatnonzero(data.obs["type"] == "A"), np.flatnonzero(data.obs["type"] == "B")[:20]]].copy()
    with pytest.raises(DataError, match=r"B \(20\)"):
        propagate_knockouts(read_cells(few, group="type"), circuit.tables["network"], {"TF01": ["TF01"]})
    for bad in ({"alpha": 0.0}, {"p": 0.0}, {"dose": -1.0}, {"steps": 0}, {"bootstrap": 1}, {"rewired": -1}):
        with pytest.raises(DataError):
            PropagationSettings(**bad)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="neighbours"):
        embedding_shift(np.ones((5, 2)), np.ones((5, 2)), np.ones((5, 2), dtype=np.float32), neighbours=9)
