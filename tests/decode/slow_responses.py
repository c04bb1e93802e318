"""What a fitted network answers, node by node from its equations, when a node is pushed a little."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from kgreg.fit import FittedModel, Readings
from kgreg.nn.inputs import Inputs

ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid, "identity": lambda z: z}


class SlowResponses:
    """The outputs of a model in double precision, one node at a time."""

    def __init__(self, model: FittedModel) -> None:
        self.model = model
        self.network = copy.deepcopy(model.network).double()

    def inputs(self, readings: Readings) -> Inputs:
        """Return scaled inputs, in double precision."""
        given = self.model.inputs_of(readings)
        blocks = {
            name: (block if isinstance(block, Tensor) else block.dense()).double()
            for name, block in given.blocks.items()
        }
        covariates = None if given.covariates is None else given.covariates.double()
        assert isinstance(given.genes, Tensor)
        return replace(given, genes=given.genes.double(), blocks=blocks, covariates=covariates)

    def __call__(self, given: Inputs, push: Mapping[str, Tensor] | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Return outputs ``[n, n_outputs]`` and the neurons of every node; ``push`` is added to those of a node."""
        network, hierarchy = self.network, self.network.hierarchy
        parameters = network.rules.weights_of(hierarchy)
        assert isinstance(given.genes, Tensor)
        columns = [given.genes * network.architecture.input_scale]
        if given.covariates is not None and network.architecture.covariates_at != "head":
            columns.append(given.covariates)
        if network.burdens is not None:
            columns.append(network.burdens(given.genes))
        x = torch.cat(columns, dim=2)[0].t()
        rows: list[Tensor] = []
        normed = 0
        for node in network.layout.nodes:
            span = hierarchy.rows(node.id)
            read = [rows[child] for child in node.children] + [x[[c]] for c in node.inputs]
            weight = torch.cat(
                [
                    hierarchy.block(parameters.link_values, node.id, links=True)[0],
                    hierarchy.block(parameters.input_values, node.id, links=False)[0],
                ],
                dim=1,
            )
            h = parameters.bias[0, span, None] + weight @ torch.cat(read)
            activate = ACTIVATIONS[node.activation]
            if node.norm == "after":
                h = activate(h)
            if node.norm != "none":
                own = slice(normed, normed + node.width)
                normed += node.width
                mean, variance = hierarchy.running[:, 0, own, None]
                h = (h - mean) / torch.sqrt(variance + hierarchy.epsilon)
                h = h * parameters.scale[0, own, None] + parameters.shift[0, own, None]
            if node.norm != "after":
                h = activate(h)
            rows.append(h + push[node.id] if push and node.id in push else h)
        found = {node.id: row for node, row in zip(network.layout.nodes, rows, strict=True)}
        return self._read(given, found, torch.cat(rows[len(rows) - len(network.layout.head_of) :] or [x[:0]])), found

    def _read(self, given: Inputs, found: Mapping[str, Tensor], heads: Tensor) -> Tensor:
        """Return the outputs, from the neurons of every node and the rows of the heads."""
        network = self.network
        terms = network.layout.terms if network.architecture.readout == "terms" else network.layout.outputs
        parts, all_heads = [torch.cat([found[term] for term in terms])[None]], [heads[None]]
        for name, widths in network.architecture.blocks.items():
            branch = network.branches[name](given.blocks[name])
            parts.append(branch[:, sum(widths[:-1]) : sum(widths)])
            all_heads.append(branch[:, sum(widths) :])
        covariates = None
        if given.covariates is not None and network.architecture.covariates_at != "genes":
            covariates = given.covariates.transpose(1, 2)
        outputs: Tensor = network.readout(parts, covariates, all_heads, None, "csr")[0][0]
        return outputs
