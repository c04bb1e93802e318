"""A network that reads DNA hands on what it learned: activations on promoters, a graph of targets, terms over genes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from kgreg.blueprint import compile_hierarchy
from kgreg.data.regulation import factors_of, pool_factors, targets_from_scores
from kgreg.decode.promoters import motif_activations
from kgreg.errors import DataError
from kgreg.fit import TrainSettings, fit_network
from kgreg.nn.motif.design import MotifDesign
from tests.fit.cases import first_split
from tests.nn.motif.small_motifs import planted_samples, small_motifs


def test_promoters_become_targets_of_factors() -> None:
    blueprint = small_motifs()
    samples = planted_samples(n=60)
    settings = TrainSettings(
        architecture=MotifDesign(head_start="zero"), batch_size=32, max_epochs=2, accelerator="cpu"
    )
    model = fit_network(blueprint, samples, first_split(samples), settings, 0)
    promoters = planted_samples(n=40, seed=5)
    promoters = replace(promoters, names=[f"gene{i}" for i in range(40)])
    found = motif_activations(model, promoters)
    assert list(found.index) == promoters.names
    assert list(found.columns) == model.network.term_ids
    scores = pool_factors(found, factors_of(blueprint))
    aucs = {factor: roc_auc_score(promoters.target == 1, scores[factor]) for factor in scores}
    planted = max(aucs, key=lambda factor: aucs[factor])
    assert aucs[planted] > 0.9
    targets = targets_from_scores(scores, share=0.25)
    annotations = targets.rename(columns={"tf": "term", "target": "gene"})[["term", "gene"]]
    genes = pd.DataFrame({"feature": promoters.names, "gene": promoters.names})
    none = pd.DataFrame(columns=["child", "parent"], dtype=str)
    guided = compile_hierarchy(none, annotations, genes, min_genes=2, redundancy=None)
    own = guided.gene_sets()[planted]
    assert np.mean([promoters.target[promoters.names.index(gene)] for gene in own]) > 0.9
    with pytest.raises(DataError, match="Names of promoters repeat: gene"):
        motif_activations(model, replace(promoters, names=["gene"] * 40))
    with pytest.raises(DataError, match="Motifs are activated by sequences"):
        motif_activations(model, replace(promoters, sequences=None))
