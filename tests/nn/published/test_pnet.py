"""P-NET (Elmarakeby et al. 2021): a neuron a gene over its modalities and one a pathway, tanh, without normalisation; a
logistic head on every layer. Edges that skip layers, which the original loses, are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits

from kgreg.blueprint import Blueprint
from kgreg.nn import Architecture, VisibleNetwork
from kgreg.nn.hierarchy.layers import drop_rows
from tests.nn.published.hierarchies import SOURCES, Terms, in_both_precisions, on_every_hierarchy, with_modalities
from tests.nn.published.training import Copies, assert_trained_alike

PNET = Architecture(
    activation="tanh",
    norm="none",
    heads="layer",
    readout="heads",
    gene_layer=True,
    gene_dropout=0.5,
    term_dropout=0.1,
)
WEIGHTS = (2, 7, 20, 54, 148, 400)


class PnetLoop:
    """``heads_dropped``: heads read what dropout left, as the layer above does; the original's read all."""

    def __init__(self, network: VisibleNetwork, blueprint: Blueprint, heads_dropped: bool) -> None:
        self.terms, self.copies, self.architecture = Terms(blueprint), Copies(network), network.architecture
        self.heads_dropped = heads_dropped
        self.h = h = network.hierarchy
        genes, children = self.terms.own_genes(), self.terms.children()
        features = blueprint.inputs["node"].to_numpy()
        self.features = {gene: np.flatnonzero(features == gene) for gene in self.terms.genes}
        self.reads = {term: genes[term] + children[term] for term in self.terms.order}
        self.linear = {gene: self.copies.linear(gene, h, gene, links=False) for gene in self.terms.genes}
        self.linear |= {term: self.copies.linear(term, h, term) for term in self.terms.order}
        self.heads = [self.copies.linear(f"head of {n}", h, f"head of {n}") for n in network.layout.head_of]

    def __call__(self, x: Tensor, seed: int) -> dict[str, Tensor]:
        """Return the probabilities by layer, ``[batch, 1]``, and their mean."""
        whole: dict[str, Tensor] = {}
        left: dict[str, Tensor] = {}
        for node in [*self.terms.genes, *self.terms.order]:
            gene = node in self.features
            read = (
                x[:, self.features[node]] if gene else torch.cat([left[source] for source in self.reads[node]], dim=1)
            )
            weight, bias = self.linear[node]
            whole[node] = torch.tanh(read @ weight.T + bias)
            p = self.architecture.gene_dropout if gene else self.architecture.term_dropout
            left[node] = self._dropped(node, whole[node], p, seed)
        source = left if self.heads_dropped else whole
        predicted = {}
        levels = self.terms.level
        for number, (weight, bias) in enumerate(self.heads):
            layer = [hidden for node, hidden in source.items() if levels[node] == number]
            predicted[f"layer {number}"] = torch.sigmoid(torch.cat(layer, dim=1) @ weight.T + bias)
        predicted["mean"] = torch.stack(list(predicted.values())).mean(dim=0)
        return predicted

    def _dropped(self, node: str, hidden: Tensor, p: float, seed: int) -> Tensor:
        if not self.copies.training:
            return hidden
        rows = self.h.rows(node)
        keys = torch.arange(rows.start, rows.stop) * 4 + 2
        return drop_rows(hidden.T[None], p, torch.tensor([seed]), keys)[0].T


def layer_weights(n: int) -> list[float]:
    """Return the published weights; more layers than six go on with the last."""
    return [float(w) for w in (*WEIGHTS, *[WEIGHTS[-1]] * n)[:n]]


def check(source: str, precision: str, architecture: Architecture, heads_dropped: bool) -> None:
    blueprint = with_modalities(SOURCES[source]().with_width(1), 3)
    torch.manual_seed(0)
    dtype = torch.float64 if precision == "double" else torch.float32
    network = VisibleNetwork(blueprint, 1, architecture, link="sigmoid").to(dtype)
    loop = PnetLoop(network, blueprint, heads_dropped)
    x = torch.randn(4, 24, len(blueprint.inputs)).to(dtype)
    y = torch.randint(0, 2, (4, 24, 1)).to(dtype)
    weights = layer_weights(len(network.layout.head_of))

    def network_step(number: int) -> tuple[Mapping[str, Tensor], Tensor]:
        out = network(x[number], np.array([number + 7]))
        loss = sum(
            w * binary_cross_entropy_with_logits(head.T, y[number])
            for w, head in zip(weights, out.auxiliary, strict=True)
        )
        predicted = {f"layer {i}": torch.sigmoid(head.T) for i, head in enumerate(out.auxiliary)}
        return predicted | {"mean": torch.sigmoid(out.outputs)}, loss

    def loop_step(number: int) -> tuple[Mapping[str, Tensor], Tensor]:
        predicted = loop(x[number], number + 7)
        loss = sum(w * binary_cross_entropy(predicted[f"layer {i}"], y[number]) for i, w in enumerate(weights))
        return predicted, loss

    adam = lambda leaves: torch.optim.Adam(leaves, lr=1e-3)  # noqa: E731
    assert_trained_alike(loop.copies, network_step, loop_step, adam)


@on_every_hierarchy
@in_both_precisions
def test_pnet_is_trained_as_by_a_loop_over_its_nodes(source: str, precision: str) -> None:
    check(source, precision, replace(PNET, gene_dropout=0.0, term_dropout=0.0), heads_dropped=False)


@on_every_hierarchy
def test_what_is_dropped_is_dropped_for_the_layer_above_and_for_the_head(source: str) -> None:
    check(source, "double", PNET, heads_dropped=True)


@pytest.mark.xfail(reason="heads read the neurons after dropout")
def test_heads_read_the_neurons_before_dropout() -> None:
    check("random-1", "double", PNET, heads_dropped=False)
