"""The visible network once more, written from its equations: one term at a time, no sparse tensors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from kgreg.blueprint import Blueprint
from kgreg.nn import SparseLinear, VisibleNetwork

Block = dict[tuple[str, str], Tensor]


def dense(layer: SparseLinear, values: Tensor) -> Tensor:
    """Return ``values`` (the weights of a layer, or their gradients) as a matrix."""
    matrix = values.new_zeros(layer.out_features, layer.in_features)
    for row in range(layer.out_features):
        for place in range(int(layer.crow[row]), int(layer.crow[row + 1])):
            matrix[row, layer.col[place]] = values[place]
    return matrix


def blocks(network: VisibleNetwork, blueprint: Blueprint, gradient: bool = False) -> Block:
    """Return ``(source id, target id) -> [width of target, width of source]`` for every edge of the blueprint.

    Every parameter of the network is checked to belong to an edge.
    """

    def values(layer: SparseLinear) -> Tensor:
        if not gradient:
            return layer.weight.detach()
        return torch.zeros_like(layer.weight) if layer.weight.grad is None else layer.weight.grad

    place = network.term_slices()
    between_terms = torch.zeros(network.bias.numel(), network.bias.numel(), dtype=network.bias.dtype)
    for number, (span, layer) in enumerate(zip(network.level_slices, network.term_links, strict=True)):
        columns = [
            network.level_slices[below].start + row
            for below, name in network._reads[number]
            for row in getattr(network, name).tolist()
        ]
        assert layer.in_features == len(columns)
        between_terms[span, columns] = dense(layer, values(layer))
    from_genes = dense(network.gene_links, values(network.gene_links))
    column = {node: i for i, node in enumerate(blueprint.inputs["node"])}
    found: Block = {}
    for source, target in zip(blueprint.edges["source"], blueprint.edges["target"], strict=True):
        matrix, at = (from_genes, slice(column[source], column[source] + 1)) if source in column else (
            between_terms,
            place[source],
        )  # fmt: skip
        found[source, target] = matrix[place[target], at].clone()
        matrix[place[target], at] = 0
    assert not from_genes.any(), "a weight without an edge"
    assert not between_terms.any(), "a weight without an edge"
    return found


class SlowNetwork:
    """The same numbers as a :class:`VisibleNetwork`, by a loop over the terms.

    The weights are copies in blocks by node ids; ``running`` holds mean and variance of every neuron.
    """

    def __init__(self, network: VisibleNetwork, blueprint: Blueprint) -> None:
        place = network.term_slices()
        self.blueprint, self.order = blueprint, network.order
        self.weight = {pair: block.requires_grad_() for pair, block in blocks(network, blueprint).items()}
        self.bias = {term: _leaf(network.bias[at]) for term, at in place.items()}
        scale, shift, mean, variance = (
            torch.cat([getattr(norm, name).detach() for norm in network.norms])
            for name in ("weight", "bias", "running_mean", "running_var")
        )
        self.scale = {term: _leaf(scale[at]) for term, at in place.items()}
        self.shift = {term: _leaf(shift[at]) for term, at in place.items()}
        self.running = {term: (mean[at].clone(), variance[at].clone()) for term, at in place.items()}
        self.head: dict[str, tuple[Tensor, Tensor]] = {}
        if network.heads is not None and network.head_bias is not None:
            heads = dense(network.heads, network.heads.weight.detach())
            for i, (term, at) in enumerate(place.items()):
                rows = slice(i * network.n_outputs, (i + 1) * network.n_outputs)
                self.head[term] = _leaf(heads[rows, at]), _leaf(network.head_bias[rows])
        self.readout = _leaf(network.readout.weight), _leaf(network.readout.bias)

    def __call__(
        self, x: Tensor, training: bool, nudge: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """Return outputs ``[batch, n_outputs]``, and by term the head's ``[n_outputs, batch]`` and ``h``.

        ``nudge`` is added to the ``h`` of a term before anything reads it.
        """
        signal = {node: x[:, i][None] for i, node in enumerate(self.blueprint.inputs["node"])}
        for term in self.blueprint.terms.sort_values("level")["id"]:
            z = self.bias[term][:, None].expand(-1, len(x))
            for (source, target), weight in self.weight.items():
                if target == term:
                    z = z + weight @ signal[source]
            if self.order == "norm-tanh":
                signal[term] = torch.tanh(self._norm(term, z, training))
            else:
                signal[term] = self._norm(term, torch.tanh(z), training)
            if nudge and term in nudge:
                signal[term] = signal[term] + nudge[term]
        weight, bias = self.readout
        read = torch.cat([signal[node] for node in self.blueprint.outputs["node"]])
        heads = {term: w @ signal[term] + b[:, None] for term, (w, b) in self.head.items()}
        return read.T @ weight.T + bias, heads, signal

    def _norm(self, term: str, z: Tensor, training: bool) -> Tensor:
        mean, variance = self.running[term]
        if training:
            n = z.shape[1]
            now, spread = z.mean(dim=1), ((z - z.mean(dim=1, keepdim=True)) ** 2).sum(dim=1)
            self.running[term] = (
                0.9 * mean + 0.1 * now.detach(),
                0.9 * variance + 0.1 * spread.detach() / (n - 1),
            )
            mean, variance = now, spread / n
        return (z - mean[:, None]) / torch.sqrt(variance + 1e-5)[:, None] * self.scale[term][:, None] + self.shift[
            term
        ][:, None]


def _leaf(tensor: Tensor) -> Tensor:
    return tensor.detach().clone().requires_grad_()
