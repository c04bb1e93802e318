"""Every method of importance against closed forms, captum, and loops over nodes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from captum.attr import DeepLift, IntegratedGradients, LayerConductance, LayerIntegratedGradients
from scipy import stats
from sklearn.linear_model import RidgeCV

from kgreg.blueprint import Blueprint, compile_interactions
from kgreg.data import Samples
from kgreg.decode.importance import (
    MEASURES,
    PER_SAMPLE,
    Measure,
    attribute,
    group_importance,
    importance_nodes,
    node_importance,
    paths,
    sample_scores,
)
from kgreg.decode.importance.inquiry import Inquiry
from kgreg.decode.importance.power import LEAST_POWER, PENALTIES, predictive_power
from kgreg.errors import KgregError
from kgreg.fit import FittedModel, Readings, TrainSettings
from kgreg.fit.fitted import build_guided, build_network
from kgreg.fit.readings import Preprocessing
from kgreg.nn.architecture import Architecture
from kgreg.nn.dense import DenseDesign
from kgreg.nn.design import Design
from kgreg.nn.factorization import LaplacianAutoencoder
from kgreg.nn.graphs import GraphDesign
from kgreg.nn.integration.moli import MoliDesign
from kgreg.nn.motif.design import MotifDesign
from kgreg.nn.ontology import OntologyAutoencoderDesign, TermAutoencoderDesign
from tests.decode.slow_responses import SlowResponses
from tests.nn.motif.small_motifs import planted_samples, small_motifs
from tests.small_data import GENES, small_blueprint, small_samples

BLUEPRINT = small_blueprint(width=2)
TEST, TRAIN = np.arange(20), np.arange(20, 120)
#: Methods whose scores are differences of outputs, in the units of the logit.
DIFFERENCES: tuple[Measure, ...] = ("activation", "integrated_gradients", "conductance", "deeplift", "ablation")


def untrained(samples: Samples, design: Design | Architecture, blueprint: Blueprint = BLUEPRINT) -> FittedModel:
    """Return a network as it was drawn, with statistics of batch normalisation as after some training."""
    torch.manual_seed(0)
    n_outputs = len(samples.outputs)
    if isinstance(design, Architecture):
        settings = TrainSettings(architecture=design)
        network: Any = build_network(blueprint, settings, samples.task, n_outputs, None, {})
    else:
        network = build_guided(blueprint, design, samples.task, n_outputs, None)
    readings = Readings.of(samples, blueprint)
    model = FittedModel(
        network, blueprint, Preprocessing.fit(readings.rows(TRAIN), "standard"), samples.task, (0.0, 1.0), 0, 0, []
    )
    with torch.no_grad():
        network.train()
        for _ in range(5):
            network(model.inputs_of(readings.rows(TRAIN)))
    network.eval()
    return model


def parts(model: FittedModel, samples: Samples) -> tuple[Readings, np.ndarray, Readings]:
    readings = Readings.of(samples, model.blueprint)
    return readings.rows(TEST), samples.target[TEST], readings.rows(TRAIN)


def inquiry_of(model: FittedModel, samples: Samples) -> Inquiry:
    test, _, train = parts(model, samples)
    return Inquiry(model, test, train)


def scores_of(model: FittedModel, samples: Samples, measure: Measure) -> pd.DataFrame:
    """Return attributions to the only output, ``[nodes, samples]``."""
    test, _, train = parts(model, samples)
    found = attribute(model, test, train, samples.outputs, measure=measure)
    return pd.DataFrame(found[:, :, 0], index=importance_nodes(model))


@pytest.fixture(scope="module")
def values() -> Samples:
    return small_samples("regression")


@pytest.fixture(scope="module")
def classes() -> Samples:
    return small_samples(classes=3)


@pytest.mark.parametrize("norm", ["before", "after", "none"])
@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
def test_the_kernel_derives_as_autograd_does(classes: Samples, norm: Any, activation: Any) -> None:
    model = untrained(classes, Architecture(norm=norm, activation=activation, readout="terms"))
    given = model.inputs_of(parts(model, classes)[0])
    wanted = [lambda out: out[:, 0], lambda out: out.square().sum(dim=1)]
    out, by_kernel = model.network.derivatives(given, wanted)
    model.network.backend = "csr"
    other, by_autograd = model.network.derivatives(given, wanted)
    torch.testing.assert_close(out.outputs, other.outputs, rtol=1e-4, atol=1e-5)
    for one, two in zip(by_kernel, by_autograd, strict=True):
        torch.testing.assert_close(one.inputs, two.inputs, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(one.neurons, two.neurons, rtol=1e-4, atol=1e-5)


def linear(samples: Samples) -> FittedModel:
    return untrained(samples, Architecture(activation="identity"))


def test_where_the_network_is_linear_all_methods_are_one(values: Samples) -> None:
    model = linear(values)
    first = scores_of(model, values, "activation")
    assert first.abs().to_numpy().max() > 0.01
    for measure in DIFFERENCES[1:]:
        pd.testing.assert_frame_equal(scores_of(model, values, measure), first, rtol=1e-3, atol=1e-5)
    # From other points of reference: random samples of the training part, and zero.
    expected = scores_of(model, values, "expected_gradients").to_numpy()
    drawn = np.corrcoef(expected.ravel(), first.to_numpy().ravel())[0, 1]
    assert drawn > 0.9
    gradient = scores_of(model, values, "gradient")
    x = model.inputs_of(parts(model, values)[0]).genes[0].numpy()
    genes = scores_of(model, values, "gradient_x_input").loc[GENES].to_numpy()
    np.testing.assert_allclose(genes, gradient.loc[GENES].to_numpy() * x.T, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("measure", ["integrated_gradients", "conductance", "deeplift"])
def test_genes_add_up_to_the_difference_from_the_reference(classes: Samples, measure: Measure) -> None:
    model = untrained(classes, Architecture(readout="terms"))
    test, _, train = parts(model, classes)
    found = attribute(model, test, train, classes.outputs, measure=measure)[: len(GENES)].sum(axis=0)
    inquiry = inquiry_of(model, classes)
    given = inquiry.inputs(np.arange(len(test)))
    base = replace(given, genes=inquiry.baseline(np.arange(len(test)), given.genes[0])[None])
    with torch.no_grad():
        change = (model.network(given).outputs - model.network(base).outputs).numpy()
    centred = change - change.mean(axis=1, keepdims=True)
    assert np.abs(centred).max() > 0.05
    np.testing.assert_allclose(found, centred, rtol=0.01, atol=2e-3)


def test_what_flows_through_the_only_node_that_is_read_is_the_whole(values: Samples) -> None:
    model = untrained(values, Architecture())
    for measure in ("conductance", "deeplift", "integrated_gradients"):
        found = scores_of(model, values, measure)
        np.testing.assert_allclose(found.loc["root"], found.loc[GENES].sum(), rtol=0.02, atol=1e-3)


MOLI = MoliDesign(width=5, activation="tanh", normalise=False, triplet=0)


def test_layers_are_as_captum_has_them(values: Samples) -> None:
    model = untrained(values, MOLI)
    network, (test, _, _) = model.network, parts(model, values)
    inquiry = inquiry_of(model, values)
    x = model.inputs_of(test).genes[0]
    base = inquiry.baseline(np.arange(len(test)), x)
    layer = network.encoders[0]
    conductance = LayerConductance(network.predict, layer).attribute(x, base, target=0, n_steps=200).sum(dim=1)
    within = LayerIntegratedGradients(network.predict, layer).attribute(x, base, target=0, n_steps=50).sum(dim=1)
    (node,) = network.term_ids
    found = {measure: scores_of(model, values, measure) for measure in ("conductance", "integrated_gradients")}
    np.testing.assert_allclose(found["conductance"].loc[node], conductance.detach(), rtol=0.02, atol=2e-3)
    np.testing.assert_allclose(found["integrated_gradients"].loc[node], within.detach(), rtol=1e-3, atol=1e-5)
    inputs = IntegratedGradients(network.predict).attribute(x, base, target=0, n_steps=50)
    np.testing.assert_allclose(found["integrated_gradients"].loc[GENES], inputs.t(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("activation", ["relu", "elu"])
def test_deeplift_is_that_of_captum(values: Samples, activation: Any) -> None:
    model = untrained(values, DenseDesign(widths=(8, 4), activation=activation, dropout=0.0))
    x = model.inputs_of(parts(model, values)[0]).genes[0]
    base = inquiry_of(model, values).baseline(np.arange(len(x)), x)

    class Chain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers, self.head = model.network.layers, model.network.head

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.layers(x))

    expected = DeepLift(Chain().eval()).attribute(x, base, target=0)
    np.testing.assert_allclose(scores_of(model, values, "deeplift"), expected.detach().t(), rtol=1e-3, atol=1e-5)


def test_deeplift_refuses_operations_without_a_rule(classes: Samples) -> None:
    attentive = untrained(classes, GraphDesign(conv="gat", widths=(4,), gene_features=3), interactions())
    with pytest.raises(KgregError, match="miss the difference of outputs") as refused:
        node_importance(attentive, *parts(attentive, classes), classes.outputs, measure="deeplift")
    assert "integrated_gradients" in str(refused.value.hint)


def test_expected_gradients_from_one_sample_are_integrated_gradients(
    values: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = untrained(values, Architecture())
    test, _, train = parts(model, values)
    one = train.rows(np.array([3]))
    with monkeypatch.context() as many:
        many.setattr(paths, "DRAWS", 400)
        found = attribute(model, test.rows(np.arange(4)), one, values.outputs, measure="expected_gradients")
    exact = attribute(model, test.rows(np.arange(4)), one, values.outputs, measure="integrated_gradients")
    n = len(GENES)
    np.testing.assert_allclose(found[:n], exact[:n], atol=0.03 * np.abs(exact[:n]).max())
    whole = node_importance(model, *parts(model, values), values.outputs, measure="expected_gradients")
    again = node_importance(model, *parts(model, values), values.outputs, measure="expected_gradients", batch_size=7)
    pd.testing.assert_frame_equal(whole, again, rtol=1e-4)


def test_ablation_is_setting_every_node_to_its_mean(values: Samples) -> None:
    model = untrained(values, Architecture(norm="after"))
    test, _, train = parts(model, values)
    slow = SlowResponses(model)
    given, mean = slow.inputs(test), slow(slow.inputs(train))[1]
    found = scores_of(model, values, "ablation")
    with torch.no_grad():
        whole, signal = slow(given)
        for term in model.network.term_ids:
            push = {term: mean[term].mean(dim=1, keepdim=True) - signal[term]}
            np.testing.assert_allclose(found.loc[term], (whole - slow(given, push)[0])[:, 0], rtol=1e-3, atol=1e-5)
        centre = slow.inputs(train).genes[0].mean(dim=0)
        for i, gene in enumerate(model.blueprint.inputs["node"]):
            x = given.genes.clone()
            x[0, :, i] = centre[i]
            loss = (whole - slow(replace(given, genes=x))[0])[:, 0]
            np.testing.assert_allclose(found.loc[gene], loss, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression", "survival"])
def test_central_differences_are_gradients(task: Any) -> None:
    samples = small_samples(task)
    model = untrained(samples, Architecture())
    tables = [
        node_importance(model, *parts(model, samples), samples.outputs, measure=measure)
        for measure in ("gradient", "central_difference")
    ]
    pd.testing.assert_frame_equal(*tables, rtol=1e-3, atol=1e-5)


def test_scores_of_samples_groups_and_outputs_agree(classes: Samples) -> None:
    model = untrained(classes, Architecture())
    test, target, train = parts(model, classes)
    whole = attribute(model, test, train, classes.outputs)
    table = node_importance(model, test, target, train, classes.outputs)
    for piece in sample_scores(model, test, target, train, classes.outputs, batch_size=6):
        np.testing.assert_allclose(piece.shown, whole[:, piece.rows, piece.output], rtol=1e-4, atol=1e-6)
        assert (target[piece.rows] == piece.output).all()
    groups = np.array([None, "a", "b", "a"] * 5, dtype=object)
    found = group_importance(model, test, groups, train, classes.outputs).set_index(["group", "output"])
    for group in ("a", "b"):
        own = found.loc[(group, "class 1")]
        assert (own["n"] == (groups == group).sum()).all()
        np.testing.assert_allclose(own["score"], whole[:, groups == group, 1].mean(axis=1), rtol=1e-4, atol=1e-6)
    for c, name in enumerate(classes.outputs):
        np.testing.assert_allclose(table[name], whole[:, target == c, c].mean(axis=1), rtol=1e-4, atol=1e-6)
    with pytest.raises(KgregError, match="20 samples and 3 groups"):
        group_importance(model, test, np.array(["a"] * 3), train, classes.outputs)
    with pytest.raises(KgregError, match="No sample has a group"):
        group_importance(model, test, np.array([None] * 20), train, classes.outputs)


def test_power_is_measured_on_samples_that_were_not_fitted(values: Samples) -> None:
    model = untrained(values, Architecture())
    test, target, train = parts(model, values)
    inquiry, known = Inquiry(model, test, train), values.target[TRAIN]
    table = predictive_power(inquiry, target, known, values.outputs).set_index("node")
    assert set(table.index) == set(model.network.term_ids)
    spans = dict(zip(model.network.term_ids, inquiry.spans, strict=True))
    hidden = [model.respond(part)[1].T for part in (train, test)]
    inputs = [model.inputs_of(part).genes[0].numpy() for part in (train, test)]

    def power(columns: list[np.ndarray]) -> float:
        mean, sd = columns[0].mean(axis=0), columns[0].std(axis=0)
        one, two = ((part - mean) / sd for part in columns)
        return max(0.0, stats.spearmanr(RidgeCV(PENALTIES).fit(one, known).predict(two), target).statistic)

    node = model.blueprint.inputs["node"].tolist()
    below = {"signal": GENES[:4], "upper": ["signal", "noise"], "root": ["upper", "other", "signal", "g11"]}
    for term, children in below.items():
        parent = power([h[:, spans[term]] for h in hidden])
        columns = [
            np.concatenate([h[:, spans[c]] if c in spans else x[:, [node.index(c)]] for c in children], axis=1)
            for h, x in zip(hidden, inputs, strict=True)
        ]
        assert table.loc[term, "parent"] == pytest.approx(parent, abs=1e-3)
        assert table.loc[term, "children"] == pytest.approx(power(columns), abs=1e-3)
        assert table.loc[term, "ratio"] == pytest.approx(parent / max(power(columns), LEAST_POWER), rel=0.01)
    assert table.loc["signal", "children"] > 0.9
    scores = node_importance(model, test, target, train, values.outputs, measure="rlipp", reference_target=known)["all"]
    pd.testing.assert_series_equal(scores, table["ratio"], check_names=False)
    alone = node_importance(model, test, target, train, values.outputs, measure="correlation", reference_target=known)[
        "all"
    ]
    assert alone.loc[model.network.term_ids].to_numpy() == pytest.approx(table["parent"].to_numpy())
    assert alone.loc[GENES[:4]].mean() > alone.loc[GENES[4:]].mean() + 0.1
    with pytest.raises(KgregError, match="target is missing"):
        node_importance(model, test, target, train, values.outputs, measure="rlipp")


def test_permuted_outcomes_leave_no_power(values: Samples) -> None:
    model = untrained(values, Architecture())
    test, target, train = parts(model, values)
    shuffled = np.random.default_rng(0).permutation(values.target[TRAIN])
    real, null = (
        predictive_power(Inquiry(model, test, train), target, known, values.outputs, children=False).set_index("node")
        for known in (values.target[TRAIN], shuffled)
    )
    assert real.loc["signal", "parent"] > null["parent"].max()
    assert real["children"].isna().all()
    assert (real["n"] == len(TEST)).all()


def interactions() -> Blueprint:
    pairs = pd.DataFrame({"source": GENES[:-1], "target": GENES[1:]})
    return compile_interactions(pairs, pd.DataFrame({"feature": [f"{gene}.data" for gene in GENES], "gene": GENES}))


def test_attention_is_the_mean_over_the_edges_of_a_node(classes: Samples) -> None:
    model = untrained(classes, GraphDesign(conv="gat", widths=(4,), gene_features=3), interactions())
    test, target, train = parts(model, classes)
    table = node_importance(model, test, target, train, classes.outputs, measure="attention")
    rows = np.flatnonzero(target == 1)
    edges = model.network.edge_attention(model.inputs_of(test.rows(rows))).numpy()
    np.testing.assert_allclose(table.loc["g00", "class 1"], edges[0], rtol=1e-5)
    np.testing.assert_allclose(table.loc["g05", "class 1"], edges[4:6].mean(), rtol=1e-5)


FAMILIES: dict[str, Any] = {
    "visible": (Architecture(), BLUEPRINT),
    "nodes": (Architecture(readout="terms", gene_layer=True, heads="tanh"), BLUEPRINT),
    "factors": (LaplacianAutoencoder(hidden=(6, 3)), interactions()),
    "ontology": (OntologyAutoencoderDesign(), BLUEPRINT),
    "terms": (TermAutoencoderDesign(), BLUEPRINT),
    "moli": (MoliDesign(width=4), BLUEPRINT),
    "graph": (GraphDesign(conv="gcn", widths=(3,)), interactions()),
    "attention": (GraphDesign(conv="gat", widths=(3,)), interactions()),
    "pooled": (GraphDesign(conv="cheb", order=2, widths=(3,), pool=(2,)), interactions()),
    "dense": (DenseDesign(widths=(4,)), BLUEPRINT),
}


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_every_measure_or_says_which(classes: Samples, family: str, measure: Measure) -> None:
    design, blueprint = FAMILIES[family]
    model = untrained(classes, design, blueprint)
    found = scored_or_refused(model, classes, measure)
    if family == "visible":
        assert (found is None) == (measure == "attention")


# Central differences would compile the bank in double precision: ten seconds.
@pytest.mark.parametrize("measure", [measure for measure in MEASURES if measure != "central_difference"])
def test_motifs_have_measures_that_need_no_path(measure: Measure) -> None:
    samples = planted_samples(n=120)
    model = untrained(samples, MotifDesign(), small_motifs())
    found = scored_or_refused(model, samples, measure)
    refused = {"conductance", "deeplift", "expected_gradients", "attention", "rlipp"}
    assert (found is None) == (measure in refused)


def scored_or_refused(model: FittedModel, samples: Samples, measure: Measure) -> pd.DataFrame | None:
    test, target, train = parts(model, samples)
    try:
        found = node_importance(
            model, test, target, train, samples.outputs, measure=measure, reference_target=samples.target[TRAIN]
        )
    except KgregError as refused:
        assert "Choose" in str(refused.hint)  # noqa: PT017 (either is right)
        return None
    assert list(found.columns) == [*samples.outputs, "all"]
    assert np.isfinite(found.to_numpy()).all()
    assert set(found.index) <= set(importance_nodes(model))
    if measure in PER_SAMPLE:
        assert list(found.index) == importance_nodes(model)
    return found


def test_unknown_measures_and_those_without_samples_are_refused(values: Samples) -> None:
    model = untrained(values, Architecture())
    test, target, train = parts(model, values)
    with pytest.raises(KgregError, match="no such measure") as refused:
        node_importance(model, test, target, train, values.outputs, measure="shap")  # type: ignore[arg-type]
    assert "integrated_gradients" in str(refused.value.hint)
    with pytest.raises(KgregError, match="scores a set of samples"):
        attribute(model, test, train, values.outputs, measure="rlipp")
