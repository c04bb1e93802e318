"""The visible network against a loop over its terms, and what it promises about its parameters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kgreg.blueprint import Blueprint
from kgreg.errors import FitError
from kgreg.nn import VisibleNetwork
from tests.nn.slow_network import SlowNetwork, blocks
from tests.random_graphs import Knowledge, blueprints

some = settings(max_examples=40, deadline=None)
ORDERS = st.sampled_from(["norm-tanh", "tanh-norm"])


def make(blueprint: Blueprint, n_outputs: int = 2, seed: int = 0, **options: object) -> VisibleNetwork:
    """Return a network in double precision whose batch norms are in no way neutral."""
    torch.manual_seed(seed)
    network = VisibleNetwork(blueprint, n_outputs, **options).double()
    with torch.no_grad():
        for norm in network.norms:
            norm.weight.uniform_(0.5, 2.0)
            norm.bias.uniform_(-0.5, 0.5)
            norm.running_mean.uniform_(-0.5, 0.5)
            norm.running_var.uniform_(0.5, 2.0)
        if network.head_bias is not None:
            network.head_bias.uniform_(-0.5, 0.5)
    return network


def batch(blueprint: Blueprint, n: int = 5, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, len(blueprint.inputs), dtype=torch.float64, generator=generator)


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


@some
@given(blueprints(), ORDERS, st.booleans(), st.booleans(), st.integers(1, 3))
def test_outputs_and_all_gradients_equal_those_of_the_loop(
    blueprint: Blueprint, order: str, training: bool, auxiliary: bool, n_outputs: int
) -> None:
    network = make(blueprint, n_outputs, order=order, auxiliary=auxiliary).train(training)
    slow = SlowNetwork(network, blueprint)
    x, x_slow = batch(blueprint).requires_grad_(), batch(blueprint).requires_grad_()
    out = network(x)
    outputs, heads, signal = slow(x_slow, training)

    close(out.outputs, outputs)
    close(torch.cat(out.hidden), torch.cat([signal[term] for term in network.term_ids]))
    assert (out.auxiliary is not None) == auxiliary
    if out.auxiliary is not None:
        assert out.auxiliary.shape == (len(blueprint.terms), n_outputs, len(x))
        close(out.auxiliary, torch.stack([heads[term] for term in network.term_ids]))

    # A loss that weighs every number differently, so that no mistake can cancel.
    def loss(outputs: Tensor, by_term: Tensor | None) -> Tensor:
        def weigh(values: Tensor) -> Tensor:
            return (values * torch.linspace(0.3, 2.1, values.numel(), dtype=values.dtype).view(values.shape)).sum()

        return weigh(outputs) + (0.0 if by_term is None else weigh(torch.tanh(by_term)))

    loss(out.outputs, out.auxiliary).backward()
    loss(outputs, torch.stack([heads[term] for term in network.term_ids]) if auxiliary else None).backward()
    close(_grad(x), _grad(x_slow))
    for pair, gradient in blocks(network, blueprint, gradient=True).items():
        close(gradient, _grad(slow.weight[pair]))
    terms = network.term_ids
    close(_grad(network.bias), torch.cat([_grad(slow.bias[term]) for term in terms]))
    close(torch.cat([_grad(n.weight) for n in network.norms]), torch.cat([_grad(slow.scale[term]) for term in terms]))
    close(torch.cat([_grad(n.bias) for n in network.norms]), torch.cat([_grad(slow.shift[term]) for term in terms]))
    close(_grad(network.readout.weight), _grad(slow.readout[0]))
    close(_grad(network.readout.bias), _grad(slow.readout[1]))
    if auxiliary:
        close(_grad(network.head_bias), torch.cat([_grad(slow.head[term][1]) for term in terms]))
        flat = torch.cat([_grad(slow.head[term][0]).flatten() for term in terms])
        close(_grad(network.heads.weight), flat)


def _grad(tensor: Tensor) -> Tensor:
    return torch.zeros_like(tensor) if tensor.grad is None else tensor.grad


@some
@given(blueprints(), ORDERS)
def test_running_statistics_follow_the_training_batches(blueprint: Blueprint, order: str) -> None:
    network = make(blueprint, order=order).train()
    slow = SlowNetwork(network, blueprint)
    for seed in range(3):
        network(batch(blueprint, 4 + seed, seed))
        slow(batch(blueprint, 4 + seed, seed), training=True)
    mean, variance = (torch.cat([slow.running[term][i] for term in network.term_ids]) for i in (0, 1))
    close(torch.cat([norm.running_mean for norm in network.norms]), mean)
    close(torch.cat([norm.running_var for norm in network.norms]), variance)
    network.eval()
    close(network.predict(batch(blueprint, 2)), slow(batch(blueprint, 2), training=False)[0])


@some
@given(blueprints(), st.booleans(), st.data())
def test_the_order_of_samples_does_not_matter(blueprint: Blueprint, training: bool, data: st.DataObject) -> None:
    network = make(blueprint).train(training)
    x = batch(blueprint, 6)
    turn = torch.tensor(data.draw(st.permutations(range(6))))
    straight, turned = network(x), network(x[turn])
    close(straight.outputs[turn], turned.outputs)
    close(straight.auxiliary[:, :, turn], turned.auxiliary)


@some
@given(blueprints(), st.data())
def test_inputs_that_are_dealt_to_other_genes_are_read_there(blueprint: Blueprint, data: st.DataObject) -> None:
    turn = data.draw(st.permutations(range(len(blueprint.inputs))))
    inputs = blueprint.inputs.assign(node=blueprint.inputs["node"].to_numpy()[list(turn)])
    other = replace(blueprint, inputs=inputs)
    network = make(other).eval()
    x = batch(blueprint)
    close(network.predict(x), SlowNetwork(network, other)(x, training=False)[0])


@some
@given(blueprints(), st.integers(1, 4), st.booleans())
def test_there_is_a_parameter_for_every_edge_and_no_other(
    blueprint: Blueprint, n_outputs: int, auxiliary: bool
) -> None:
    network = VisibleNetwork(blueprint, n_outputs, auxiliary=auxiliary)
    width = blueprint.nodes.set_index("id")["width"]
    edges = sum(
        int(width[t] * width[s]) for s, t in zip(blueprint.edges["source"], blueprint.edges["target"], strict=True)
    )
    neurons, terms = int(blueprint.terms["width"].sum()), len(blueprint.terms)
    read = int(width[blueprint.outputs["node"]].sum())
    expected = edges + neurons + 2 * neurons + read * n_outputs + n_outputs
    if auxiliary:
        expected += neurons * n_outputs + terms * n_outputs
    assert network.n_parameters() == expected


@some
@given(blueprints())
def test_weights_start_within_the_bounds_of_their_fan_in(blueprint: Blueprint) -> None:
    network = VisibleNetwork(blueprint, 2)
    width = blueprint.nodes.set_index("id")["width"]
    reads = blueprint.edges.assign(n=width[blueprint.edges["source"]].to_numpy()).groupby("target")["n"].sum()
    for (_, target), block in blocks(network, blueprint).items():
        assert block.abs().max() <= 1 / np.sqrt(reads[target]) + 1e-6
    for term, at in network.term_slices().items():
        assert network.bias[at].abs().max() <= 1 / np.sqrt(reads[term]) + 1e-6
    assert not network.head_bias.any()


@pytest.fixture
def broad() -> Blueprint:
    """Fifty genes on either of two roots, one of which also reads the other's child."""
    genes = [f"g{i}" for i in range(50)]
    links = [("low", "left"), ("low", "right")]
    pairs = [(gene, root) for gene in genes for root in ("left", "right")] + [("g0", "low"), ("g1", "low")]
    return Knowledge(links, pairs, genes).compile(width=8)


