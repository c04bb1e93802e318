"""What simulated pathways must be: the same for a seed, counts that answer where it was planted, batches beside it."""

from __future__ import annotations

import json
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from kgreg.blueprint import compile_hierarchy
from kgreg.data.simulate.pathways import simulate_pathways
from kgreg.errors import DataError


def test_a_seed_gives_the_same_simulation_and_another_seed_another() -> None:
    one, same, other = (simulate_pathways(40, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.adata.layers["counts"], same.adata.layers["counts"])
    pd.testing.assert_frame_equal(one.truth, same.truth)
    assert not np.array_equal(one.adata.layers["counts"], other.adata.layers["counts"])


def test_tables_make_the_hierarchy_that_is_described() -> None:
    found = simulate_pathways(20, n_roots=3, n_children=2, genes=5, planted=3)
    names = list(found.adata.var_names)
    features = pd.DataFrame({"feature": names, "gene": names})
    blueprint = compile_hierarchy(found.tables["hierarchy"], found.tables["annotations"], features)
    assert len(blueprint.roots) == 3
    assert len(blueprint.terms) == 3 + 6 + 12
    sets = blueprint.gene_sets()
    assert all(len(sets[f"P1.1.{i}"]) >= 5 for i in (1, 2))
    assert set(blueprint.nodes["id"]) <= set(found.truth["node"])
    assert found.tables["annotations"].duplicated().sum() == 0


def test_planted_pathways_answer_and_no_others() -> None:
    found = simulate_pathways(3000, background=0.2, batch_effect=0.0, effect=1.0, seed=3)
    truth, x = found.truth.set_index("node"), found.adata.X
    treated = (found.adata.obs["condition"] == "treated").to_numpy()
    genes = found.adata.var_names
    change = pd.Series(x[treated].mean(axis=0) - x[~treated].mean(axis=0), index=genes)
    planted = truth.loc[genes, "planted"]
    assert planted.sum() < 0.2 * len(genes)
    assert change[planted].min() > change[~planted].max()
    of_terms = truth[truth["kind"] == "term"]
    assert of_terms["planted"].sum() == 4
    assert not (of_terms["planted"] & of_terms["above"]).any()


def test_batches_shift_genes_and_are_independent_of_the_condition() -> None:
    found = simulate_pathways(3000, batch_effect=0.8, seed=4)
    obs, x = found.adata.obs, found.adata.X
    shift = x[obs["batch"] == "batch 1"].mean(axis=0) - x[obs["batch"] == "batch 2"].mean(axis=0)
    assert shift.std() > 0.3
    share = pd.crosstab(obs["batch"], obs["condition"], normalize="index")
    assert ((share - 0.5).abs() < 0.05).all().all()


def test_counts_vary_more_than_poisson_counts_do() -> None:
    found = simulate_pathways(2000, background=0.0, effect=0.0, batch_effect=0.0, dispersion=2.0, seed=5)
    counts = found.adata.layers["counts"]
    assert (counts == counts.round()).all()
    mean, variance = counts.mean(axis=0), counts.var(axis=0)
    expected = mean + mean**2 / 2 + 0.1 * mean**2  # totals vary too
    assert 0.8 < float(np.median(variance / expected)) < 1.3


def test_it_is_written_as_files_that_can_be_read(tmp_path: Path) -> None:
    found = simulate_pathways(20, seed=1)
    found.write(tmp_path / "simulation")
    read = anndata.read_h5ad(tmp_path / "simulation" / "data.h5ad")
    np.testing.assert_array_equal(read.layers["counts"], found.adata.layers["counts"])
    about = json.loads((tmp_path / "simulation" / "about.json").read_text())
    truth = pd.read_csv(tmp_path / "simulation" / "truth.csv")
    assert about["planted"] == sorted(truth.query("planted and kind == 'term'")["node"])


@pytest.mark.parametrize("wrong", [{"n_samples": 1}, {"planted": 0}, {"planted": 99}, {"n_batches": 0}, {"genes": 1}])
def test_numbers_that_do_not_fit_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(DataError, match="do not make a simulation"):
        simulate_pathways(**{"n_samples": 40, **wrong})
