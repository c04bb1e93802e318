"""Virtual knockouts from cells to tables: what they find, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import roc_auc_score

from kgreg.data.cells import Cells, read_cells
from kgreg.decode.tenifold import TenifoldResult, TenifoldSettings, build_network, prepare_cells, virtual_knockouts
from kgreg.errors import DataError
from tests.decode.tenifold.cascade import regulated_cells

SMALL = TenifoldSettings(networks=3, cells=120)


@pytest.fixture(scope="module")
def cells() -> Cells:
    return read_cells(regulated_cells())


@pytest.fixture(scope="module")
def result(cells: Cells) -> TenifoldResult:
    asked = {"R1": ["R1"], "both": ["R1", "R2"], "A1": ["A1"]}
    return virtual_knockouts(cells, asked, SMALL, replicates=2, null=6, seed=1)


def test_the_genes_of_a_module_move_when_their_regulator_is_gone(result: TenifoldResult) -> None:
    for name, modules in (("R1", ["M1"]), ("both", ["M1", "M2"])):
        table = result.table[(result.table["knockout"] == name) & ~result.table["knocked"]]
        inside = table["gene"].str.split("_").str[0].isin(modules)
        assert roc_auc_score(inside, table["fold_change"]) > 0.85
        assert table["p"].between(0, 1).all()
        assert (table["q"] >= table["p"] - 1e-12).all()
    first = result.table[result.table["knockout"] == "R1"]
    assert first["gene"].iloc[0] == "R1"
    assert first["knocked"].sum() == 1


def test_every_number_comes_with_n_seed_and_interval(result: TenifoldResult) -> None:
    table = result.table
    assert (table["n"] == 2).all()
    assert (table["seed"] == 1).all()
    assert (table["low"] <= table["fold_change"]).all()
    assert (table["fold_change"] <= table["high"]).all()
    assert table["p_null"].between(1 / 7, 1).all()
    assert (table["rank_low"] <= table["rank"]).all()
    assert (table["rank"] <= table["rank_high"]).all()
    assert {"effect", "effect_null", "p_null", "links", "n_null"} <= set(result.summary)


def test_a_gene_alone_does_less_than_a_regulator(result: TenifoldResult) -> None:
    effect = result.summary.set_index("knockout")["effect"]
    assert effect["both"] > effect["R1"] > effect["A1"]


def test_one_replicate_has_no_interval(cells: Cells) -> None:
    made = virtual_knockouts(cells, {"R1": ["R1"]}, SMALL, replicates=1, null=0)
    assert made.table[["low", "high", "p_null", "q_null"]].isna().all(axis=None)
    assert made.summary["p_null"].isna().all()
    again = virtual_knockouts(cells, {"R1": ["R1"]}, SMALL, replicates=1, null=0)
    assert made.table.equals(again.table)
    other = virtual_knockouts(cells, {"R1": ["R1"]}, SMALL, replicates=1, null=0, seed=7)
    assert not made.table["distance"].equals(other.table["distance"])


def test_sparse_cells_give_the_same(cells: Cells) -> None:
    thin = cells.with_x(sparse.csr_matrix(cells.x))
    one, two = (build_network(prepare_cells(c, SMALL)[0].x, SMALL, 0) for c in (cells, thin))
    np.testing.assert_allclose(one.toarray(), two.toarray(), atol=1e-9)


def test_links_are_named(result: TenifoldResult) -> None:
    edges = result.edges(["R1"])
    assert set(edges["regulator"]) == {"R1"}
    assert (edges["weight"] != 0).all()
    best = edges.nlargest(8, "weight")["target"]
    assert best.str.startswith("M1").sum() >= 6
    assert len(result.edges()) > len(edges)


def test_genes_in_few_cells_are_left_out(cells: Cells) -> None:
    x = np.array(cells.x)
    x[9:, -1] = 0
    few = cells.with_x(x)
    _, about = prepare_cells(few, SMALL)
    assert about["genes_left_out"] == 1
    assert about["normalised"] == "cpm"
    with pytest.raises(DataError, match=r"'A12' is expressed in 4.5% of the cells"):
        virtual_knockouts(few, {"A12": ["A12"]}, SMALL)


def test_counts_sum_to_a_million(cells: Cells) -> None:
    normal, _ = prepare_cells(cells, SMALL)
    np.testing.assert_allclose(np.asarray(normal.x).sum(axis=1), 1e6, rtol=1e-6)
    logged = cells.with_x(np.log1p(cells.x))
    assert prepare_cells(logged, SMALL)[1]["normalised"] == "none"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"genes": ["r1"]}, "Did you mean R1"),
        ({"genes": []}, "No gene is named"),
        ({"replicates": 0}, "0 replicates"),
    ],
)
def test_bad_questions_are_refused(cells: Cells, change: dict[str, object], message: str) -> None:
    genes = change.pop("genes", ["R1"])
    with pytest.raises(DataError) as caught:
        virtual_knockouts(cells, {"x": genes}, SMALL, **change)  # type: ignore[arg-type, dict-item]
    assert message in str(caught.value)


@pytest.mark.parametrize(("name", "value"), [("networks", 1), ("cells", 10), ("quantile", 1.5), ("direction", -0.1)])
def test_bad_settings_are_refused(name: str, value: float) -> None:
    with pytest.raises(DataError, match=name):
        TenifoldSettings(**{name: value})  # type: ignore[arg-type]


def test_bad_cells_are_refused() -> None:
    data = regulated_cells()
    with pytest.raises(DataError, match="at least 50"):
        read_cells(data[:40].copy())
    with pytest.raises(DataError, match=r"no group X"):
        read_cells(data, group="type", only=["X"])
    with pytest.raises(DataError, match="no column 'kind'"):
        read_cells(data, group="kind")
    with pytest.raises(DataError, match="no column that names them"):
        read_cells(data, only=["B"])
    scaled = data.copy()
    scaled.X = scaled.X - 2
    with pytest.raises(DataError, match="negative"):
        read_cells(scaled)
    holes = data.copy()
    holes.X[3, 2] = np.nan
    with pytest.raises(DataError, match="M1_2"):
        read_cells(holes)
    assert len(read_cells(data, group="type", only=["B"])) == 50
    silent = data.copy()
    silent.X[:] = 0
    with pytest.raises(DataError, match="0 cells"):
        virtual_knockouts(read_cells(silent), {"R1": ["R1"]}, SMALL)
