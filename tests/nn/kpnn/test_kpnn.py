"""Networks read at their nodes against a loop over the proteins; dropout spared by siblings; node weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from kgreg.blueprint import Blueprint, compile_network
from kgreg.data import Scaler
from kgreg.decode import node_importance
from kgreg.errors import FitError
from kgreg.fit.fitted import FittedModel
from kgreg.fit.losses import cross_entropy
from kgreg.fit.readings import Preprocessing
from kgreg.nn import Architecture, VisibleNetwork
from kgreg.nn.layout import lay_out
from tests.nn.slow_network import SlowNetwork

KPNN = Architecture(
    activation="sigmoid", norm="none", heads="none", readout="nodes", initial="normal", sibling_dropout=True
)
LINKS = [
    ("out", "A"), ("out", "B"), ("out", "C"), ("out", "D"), ("A", "E"), ("B", "E"), ("B", "F"), ("C", "g1"), ("C", "E"),
    ("C", "F"), ("D", "g4"), ("E", "g1"), ("E", "g2"), ("F", "g3"), ("F", "g2"), ("out", "F"), ("second", "A"),
]  # fmt: skip


def network_of(*outputs: str) -> Blueprint:
    genes = ["g1", "g2", "g3", "g4"]
    features = pd.DataFrame({"feature": genes, "gene": genes})
    return compile_network(pd.DataFrame(LINKS, columns=["parent", "child"]), features, list(outputs))


def by_hand(network: VisibleNetwork, blueprint: Blueprint, x: Tensor, nudge: dict[str, float] | None = None) -> Tensor:
    """Return the logits ``[outputs, batch]`` node by node: sigma(w . children + b), outputs without the sigma."""
    h, outputs = network.hierarchy, blueprint.outputs["node"].tolist()
    signal = {node: x[:, i] for i, node in enumerate(blueprint.inputs["node"])}
    for node in blueprint.terms["id"]:
        t = h.position[node]
        z = h.bias[0, int(h.program.start[t])].expand(len(x))
        columns = h.program.input_column[h.program.input_ptr[t] : h.program.input_ptr[t + 1]]
        below = [name for name in blueprint.terms["id"] if ((blueprint.edges["source"] == name) & (
            blueprint.edges["target"] == node)).any()]  # fmt: skip
        for weight, column in zip(h.block(h.input_weight, node, links=False)[0, 0], columns, strict=True):
            z = z + weight * x[:, int(column)]
        for weight, child in zip(h.block(h.link_weight, node, links=True)[0, 0], below, strict=True):
            z = z + weight * signal[child]
        signal[node] = (z if node in outputs else torch.sigmoid(z)) + (nudge or {}).get(node, 0.0)
    return torch.stack([signal[node] for node in outputs])


def test_outputs_and_gradients_are_those_of_a_loop_over_the_proteins() -> None:
    blueprint = network_of("out", "second")
    torch.manual_seed(0)
    network = VisibleNetwork(blueprint, 2, KPNN, link="sigmoid").double().eval()
    x = torch.randn(7, 4, dtype=torch.float64)
    expected = by_hand(network, blueprint, x)
    found = network.predict(x)
    torch.testing.assert_close(found.T, expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(SlowNetwork(network, blueprint)(x, False).outputs, found, rtol=0, atol=1e-10)
    parameters = [p for p in network.parameters() if p.numel()]
    one = torch.autograd.grad(found.square().sum(), parameters)
    two = torch.autograd.grad(expected.square().sum(), parameters)
    for a, b in zip(one, two, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10)


def test_a_few_steps_of_adam_with_the_penalty_of_the_paper() -> None:
    # lambda / 2 |w|^2 / N in the loss is a decay of lambda / N in Adam's gradient, of weights and not of biases.
    blueprint, penalty, n = network_of("out"), 0.3, 8
    x, y = torch.randn(n, 4, dtype=torch.float64), torch.arange(n) % 2
    torch.manual_seed(1)
    network = VisibleNetwork(blueprint, 2, KPNN, link="softmax").double()
    twin = VisibleNetwork(blueprint, 2, KPNN, link="softmax").double()
    twin.load_state_dict(network.state_dict())
    weights = [network.hierarchy.input_weight, network.hierarchy.link_weight]
    groups = [{"params": weights, "weight_decay": penalty / n}, {"params": [network.hierarchy.bias]}]
    ours = torch.optim.Adam(groups, lr=0.01)
    theirs = torch.optim.Adam(twin.parameters(), lr=0.01)
    for _ in range(5):
        ours.zero_grad()
        cross_entropy(network.eval().predict(x).T, y).backward()
        ours.step()
        theirs.zero_grad()
        logit = by_hand(twin, blueprint, x)[0]
        size = twin.hierarchy.input_weight.square().sum() + twin.hierarchy.link_weight.square().sum()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logit, y.double()) + penalty / 2 * size / n
        loss.backward()
        theirs.step()
    for a, b in zip(network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-8)


def test_few_siblings_spare_the_dropout() -> None:
    blueprint = network_of("out", "second")
    layout = lay_out(blueprint, replace(KPNN, term_dropout=0.5), 2)
    dropout = {node.id: node.dropout for node in layout.nodes}
    # A: {A, B, C, D, F}; E: {E, F, g1}; F: {A, B, C, D, F, E, g1}; D: read by out alone, with four others
    assert dropout == {"E": 0.3, "F": 0.5, "A": 0.5, "B": 0.5, "C": 0.5, "D": 0.5, "out": 0.0, "second": 0.0}
    chain = pd.DataFrame([("out", "A"), ("A", "B"), ("A", "C"), ("B", "g1"), ("C", "g2")], columns=["parent", "child"])
    genes = pd.DataFrame({"feature": ["g1", "g2"], "gene": ["g1", "g2"]})
    layout = lay_out(compile_network(chain, genes), replace(KPNN, term_dropout=0.05), 1)
    assert {node.id: node.dropout for node in layout.nodes} == {"A": 0.0, "B": 0.05, "C": 0.05, "out": 0.0}
    layout = lay_out(compile_network(chain, genes), replace(KPNN, term_dropout=0.2), 1)
    assert {node.id: node.dropout for node in layout.nodes} == {"A": 0.0, "B": 0.1, "C": 0.1, "out": 0.0}


def test_weights_start_normal() -> None:
    blueprint = network_of("out")
    drawn = []
    for seed in range(200):
        torch.manual_seed(seed)
        network = VisibleNetwork(blueprint, 2, KPNN, link="softmax")
        drawn.append(torch.cat([p.detach().flatten() for p in network.hierarchy.parameters()]))
    values = torch.cat(drawn)
    assert abs(float(values.mean())) < 0.05
    assert abs(float(values.std()) - 1) < 0.05


def test_node_weights_are_the_central_differences_of_the_paper() -> None:
    blueprint = network_of("out")
    torch.manual_seed(2)
    network = VisibleNetwork(blueprint, 2, KPNN, link="softmax").eval()
    rng = np.random.default_rng(0)
    x, target = rng.random((50, 4)).astype(np.float32), np.arange(50) % 2
    scaler = Scaler.fit(x, "max")
    model = FittedModel(network, blueprint, Preprocessing(scaler, None), "classification", (0.0, 1.0), 0, 0, [])
    found = node_importance(model, x, target, x, ["no", "yes"], batch_size=16, measure="gradient")
    twin = VisibleNetwork(blueprint, 2, KPNN, link="softmax").double()
    twin.load_state_dict(network.state_dict())
    scaled, step = torch.from_numpy(scaler.transform(x)).double(), 1e-3
    for node in blueprint.terms["id"]:
        up, down = (torch.sigmoid(by_hand(twin, blueprint, scaled, {node: s * step})[0]) for s in (1, -1))
        difference = ((up - down) / (2 * step)).mean().item()
        assert found.at[node, "yes"] == pytest.approx(difference, abs=1e-6)
        assert found.at[node, "no"] == pytest.approx(-difference, abs=1e-6)
        assert found.at[node, "all"] == pytest.approx(abs(difference), abs=1e-6)
    for i, gene in enumerate(blueprint.inputs["node"]):
        moved = torch.zeros_like(scaled)
        moved[:, i] = step
        up, down = (torch.sigmoid(by_hand(twin, blueprint, scaled + s * moved)[0]) for s in (1, -1))
        assert found.at[gene, "yes"] == pytest.approx(((up - down) / (2 * step)).mean().item(), abs=1e-6)


def test_knockouts_are_full_passes_with_other_inputs() -> None:
    blueprint = network_of("out")
    network = VisibleNetwork(blueprint, 2, KPNN, link="softmax").double().eval()
    x = torch.randn(6, 4, dtype=torch.float64)
    for changed, column in zip(network.knock_out(x, [[0], [2]]), (0, 2), strict=True):
        other = x.clone()
        other[:, column] = 0
        torch.testing.assert_close(changed.outputs, network.predict(other)[changed.samples].detach())


@pytest.mark.parametrize(
    ("outputs", "n_outputs", "more", "message"),
    [
        (["out", "second"], 3, {}, "reads out 2 nodes, what is to be predicted has 3"),
        (["out"], 3, {}, "reads out 1 nodes"),
        (["out"], 2, {"n_covariates": 1}, "no place for covariates"),
    ],
)
def test_outputs_that_do_not_fit_are_refused(
    outputs: list[str], n_outputs: int, more: dict[str, int], message: str
) -> None:
    with pytest.raises(FitError, match=message):
        VisibleNetwork(network_of(*outputs), n_outputs, KPNN, link="softmax", **more)
    with pytest.raises(FitError, match="one neuron of every output node; out has 3"):
        VisibleNetwork(network_of("out").with_width(3), 2, KPNN, link="softmax")


def test_the_largest_value_of_the_training_part_becomes_one() -> None:
    x = np.array([[0, 2, 5, 0], [4, 3, 5, -2]], dtype=np.float32)
    np.testing.assert_allclose(Scaler.fit(x, "max").transform(x), [[0, 0, 0, 0], [1, 1, 0, -1]])
