"""DrugCell (Kuenzi et al. 2020): six neurons a term, batch normalisation of tanh, genes through a masked layer of their
own, and a branch for the drug that joins at the top."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from kgreg.blueprint import Blueprint
from kgreg.nn import Architecture, Inputs, VisibleNetwork
from tests.nn.published.hierarchies import SOURCES, Terms, in_both_precisions, on_every_hierarchy
from tests.nn.published.training import Copies, assert_trained_alike

DRUGCELL = Architecture(
    activation="tanh",
    norm="after",
    heads="tanh-linear",
    readout="joined",
    joined_width=6,
    gene_scaling=True,
    initial_scale=0.1,
    initial_norm_scale=0.1,
    blocks={"drug": (100, 50, 6)},
)
ALPHA, N_BITS = 0.2, 2048


class DrugCellLoop:
    def __init__(self, network: VisibleNetwork, blueprint: Blueprint) -> None:
        self.terms, self.copies = Terms(blueprint), Copies(network)
        h, drug, readout, copies = network.hierarchy, network.branches["drug"], network.readout, self.copies
        self.children, self.genes = self.terms.children(), self.terms.own_genes()
        column = {gene: i for i, gene in enumerate(self.terms.genes)}
        number = {link: i for i, link in enumerate(self.terms.gene_links())}
        self.direct: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
        self.linear, self.norm, self.head = {}, {}, {}

        def head(name: str, node: str, where: object, index: int) -> tuple[Tensor, ...]:
            return (
                *copies.linear(f"{name} 1", where, node),
                copies.take(f"{name} gain", readout.head_gain, lambda p: p[0, index]),
                copies.take(f"{name} offset", readout.head_offset, lambda p: p[0, index]),
            )

        for term in self.terms.order:
            own = self.genes[term]
            if own:
                # One gene a row, in a matrix over all genes.
                mask = torch.zeros(len(own), len(column), dtype=h.bias.dtype)
                at = torch.tensor([column[gene] for gene in own])
                mask[torch.arange(len(own)), at] = 1.0
                link = torch.tensor([number[gene, term] for gene in own])
                weight = copies.take(
                    f"{term} direct weight", network.rules.scale,
                    lambda p, mask=mask, link=link: mask * p[0, link][:, None], mask,
                )  # fmt: skip
                bias = copies.take(f"{term} direct bias", network.rules.offset, lambda p, link=link: p[0, link])
                self.direct[term] = weight, mask, bias
            rows = h.rows(term)
            # The linear map reads the children, then the genes of the term.
            weight = (
                copies.take(f"{term} of children", h.link_weight, lambda p, t=term: h.block(p, t, True)[0]),
                copies.take(f"{term} of genes", h.input_weight, lambda p, t=term: h.block(p, t, False)[0]),
            )
            self.linear[term] = *weight, copies.take(f"{term} bias", h.bias, lambda p, rows=rows: p[0, rows])
            self.norm[term] = copies.norm(term, h, term)
            self.head[term] = head(f"head of {term}", f"head of {term}", h, network.layout.head_of.index(term))
        for i in (1, 2, 3):
            node = f"drug {i}"
            self.linear[node] = copies.linear(node, drug, node, links=i > 1)
            self.norm[node] = copies.norm(node, drug, node)
            self.head[node] = head(f"head of {node}", f"head of {node}", drug, len(network.layout.head_of) + i - 1)
        self.linear["final"] = copies.linear("joined", readout.joined, "joined", links=False)
        self.norm["final"] = copies.norm("joined", readout.joined, "joined")
        names = ("weight", "bias", "gain", "offset")
        self.head["final"] = tuple(
            copies.take(f"final {name}", getattr(readout, name), lambda p: p[0]) for name in names
        )

    def __call__(self, x: Tensor, bits: Tensor) -> dict[str, Tensor]:
        """Return what terms, layers of the drug and the whole predict, ``[batch, 1]``."""
        hidden: dict[str, Tensor] = {}
        for term in self.terms.order:
            reads = [hidden[child] for child in self.children[term]]
            if term in self.direct:
                weight, mask, bias = self.direct[term]
                reads.append(x @ (weight * mask).T + bias)
            of_children, of_genes, bias = self.linear[term]
            z = torch.cat(reads, dim=1) @ torch.cat([of_children, of_genes], dim=1).T + bias
            hidden[term] = self.norm[term](torch.tanh(z))
        signal = bits
        for i in (1, 2, 3):
            weight, bias = self.linear[f"drug {i}"]
            signal = hidden[f"drug {i}"] = self.norm[f"drug {i}"](torch.tanh(signal @ weight.T + bias))
        weight, bias = self.linear["final"]
        joined = torch.cat([hidden[self.terms.root], signal], dim=1)
        hidden["final"] = self.norm["final"](torch.tanh(joined @ weight.T + bias))
        predicted = {}
        for name, (weight, bias, gain, offset) in self.head.items():
            predicted[name] = torch.tanh(hidden[name] @ weight.T + bias) * gain + offset
        return predicted


def loss_of(predicted: Mapping[str, Tensor], y: Tensor) -> Tensor:
    return sum(mse_loss(p, y) * (1.0 if name == "final" else ALPHA) for name, p in predicted.items())


@on_every_hierarchy
@in_both_precisions
def test_drugcell_is_trained_as_by_a_loop_over_its_terms(source: str, precision: str) -> None:
    blueprint = SOURCES[source]().with_width(6)
    torch.manual_seed(0)
    dtype = torch.float64 if precision == "double" else torch.float32
    network = VisibleNetwork(blueprint, 1, DRUGCELL, block_sizes={"drug": N_BITS}).to(dtype)
    loop = DrugCellLoop(network, blueprint)
    # Twelve cell lines by eight drugs; the network computes each line and each drug once.
    draw = np.random.default_rng(0)
    lines = torch.randn(12, len(blueprint.inputs)).to(dtype)
    drugs = torch.from_numpy(draw.random((8, N_BITS)) < 0.05).to(dtype)
    line, drug = torch.from_numpy(draw.integers(0, 12, (4, 40))), torch.from_numpy(draw.integers(0, 8, (4, 40)))
    y = torch.randn(4, 40, 1).to(dtype)
    names = [*network.layout.head_of, "drug 1", "drug 2", "drug 3"]

    def network_step(number: int) -> tuple[dict[str, Tensor], Tensor]:
        rows = {"genes": line[number][None], "drug": drug[number][None]}
        out = network(Inputs(lines[None], {"drug": drugs[None]}, rows=rows))
        predicted = {name: out.auxiliary[i].T for i, name in enumerate(names)} | {"final": out.outputs}
        return predicted, loss_of(predicted, y[number])

    def loop_step(number: int) -> tuple[dict[str, Tensor], Tensor]:
        predicted = loop(lines[line[number]], drugs[drug[number]])
        return predicted, loss_of(predicted, y[number])

    adam = lambda leaves: torch.optim.Adam(leaves, lr=1e-3, betas=(0.9, 0.99), eps=1e-5)  # noqa: E731
    assert_trained_alike(loop.copies, network_step, loop_step, adam)
