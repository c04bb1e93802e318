"""The networks of :mod:`kgreg.nn.integration` as loops over samples and neurons, written from the equations."""

from __future__ import annotations

import math
from itertools import combinations

import torch
from torch import Tensor, nn

from kgreg.nn.guided import Given
from kgreg.nn.integration import BottleneckNetwork, LateNetwork, MoliNetwork


def dense(weight: Tensor, bias: Tensor, x: Tensor) -> Tensor:
    return torch.stack(
        [sum((w * v for w, v in zip(row, x, strict=True)), b) for row, b in zip(weight, bias, strict=True)]
    )


def normalised(norm: nn.BatchNorm1d, rows: list[Tensor]) -> list[Tensor]:
    """Batch normalisation with the statistics of the rows."""
    mean = sum(rows) / len(rows)
    variance = sum((row - mean) ** 2 for row in rows) / len(rows)
    return [(row - mean) / torch.sqrt(variance + norm.eps) * norm.weight + norm.bias for row in rows]


def columns_of(network: MoliNetwork | LateNetwork, m: int) -> list[int]:
    return getattr(network.views, f"columns_{m}").tolist()


def encode(encoder: nn.Module, rows: list[Tensor]) -> list[Tensor]:
    """An encoder with relu and without dropout, on the rows that have its modality."""
    layers = list(encoder.layers)
    for i, layer in enumerate(layers):
        if isinstance(layer, nn.Linear):
            rows = [dense(layer.weight, layer.bias, row) for row in rows]
            if isinstance(layers[i + 1], nn.BatchNorm1d):
                rows = normalised(layers[i + 1], rows)
            rows = [torch.clamp(row, min=0) for row in rows]
    return rows


def embeddings(network: MoliNetwork | LateNetwork, given: Given) -> list[list[Tensor]]:
    """Return the embedding of every modality and sample, 0 where it is missing."""
    found = []
    for m, encoder in enumerate(network.encoders):
        there = [i for i in range(len(given.x)) if given.present is None or given.present[i, m] > 0]
        rows = encode(encoder, [given.x[i, columns_of(network, m)] for i in there])
        zero = torch.zeros(encoder.width, dtype=given.x.dtype)
        found.append([rows[there.index(i)] if i in there else zero for i in range(len(given.x))])
    return found


def moli(network: MoliNetwork, given: Given) -> tuple[Tensor, Tensor]:
    """Return outputs and joined embeddings."""
    each = embeddings(network, given)
    joined, outputs = [], []
    for i in range(len(given.x)):
        z = torch.cat([own[i] for own in each])
        if network.design.normalise:
            z = z / torch.linalg.vector_norm(z).clamp_min(1e-12)
        joined.append(z)
        beside = [] if given.covariates is None else [given.covariates[i]]
        if network.design.presence:
            beside.append(torch.ones(len(each), dtype=z.dtype) if given.present is None else given.present[i])
        outputs.append(dense(network.head.weight, network.head.bias, torch.cat([z, *beside])))
    return torch.stack(outputs), torch.stack(joined)


def triplets(embedded: Tensor, classes: list[int], margin: float) -> Tensor:
    """Return the mean cost of all triplets, with a loop over them."""
    costs = []
    for a, p in combinations(range(len(classes)), 2):
        if classes[a] != classes[p]:
            continue
        for n in range(len(classes)):
            if classes[n] != classes[a]:
                near = torch.linalg.vector_norm(embedded[a] - embedded[p])  # whose slope at 0 is 0
                far = torch.linalg.vector_norm(embedded[a] - embedded[n])
                costs.append(torch.clamp(near - far + margin, min=0))
    return sum(costs) / len(costs)


def late(network: LateNetwork, given: Given) -> tuple[Tensor, list[Tensor]]:
    """Return mean predictions (not outputs) and every modality's own outputs."""
    each = embeddings(network, given)
    own = []
    for m, rows in enumerate(each):
        beside = [[] if given.covariates is None else [given.covariates[i]] for i in range(len(rows))]
        head = network.heads[m]
        own.append(
            torch.stack(
                [dense(head.weight, head.bias, torch.cat([row, *b])) for row, b in zip(rows, beside, strict=True)]
            )
        )
    link = {"softmax": lambda o: torch.softmax(o, dim=0), "sigmoid": torch.sigmoid, "identity": lambda o: o}[
        network.link
    ]
    mean = []
    for i in range(len(given.x)):
        having = [m for m in range(len(own)) if given.present is None or given.present[i, m] > 0]
        mean.append(sum(link(own[m][i]) for m in having) / len(having))
    return torch.stack(mean), own


def bottleneck(network: BottleneckNetwork, given: Given) -> tuple[Tensor, Tensor, Tensor]:
    """Return outputs, factors and the loss, without dropout."""
    depth = len(network.design.widths)
    outputs, factors, error, count, activity = [], [], 0.0, 0.0, 0.0
    for i, x in enumerate(given.x):
        h = x
        for number, layer in enumerate(network.layers, start=1):
            h = dense(layer.weight, layer.bias, h)
            if number < len(network.layers):
                h = torch.tanh(h)
            activity = activity + (h**2).sum() / len(given.x)
            if number == depth:
                factors.append(h)
        for j in range(len(x)):
            if given.present is None or given.present[i, network.modality[j]] > 0:
                error, count = error + (h[j] - x[j]) ** 2, count + 1
        read = [factors[-1], *([] if given.covariates is None else [given.covariates[i]])]
        outputs.append(dense(network.head.weight, network.head.bias, torch.cat(read)))
    weights = sum(abs(w) for layer in network.layers for w in layer.weight.flatten())
    loss = error / count + network.design.weight_l1 * weights + network.design.activity_l2 * activity
    return torch.stack(outputs), torch.stack(factors), loss


def cox_score(x: list[float], time: list[float], event: list[float]) -> float:
    """Return the score statistic of one number, ties by Efron's rule."""
    derivative = variance = 0.0
    for t in sorted({u for u, e in zip(time, event, strict=True) if e}):
        risk = [v for v, u in zip(x, time, strict=True) if u >= t]
        died = [v for v, u, e in zip(x, time, event, strict=True) if u == t and e]
        for number in range(len(died)):
            s = [sum(v**k for v in risk) - number / len(died) * sum(v**k for v in died) for k in range(3)]
            mean = s[1] / s[0]
            derivative += died[number] - mean
            variance += s[2] / s[0] - mean**2
    return derivative**2 / variance if variance else math.nan
