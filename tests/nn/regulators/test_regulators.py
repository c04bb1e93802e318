"""Attention over transcription factors: a loop over them, the null, and the planted ones found."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score

from kgreg.blueprint import Blueprint, compile_interactions, compile_regulators, rewire
from kgreg.data import read_samples, split_folds
from kgreg.data.inputs import input_table
from kgreg.data.matching import match_names
from kgreg.data.simulate.regulators import simulate_regulators
from kgreg.decode.edges import edge_scores
from kgreg.decode.knockout import knockout_table
from kgreg.decode.rank import explain
from kgreg.errors import BlueprintError, FitError
from kgreg.fit import TrainSettings, cross_validate
from kgreg.nn.guided import Given
from kgreg.nn.regulators import RegulatorDesign, RegulatorNetwork


def features(n: int = 4, lacking: tuple[tuple[str, str], ...] = ()) -> pd.DataFrame:
    rows = [
        (f"TF{i}", f"TF{i}", f"TF{i}", modality)
        for i in range(n)
        for modality in ("binding", "expression")
        if (f"TF{i}", modality) not in lacking
    ]
    return pd.DataFrame(rows, columns=["feature", "gene", "label", "modality"])


def slow(network: RegulatorNetwork, blueprint: Blueprint, x: torch.Tensor) -> torch.Tensor:
    """Sample by sample and factor by factor, in evaluation mode."""
    design, rows = network.design, []
    inputs = list(zip(blueprint.inputs["node"], blueprint.inputs["modality"], strict=True))
    for sample in x:
        tokens = []
        for t, factor in enumerate(network.term_ids):
            gene = factor.removeprefix("tf:")
            b, e = (sample[inputs.index((gene, modality))] for modality in ("binding", "expression"))
            w = network.weight[t]
            tokens.append(torch.clamp(b * w[0] + e * w[1] + b * e * w[2] + network.bias[t], min=0))
        parts = []
        for head in range(design.heads):
            scores = [token @ network.query[head] / design.features**0.5 for token in tokens]
            if design.attention == "softmax":
                total = sum(torch.exp(score) for score in scores)
                paid = [torch.exp(score) / total for score in scores]
            else:
                on = [1 / (1 + torch.exp(-score)) for score in scores]
                paid = [one / (1 + sum(on)) for one in on]
            parts.append(sum(a * (token @ network.value[head]) for a, token in zip(paid, tokens, strict=True)))
        rows.append(torch.cat(parts))
    return network.head(network.hidden(torch.stack(rows)))


@pytest.mark.parametrize("attention", ["softmax", "sigmoid"])
@pytest.mark.parametrize("rewired", [False, True])
def test_it_equals_a_loop_over_factors(attention: str, rewired: bool) -> None:
    torch.manual_seed(0)
    blueprint = compile_regulators(features())
    blueprint = rewire(blueprint, 3) if rewired else blueprint
    network = RegulatorDesign(attention=attention, features=3, heads=2, hidden=(5,)).build(blueprint, 2).double().eval()
    x = torch.randn(6, 8, dtype=torch.float64)
    passed = network.compute(Given(x))
    torch.testing.assert_close(passed.outputs, slow(network, blueprint, x))
    assert [level.shape for level in passed.levels] == [(6, 4 * 6)]
    assert network.term_ids == [f"tf:TF{i}" for i in range(4)]
    paid = network.attention(x)
    assert paid.shape == (6, 2, 4)
    if attention == "softmax":
        torch.testing.assert_close(paid.sum(dim=2), torch.ones(6, 2, dtype=torch.float64))
    on_edges = network.edge_attention(x)
    assert on_edges is not None
    torch.testing.assert_close(on_edges.mean(), torch.tensor(1.0, dtype=torch.float64))


def test_the_size_is_that_of_the_network() -> None:
    blueprint, design = compile_regulators(features(7)), RegulatorDesign(hidden=(5, 3))
    assert design.size(blueprint, 3)[0] == design.build(blueprint, 3).n_parameters()


def test_the_blueprint_has_a_factor_above_its_gene_and_below_the_target() -> None:
    blueprint = compile_regulators(features(5, (("TF1", "binding"), ("TF4", "expression"))))
    assert list(blueprint.genes["id"]) == ["TF0", "TF2", "TF3"]
    assert list(blueprint.nodes["kind"]) == ["gene"] * 3 + ["tf"] * 3 + ["target"]
    assert list(blueprint.dropped["reason"]) == ["no binding", "no expression"]
    with pytest.raises(BlueprintError, match="Regulators have two numbers each"):
        compile_regulators(features().drop(columns="modality"))
    with pytest.raises(BlueprintError, match="No regulator has both"):
        compile_regulators(features(2, (("TF0", "binding"), ("TF1", "expression"))))


def test_the_null_parts_sites_from_expression() -> None:
    blueprint = compile_regulators(features(30))
    null = rewire(blueprint, 1)
    tables = [one.inputs.sort_values(["modality", "feature"]).reset_index(drop=True) for one in (blueprint, null)]
    binding = tables[0]["modality"] == "binding"
    assert (tables[0]["node"][~binding] == tables[1]["node"][~binding]).all()
    assert (tables[0]["node"][binding] == tables[1]["node"][binding]).mean() < 0.2
    assert sorted(tables[1]["node"][binding]) == sorted(tables[0]["node"][binding])
    pd.testing.assert_frame_equal(null.inputs, rewire(blueprint, 1).inputs)


def test_another_blueprint_is_refused() -> None:
    pairs = pd.DataFrame({"source": ["TF0"], "target": ["TF1"]})
    with pytest.raises(FitError, match='guide = "regulators"'):
        RegulatorDesign().build(compile_interactions(pairs, features()), 2)


@pytest.fixture(scope="module")
def trained():  # type: ignore[no-untyped-def]
    simulation = simulate_regulators(n_samples=2400, n_factors=25, planted=4, seed=1)
    samples = read_samples(simulation.adata, "state", layer=["binding", "expression"], group="gene")
    matched = match_names(samples.genes, set(samples.genes)).matched
    blueprint = compile_regulators(input_table(samples, matched))
    settings = TrainSettings(architecture=RegulatorDesign(), learning_rate=1e-2, max_epochs=30)
    splits = split_folds(samples, 2, 0.15, 0)
    result = cross_validate(blueprint, samples, splits, settings, rewired=0, labels=0)
    return result, simulation.truth.set_index("node")["planted"]


def test_the_planted_factors_are_found(trained) -> None:  # type: ignore[no-untyped-def]
    result, planted = trained
    ranking = explain(result).ranking.query("output == 'all'")
    for kind in ("tf", "gene"):
        own = ranking[ranking["kind"] == kind]
        assert len(own) == 25
        assert roc_auc_score(planted[own["label"]], own["score"]) >= 0.9
    paid = edge_scores(result).query("output == 'all'")
    assert roc_auc_score(planted[paid["source_label"]], paid["score"]) >= 0.8


def test_neither_sites_nor_expression_tell_alone(trained) -> None:  # type: ignore[no-untyped-def]
    result, _ = trained
    table = {arm["arm"]: arm["metrics"]["auroc"]["mean"] for arm in result.summary()["arms"]}
    assert table["graph"] > table["baseline"] + 0.1


def test_a_factor_is_knocked_out_with_its_sites(trained) -> None:  # type: ignore[no-untyped-def]
    result, planted = trained
    strong, weak = planted.index[planted][0], planted.index[~planted][0]
    effects = knockout_table(result, {name: [name] for name in (strong, weak)})
    own = effects[(effects["kind"] == "term") & (effects["group"] == "all")]
    assert list(own[own["knockout"] == strong]["label"]) == list(planted.index)
    assert set(effects[effects["kind"] == "output"]["target"]) == {"on", "off"}
