"""NeST-VNN (Park et al. 2024): four neurons a term; every gene embeds its mutation, deletion and amplification in a
neuron; dropout of what the terms of higher layers read; the concordance correlation as the loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from kgreg.blueprint import Blueprint
from kgreg.nn import Architecture, VisibleNetwork
from kgreg.nn.hierarchy.layers import drop_rows
from tests.nn.published.hierarchies import SOURCES, Terms, in_both_precisions, on_every_hierarchy, with_modalities
from tests.nn.published.training import Copies, assert_trained_alike

NEST = Architecture(
    activation="tanh",
    norm="after",
    heads="tanh-linear",
    readout="head",
    gene_layer=True,
    gene_scaling=True,
    # The third layer of terms: genes are level 0 here, the lowest terms level 1.
    edge_dropout=0.3,
    edge_dropout_from=3,
    initial_scale=0.1,
    initial_norm_scale=0.1,
)
ALPHA = 0.3


class NestLoop:
    """``offset_dropped``: as published, a gene that a term reads is dropped after it was scaled and shifted."""

    def __init__(self, network: VisibleNetwork, blueprint: Blueprint, offset_dropped: bool) -> None:
        self.terms, self.copies, self.architecture = Terms(blueprint), Copies(network), network.architecture
        self.offset_dropped = offset_dropped
        self.h = h = network.hierarchy
        copies, readout = self.copies, network.readout
        self.children, self.genes = self.terms.children(), self.terms.own_genes()
        column = {gene: i for i, gene in enumerate(self.terms.genes)}
        number = {link: i for i, link in enumerate(self.terms.gene_links())}
        features = blueprint.inputs["node"].to_numpy()
        self.features = {gene: np.flatnonzero(features == gene) for gene in self.terms.genes}
        self.linear, self.norm, self.head, self.direct = {}, {}, {}, {}
        for gene in self.terms.genes:
            self.linear[gene] = copies.linear(gene, h, gene, links=False)
            self.norm[gene] = copies.norm(gene, h, gene)
        for term in self.terms.order:
            own = self.genes[term]
            if own and network.architecture.gene_scaling:
                mask = torch.zeros(len(own), len(column), dtype=h.bias.dtype)
                mask[torch.arange(len(own)), torch.tensor([column[gene] for gene in own])] = 1.0
                link = torch.tensor([number[gene, term] for gene in own])
                weight = copies.take(
                    f"{term} direct weight", network.rules.scale,
                    lambda p, mask=mask, link=link: mask * p[0, link][:, None], mask,
                )  # fmt: skip
                bias = copies.take(f"{term} direct bias", network.rules.offset, lambda p, link=link: p[0, link])
                self.direct[term] = weight, mask, bias
            # Its columns are those of its genes, then those of its children.
            self.linear[term] = copies.linear(term, h, term)
            self.norm[term] = copies.norm(term, h, term)
            index = network.layout.head_of.index(term)
            self.head[term] = (
                *copies.linear(f"head of {term}", h, f"head of {term}"),
                copies.take(f"{term} gain", readout.head_gain, lambda p, i=index: p[0, i]),
                copies.take(f"{term} offset", readout.head_offset, lambda p, i=index: p[0, i]),
            )
        self.final = tuple(
            copies.take(f"final {name}", getattr(readout, name), lambda p: p[0])
            for name in ("weight", "bias", "gain", "offset")
        )

    def __call__(self, x: Tensor, seed: int) -> dict[str, Tensor]:
        """Return what the terms and the whole predict, ``[batch, 1]``."""
        hidden: dict[str, Tensor] = {}
        for gene, columns in self.features.items():
            weight, bias = self.linear[gene]
            hidden[gene] = self.norm[gene](torch.tanh(x[:, columns] @ weight.T + bias))
        embedded = torch.cat([hidden[gene] for gene in self.terms.genes], dim=1)
        predicted = {}
        for term in self.terms.order:
            reads = [torch.cat([hidden[gene] for gene in self.genes[term]], dim=1)] if self.genes[term] else []
            added = torch.zeros((), dtype=x.dtype)
            weight, bias = self.linear[term]
            if term in self.direct:
                scale, mask, offset = self.direct[term]
                reads = [embedded @ (scale * mask).T]
                if self.offset_dropped:
                    reads = [reads[0] + offset]
                else:
                    added = weight[:, : len(offset)] @ offset
            reads += [hidden[child] for child in self.children[term]]
            z = self._dropped(term, torch.cat(reads, dim=1), seed) @ weight.T + bias + added
            hidden[term] = self.norm[term](torch.tanh(z))
            weight, bias, gain, offset = self.head[term]
            predicted[term] = torch.tanh(hidden[term] @ weight.T + bias) * gain + offset
        weight, bias, gain, offset = self.final
        predicted["final"] = torch.tanh(hidden[self.terms.root] @ weight.T + bias) * gain + offset
        return predicted

    def _dropped(self, term: str, reads: Tensor, seed: int) -> Tensor:
        p = self.architecture.edge_dropout
        if not self.copies.training or self.terms.level[term] < self.architecture.edge_dropout_from:
            return reads
        keys = (int(self.h.program.key[self.h.position[term]]) + torch.arange(reads.shape[1])) * 4
        return drop_rows(reads.T[None], p, torch.tensor([seed]), keys)[0].T


def one_minus_ccc(predicted: Tensor, y: Tensor) -> Tensor:
    """Return 1 - the concordance correlation coefficient (Lin 1989), with population variances."""
    p, t = predicted[:, 0], y[:, 0]
    together = ((p - p.mean()) * (t - t.mean())).mean()
    return 1 - 2 * together / (p.var(correction=0) + t.var(correction=0) + (p.mean() - t.mean()) ** 2)


def loss_of(predicted: Mapping[str, Tensor], y: Tensor) -> Tensor:
    return sum(one_minus_ccc(p, y) * (1.0 if name == "final" else ALPHA) for name, p in predicted.items())


def check(source: str, precision: str, architecture: Architecture, offset_dropped: bool = True) -> None:
    blueprint = with_modalities(SOURCES[source]().with_width(4), 3)
    torch.manual_seed(0)
    dtype = torch.float64 if precision == "double" else torch.float32
    network = VisibleNetwork(blueprint, 1, architecture).to(dtype)
    loop = NestLoop(network, blueprint, offset_dropped)
    x, y = torch.randn(4, 24, len(blueprint.inputs)).to(dtype), torch.rand(4, 24, 1).to(dtype)

    def network_step(number: int) -> tuple[dict[str, Tensor], Tensor]:
        out = network(x[number], np.array([number + 7]))
        predicted = {term: out.auxiliary[i].T for i, term in enumerate(network.layout.head_of)}
        return predicted | {"final": out.outputs}, loss_of(predicted | {"final": out.outputs}, y[number])

    def loop_step(number: int) -> tuple[dict[str, Tensor], Tensor]:
        predicted = loop(x[number], number + 7)
        return predicted, loss_of(predicted, y[number])

    adam = lambda leaves: torch.optim.AdamW(leaves, lr=1e-3, betas=(0.9, 0.99), eps=1e-5, weight_decay=1e-3)  # noqa: E731
    assert_trained_alike(loop.copies, network_step, loop_step, adam)


@on_every_hierarchy
@in_both_precisions
def test_nest_is_trained_as_by_a_loop_over_its_terms(source: str, precision: str) -> None:
    check(source, precision, replace(NEST, edge_dropout=0.0))


@on_every_hierarchy
def test_what_terms_read_is_dropped_in_the_loop_and_in_the_network(source: str) -> None:
    check(source, "double", NEST, offset_dropped=False)


@pytest.mark.xfail(reason="the offset of a gene that is dropped stays, since it is added to the bias of the term")
def test_a_gene_is_dropped_with_its_offset() -> None:
    check("random-1", "double", replace(NEST, edge_dropout_from=1), offset_dropped=True)


def test_the_concordance_is_that_of_its_definition() -> None:
    y = torch.randn(50, 1, dtype=torch.float64)
    assert float(one_minus_ccc(y, y)) == pytest.approx(0, abs=1e-12)
    assert float(one_minus_ccc(-y + 2 * y.mean(), y)) == pytest.approx(2)
    assert float(one_minus_ccc(y + 1, y)) == pytest.approx(1 - 2 * float(y.var(correction=0)) / (
        2 * float(y.var(correction=0)) + 1))  # fmt: skip
