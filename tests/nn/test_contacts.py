"""The gated graph network over windows: a loop over nodes, and what it begins as."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import Tensor

from kgreg.blueprint.motifs import sequence_blueprint
from kgreg.errors import FitError
from kgreg.nn.contacts import ContactNetwork, WindowClassifier, split_at_features
from kgreg.nn.contacts.network import propagation_of
from kgreg.nn.inputs import Inputs
from kgreg.nn.sequence.design import SequenceDesign
from kgreg.nn.sequence.encoding import one_hot, reverse_complement
from kgreg.nn.sequence.network import SequenceNetwork


def case(
    n: int = 9, strands: int = 2, features: int = 5, labels: int = 3
) -> tuple[WindowClassifier, Tensor, sparse.csr_matrix]:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    upper = np.triu(rng.random((n, n)) < 0.3, k=1) * rng.integers(1, 5, (n, n)).astype(float)
    upper[:, 4] = upper[4] = 0  # a window without partners
    classifier = WindowClassifier(features, labels).double()
    x = torch.randn(n, strands, features, dtype=torch.float64)
    for _ in range(20):
        classifier(3 * torch.randn(64, features, dtype=torch.float64) + 0.5)
    with torch.no_grad():
        classifier.norm.weight.uniform_(0.5, 2)
        classifier.norm.bias.uniform_(-1, 1)
    return classifier.eval(), x, sparse.csr_matrix(upper + upper.T)


def slow(network: ContactNetwork, x: Tensor, adjacency: sparse.csr_matrix) -> tuple[Tensor, list[list[Tensor]]]:
    """Window by window, from the equations; in evaluation mode."""
    dense = adjacency.toarray()
    dense = dense / dense[dense > 0].mean() + np.eye(len(dense))
    norm = network.last.norm
    logits, gates = [], []
    for strand in range(x.shape[1]):
        h = list(x[:, strand])
        own = []
        for layer in network.convolutions:
            new, gate = [], []
            for i in range(len(h)):
                mean = sum(dense[i, j] * h[j] for j in range(len(h))) / dense[i].sum()
                z = torch.tanh(mean @ layer.weight + layer.bias)
                g = torch.sigmoid((z * layer.gate.weight[0]).sum() + layer.gate.bias[0])
                new.append((1 - g) * h[i] + g * z)
                gate.append(g)
            h = new
            own.append(gate)
        gates.append(own)
        rows = [
            (torch.clamp(v, min=0) - norm.running_mean) / torch.sqrt(norm.running_var + norm.eps) * norm.weight
            + norm.bias
            for v in h
        ]
        logits.append(torch.stack([network.last.out.weight @ row + network.last.out.bias for row in rows]))
    return sum(logits) / len(logits), gates


@pytest.mark.parametrize("layers", [1, 2])
def test_it_equals_a_loop_over_windows(layers: int) -> None:
    torch.set_default_dtype(torch.float64)
    try:
        classifier, x, adjacency = case()
        network = ContactNetwork(classifier, layers, gain=1.0).eval()
        mean = propagation_of(adjacency)
        x.requires_grad_()
        found, gates = network.trace(x, mean)
        expected, slow_gates = slow(network, x, adjacency)
        torch.testing.assert_close(found, expected)
        for layer, gate in enumerate(gates):
            loop = torch.stack([torch.stack(own[layer]) for own in slow_gates]).mean(dim=0)
            torch.testing.assert_close(gate, loop)
        parameters = [x, *network.parameters()]
        fast = torch.autograd.grad(found.square().sum(), parameters)
        loop_gradients = torch.autograd.grad(expected.square().sum(), parameters)
        for one, two in zip(fast, loop_gradients, strict=True):
            torch.testing.assert_close(one, two)
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_it_begins_as_the_classifier(layers: int) -> None:
    classifier, x, adjacency = case()
    classifier, x = classifier.float(), x.float()
    mean = propagation_of(adjacency)
    expected = torch.stack([classifier(strand) for strand in x.unbind(dim=1)]).mean(dim=0)
    network = ContactNetwork(classifier, layers, dropout=0.0)
    torch.testing.assert_close(network.eval()(x, mean), expected, atol=0.15, rtol=0.05)
    for layer in network.convolutions:
        torch.nn.init.zeros_(layer.weight)
    torch.testing.assert_close(network(x, mean), expected, atol=1e-3, rtol=1e-3)
    # With the statistics of the batch too: a factor that all windows share is not seen.
    of_batch = torch.stack([classifier.train()(strand) for strand in x.unbind(dim=1)]).mean(dim=0)
    torch.testing.assert_close(network.train()(x, mean), of_batch, atol=1e-2, rtol=1e-2)


def test_the_classifier_that_is_given_is_copied() -> None:
    classifier = case()[0].float()
    network = ContactNetwork(classifier, dropout=0.0)
    before = classifier.out.weight.clone()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    torch.testing.assert_close(classifier.out.weight, before)


def test_a_sequence_network_is_cut_at_its_features() -> None:
    torch.manual_seed(0)
    layers = [{"kind": "conv", "filters": 6, "width": 5}, {"kind": "pool"}, {"kind": "dense", "units": 4}]
    network = sequence_network([*layers, {"kind": "norm"}])
    encoder, classifier = split_at_features(network)
    codes = torch.randint(0, 5, (7, 30), dtype=torch.uint8)
    expected = network.predict(Inputs(torch.zeros(1, 7, 0), sequences=codes[None]))
    both = [classifier(encoder(one_hot(strand))) for strand in (codes, reverse_complement(codes))]
    torch.testing.assert_close(sum(logit.sigmoid() for logit in both) / 2, expected.sigmoid())
    with pytest.raises(FitError, match="does not end in a dense layer with ReLU, a normalisation"):
        split_at_features(sequence_network(layers))


def sequence_network(layers: list[dict[str, object]]) -> SequenceNetwork:
    design = SequenceDesign.model_validate({"layers": layers, "length": 30})
    return design.build(sequence_blueprint({}), 2, link="sigmoid").eval()
