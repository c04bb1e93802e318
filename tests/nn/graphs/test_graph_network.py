"""Graph networks against loops over nodes, and against the layers of torch-geometric."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from kgreg.blueprint import Blueprint
from kgreg.errors import FitError
from kgreg.nn import Inputs
from kgreg.nn.graphs import GraphDesign, GraphNetwork
from kgreg.nn.graphs import network as network_module
from kgreg.nn.graphs.attention import GraphAttention
from kgreg.nn.graphs.convolutions import Chebyshev, Gcn, Sage
from kgreg.nn.graphs.genes import gene_graph
from tests.nn.graphs.slow_graphs import random_blueprint, slow_outputs

DESIGNS: dict[str, dict[str, Any]] = {
    "cheb": {"conv": "cheb", "order": 4, "widths": (3, 2)},
    "cheb, pooled": {"conv": "cheb", "order": 3, "widths": (3, 2), "pool": (2, 4), "hidden": (5, 4), "dense": (6, 3)},
    "gcn": {"conv": "gcn", "widths": (4, 2), "activation": "tanh", "gene_features": 3},
    "gcn, mean": {"conv": "gcn", "widths": (1, 4), "readout": "mean", "hidden": (3,), "pool": (2, 1)},
    "sage": {"conv": "sage", "widths": (3, 4), "readout": "mean", "gene_features": 2},
    "sage, unit": {"conv": "sage", "widths": (3, 4), "unit_length": True},
    "gat": {"conv": "gat", "widths": (2, 3), "heads": 3, "activation": "elu"},
    "gat, pooled": {"conv": "gat", "widths": (2, 3), "heads": 2, "last_heads": "mean", "pool": (1, 2), "dense": (4,)},
}


@pytest.fixture(autouse=True)
def in_doubles() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def made(
    options: dict[str, Any], modalities: int = 2, covariates: int = 0, seed: int = 0, n: int = 12
) -> tuple[GraphNetwork, Blueprint, Tensor, Tensor | None]:
    blueprint = random_blueprint(n, seed=seed, modalities=modalities)
    torch.manual_seed(seed)
    names = [f"c{i}" for i in range(covariates)]
    network = GraphDesign(**options).build(blueprint, 2, covariates=names)
    for parameter in network.parameters():  # biases too, which begin at 0
        torch.nn.init.normal_(parameter, std=0.5)
    x = torch.randn(5, len(blueprint.inputs))
    return network, blueprint, x, torch.randn(5, covariates) if covariates else None


def inputs(x: Tensor, covariates: Tensor | None = None) -> Inputs:
    return Inputs(x[None], covariates=None if covariates is None else covariates[None])


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("covariates", [0, 2])
def test_outputs_and_gradients_equal_a_loop_over_nodes(name: str, covariates: int) -> None:
    network, blueprint, x, c = made(DESIGNS[name], covariates=covariates)
    x.requires_grad_(True)
    weights = torch.randn(5, 2)
    leaves = [x, *network.parameters()]
    expected, _ = slow_outputs(network, blueprint, x, c)
    found = network(inputs(x, c)).outputs
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
    slopes = torch.autograd.grad((found * weights).sum(), leaves)
    expected_slopes = torch.autograd.grad((expected * weights).sum(), leaves)
    for slope, wanted in zip(slopes, expected_slopes, strict=True):
        torch.testing.assert_close(slope, wanted, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["cheb, pooled", "gcn", "sage", "gat"])
def test_steps_of_an_optimiser_equal_those_of_the_loop(name: str) -> None:
    network, blueprint, x, _ = made(DESIGNS[name])
    twin, *_ = made(DESIGNS[name])
    target = torch.randn(5, 2)
    optimisers = [torch.optim.Adam(each.parameters(), lr=0.01) for each in (network, twin)]
    for _ in range(3):
        losses = [
            ((network(inputs(x)).outputs - target) ** 2).mean(),
            ((slow_outputs(twin, blueprint, x)[0] - target) ** 2).mean(),
        ]
        for optimiser, loss in zip(optimisers, losses, strict=True):
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        assert abs(losses[0].item() - losses[1].item()) <= 1e-10


@pytest.mark.parametrize("name", ["gat", "gat, pooled"])
def test_attention_of_interactions_equals_that_of_the_loop(name: str) -> None:
    network, blueprint, x, _ = made(DESIGNS[name])
    _, expected = slow_outputs(network, blueprint, x)
    found = network.eval().edge_attention(inputs(x))
    assert found is not None
    wanted = [expected[row.source, row.target] for row in blueprint.interactions.itertuples()]
    np.testing.assert_allclose(found.numpy(), wanted, rtol=0, atol=1e-10)


def test_attention_is_uniform_where_nothing_tells_neighbours_apart() -> None:
    network, _, x, _ = made({"conv": "gat", "widths": (2,), "heads": 2})
    torch.nn.init.zeros_(network.convolutions[0].sender)  # type: ignore[arg-type]
    np.testing.assert_allclose(network.edge_attention(inputs(x)), 1.0, atol=1e-12)  # type: ignore[arg-type]


def test_other_convolutions_have_no_attention() -> None:
    network, _, x, _ = made(DESIGNS["gcn"])
    assert network.edge_attention(inputs(x)) is None


def test_large_scores_do_not_overflow() -> None:
    network, _, x, _ = made({"conv": "gat", "widths": (2,), "heads": 2})
    found = network(inputs(x * 1e4)).outputs
    assert torch.isfinite(found).all()


# ---- against torch-geometric -----------------------------------------------------------------------------------------


@pytest.fixture(name="pyg")
def graph_for_pyg() -> tuple[Any, Tensor, Tensor, Tensor]:
    graph = gene_graph(random_blueprint(14, seed=3))
    adjacency = graph.adjacency()
    entries = adjacency.tocoo()
    edges = torch.from_numpy(np.stack([entries.row, entries.col]).astype(np.int64))
    return adjacency, edges, torch.from_numpy(entries.data), torch.randn(14, 4, 3)


def test_chebyshev_is_that_of_torch_geometric(pyg: tuple[Any, Tensor, Tensor, Tensor]) -> None:
    from torch_geometric.nn import ChebConv

    adjacency, edges, weights, x = pyg
    ours, theirs = Chebyshev(adjacency, 3, 2, 4), ChebConv(3, 2, 4)
    for mine, other in zip(ours.weight, theirs.lins, strict=True):
        other.weight.data = mine.data.t()
    expected = theirs(x.transpose(0, 1), edges, weights, lambda_max=2.0)
    torch.testing.assert_close(ours(x).transpose(0, 1), expected, rtol=0, atol=1e-10)


def test_gcn_is_that_of_torch_geometric(pyg: tuple[Any, Tensor, Tensor, Tensor]) -> None:
    from torch_geometric.nn import GCNConv

    adjacency, edges, weights, x = pyg
    for width in (2, 5):
        ours, theirs = Gcn(adjacency, 3, width), GCNConv(3, width)
        theirs.lin.weight.data = ours.weight.data.t()
        torch.testing.assert_close(
            ours(x).transpose(0, 1), theirs(x.transpose(0, 1), edges, weights), rtol=0, atol=1e-10
        )


def test_sage_is_that_of_torch_geometric(pyg: tuple[Any, Tensor, Tensor, Tensor]) -> None:
    from torch_geometric.nn import SAGEConv

    adjacency, edges, _, x = pyg
    ours, theirs = Sage(adjacency, 3, 2), SAGEConv(3, 2)
    theirs.lin_l.weight.data, theirs.lin_r.weight.data = ours.weight_neighbours.data.t(), ours.weight_self.data.t()
    torch.nn.init.zeros_(theirs.lin_l.bias)
    torch.testing.assert_close(ours(x).transpose(0, 1), theirs(x.transpose(0, 1), edges), rtol=0, atol=1e-10)


def test_attention_is_that_of_torch_geometric(pyg: tuple[Any, Tensor, Tensor, Tensor]) -> None:
    from torch_geometric.nn import GATConv

    adjacency, edges, _, x = pyg
    for average in (False, True):
        ours = GraphAttention(adjacency, 3, 2, 3, average)
        theirs = GATConv(3, 2, 3, concat=not average)
        theirs.lin.weight.data = ours.weight.data.t()
        theirs.att_dst.data, theirs.att_src.data = ours.receiver.data[None], ours.sender.data[None]
        each = torch.stack([theirs(x[:, b], edges) for b in range(x.shape[1])], dim=1)
        torch.testing.assert_close(ours(x), each, rtol=0, atol=1e-10)


# ---- memory, sampling, training --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cheb, pooled", "gat"])
def test_pieces_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network, _, x, _ = made(DESIGNS[name])
    whole = network(inputs(x)).outputs
    whole.sum().backward()
    slopes = [p.grad.clone() for p in network.parameters() if p.grad is not None]
    network.zero_grad()
    attention = network.edge_attention(inputs(x))
    monkeypatch.setattr(network_module, "KEPT", 2 * network._numbers)
    found = network(inputs(x)).outputs
    torch.testing.assert_close(found, whole, rtol=0, atol=1e-12)
    found.sum().backward()
    for slope, parameter in zip(slopes, network.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, slope, rtol=0, atol=1e-10)
    if attention is not None:
        torch.testing.assert_close(network.edge_attention(inputs(x)), attention, rtol=0, atol=1e-12)


def test_dropout_acts_in_training_alone() -> None:
    network, _, x, _ = made({**DESIGNS["gat"], "dropout": 0.3, "feature_dropout": 0.3, "attention_dropout": 0.3})
    network.train()
    assert not torch.equal(network(inputs(x)).outputs, network(inputs(x)).outputs)
    network.eval()
    assert torch.equal(network(inputs(x)).outputs, network(inputs(x)).outputs)


def test_a_sampled_step_that_draws_everything_is_the_whole() -> None:
    options = {"conv": "sage", "widths": (3, 4), "readout": "mean", "gene_features": 2}
    whole, _, x, _ = made(options)
    sampled, *_ = made({**options, "seeds": 12, "fanout": (11, 11)})
    expected = whole(inputs(x)).outputs
    found = sampled.train()(inputs(x)).outputs
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
    expected.sum().backward()
    found.sum().backward()
    for ours, theirs in zip(sampled.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=1e-10)


def test_the_mean_over_sampled_steps_comes_near_the_whole() -> None:
    # One linear layer without the activation's bend (all positive): the sampled readout is unbiased.
    network, _, x, _ = made(
        {"conv": "sage", "widths": (3,), "readout": "mean", "seeds": 4, "fanout": (2,)}, modalities=1
    )
    for parameter in network.convolutions.parameters():
        parameter.data.abs_()
    x = x.abs()
    network.train()
    drawn = torch.stack([network(inputs(x)).outputs.detach() for _ in range(3000)])
    expected = network.eval()(inputs(x)).outputs.detach()
    error = drawn.std(dim=0) / len(drawn) ** 0.5
    assert ((drawn.mean(dim=0) - expected).abs() < 5 * error).all()


def test_clusters_are_named_and_lie_on_the_way_to_the_outputs() -> None:
    network, blueprint, x, _ = made(DESIGNS["cheb, pooled"])
    genes = set(blueprint.genes["id"])
    assert len(network.term_ids) == len(set(network.term_ids)) == len(network.cluster_genes)
    assert sorted(g for own in network.cluster_genes.values() for g in own) == sorted(genes)
    assert all(name == f"cluster:{own[0]}" and len(own) <= 8 for name, own in network.cluster_genes.items())
    out, levels = network.trace(inputs(x))
    (slope,) = torch.autograd.grad(out.outputs.sum(), levels)
    assert slope.shape == (5, 2 * len(network.term_ids))
    assert slope.abs().sum() > 0


# ---- bad input -------------------------------------------------------------------------------------------------------


def test_a_blueprint_without_interactions_is_refused() -> None:
    from tests.small_data import small_blueprint

    with pytest.raises(FitError, match="needs interactions"):
        GraphDesign().build(small_blueprint(), 2)


def test_two_features_of_one_gene_and_modality_are_refused() -> None:
    blueprint = random_blueprint(6)
    more = blueprint.inputs.assign(feature=blueprint.inputs["feature"] + " again").head(1)
    twice = replace(blueprint, inputs=pd.concat([blueprint.inputs, more]))
    with pytest.raises(FitError, match="one modality belong to one gene: g00"):
        GraphDesign().build(twice, 2)


def test_disconnected_parts_and_isolated_genes_are_computed() -> None:
    table = pd.DataFrame({"source": ["a", "c"], "target": ["b", "d"]})
    from kgreg.blueprint import compile_interactions

    blueprint = compile_interactions(table, pd.DataFrame({"feature": list("abcdef"), "gene": list("abcdef")}))
    for conv in ("cheb", "gcn", "sage", "gat"):
        network = GraphDesign(conv=conv, widths=(2, 2), pool=(2, 2)).build(blueprint, 1).eval()
        assert torch.isfinite(network(torch.randn(3, 6)).outputs).all()
        # Nothing merges across parts, and an isolated gene stays alone.
        assert sorted(map(tuple, network.cluster_genes.values())) == [("a", "b"), ("c", "d"), ("e",), ("f",)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pool": (2,)}, "pool has 1 numbers for 2 layers"),
        ({"pool": (2, 3)}, "pool = 3 is no power of 2"),
        ({"attention_dropout": 0.1}, "attention_dropout is for"),
        ({"unit_length": True}, "unit_length is for"),
        ({"seeds": 5}, "seeds need conv"),
        ({"seeds": 5, "conv": "sage"}, "seeds need conv"),
        ({"seeds": 5, "conv": "sage", "readout": "mean", "fanout": (3,)}, "fanout has 1 numbers for 2 layers"),
        ({"widths": ()}, "at least 1"),
        ({"conv": "gin"}, "'cheb', 'gcn', 'sage' or 'gat'"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        GraphDesign(**options)


@pytest.mark.parametrize("name", DESIGNS)
def test_the_size_is_about_right(name: str) -> None:
    network, blueprint, *_ = made(DESIGNS[name])
    parameters, activations = network.design.size(blueprint, 2)
    assert 0.7 * network.n_parameters() <= parameters <= 1.5 * network.n_parameters()
    assert activations > len(blueprint.inputs)
    assert GraphDesign.from_dict(network.design.to_dict()) == network.design
