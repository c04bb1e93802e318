"""Graph networks as their papers write them: one sample, one node and one neighbour at a time."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from kgreg.blueprint import Blueprint, compile_interactions
from kgreg.nn.graphs import GraphDesign, GraphNetwork

Graph = dict[int, dict[int, float]]


def random_blueprint(
    n: int = 12, seed: int = 0, modalities: int = 1, isolated: bool = True, edges: int | None = None
) -> Blueprint:
    """Return genes with random weighted interactions; the last gene has none where ``isolated``."""
    rng = np.random.default_rng(seed)
    joined = n - 1 if isolated else n
    pairs = [(i, j) for i in range(joined) for j in range(i)]
    chosen = rng.permutation(len(pairs))[: edges or 2 * n]
    table = pd.DataFrame(
        [(f"g{pairs[k][0]:02d}", f"g{pairs[k][1]:02d}", rng.uniform(0.2, 2.0)) for k in chosen],
        columns=["source", "target", "weight"],
    )
    rows = [(f"g{i:02d}", f"g{i:02d}", f"m{m}") for i in range(n) for m in range(modalities) if m == 0 or i % 3]
    features = pd.DataFrame(rows, columns=["feature", "gene", "modality"])
    return compile_interactions(table, features)


def graph_of(blueprint: Blueprint) -> Graph:
    """Return node -> neighbour -> weight."""
    place = {gene: i for i, gene in enumerate(blueprint.inputs["node"].unique())}
    graph: Graph = {i: {} for i in place.values()}
    for row in blueprint.interactions.itertuples():
        i, j = place[row.source], place[row.target]
        graph[i][j] = graph[j][i] = float(row.weight)
    return graph


def slow_merge(graph: Graph, loops: dict[int, float]) -> list[int]:
    """Return the cluster of every node: greedy pairs by the local normalised cut, nodes of low degree first."""
    degree = {i: sum(row.values()) + loops.get(i, 0.0) for i, row in graph.items()}
    partner: dict[int, int] = {}
    for i in sorted(graph, key=lambda node: (degree[node], node)):
        if i in partner:
            continue
        partner[i] = i
        found, best = -1.0, i
        for j in sorted(graph[i]):
            if j not in partner and graph[i][j] * (1 / degree[i] + 1 / degree[j]) > found:
                found, best = graph[i][j] * (1 / degree[i] + 1 / degree[j]), j
        partner[i], partner[best] = best, i
    cluster: dict[int, int] = {}
    for i in sorted(graph):
        if i not in cluster:
            cluster[i] = cluster[partner[i]] = len(set(cluster.values()))
    return [cluster[i] for i in sorted(graph)]


def slow_coarsen(graph: Graph, rounds: int, loops: dict[int, float] | None = None) -> tuple[list[int], Graph, dict]:
    """Return the cluster of every node, the graph of the clusters, and the weights within."""
    loops = dict(loops or {})
    clusters = sorted(graph)
    for _ in range(rounds):
        merged = slow_merge(graph, loops)
        coarse: Graph = {c: {} for c in range(max(merged) + 1)}
        within = dict.fromkeys(coarse, 0.0)
        for i, row in graph.items():
            within[merged[i]] += loops.get(i, 0.0)
            for j, weight in row.items():
                if merged[i] == merged[j]:
                    within[merged[i]] += weight
                else:
                    coarse[merged[i]][merged[j]] = coarse[merged[i]].get(merged[j], 0.0) + weight
        graph, loops, clusters = coarse, within, [merged[c] for c in clusters]
    return clusters, graph, loops


def slow_cheb(layer: dict[str, Tensor], graph: Graph, h: list[Tensor]) -> list[Tensor]:
    """``sum_k T_k(L~) h W_k + b`` by the recurrence of Chebyshev's polynomials."""
    degree = {i: sum(row.values()) for i, row in graph.items()}

    def laplacian(x: list[Tensor]) -> list[Tensor]:
        y = []
        for i, row in graph.items():
            # 2 / 2 L - I, where L = I - D^-1/2 A D^-1/2: the ones of the diagonal cancel.
            mixed = torch.zeros_like(x[i])
            for j, weight in row.items():
                mixed = mixed - weight / math.sqrt(degree[i] * degree[j]) * x[j]
            y.append(mixed)
        return y

    polynomials = [h]
    for k in range(1, len(layer["weight"])):
        mixed = laplacian(polynomials[-1])
        polynomials.append(mixed if k == 1 else [2 * m - p for m, p in zip(mixed, polynomials[-2], strict=True)])
    return [
        sum((polynomials[k][i] @ layer["weight"][k] for k in range(len(polynomials))), layer["bias"]) for i in graph
    ]


def slow_gcn(layer: dict[str, Tensor], graph: Graph, h: list[Tensor]) -> list[Tensor]:
    """``sum_j A~_ij / sqrt(d~_i d~_j) h_j W + b`` with a loop of weight 1 at every node."""
    degree = {i: 1 + sum(row.values()) for i, row in graph.items()}
    found = []
    for i, row in graph.items():
        mixed = sum((w / math.sqrt(degree[i] * degree[j]) * h[j] for j, w in row.items()), h[i] / degree[i])
        found.append(mixed @ layer["weight"] + layer["bias"])
    return found


def slow_sage(layer: dict[str, Tensor], graph: Graph, h: list[Tensor]) -> list[Tensor]:
    """``h_i W_self + mean_j h_j W_neighbours + b``."""
    found = []
    for i, row in graph.items():
        mean = sum((h[j] for j in row), torch.zeros_like(h[i])) / max(len(row), 1)
        found.append(h[i] @ layer["weight_self"] + mean @ layer["weight_neighbours"] + layer["bias"])
    return found


