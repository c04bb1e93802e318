"""Genes measured in several ways: one node a gene, which reads them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from kgreg.blueprint import Blueprint, compile_hierarchy
from kgreg.data import Samples, split_folds
from kgreg.decode import explain, knock_out, knockout_table, node_importance
from kgreg.errors import BlueprintError
from kgreg.fit import FittedModel, cross_validate, fit_network
from tests.random_graphs import Knowledge
from tests.small_data import ANNOTATIONS, FAST, GENES, LINKS

MODALITIES = ["mutation", "deletion"]
KNOWN = Knowledge(LINKS, ANNOTATIONS, GENES)


def features(modalities: Sequence[str] = MODALITIES) -> pd.DataFrame:
    return KNOWN.feature_table.merge(pd.DataFrame({"modality": list(modalities)}), how="cross")


def several() -> Blueprint:
    return compile_hierarchy(KNOWN.hierarchy_table, KNOWN.annotation_table, features(), redundancy=None, width=3)


def alterations(n: int = 150) -> Samples:
    rng = np.random.default_rng(1)
    x = (rng.random((n, 2 * len(GENES))) < 0.3).astype(np.float32)
    value = 3 * x[:, :4].sum(axis=1) - 2 * x[:, 12:16].sum(axis=1) + 0.3 * rng.normal(size=n)
    return Samples(
        x=x,
        features=[f"{gene}.data" for gene in GENES] * 2,
        names=[f"s{i}" for i in range(n)],
        target=value.astype(np.float32),
        classes=[],
        groups=None,
        task="regression",
        modalities=[m for m in MODALITIES for _ in GENES],
        **{"label": "y", "layer": "mutation, deletion", "origin": "made here"},
    )


BLUEPRINT, SAMPLES = several(), alterations()
SPLITS = split_folds(SAMPLES, 3)


@pytest.fixture(scope="module")
def model() -> FittedModel:
    return fit_network(BLUEPRINT, SAMPLES, SPLITS[0], FAST, seed=0)


def test_the_modalities_of_a_gene_feed_one_node_and_stand_together() -> None:
    assert BLUEPRINT.genes["id"].tolist() == GENES
    assert BLUEPRINT.inputs["node"].tolist() == [gene for gene in GENES for _ in MODALITIES]
    assert BLUEPRINT.inputs["modality"].tolist() == MODALITIES * len(GENES)
    assert BLUEPRINT.summary()["gene_links"] == len(ANNOTATIONS)
    by_layer = features().sort_values("modality", kind="stable")
    again = compile_hierarchy(KNOWN.hierarchy_table, KNOWN.annotation_table, by_layer, redundancy=None)
    assert again.inputs["node"].tolist() == BLUEPRINT.inputs["node"].tolist()


def test_two_features_of_one_gene_are_no_modalities() -> None:
    table = features()
    table.loc[1, "feature"] = "other"
    with pytest.raises(BlueprintError, match="same gene: g00"):
        compile_hierarchy(KNOWN.hierarchy_table, KNOWN.annotation_table, table)
    with pytest.raises(BlueprintError, match="same gene: g00"):
        compile_hierarchy(KNOWN.hierarchy_table, KNOWN.annotation_table, features(["mutation", "mutation"]))


def test_transforms_keep_the_modalities_of_a_gene_together() -> None:
    fewer = BLUEPRINT.restrict_to(["g05.data", "g01.data"])
    assert fewer.inputs[["feature", "modality"]].to_numpy().tolist() == [
        [feature, m] for feature in ("g05.data", "g01.data") for m in MODALITIES
    ]
    assert (fewer.dropped["step"] == "features").sum() == len(GENES) - 2
    dealt = BLUEPRINT.shuffle_genes(3).inputs
    assert dealt.groupby("feature")["node"].nunique().eq(1).all()
    assert sorted(dealt["node"]) == sorted(BLUEPRINT.inputs["node"])
    assert BLUEPRINT.rewire(1).inputs.equals(BLUEPRINT.inputs)


def test_a_term_reads_every_modality_of_its_genes_and_of_no_others(model: FittedModel) -> None:
    below = BLUEPRINT.gene_sets()
    for term, rows in model.network.term_slices().items():
        x = torch.from_numpy(SAMPLES.columns(BLUEPRINT.inputs)[:20]).requires_grad_()
        slope = torch.autograd.grad(model.network(x).hidden[rows].sum(), x)[0]
        read = (slope != 0).any(dim=0).numpy()
        np.testing.assert_array_equal(read, BLUEPRINT.inputs["node"].isin(below[term]), err_msg=term)


def test_alterations_reach_the_network_as_zeros_and_ones_unless_asked_otherwise(model: FittedModel) -> None:
    assert not model.preprocessing.scaler.mean.any()
    assert (model.preprocessing.scaler.sd == 1).all()
    standard = fit_network(BLUEPRINT, SAMPLES, SPLITS[0], replace(FAST, scale="standard", max_epochs=1), seed=0)
    assert standard.preprocessing.scaler.mean.all()


def test_the_importance_of_a_gene_is_that_of_its_modalities_together(model: FittedModel) -> None:
    x, split = SAMPLES.columns(BLUEPRINT.inputs), SPLITS[0]
    found = node_importance(model, x[split.test], SAMPLES.target[split.test], x[split.train], ["y"])["all"]
    assert found.index.tolist() == [*GENES, *model.network.term_ids]
    inputs = torch.from_numpy(x[split.test]).requires_grad_()
    slope = torch.autograd.grad(model.network(inputs).outputs.sum(), inputs)[0].numpy()
    each = (x[split.test] - x[split.train].mean(axis=0)) * slope
    expected = np.abs(each[:, 0::2] + each[:, 1::2]).mean(axis=0)
    np.testing.assert_allclose(found[GENES], expected, rtol=1e-4)


def test_a_knockout_takes_all_alterations_of_a_gene_away() -> None:
    result = cross_validate(BLUEPRINT, SAMPLES, SPLITS, replace(FAST, max_epochs=4), rewired=2, labels=2)
    table = knockout_table(result, {"g02": ["g02.data"]})
    deltas = []
    for job, model in result.fits("graph"):
        x = result.inputs_of(job, job.split.test)
        deltas.append(knock_out(model, x, [4, 5]).outputs.mean())
    assert table.loc[table["kind"] == "output", "delta"].item() == pytest.approx(np.mean(deltas), abs=1e-6)
    by_symbol = knockout_table(result, {"g02": ["G02"]})
    np.testing.assert_allclose(by_symbol["delta"], table["delta"])
    ranking = explain(result).ranking
    assert not ranking.duplicated(["node", "output"]).any()
    assert set(ranking.loc[ranking["kind"] == "gene", "node"]) == set(GENES)
