"""Visible networks as the published research code computes them: one term after the other, masks over dense layers.

Written from what DrugCell (Kuenzi et al. 2020) and NeST-VNN (Zheng et al. 2021) are described to compute; none of their
code is used. Every term has a dense layer from all genes to its own, with one gene a row: a mask is multiplied into its
weights at the start and into their gradients after every backward pass; the optimiser keeps moments for all of them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from benchmarks.cases import Batch, Case
from kgreg.nn import Hierarchy, VisibleNetwork


class Head(nn.Module):
    """``Linear(1, 1)(tanh(Linear(width, 1)))``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, 1), nn.Linear(1, 1)

    def forward(self, h: Tensor) -> Tensor:
        """Return ``[batch, 1]``."""
        out: Tensor = self.second(torch.tanh(self.first(h)))
        return out


class Block(nn.Module):
    """``BatchNorm(tanh(Linear))``, with a head or without."""

    def __init__(self, n_in: int, width: int, head: bool = True) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(n_in, width), nn.BatchNorm1d(width)
        self.head = Head(width) if head else None

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[batch, width]``."""
        out: Tensor = self.norm(torch.tanh(self.linear(x)))
        return out


class PublishedLoop(nn.Module):
    """The network of a case, term by term."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        blueprint, architecture = case.blueprint, case.architecture
        self.genes = list(dict.fromkeys(blueprint.inputs["node"]))
        column = {gene: i for i, gene in enumerate(self.genes)}
        self.n_features = len(blueprint.inputs) // len(self.genes)
        self.dropout, self.dropout_from = architecture.edge_dropout, architecture.edge_dropout_from
        self.terms = blueprint.terms["id"].tolist()
        self.level = dict(zip(self.terms, blueprint.terms["level"], strict=True))
        width = dict(zip(self.terms, blueprint.terms["width"], strict=True))
        self.children: dict[str, list[str]] = {term: [] for term in self.terms}
        self.own: dict[str, list[str]] = {term: [] for term in self.terms}
        for source, target in zip(blueprint.edges["source"], blueprint.edges["target"], strict=True):
            (self.own if source in column else self.children)[target].append(source)
        self.embeddings = nn.ModuleList()
        if self.n_features > 1:
            self.embeddings.extend(Block(self.n_features, 1, head=False) for _ in self.genes)
        self.direct, self.blocks = nn.ModuleDict(), nn.ModuleDict()
        self.masks: dict[str, Tensor] = {}
        for term in self.terms:
            if self.own[term]:
                self.direct[_key(term)] = nn.Linear(len(self.genes), len(self.own[term]))
                mask = torch.zeros(len(self.own[term]), len(self.genes))
                mask[torch.arange(len(mask)), torch.tensor([column[gene] for gene in self.own[term]])] = 1
                self.masks[_key(term)] = mask
            n_in = sum(width[child] for child in self.children[term]) + len(self.own[term])
            self.blocks[_key(term)] = Block(n_in, width[term])
        root = self.terms[-1]
        self.drug = nn.ModuleList()
        n_in = case.drug_size
        for n_out in architecture.blocks.get("drug", ()):
            self.drug.append(Block(n_in, n_out))
            n_in = n_out
        self.joined = Block(width[root] + n_in, architecture.joined_width) if len(self.drug) else None
        # NeST-VNN's root has a head of its own beside the output, which has the same form.
        self.last = Head(width[root]) if self.joined is None else None
        with torch.no_grad():
            for parameter in self.parameters():
                parameter *= architecture.initial_scale
        self.mask_weights()

    def mask_weights(self) -> None:
        """Leave every row of the direct layers one gene."""
        with torch.no_grad():
            for key, mask in self.masks.items():
                self.direct[key].weight *= mask

    def mask_gradients(self) -> None:
        """Do the same to the gradients."""
        for key, mask in self.masks.items():
            weight = self.direct[key].weight
            weight.grad = weight.grad * mask

    def to(self, device: str) -> PublishedLoop:  # type: ignore[override]
        """Move parameters and masks."""
        self.masks = {key: mask.to(device) for key, mask in self.masks.items()}
        super().to(device)
        return self

    def forward(self, genes: Tensor, drugs: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the output ``[batch, 1]`` and those of the other heads."""
        if self.n_features > 1:
            genes = torch.cat(
                [
                    embedding(genes[:, i * self.n_features : (i + 1) * self.n_features])
                    for i, embedding in enumerate(self.embeddings)
                ],
                dim=1,
            )
        hidden: dict[str, Tensor] = {}
        heads = []
        for term in self.terms:
            read = [hidden[child] for child in self.children[term]]
            if self.own[term]:
                read.append(self.direct[_key(term)](genes))
            x = torch.cat(read, dim=1)
            if self.dropout and self.level[term] >= self.dropout_from:
                x = nn.functional.dropout(x, self.dropout, self.training)
            block = self.blocks[_key(term)]
            hidden[term] = block(x)
            heads.append(block.head(hidden[term]))
        if self.joined is None:
            assert self.last is not None
            alone: Tensor = self.last(hidden[self.terms[-1]])
            return alone, heads
        for layer in self.drug:
            drugs = layer(drugs)
            heads.append(layer.head(drugs))
        last = self.joined(torch.cat([hidden[self.terms[-1]], drugs], dim=1))
        output: Tensor = self.joined.head(last)
        return output, heads

    def copy_from(self, network: VisibleNetwork, edges: pd.DataFrame) -> None:
        """Take over the parameters of the engine's network (R = 1); ``edges`` are those of its blueprint."""
        hierarchy, rules, readout = network.hierarchy, network.rules, network.readout
        with torch.no_grad():
            for gene, embedding in zip(self.genes, self.embeddings, strict=False):
                _copy_block(embedding, hierarchy, gene, hierarchy.block(hierarchy.input_weight, gene, links=False)[0])
            layout, program = network.layout, hierarchy.program
            names = {i: node.id for i, node in enumerate(layout.nodes)}
            scaled = np.flatnonzero(layout.from_gene)
            table = edges.iloc[scaled]
            number = {pair: i for i, pair in enumerate(zip(table["source"], table["target"], strict=True))}
            neuron_of = np.repeat(np.arange(program.n_nodes), program.width)
            column = {gene: i for i, gene in enumerate(self.genes)}
            for term in self.terms:
                t = hierarchy.position[term]
                parts: dict[str, list[Tensor]] = {}
                links = hierarchy.block(hierarchy.link_weight, term, links=True)[0]
                for i, neuron in enumerate(program.source[program.source_ptr[t] : program.source_ptr[t + 1]]):
                    parts.setdefault(names[int(neuron_of[neuron])], []).append(links[:, i : i + 1])
                inputs = hierarchy.block(hierarchy.input_weight, term, links=False)[0]
                for i, c in enumerate(program.input_column[program.input_ptr[t] : program.input_ptr[t + 1]]):
                    parts[self.genes[c]] = [inputs[:, i : i + 1]]
                order = [*self.children[term], *self.own[term]]
                weight = torch.cat([piece for source in order for piece in parts[source]], dim=1)
                _copy_block(self.blocks[_key(term)], hierarchy, term, weight)
                for i, gene in enumerate(self.own[term]):
                    edge = number[gene, term]
                    direct = self.direct[_key(term)]
                    direct.weight[i, column[gene]] = rules.scale[0, edge]
                    direct.bias[i] = rules.offset[0, edge]
            heads = [(hierarchy, term, self.blocks[_key(term)].head) for term in layout.head_of]
            if len(self.drug):
                branch = network.branches["drug"]
                for i, layer in enumerate(self.drug):
                    name = f"drug {i + 1}"
                    weight = branch.block(branch.link_weight if i else branch.input_weight, name, links=i > 0)[0]
                    _copy_block(layer, branch, name, weight)
                    heads.append((branch, name, layer.head))
            for i, (owner, name, head) in enumerate(heads):
                head.first.weight.copy_(owner.block(owner.link_weight, f"head of {name}", links=True)[0])
                head.first.bias.copy_(owner.bias[0, owner.rows(f"head of {name}")])
                head.second.weight.fill_(readout.head_gain[0, i, 0])
                head.second.bias.fill_(readout.head_offset[0, i, 0])
            last = self.last
            if self.joined is not None:
                assert readout.joined is not None
                weight = readout.joined.block(readout.joined.input_weight, "joined", links=False)[0]
                _copy_block(self.joined, readout.joined, "joined", weight)
                last = self.joined.head
            assert last is not None
            last.first.weight.copy_(readout.weight[0])
            last.first.bias.copy_(readout.bias[0])
            last.second.weight.fill_(readout.gain[0, 0])
            last.second.bias.fill_(readout.offset[0, 0])


def _copy_block(block: Block, hierarchy: Hierarchy, node: str, weight: Tensor) -> None:
    t, rows = hierarchy.position[node], hierarchy.rows(node)
    first = int(hierarchy.program.norm_start[t])
    normed = slice(first, first + rows.stop - rows.start)
    block.linear.weight.copy_(weight)
    block.linear.bias.copy_(hierarchy.bias[0, rows])
    block.norm.weight.copy_(hierarchy.scale[0, normed])
    block.norm.bias.copy_(hierarchy.shift[0, normed])


def _key(term: str) -> str:
    return term.replace(".", "_")


def concordance_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Return 1 - Lin's concordance correlation coefficient along the last axis."""
    x, y = prediction - prediction.mean(-1, keepdim=True), target - target.mean()
    apart = (prediction.mean(-1) - target.mean()) ** 2
    ccc = 2 * (x * y).mean(-1) / ((x * x).mean(-1) + (y * y).mean() + apart)
    return 1 - ccc


def loop_loss(network: PublishedLoop, case: Case, batch: Batch) -> Tensor:
    """Return the loss, head by head."""
    output, heads = network(batch.genes, batch.drugs)

    def one(prediction: Tensor) -> Tensor:
        if case.concordance:
            return concordance_loss(prediction[:, 0], batch.target)
        return nn.functional.mse_loss(prediction[:, 0], batch.target)

    loss = one(output)
    for head in heads:
        loss = loss + case.alpha * one(head)
    return loss
