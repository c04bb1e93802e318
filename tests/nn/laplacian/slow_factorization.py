"""The multi-view factorization autoencoder, written from its equations: sample by sample, pair by pair."""

from __future__ import annotations

from typing import Any

import pandas as pd
import torch
from torch import Tensor

from kgreg.blueprint import Blueprint, compile_interactions
from kgreg.nn.factorization import FactorizationNetwork

GENES = ["A", "B", "C", "D", "E"]
LINKS = [("A", "B", 1.0), ("B", "C", 2.0), ("D", "A", 0.5)]


def small_blueprint(modalities: tuple[str, ...] = ("rna", "protein")) -> Blueprint:
    """Five genes, of which E was measured in the first modality alone."""
    rows = [(g, g, m) for g in GENES for m in modalities if g != "E" or m == modalities[0]]
    features = pd.DataFrame(rows, columns=["feature", "gene", "modality"])
    return compile_interactions(pd.DataFrame(LINKS, columns=["source", "target", "weight"]), features)


def encode(encoder: Any, x: Tensor, connections: str) -> Tensor:
    """One sample's factors; ReLU between layers."""
    layers = list(encoder.layers)
    before: list[Tensor] = []
    h = x
    for number, layer in enumerate(layers):
        read = torch.cat(before) if connections == "dense" and before else h
        z = torch.stack([sum((w * v for w, v in zip(row, read, strict=True)), b)
                         for row, b in zip(layer.weight, layer.bias, strict=True)])  # fmt: skip
        if connections == "residual" and number and len(z) == len(h):
            z = z + h
        if number == len(layers) - 1:
            return z
        h = torch.where(z > 0, z, torch.zeros_like(z))
        before.append(h)
    return h


def laplacian_term(weight: Tensor, genes: list[str], kind: str, scaled: bool, unit_rows: bool) -> Tensor:
    """``tr(W.T L W)`` of the interactions between ``genes``, pair by pair."""
    links = [(genes.index(a), genes.index(b), w) for a, b, w in LINKS if a in genes and b in genes]
    size = (2 * sum(w**2 for _, _, w in links)) ** 0.5 if scaled else 1.0
    links = [(i, j, w / size) for i, j, w in links]
    degree = [sum(w for i, j, w in links if g in (i, j)) for g in range(len(genes))]
    rows = list(weight)
    if unit_rows:
        rows = [row / (row.pow(2).sum().sqrt() * len(genes) ** 0.5) for row in rows]
    total = weight.new_zeros(())
    for i, j, w in links:
        if kind == "normalised":
            total = total + w * (rows[i] / degree[i] ** 0.5 - rows[j] / degree[j] ** 0.5).pow(2).sum()
        else:
            total = total + w * (rows[i] - rows[j]).pow(2).sum()
    return total


def slow_pass(
    network: FactorizationNetwork, blueprint: Blueprint, x: Tensor, present: Tensor | None, covariates: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return outputs ``[batch, n_outputs]`` and the loss without that of the task."""
    design = network.design
    one_view = len(network.encoders) == 1
    modality = blueprint.inputs["modality"].tolist()
    names = list(dict.fromkeys(modality))
    views = [list(range(len(modality)))] if one_view else [
        [c for c, m in enumerate(modality) if m == name] for name in names
    ]  # fmt: skip
    n = len(x)

    def there(b: int, name: str) -> bool:
        return present is None or bool(present[b, names.index(name)])

    factors = [[encode(e, x[b, cols], design.connections) for e, cols in zip(network.encoders, views, strict=True)]
               for b in range(n)]  # fmt: skip
    outputs = []
    for b in range(n):
        have = [v for v in range(len(views)) if one_view or there(b, names[v])]
        if network.fuse == "mean":
            read = sum((factors[b][v] for v in have), torch.zeros_like(factors[b][0])) / max(len(have), 1)
        else:
            read = torch.cat([h if v in have else torch.zeros_like(h) for v, h in enumerate(factors[b])])
        if covariates is not None:
            read = torch.cat([read, covariates[b]])
        outputs.append(network.head.weight @ read + network.head.bias)
    loss = x.new_zeros(())
    for v, cols in enumerate(views):
        errors = []
        for b in range(n):
            back = network.decoders[v].weight @ factors[b][v] + network.decoders[v].bias
            errors += [(x[b, c] - back[k]) ** 2 for k, c in enumerate(cols) if there(b, modality[c])]
        loss = loss + design.reconstruction * sum(errors, x.new_zeros(())) / max(len(errors), 1)
        if design.laplacian:
            genes = [blueprint.inputs["node"][c] for c in cols]
            term = laplacian_term(
                network.decoders[v].weight, genes, design.graph, design.scaled_graph, design.unit_rows
            )
            loss = loss + design.laplacian * term
    if network.similarity and not one_view:
        alike = []
        for i in range(n):
            for j in range(n):
                shared = [v for v in range(len(views)) if there(i, names[v]) and there(j, names[v])]
                if not shared:
                    continue
                product = x.new_ones(())
                for v in shared:
                    a, c = factors[i][v], factors[j][v]
                    product = product * (a @ c) / (a.norm() * c.norm())
                alike.append(product.abs())
        loss = loss - network.similarity * sum(alike, x.new_zeros(())) / len(alike)
    return torch.stack(outputs), loss
