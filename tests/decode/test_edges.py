"""Attention as scores of interactions: from trained networks, against permuted labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from kgreg.blueprint import compile_interactions
from kgreg.data import read_samples, split_folds
from kgreg.data.samples import Task
from kgreg.data.simulate.modules import simulate_modules
from kgreg.decode import edge_scores, explain, node_importance
from kgreg.decode.edges import EDGE_SCORE_COLUMNS
from kgreg.fit import CrossValidation, TrainSettings, cross_validate
from kgreg.nn.graphs import GraphDesign
from tests.small_data import FAST, GENES, small_samples

SIMULATION = simulate_modules(200, 60, module_size=8, effect=1.2, seed=0)
ATTENTION = GraphDesign(conv="gat", widths=(6,), heads=2, gene_features=4, readout="mean")


def planted() -> pd.Series:
    return SIMULATION.truth.set_index("node")["planted"]


def trained(design: GraphDesign, rewired: int = 0, labels: int = 0, epochs: int = 25) -> CrossValidation:
    samples = read_samples(SIMULATION.adata, "class")
    features = pd.DataFrame({"feature": samples.features, "gene": samples.features})
    blueprint = compile_interactions(SIMULATION.tables["interactions"], features)
    settings = TrainSettings(
        architecture=design, learning_rate=0.01, batch_size=32, max_epochs=epochs, patience=epochs, accelerator="cpu"
    )
    splits = split_folds(samples, 3, 0.15, 0)
    return cross_validate(blueprint, samples, splits, settings, rewired=rewired, labels=labels, seed=0)


@pytest.fixture(scope="module")
def attentive() -> CrossValidation:
    return trained(ATTENTION, rewired=1, labels=2, epochs=15)


def test_edges_of_the_planted_module_get_attention_where_the_mean_is_read(attentive: CrossValidation) -> None:
    edges = edge_scores(attentive)
    assert list(edges) == list(EDGE_SCORE_COLUMNS)
    n = len(attentive.blueprint.interactions)
    assert (edges.groupby("output").size() == n).all()
    assert set(edges["output"]) == {"active", "control", "all"}
    assert (edges["n"] == 3).all()
    assert (edges["seed"] == 0).all()
    assert (edges["low"] <= edges["score"]).all()
    together = edges[edges["output"] == "all"]
    both = [planted()[a] and planted()[b] for a, b in zip(together["source"], together["target"], strict=True)]
    assert roc_auc_score(both, together["score"]) >= 0.8
    assert sorted(together["rank"]) == list(range(1, n + 1))
    assert together.loc[together["rank"] == 1, "z_labels"].iloc[0] == together["z_labels"].max()
    assert together["stability"].between(0, 1).all()
    # The mean over all neighbours and the gene itself would be 1 for every gene; interactions alone need not reach it.
    assert 0.5 < together["score"].mean() < 1.5


def test_scores_are_means_over_the_samples_of_a_class_and_over_networks(attentive: CrossValidation) -> None:
    edges = edge_scores(attentive)
    expected = []
    for job, model in attentive.fits("graph"):
        rows = job.split.test[attentive.samples.target[job.split.test] == 1]
        found = model.network.edge_attention(model.inputs_of(attentive.inputs_of(job, rows)))
        expected.append(found.numpy())
    name = attentive.outputs[1]
    scores = edges.loc[edges["output"] == name, "score"]
    np.testing.assert_allclose(scores, np.mean(expected, axis=0), rtol=1e-5)


@pytest.mark.parametrize(
    "design",
    [
        ATTENTION,
        GraphDesign(conv="gcn", widths=(8, 8), gene_features=4, readout="mean"),
        GraphDesign(conv="cheb", order=2, widths=(8,), pool=(2,)),
        GraphDesign(conv="sage", widths=(8, 8), gene_features=4, readout="mean", seeds=30, fanout=(4, 4)),
        GraphDesign(conv="gcn", widths=(4,), dense=(8,)),
    ],
    ids=["gat", "gcn", "cheb", "sage", "hybrid"],
)
def test_the_planted_genes_are_ranked_first(design: GraphDesign) -> None:
    ranking = explain(trained(design)).ranking
    genes = ranking[(ranking["output"] == "all") & (ranking["kind"] == "gene")].set_index("node")
    assert roc_auc_score(planted().loc[genes.index], genes["score"]) >= 0.9


def test_networks_without_attention_have_no_edges() -> None:
    result = trained(GraphDesign(conv="gcn", widths=(2,)), epochs=1)
    assert edge_scores(result).empty
    assert list(edge_scores(result)) == list(EDGE_SCORE_COLUMNS)


def test_clusters_of_a_pooled_network_have_scores() -> None:
    result = trained(GraphDesign(conv="gcn", widths=(4,), pool=(4,)), epochs=3)
    job, model = next(result.fits("graph"))
    rows = job.split.test
    table = node_importance(
        model, result.inputs_of(job, rows), result.target_of(job, rows), result.inputs_of(job, job.split.train),
        result.outputs,
    )  # fmt: skip
    clusters = table.loc[table.index.str.startswith("cluster:")]
    assert len(clusters) == len(model.network.term_ids)
    assert (clusters["all"] > 0).any()


@pytest.mark.parametrize("task", ["multilabel", "regression", "survival"])
def test_every_task_has_edges(task: Task) -> None:
    samples = small_samples(task)
    pairs = pd.DataFrame({"source": GENES[:-1], "target": GENES[1:]})
    features = pd.DataFrame({"feature": [f"{gene}.data" for gene in GENES], "gene": GENES})
    settings = replace(FAST, architecture=GraphDesign(conv="gat", widths=(3,)), max_epochs=2)
    blueprint = compile_interactions(pairs, features)
    splits = split_folds(samples, 2, 0.15, 0)
    edges = edge_scores(cross_validate(blueprint, samples, splits, settings, rewired=0, labels=0))
    assert set(edges["output"]) == ({"signal", "noise", "all"} if task == "multilabel" else {"all"})
    assert edges["score"].notna().all()
    assert edges["z_labels"].isna().all()
    assert sorted(edges.loc[edges["output"] == "all", "rank"]) == list(range(1, len(pairs) + 1))