def test_weights_fill_their_bounds(broad: Blueprint) -> None:
    torch.manual_seed(0)
    weight = torch.cat(
        [block.flatten() for (s, t), block in blocks(VisibleNetwork(broad, 1), broad).items() if t == "left"]
    )
    bound = 1 / np.sqrt(50 + 8)
    assert 0.95 * bound < float(weight.abs().max()) <= bound
    assert float(weight.std()) == pytest.approx(bound / np.sqrt(3), rel=0.1)
    assert abs(float(weight.mean())) < 0.1 * bound


def test_the_same_seed_gives_the_same_network_and_another_seed_another(broad: Blueprint) -> None:
    def start(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return VisibleNetwork(broad, 1).predict(torch.ones(3, 50))

    assert torch.equal(start(4), start(4))
    assert not torch.allclose(start(4), start(5))


def test_several_roots_are_all_read(broad: Blueprint) -> None:
    network = VisibleNetwork(broad, 3)
    assert network.readout.in_features == 16
    hidden = network.eval()(torch.ones(2, 50)).hidden
    assert [len(level) for level in hidden] == [8, 16]


def test_another_number_of_features_is_an_error_that_gives_both(broad: Blueprint) -> None:
    with pytest.raises(FitError, match="reads 50 features, the data have 49"):
        VisibleNetwork(broad, 1)(torch.ones(4, 49))


@pytest.mark.parametrize("n_outputs", [0, -2])
def test_a_network_without_outputs_is_refused(broad: Blueprint, n_outputs: int) -> None:
    with pytest.raises(FitError, match="at least one output"):
        VisibleNetwork(broad, n_outputs)


def test_a_blueprint_without_inputs_is_refused(broad: Blueprint) -> None:
    with pytest.raises(FitError, match="at least one input"):
        VisibleNetwork(replace(broad, inputs=broad.inputs.iloc[:0]), 1)


def test_dropout_silences_inputs_in_training_only(broad: Blueprint) -> None:
    network = VisibleNetwork(broad, 1, dropout=0.5)
    x = torch.ones(4, 50)
    plain = VisibleNetwork(broad, 1)
    plain.load_state_dict(network.state_dict())
    assert torch.equal(network.eval().predict(x), plain.eval().predict(x))
    network.train()
    torch.manual_seed(0)
    first = network(x).outputs
    assert not torch.allclose(first, network(x).outputs)


def test_a_network_moves_between_precisions_and_keeps_its_output(broad: Blueprint) -> None:
    network = VisibleNetwork(broad, 2).eval()
    x = torch.randn(4, 50)
    single = network.predict(x)
    torch.testing.assert_close(network.double().predict(x.double()).float(), single, rtol=1e-4, atol=1e-5)


def test_the_state_holds_parameters_and_running_statistics_only(broad: Blueprint) -> None:
    network = VisibleNetwork(broad, 2)
    names = {name.split(".")[-1] for name in network.state_dict()}
    assert names == {"weight", "bias", "head_bias", "running_mean", "running_var", "num_batches_tracked"}
    torch.manual_seed(99)
    twin = VisibleNetwork(broad, 2)
    twin.load_state_dict(network.state_dict())
    x = torch.randn(3, 50)
    assert torch.equal(network.eval().predict(x), twin.eval().predict(x))
