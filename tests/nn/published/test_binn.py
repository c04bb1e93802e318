"""BINN (Hartman et al. 2023): Linear, batch normalisation, dropout, tanh; one neuron a pathway; cross entropy."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from kgreg.blueprint import Blueprint
from kgreg.nn import Architecture, VisibleNetwork
from kgreg.nn.hierarchy.layers import drop_rows
from tests.nn.published.hierarchies import SOURCES, Terms, in_both_precisions, on_every_hierarchy
from tests.nn.published.training import Copies, assert_trained_alike

BINN = Architecture(
    activation="tanh",
    norm="before",
    heads="none",
    readout="linear",
    term_dropout=0.2,
    dropout_before_activation=True,
)


class BinnLoop:
    def __init__(self, network: VisibleNetwork, blueprint: Blueprint) -> None:
        self.terms, self.copies, self.p = Terms(blueprint), Copies(network), network.architecture.term_dropout
        self.h = h = network.hierarchy
        self.children, genes = self.terms.children(), self.terms.own_genes()
        column = {gene: i for i, gene in enumerate(self.terms.genes)}
        self.own = {term: [column[gene] for gene in genes[term]] for term in self.terms.order}
        take = self.copies.take
        self.of_children = {
            t: take(f"{t} links", h.link_weight, lambda p, t=t: h.block(p, t, True)[0]) for t in self.terms.order
        }
        self.of_genes = {
            t: take(f"{t} genes", h.input_weight, lambda p, t=t: h.block(p, t, False)[0]) for t in self.terms.order
        }
        self.bias = {t: take(f"{t} bias", h.bias, lambda p, t=t: p[0, h.rows(t)]) for t in self.terms.order}
        self.norm = {t: self.copies.norm(t, h, t) for t in self.terms.order}
        self.readout = (
            take("readout weight", network.readout.weight, lambda p: p[0]),
            take("readout bias", network.readout.bias, lambda p: p[0]),
        )

    def __call__(self, x: Tensor, seed: int) -> Tensor:
        """Return the logits of two classes, ``[batch, 2]``."""
        hidden: dict[str, Tensor] = {}
        for term in self.terms.order:
            z = self.bias[term].expand(len(x), -1)
            if self.own[term]:
                z = z + x[:, self.own[term]] @ self.of_genes[term].T
            if self.children[term]:
                z = z + torch.cat([hidden[child] for child in self.children[term]], dim=1) @ self.of_children[term].T
            z = self.norm[term](z)
            if self.copies.training:
                rows = self.h.rows(term)
                keys = torch.arange(rows.start, rows.stop) * 4 + 1
                z = drop_rows(z.T[None], self.p, torch.tensor([seed]), keys)[0].T
            hidden[term] = torch.tanh(z)
        weight, bias = self.readout
        return hidden[self.terms.root] @ weight.T + bias


@on_every_hierarchy
@in_both_precisions
def test_binn_is_trained_as_by_a_loop_over_its_pathways(source: str, precision: str) -> None:
    blueprint = SOURCES[source]().with_width(1)
    torch.manual_seed(0)
    dtype = torch.float64 if precision == "double" else torch.float32
    network = VisibleNetwork(blueprint, 2, BINN).to(dtype)
    loop = BinnLoop(network, blueprint)
    x, y = torch.randn(4, 24, len(blueprint.inputs)).to(dtype), torch.randint(0, 2, (4, 24))

    def network_step(number: int) -> tuple[dict[str, Tensor], Tensor]:
        logits = network(x[number], np.array([number + 7])).outputs
        return {"logits": logits}, cross_entropy(logits, y[number])

    def loop_step(number: int) -> tuple[dict[str, Tensor], Tensor]:
        logits = loop(x[number], number + 7)
        return {"logits": logits}, cross_entropy(logits, y[number])

    adam = lambda leaves: torch.optim.Adam(leaves, lr=1e-4)  # noqa: E731
    assert_trained_alike(loop.copies, network_step, loop_step, adam)
