"""Rankings by other measures, measures beside the ranking, and connectivity, over cross-validated networks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from scipy import stats

from kgreg.data import Samples, split_folds
from kgreg.decode import Explanation, explain
from kgreg.decode.also import compare_measures
from kgreg.decode.degree import degree_bias
from kgreg.decode.importance import MEASURES, node_importance
from kgreg.errors import KgregError
from kgreg.experiment_sections import DecodeSection, Measure
from kgreg.fit import CrossValidation, cross_validate
from tests.small_data import FAST, small_blueprint, small_samples

SAMPLES = small_samples(classes=2)


def trained(samples: Samples = SAMPLES, rewired: int = 2) -> CrossValidation:
    splits = split_folds(samples, 2, 0.15, 0)
    settings = replace(FAST, max_epochs=3)
    return cross_validate(small_blueprint(), samples, splits, settings, replicates=2, rewired=rewired, labels=0, seed=0)


@pytest.fixture(scope="module")
def result() -> CrossValidation:
    return trained()


@pytest.fixture(scope="module")
def explanation(result: CrossValidation) -> Explanation:
    return explain(result, bootstrap=5)


def test_other_measures_stand_beside_the_ranking(result: CrossValidation, explanation: Explanation) -> None:
    scores, agreement = compare_measures(result, explanation, ["deeplift", "gradient", "rlipp", "correlation"])
    assert list(dict.fromkeys(scores["method"])) == ["deeplift", "gradient", "rlipp", "correlation"]
    assert (scores["n"] == 4).all()
    assert (scores["low"] <= scores["score"] + 1e-9).all()
    assert set(scores.loc[scores["method"] == "rlipp", "kind"]) == {"term"}
    for _, own in scores.groupby(["kind", "output", "method"]):
        assert sorted(own["rank"]) == list(range(1, len(own) + 1))
    own = scores.query("kind == 'gene' and output == 'class 1' and method == 'deeplift'").set_index("node")["score"]
    tables = []
    for job, model in result.fits("graph"):
        sides = result.inputs_of(job, job.split.test), result.target_of(job, job.split.test)
        train = result.inputs_of(job, job.split.train)
        tables.append(node_importance(model, *sides, train, result.outputs, measure="deeplift")["class 1"])
    np.testing.assert_allclose(own, pd.concat(tables, axis=1).mean(axis=1).loc[own.index])
    main = explanation.ranking.query("kind == 'gene' and output == 'class 1'").set_index("node")["score"]
    row = agreement.query("kind == 'gene' and output == 'class 1' and method == 'deeplift'").iloc[0]
    assert row["rho"] == pytest.approx(stats.spearmanr(own, main.loc[own.index]).statistic)
    assert (row["n"], row["networks"], row["seed"]) == (len(own), 4, 0)
    kept, _ = compare_measures(result, explanation, ["deeplift"], accepted=np.array([True, False, False, False]))
    assert kept["low"].isna().all(), "one network has no interval"
    assert all(table.empty for table in compare_measures(result, explanation, []))


def test_what_does_not_apply_is_refused_by_name(result: CrossValidation, explanation: Explanation) -> None:
    with pytest.raises(KgregError, match='"attention" does not apply') as refused:
        compare_measures(result, explanation, ["attention"])
    assert "deeplift" in str(refused.value.hint)


@pytest.mark.parametrize("measure", ["rlipp", "ablation", "central_difference"])
def test_nodes_are_ranked_by_any_measure(result: CrossValidation, measure: Any) -> None:
    found = explain(result, measure=measure, bootstrap=5)
    ranking = found.ranking
    assert set(ranking["kind"]) == ({"term"} if measure == "rlipp" else {"gene", "term"})
    assert ranking["score"].notna().all()
    assert ranking["top_probability"].between(0, 1).all()
    assert ranking.loc[ranking["kind"] == "term", "z"].notna().all()


def test_connectivity_is_measured_in_real_and_rewired_networks(
    result: CrossValidation, explanation: Explanation
) -> None:
    table = degree_bias(result, explanation).set_index(["kind", "output", "arm", "quantity"])
    for arm, quantity in (("graph", "genes"), ("graph", "links"), ("rewired", "genes"), ("rewired", "links")):
        rho = []
        for job, model in result.fits(arm):
            own = explanation.node_scores.query(
                f"arm == '{job.arm.name}' and fold == {job.split.fold} and replicate == {job.replicate} "
                "and output == 'all'"
            )
            terms, edges = set(model.blueprint.terms["id"]), model.blueprint.edges
            own = own[own["node"].isin(terms)]
            amount = [
                len(model.blueprint.gene_sets()[node])
                if quantity == "genes"
                else ((edges["source"] == node) | (edges["target"] == node)).sum()
                for node in own["node"]
            ]
            rho.append(stats.spearmanr(own["score"], amount).statistic)
        row = table.loc["term", "all", arm, quantity]
        assert row["rho"] == pytest.approx(np.mean(rho), abs=1e-6)
        assert row["n"] == len(rho)
        assert row["low"] <= row["rho"] <= row["high"]
    assert ("gene", "all", "graph", "genes") not in table.index, "a gene is one gene"
    assert np.isnan(table.loc[("term", "all", "corrected", "links"), "low"])
    ranking = explanation.ranking.query("kind == 'term' and output == 'all'")
    rho = stats.spearmanr(ranking["z"], ranking["n_genes"]).statistic
    assert table.loc[("term", "all", "corrected", "genes"), "rho"] == pytest.approx(rho)


def test_scores_are_corrected_before_they_are_ranked(result: CrossValidation, explanation: Explanation) -> None:
    plain, corrected = explanation.ranking, explain(result, bootstrap=5, degree="regression").ranking
    terms = [table.query("kind == 'term' and output == 'all'")["score"] for table in (plain, corrected)]
    assert abs(terms[1].mean()) < abs(terms[0].mean())
    layers = explain(result, bootstrap=0, degree="pnet").ranking
    own = layers.query("kind == 'gene' and output == 'all'")["score"]
    assert own.mean() == pytest.approx(0, abs=1e-6)


def test_the_experiment_file_knows_every_measure() -> None:
    assert get_args(Measure) == MEASURES
    section = DecodeSection(also=["deeplift", "rlipp", "deeplift"])
    assert section.also == ["deeplift", "rlipp"]
    for wrong in ({"measure": "shap"}, {"degree": "linear"}, {"also": ["saliency"]}):
        with pytest.raises(ValidationError):
            DecodeSection(**wrong)  # type: ignore[arg-type]
