"""Simulated cascades: what is planted differs between the classes, and nothing else does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from kgreg.blueprint import compile_network
from kgreg.data.simulate import simulate
from kgreg.data.simulate.cascade import simulate_cascade
from kgreg.errors import DataError


def test_genes_of_planted_cascades_differ_and_no_others() -> None:
    made = simulate_cascade(n_samples=600, seed=3)
    links = made.tables["network"].assign(gene=lambda t: t["child"].str.removesuffix("_gene"))
    planted = set(made.truth.loc[made.truth["planted"], "node"])
    factors = links[links["parent"].isin({n for n in planted if n.startswith("factor")})]
    x = made.adata.to_df()
    active = (made.adata.obs["state"] == "active").to_numpy()
    t = (x[active].mean() - x[~active].mean()) / np.sqrt(x.var() * 4 / len(x))
    assert set(t.index[t.abs() > 6]) == set(factors["gene"])
    assert active.mean() == 0.5


def test_the_network_compiles_and_the_truth_names_its_proteins() -> None:
    made = simulate_cascade(seed=0)
    genes = list(made.adata.var_names)
    blueprint = compile_network(made.tables["network"], pd.DataFrame({"feature": genes, "gene": genes}))
    assert {*made.truth["node"], "output"} == set(blueprint.terms["id"])
    assert blueprint.n_levels == 4
    assert list(blueprint.genes["id"]) == genes
    assert 0 < made.truth["planted"].mean() < 0.5


def test_the_seed_decides() -> None:
    one, two, other = (simulate("cascade", seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.adata.X, two.adata.X)
    assert (one.adata.X != other.adata.X).any()
    assert one.about["seed"] == 1


def test_nothing_planted_is_refused() -> None:
    with pytest.raises(DataError, match="n_planted = 0 of 5"):
        simulate_cascade(n_planted=0)
