"""What simulated omics must be: the same for a seed, smooth over the graph, with the outcome where it was planted."""

from __future__ import annotations

import json
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from kgreg.data.simulate.omics import simulate_omics
from kgreg.errors import DataError


def test_a_seed_gives_the_same_simulation_and_another_seed_another() -> None:
    one, same, other = (simulate_omics(60, 150, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.adata.layers["protein"], same.adata.layers["protein"])
    pd.testing.assert_frame_equal(one.truth, same.truth)
    pd.testing.assert_frame_equal(one.tables["interactions"], same.tables["interactions"])
    assert not np.array_equal(one.adata.layers["protein"], other.adata.layers["protein"])


def test_loadings_are_smooth_over_the_interactions_of_a_module() -> None:
    found = simulate_omics(seed=3)
    loading, factor = (found.truth.set_index("node")[column] for column in ("loading", "factor"))
    pairs = found.tables["interactions"]
    assert (pairs["source"] != pairs["target"]).all()
    assert not pairs.duplicated(["source", "target"]).any()
    own = factor[pairs["source"]].to_numpy() == factor[pairs["target"]].to_numpy()
    inside = pairs[own & (factor[pairs["source"]] > 0).to_numpy()]
    steps = (loading[inside["source"]].to_numpy() - loading[inside["target"]].to_numpy()) ** 2
    of_module = loading[factor > 0].groupby(factor[factor > 0])
    # Of two genes of a module at random it would be twice the variance.
    assert steps.mean() < 1.3 * of_module.var().mean()
    np.testing.assert_allclose(of_module.apply(lambda w: np.sqrt(np.mean(w**2))), 1.0)


def test_the_outcome_follows_the_planted_factors_and_no_others() -> None:
    found = simulate_omics(2000, 200, n_factors=4, n_outcome=2, seed=0)
    factors, obs = found.adata.obsm["factors"], found.adata.obs
    case = (obs["condition"] == "case").to_numpy(dtype=float)
    with_case = [abs(np.corrcoef(column, case)[0, 1]) for column in factors.T]
    with_time = [abs(np.corrcoef(column, np.log(obs["time"]))[0, 1]) for column in factors.T]
    assert min(with_case[:2]) > 0.3
    assert min(with_time[:2]) > 0.3
    assert max(with_case[2:] + with_time[2:]) < 0.1
    assert found.truth["planted"].sum() == 2 * found.about["module_size"]
    assert set(obs["event"]) == {0, 1}
    assert (obs["time"] > 0).all()


def test_missing_modalities_are_whole_rows_and_every_sample_keeps_one() -> None:
    found = simulate_omics(400, 150, missing=0.4, seed=5)
    gone = np.stack([np.isnan(matrix) for matrix in found.adata.layers.values()])
    assert (gone.all(axis=2) == gone.any(axis=2)).all()
    assert not gone.all(axis=(0, 2)).any()
    assert 0.3 < gone.mean() < 0.45
    assert not any(np.isnan(matrix).any() for matrix in simulate_omics(50, 150).adata.layers.values())


def test_it_is_written_as_files_that_can_be_read(tmp_path: Path) -> None:
    found = simulate_omics(40, 150, seed=1)
    found.write(tmp_path / "simulation")
    read = anndata.read_h5ad(tmp_path / "simulation" / "data.h5ad")
    np.testing.assert_array_equal(read.layers["methylation"], found.adata.layers["methylation"])
    assert len(pd.read_csv(tmp_path / "simulation" / "interactions.csv")) == len(found.tables["interactions"])
    assert json.loads((tmp_path / "simulation" / "about.json").read_text())["seed"] == 1


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"n_genes": 50}, "do not fit into 50 genes"),
        ({"n_outcome": 9}, "9 of 6 factors"),
        ({"n_outcome": 0}, "0 of 6 factors"),
        ({"modalities": ("a", "a")}, "a, a"),
        ({"modalities": ()}, "none"),
        ({"missing": 1.0}, "rate of 1"),
    ],
)
def test_what_makes_no_sense_is_refused(asked: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=said):
        simulate_omics(**asked)  # type: ignore[arg-type]
