"""What the edges of a blueprint ask of their weights: a sign, a fixed value, a start; and the scaling of gene links."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from kgreg.errors import FitError
from kgreg.nn.hierarchy import Hierarchy, Parameters, Program
from kgreg.nn.layout import Layout, edges_of_weights
from kgreg.nn.sparse import signed_weight


class EdgeRules(nn.Module):
    """Turn the free parameters of a hierarchy into the weights that are used.

    A signed edge keeps its sign (:func:`kgreg.nn.sparse.signed_weight`). A fixed edge uses the value of the blueprint.
    With ``gene_scaling`` a term reads a gene as ``s x + c``, with s and c learned for every link (the "direct gene
    layer" of the published code); the two linear maps are multiplied together before they are applied, which costs
    nothing per sample.

    Raises
    ------
    FitError
        If a fixed edge has no weight, or the weight of an edge contradicts its sign.
    """

    def __init__(
        self, layout: Layout, program: Program, edges: pd.DataFrame, gene_scaling: bool, networks: int
    ) -> None:
        super().__init__()
        sign = edges["sign"].to_numpy(dtype=float)
        trainable = edges["trainable"].to_numpy(dtype=bool)
        weight = edges["weight"].to_numpy(dtype=float)
        lacking = ~trainable & np.isnan(weight)
        if lacking.any():
            first = edges[lacking].iloc[0]
            raise FitError(f"The edge {first['source']} -> {first['target']} is fixed but has no weight.")
        opposed = np.sign(weight) == -np.where(sign == 0, np.nan, sign)
        if opposed.any():
            first = edges[opposed].iloc[0]
            raise FitError(
                f"The edge {first['source']} -> {first['target']} has the weight {first['weight']:g}, which "
                f"contradicts its sign {int(first['sign']):+d}.",
                "Change one of the two.",
            )
        self.n_fixed = 0
        self._counts: dict[str, int] = {}
        self._n_genes = len(layout.genes)
        scaled = np.flatnonzero(layout.from_gene) if gene_scaling else np.zeros(0, dtype=np.int64)
        number = np.full(len(edges), -1)
        number[scaled] = np.arange(len(scaled))
        for kind, links in (("input_weight", False), ("link_weight", True)):
            if not links and not len(layout.input_edges):
                continue  # genes have a layer; what they read follows no edge
            edge, neuron = edges_of_weights(layout, program, links)
            none = edge < 0
            signs, fixed = np.where(none, 0.0, sign[edge]), ~none & ~trainable[edge]
            values, scaling = np.where(none, np.nan, weight[edge]), ~none & (number[edge] >= 0)
            if fixed.any() or signs.any() or scaling.any() or (~np.isnan(values)).any():
                self._counts[kind] = len(edge)
            self.n_fixed += int(fixed.sum())
            for name, array in (
                ("sign", signs if signs.any() else None),
                ("fixed", fixed if fixed.any() else None),
                ("value", values if (~np.isnan(values)).any() else None),
                ("scaled", np.flatnonzero(scaling) if scaling.any() else None),
                ("link", number[edge][scaling] if scaling.any() else None),
                ("neuron", neuron[scaling] if scaling.any() else None),
            ):
                tensor = None if array is None else torch.from_numpy(np.ascontiguousarray(array))
                if tensor is not None and tensor.dtype == torch.float64:
                    tensor = tensor.to(torch.get_default_dtype())
                self.register_buffer(f"{kind}_{name}", tensor, persistent=False)
        if len(scaled):
            self.scale = nn.Parameter(torch.empty(networks, len(scaled)))
            self.offset = nn.Parameter(torch.empty(networks, len(scaled)))
        else:
            self.register_parameter("scale", None)
            self.register_parameter("offset", None)

    def reset_parameters(self, hierarchy: Hierarchy, network: int, scale: float) -> None:
        """Set preset weights of one network, and draw its scaling of gene links anew.

        The published layer is a map from all genes with all but one weight masked, and starts accordingly small.
        """
        with torch.no_grad():
            for kind in self._counts:
                value = getattr(self, f"{kind}_value")
                if value is not None:
                    row = getattr(hierarchy, kind)[network, : len(value)]
                    row.copy_(torch.where(torch.isnan(value), row, value))
            if self.scale is not None:
                bound = scale / np.sqrt(max(self._n_genes, 1))
                self.scale[network] = (torch.rand(self.scale.shape[1]) * 2 - 1) * bound
                self.offset[network] = (torch.rand(self.offset.shape[1]) * 2 - 1) * bound

    def weights_of(self, hierarchy: Hierarchy) -> Parameters:
        """Return the weights and biases to use."""
        parameters = hierarchy.parameters_of()
        bias = parameters.bias
        used: dict[str, Tensor] = {}
        for kind, n in self._counts.items():
            free: Tensor = getattr(hierarchy, kind)
            weight = free[:, :n]
            sign, fixed, value = (getattr(self, f"{kind}_{name}") for name in ("sign", "fixed", "value"))
            if sign is not None:
                weight = signed_weight(weight, sign)
            if fixed is not None:
                weight = torch.where(fixed, value, weight)
            scaled = getattr(self, f"{kind}_scaled")
            if scaled is not None:
                link, neuron = getattr(self, f"{kind}_link"), getattr(self, f"{kind}_neuron")
                own = weight.index_select(1, scaled)
                bias = bias.index_add(1, neuron, own * self.offset.index_select(1, link))
                weight = weight.index_copy(1, scaled, own * self.scale.index_select(1, link))
            used[kind] = torch.cat([weight, free[:, n:]], dim=1) if n < free.shape[1] else weight
        return parameters._replace(
            bias=bias,
            input_values=used.get("input_weight", parameters.input_values),
            link_values=used.get("link_weight", parameters.link_values),
        )
