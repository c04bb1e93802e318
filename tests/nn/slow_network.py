"""The visible network once more, written from its equations: one term at a time, no sparse tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from kgreg.blueprint import Blueprint
from kgreg.nn import Architecture, VisibleNetwork
from kgreg.nn.hierarchy import Hierarchy


@dataclass
class SlowOutput:
    """``outputs [batch, n_outputs]``; by name of a term, level or layer of a block the head's ``[batch, n_outputs]``;
    by id of a gene or term its neurons ``[width, batch]``."""

    outputs: Tensor
    heads: dict[str, Tensor]
    signal: dict[str, Tensor]


@dataclass
class _Norm:
    """Batch normalisation of the neurons of one node."""

    scale: Tensor
    shift: Tensor
    mean: Tensor
    variance: Tensor

    def __call__(self, z: Tensor, training: bool) -> Tensor:
        mean, variance = self.mean, self.variance
        if training:
            n = z.shape[1]
            mean = z.sum(dim=1) / n
            spread = ((z - mean[:, None]) ** 2).sum(dim=1)
            self.mean = 0.9 * self.mean + 0.1 * mean.detach()
            self.variance = 0.9 * self.variance + 0.1 * spread.detach() / max(n - 1, 1)
            variance = spread / n
        return (z - mean[:, None]) / torch.sqrt(variance + 1e-5)[:, None] * self.scale[:, None] + self.shift[:, None]


@dataclass
class SlowNetwork:
    """The same numbers as a :class:`VisibleNetwork` of one network, by a loop over the terms.

    It reads the parameters of the network itself (``of_network``), by node ids, so that both have the same gradients to
    compare: those of one are collected, and then those of the other.
    """

    network: VisibleNetwork
    blueprint: Blueprint
    _norms: dict[tuple[int, str], _Norm] = field(default_factory=dict)

    @property
    def architecture(self) -> Architecture:
        return self.network.architecture

    def __call__(
        self,
        x: Tensor,
        training: bool,
        nudge: Mapping[str, Tensor] | None = None,
        blocks: Mapping[str, Tensor] | None = None,
        covariates: Tensor | None = None,
    ) -> SlowOutput:
        """Compute without dropout. ``nudge`` is added to the neurons of a term before anything reads it."""
        a, h, blueprint = self.architecture, self.network.hierarchy, self.blueprint
        at_genes = covariates is not None and a.covariates_at == "genes"
        signal: dict[str, Tensor] = {}
        for gene in dict.fromkeys(blueprint.inputs["node"]):
            columns = [i for i, node in enumerate(blueprint.inputs["node"]) if node == gene]
            signal[gene] = x[:, columns].T
            if gene in h.position:
                read = [signal[gene], covariates.T] if at_genes else [signal[gene]]
                z = h.block(h.input_weight, gene, links=False)[0] @ torch.cat(read) + self._bias(h, gene)
                signal[gene] = self._finished(h, gene, z, training)
        for term in blueprint.terms["id"]:
            z = self._bias(h, term).expand(-1, len(x))
            for number, edge in enumerate(blueprint.edges.itertuples()):
                if edge.target == term:
                    weight = self._edge_weight(number)
                    read = signal[edge.source]
                    if a.gene_scaling and self._is_gene(edge.source):
                        at = self._number_of_link(number)
                        read = self.network.rules.scale[0, at] * read + self.network.rules.offset[0, at]
                    z = z + weight @ read
            read_out = a.readout == "nodes" and term in set(blueprint.outputs["node"])
            signal[term] = z if read_out else self._finished(h, term, z, training)
            if nudge and term in nudge:
                signal[term] = signal[term] + nudge[term]
        heads = self._heads(h, signal)
        read = [signal[node] for node in self._read_nodes()]
        for name, widths in a.blocks.items():
            branch: Hierarchy = self.network.branches[name]
            rows, layers = blocks[name].T, {}
            for i in range(1, len(widths) + 1):
                node = f"{name} {i}"
                weight = branch.block(branch.link_weight if i > 1 else branch.input_weight, node, links=i > 1)[0]
                rows = layers[node] = self._finished(branch, node, weight @ rows + self._bias(branch, node), training)
            read.append(rows)
            heads |= self._node_heads(branch, layers, list(layers), len(heads))
        beside = covariates.T if covariates is not None and a.covariates_at == "head" else None
        return SlowOutput(
            self._outputs(torch.cat(read), beside, heads, training), {n: v.T for n, v in heads.items()}, signal
        )

    def edge_blocks(self) -> list[tuple[int, Tensor]]:
        """Return (row of the blueprint's edges, its free weights ``[width of target, width of source]``)."""
        return [(number, self._free_weight(number)) for number in range(len(self.blueprint.edges))]

    def running(self, h: Hierarchy, node: str) -> tuple[Tensor, Tensor]:
        """Return mean and variance of a node after the passes so far."""
        norm = self._norm(h, node)
        return norm.mean, norm.variance

    # ---- nodes -----------------------------------------------------------------------------------------------------

    def _finished(self, h: Hierarchy, node: str, z: Tensor, training: bool) -> Tensor:
        act = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid, "identity": torch.clone}
        activation = act[self.architecture.activation]
        if self.architecture.norm == "before":
            return activation(self._norm(h, node)(z, training))
        if self.architecture.norm == "after":
            return self._norm(h, node)(activation(z), training)
        return activation(z)

    def _norm(self, h: Hierarchy, node: str) -> _Norm:
        if (id(h), node) not in self._norms:
            # Normalised neurons are numbered in the order of the nodes; heads, which come last, are not among them.
            rows = h.rows(node)
            parts = (h.scale[0], h.shift[0], h.running[0, 0].clone(), h.running[1, 0].clone())
            self._norms[id(h), node] = _Norm(*(part[rows] for part in parts))
        return self._norms[id(h), node]

    def _bias(self, h: Hierarchy, node: str) -> Tensor:
        return h.bias[0, h.rows(node), None]

    # ---- edges -----------------------------------------------------------------------------------------------------

    def _is_gene(self, node: str) -> bool:
        return node in set(self.blueprint.inputs["node"])

    def _number_of_link(self, number: int) -> int:
        return sum(self._is_gene(source) for source in self.blueprint.edges["source"][:number])

    def _free_weight(self, number: int) -> Tensor:
        """Return the parameters of an edge: the columns of its source in the block of its target."""
        h, blueprint = self.network.hierarchy, self.blueprint
        edge = blueprint.edges.iloc[number]
        sources = blueprint.edges["source"][blueprint.edges["target"] == edge["target"]]
        if edge["source"] in h.position:
            block, before = h.block(h.link_weight, edge["target"], links=True)[0], 0
            for source in sorted((s for s in sources if s in h.position), key=h.position.__getitem__):
                rows = h.rows(source)
                if source == edge["source"]:
                    return block[:, before : before + rows.stop - rows.start]
                before += rows.stop - rows.start
        columns = list(blueprint.inputs["node"])
        ordered = sorted((s for s in sources if s not in h.position), key=columns.index)
        at = ordered.index(edge["source"])
        return h.block(h.input_weight, edge["target"], links=False)[0][:, at : at + 1]

    def _edge_weight(self, number: int) -> Tensor:
        edge, free = self.blueprint.edges.iloc[number], self._free_weight(number)
        if not edge["trainable"]:
            return torch.full_like(free, float(edge["weight"]))
        return edge["sign"] * free.abs() if edge["sign"] else free

    # ---- outputs ---------------------------------------------------------------------------------------------------

    def _read_nodes(self) -> list[str]:
        if self.architecture.readout == "terms":
            return self.blueprint.terms["id"].tolist()
        return list(dict.fromkeys(self.blueprint.outputs["node"]))

    def _heads(self, h: Hierarchy, signal: Mapping[str, Tensor]) -> dict[str, Tensor]:
        kind, terms = self.architecture.heads, self.blueprint.terms["id"].tolist()
        if kind == "none":
            return {}
        if kind == "layer":
            found = {}
            level = dict(zip(self.blueprint.nodes["id"], self.blueprint.nodes["level"], strict=True))
            nodes = [node for node in signal if node in h.position]
            for number in sorted({level[node] for node in nodes}):
                members = [signal[node] for node in nodes if level[node] == number]
                name = f"head of level {number}"
                weight = h.block(h.link_weight, name, links=True)[0]
                found[f"level {number}"] = weight @ torch.cat(members) + self._bias(h, name)
            return found
        outputs = set(self.blueprint.outputs["node"])
        if len(outputs) == 1 and self.architecture.readout in ("linear", "terms"):
            terms = [term for term in terms if term not in outputs]
        return self._node_heads(h, signal, terms, 0)

    def _node_heads(
        self, h: Hierarchy, signal: Mapping[str, Tensor], nodes: list[str], first: int
    ) -> dict[str, Tensor]:
        kind, readout = self.architecture.heads, self.network.readout
        found = {}
        for i, node in enumerate(nodes if kind != "none" else []):
            name = f"head of {node}"
            value = h.block(h.link_weight, name, links=True)[0] @ signal[node] + self._bias(h, name)
            if kind in ("tanh", "tanh-linear"):
                value = torch.tanh(value)
            if kind == "tanh-linear":
                value = value * readout.head_gain[0, first + i, :, None] + readout.head_offset[0, first + i, :, None]
            found[node] = value
        return found

    def _outputs(self, read: Tensor, beside: Tensor | None, heads: Mapping[str, Tensor], training: bool) -> Tensor:
        a, readout = self.architecture, self.network.readout
        if a.readout == "heads":
            each = torch.stack(list(heads.values()))
            if readout.link == "sigmoid":
                mean = torch.sigmoid(each).mean(dim=0)
                return torch.log(mean / (1 - mean)).T
            if readout.link == "softmax":
                return torch.log(torch.softmax(each, dim=1).sum(dim=0)).T  # that of the mean, but for a constant
            return each.mean(dim=0).T
        if a.readout == "nodes":
            two = self.network.n_outputs > len(read)  # one logit for two classes
            return (torch.cat([torch.zeros_like(read), read]) if two else read).T
        if a.readout == "joined":
            joined = readout.joined
            read = read if beside is None else torch.cat([read, beside])
            weight = joined.block(joined.input_weight, "joined", links=False)[0]
            read = self._finished(joined, "joined", weight @ read + self._bias(joined, "joined"), training)
        outputs = readout.weight[0] @ read + readout.bias[0, :, None]
        if beside is not None and a.readout != "joined":
            outputs = outputs + readout.covariate_weight[0] @ beside
        if a.readout in ("head", "joined") and a.heads != "linear":
            outputs = torch.tanh(outputs)
            if a.heads == "tanh-linear":
                outputs = outputs * readout.gain[0, :, None] + readout.offset[0, :, None]
        return outputs.T