def slow_gat(
    layer: dict[str, Tensor], graph: Graph, h: list[Tensor], average: bool
) -> tuple[list[Tensor], list[dict[tuple[int, int], Tensor]]]:
    """Return the features, and the attention of every head: (receiver, sender) -> share."""
    heads, width = layer["receiver"].shape
    features: list[list[Tensor]] = [[] for _ in graph]
    paid: list[dict[tuple[int, int], Tensor]] = []
    for k in range(heads):
        z = [row @ layer["weight"][:, k * width : (k + 1) * width] for row in h]
        own: dict[tuple[int, int], Tensor] = {}
        for i, row in graph.items():
            scores = {}
            for j in [i, *row]:
                e = layer["receiver"][k] @ z[i] + layer["sender"][k] @ z[j]
                scores[j] = torch.exp(torch.where(e > 0, e, 0.2 * e))
            total = sum(scores.values())
            own |= {(i, j): score / total for j, score in scores.items()}
            features[i].append(sum(own[i, j] * z[j] for j in scores))
        paid.append(own)
    joined = [torch.stack(f).mean(dim=0) if average else torch.cat(f) for f in features]
    return [f + layer["bias"] for f in joined], paid


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": lambda x: torch.where(x > 0, x, 0 * x),
    "elu": lambda x: torch.where(x > 0, x, torch.exp(x) - 1),
    "tanh": torch.tanh,
}


def slow_outputs(
    network: GraphNetwork, blueprint: Blueprint, x: Tensor, covariates: Tensor | None = None
) -> tuple[Tensor, dict[tuple[str, str], float]]:
    """Return outputs ``[batch, n_outputs]`` without dropout, and for "gat" the attention of every interaction."""
    design: GraphDesign = network.design
    parameters = dict(network.named_parameters())
    genes = list(blueprint.inputs["node"].unique())
    kinds = list(blueprint.inputs["modality"].unique())
    outputs = []
    summed: dict[tuple[str, str], float] = {}
    for b in range(len(x)):
        outputs.append(_slow_sample(network, parameters, blueprint, genes, kinds, x[b], summed, b, covariates))
    return torch.stack(outputs), {
        pair: total / len(x) for pair, total in summed.items()
    } if design.conv == "gat" else {}


def _dense(parameters: dict[str, Tensor], name: str, n: int, x: Tensor, activate: Callable[[Tensor], Tensor]) -> Tensor:
    layers = sorted({int(key.split(".")[1]) for key in parameters if key.startswith(f"{name}.")})
    assert len(layers) == n
    for k in layers:
        x = activate(parameters[f"{name}.{k}.weight"] @ x + parameters[f"{name}.{k}.bias"])
    return x


def _slow_sample(
    network: GraphNetwork,
    parameters: dict[str, Tensor],
    blueprint: Blueprint,
    genes: list[str],
    kinds: list[str],
    x: Tensor,
    summed: dict[tuple[str, str], float],
    b: int,
    covariates: Tensor | None,
) -> Tensor:
    design, activate = network.design, ACTIVATIONS[network.design.activation]
    h = [x.new_zeros(len(kinds)) for _ in genes]
    for position, row in enumerate(blueprint.inputs.itertuples()):
        one = torch.zeros(len(kinds), dtype=x.dtype)
        one[kinds.index(row.modality)] = 1
        h[genes.index(row.node)] = h[genes.index(row.node)] + one * x[position]
    if design.gene_features:
        h = [v @ parameters["gene_weight"][i] + parameters["gene_bias"][i] for i, v in enumerate(h)]
    graph, loops = graph_of(blueprint), {}
    at_genes, heard = True, []
    for k, size in enumerate(design.pool or (1,) * len(design.widths)):
        prefix = f"convolutions.{k}."
        layer = {name.removeprefix(prefix): p for name, p in parameters.items() if name.startswith(prefix)}
        if design.conv == "gat":
            h, paid = slow_gat(layer, graph, h, design.last_heads == "mean" and k == len(design.widths) - 1)
            if at_genes:
                heard.append((paid, {i: len(row) + 1 for i, row in graph.items()}))
        else:
            h = {"cheb": slow_cheb, "gcn": slow_gcn, "sage": slow_sage}[design.conv](layer, graph, h)
        if design.unit_length:
            h = [v / torch.sqrt((v**2).sum()) for v in h]
        h = [activate(v) for v in h]
        if size > 1:
            clusters, graph, loops = slow_coarsen(graph, size.bit_length() - 1, loops)
            h = [torch.stack([h[i] for i, own in enumerate(clusters) if own == c]).max(dim=0).values for c in graph]
            at_genes = False
    for row in blueprint.interactions.itertuples() if heard else ():
        i, j = genes.index(row.source), genes.index(row.target)
        shares = [
            0.5 * (own[i, j].item() * count[i] + own[j, i].item() * count[j]) for paid, count in heard for own in paid
        ]
        key = (row.source, row.target)
        summed[key] = summed.get(key, 0.0) + sum(shares) / len(shares)
    parts = [torch.stack(h).mean(dim=0) if design.readout == "mean" else torch.cat(h)]
    if design.dense:
        parts.append(_dense(parameters, "dense", len(design.dense), x, activate))
    if covariates is not None:
        parts.append(covariates[b])
    read = _dense(parameters, "hidden", len(design.hidden), torch.cat(parts), activate)
    return parameters["head.weight"] @ read + parameters["head.bias"]
