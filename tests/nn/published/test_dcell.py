"""DCell (Ma et al. 2018): Linear, batch normalisation, tanh; every term but the root predicts tanh(Linear(h))."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from kgreg.blueprint import Blueprint
from kgreg.nn import Architecture, VisibleNetwork
from tests.nn.published.hierarchies import SOURCES, Terms, in_both_precisions, on_every_hierarchy
from tests.nn.published.training import Copies, assert_trained_alike

DCELL = Architecture(activation="tanh", norm="before", heads="tanh", readout="linear", initial_scale=0.001)
ALPHA = 0.3


class DCellLoop:
    def __init__(self, network: VisibleNetwork, blueprint: Blueprint) -> None:
        self.terms, self.copies = Terms(blueprint), Copies(network)
        h, take = network.hierarchy, self.copies.take
        self.children, genes = self.terms.children(), self.terms.own_genes()
        column = {gene: i for i, gene in enumerate(self.terms.genes)}
        self.of_children: dict[str, Tensor] = {}
        self.of_genes: dict[str, tuple[Tensor, Tensor]] = {}
        self.bias, self.norm, self.head = {}, {}, {}
        for term in self.terms.order:
            rows = h.rows(term)
            self.of_children[term] = take(f"{term} links", h.link_weight, lambda p, t=term: h.block(p, t, True)[0])
            own = torch.tensor([column[gene] for gene in genes[term]], dtype=torch.int64)
            mask = torch.zeros(rows.stop - rows.start, len(column), dtype=h.bias.dtype)
            mask[:, own] = 1.0

            def masked(p: Tensor, term: str = term, own: Tensor = own, mask: Tensor = mask) -> Tensor:
                return torch.zeros_like(mask).index_copy(1, own, h.block(p, term, False)[0])

            self.of_genes[term] = take(f"{term} genes", h.input_weight, masked, mask), mask
            self.bias[term] = take(f"{term} bias", h.bias, lambda p, rows=rows: p[0, rows])
            self.norm[term] = self.copies.norm(term, h, term)
            if term != self.terms.root:
                self.head[term] = self.copies.linear(f"head of {term}", h, f"head of {term}")
        self.readout = (
            take("readout weight", network.readout.weight, lambda p: p[0]),
            take("readout bias", network.readout.bias, lambda p: p[0]),
        )

    def __call__(self, x: Tensor) -> dict[str, Tensor]:
        """Return what the terms predict, ``[batch, 1]``."""
        hidden: dict[str, Tensor] = {}
        predicted: dict[str, Tensor] = {}
        for term in self.terms.order:
            weight, mask = self.of_genes[term]
            z = x @ (weight * mask).T + self.bias[term]
            if self.children[term]:
                z = z + torch.cat([hidden[child] for child in self.children[term]], dim=1) @ self.of_children[term].T
            hidden[term] = torch.tanh(self.norm[term](z))
            if term != self.terms.root:
                weight, bias = self.head[term]
                predicted[term] = torch.tanh(hidden[term] @ weight.T + bias)
        weight, bias = self.readout
        predicted[self.terms.root] = hidden[self.terms.root] @ weight.T + bias
        return predicted


def loss_of(predicted: Mapping[str, Tensor], root: str, y: Tensor) -> Tensor:
    return mse_loss(predicted[root], y) + ALPHA * sum(mse_loss(p, y) for term, p in predicted.items() if term != root)


@on_every_hierarchy
@in_both_precisions
def test_dcell_is_trained_as_by_a_loop_over_its_terms(source: str, precision: str) -> None:
    blueprint = SOURCES[source]().with_width(10, 0.2)
    torch.manual_seed(0)
    dtype = torch.float64 if precision == "double" else torch.float32
    network = VisibleNetwork(blueprint, 1, DCELL).to(dtype)
    loop = DCellLoop(network, blueprint)
    root = loop.terms.root
    x, y = torch.randn(4, 24, len(blueprint.inputs)).to(dtype), torch.randn(4, 24, 1).to(dtype)

    def network_step(number: int) -> tuple[dict[str, Tensor], Tensor]:
        out = network(x[number])
        predicted = {term: out.auxiliary[i].T for i, term in enumerate(network.layout.head_of)} | {root: out.outputs}
        return predicted, loss_of(predicted, root, y[number])

    def loop_step(number: int) -> tuple[dict[str, Tensor], Tensor]:
        predicted = loop(x[number])
        return predicted, loss_of(predicted, root, y[number])

    adam = lambda leaves: torch.optim.Adam(leaves, lr=1e-3, betas=(0.9, 0.99))  # noqa: E731
    assert_trained_alike(loop.copies, network_step, loop_step, adam)


@pytest.mark.parametrize("source", ["random-1", "dna-repair"])
def test_the_width_of_a_term_is_a_fifth_of_its_genes_but_ten_at_least(source: str) -> None:
    blueprint = SOURCES[source]().with_width(10, 0.2)
    genes = blueprint.gene_sets()
    network = VisibleNetwork(blueprint, 1, DCELL)
    for term, rows in network.term_slices().items():
        assert rows.stop - rows.start == max(10, len(genes[term]) * 2 // 10)
