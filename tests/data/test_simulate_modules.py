"""The simulated active module: what it says of itself is true."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from kgreg.data.simulate import simulate
from kgreg.data.simulate.modules import simulate_modules
from kgreg.errors import DataError


def test_the_same_seed_gives_the_same_samples() -> None:
    one, two, other = (simulate_modules(50, 40, module_size=5, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.adata.X, two.adata.X)
    pd.testing.assert_frame_equal(one.tables["interactions"], two.tables["interactions"])
    assert one.about == two.about
    assert not one.tables["interactions"].equals(other.tables["interactions"])


def test_the_module_is_connected_and_shifted_in_one_class() -> None:
    simulation = simulate_modules(2000, 60, module_size=8, effect=0.8, seed=1)
    truth = simulation.truth.set_index("node")
    graph = nx.from_pandas_edgelist(simulation.tables["interactions"])
    planted = list(truth.index[truth["planted"]])
    assert len(planted) == 8
    assert nx.is_connected(graph.subgraph(planted))
    assert all(graph.degree[node] == degree for node, degree in truth["degree"].items())
    adata = simulation.adata
    active = (adata.obs["class"] == "active").to_numpy()
    assert active.sum() == 1000
    shift = pd.Series(adata.X[active].mean(axis=0) - adata.X[~active].mean(axis=0), index=adata.var_names)
    assert abs(shift[planted].mean() - 0.8) < 0.1  # neighbours correlate: eight genes are not eight draws
    assert shift.drop(planted).abs().max() < 0.25
    np.testing.assert_allclose(np.asarray(adata.X)[~active].std(axis=0), 1.0, atol=0.1)


def test_neighbours_correlate_everywhere() -> None:
    simulation = simulate_modules(2000, 60, module_size=8, seed=2)
    control = simulation.adata[simulation.adata.obs["class"] == "control"].to_df().corr()
    pairs = {tuple(row) for row in simulation.tables["interactions"].to_numpy()}
    joined = [control.loc[a, b] for a, b in pairs]
    others = [control.loc[a, b] for a in control for b in control if a < b and (a, b) not in pairs]
    assert stats.mannwhitneyu(joined, others, alternative="greater").pvalue < 1e-6


def test_the_truth_can_be_found() -> None:
    simulation = simulate("modules")
    active = (simulation.adata.obs["class"] == "active").to_numpy()
    x = np.asarray(simulation.adata.X)
    t = np.abs(stats.ttest_ind(x[active], x[~active]).statistic)
    assert roc_auc_score(simulation.truth["planted"], t) > 0.98


@pytest.mark.parametrize(
    "options", [{"links": 0}, {"links": 300}, {"module_size": 300}, {"n_samples": 1}, {"correlation": 1.0}]
)
def test_numbers_that_make_no_network_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(DataError, match="There is no network of"):
        simulate_modules(**options)  # type: ignore[arg-type]
