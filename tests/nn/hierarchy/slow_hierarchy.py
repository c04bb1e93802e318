"""A hierarchy once more, from its equations: one network and one node at a time, in plain torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kgreg.nn.hierarchy import Node, Parameters


class SlowPass(NamedTuple):
    """``hidden [R, N, B]`` and the running statistics ``[2, R, n_normed]`` after the pass."""

    hidden: Tensor
    running: Tensor


def slow_pass(
    nodes: Sequence[Node],
    x: Tensor,
    parameters: Parameters,
    *,
    running: Tensor,
    counts: Tensor,
    training: bool,
    seeds: Sequence[int],
    momentum: float = 0.1,
    epsilon: float = 1e-5,
) -> SlowPass:
    """Compute ``x [R, B, I]`` through nodes whose parameters lie one after the other."""
    networks = [
        _one_network(nodes, x[r], [p[r] for p in parameters], running[:, r], counts[r], training, int(seeds[r]),
                     momentum, epsilon)
        for r in range(len(x))
    ]  # fmt: skip
    return SlowPass(torch.stack([n.hidden for n in networks]), torch.stack([n.running for n in networks], dim=1))


def _one_network(
    nodes: Sequence[Node], x: Tensor, parameters: Sequence[Tensor], running: Tensor, counts: Tensor, training: bool,
    seed: int, momentum: float, epsilon: float,
) -> SlowPass:  # fmt: skip
    input_weight, link_weight, bias, scale, shift = (_Tape(p) for p in parameters)
    mean_tape, variance_tape = _Tape(running[0]), _Tape(running[1])
    rows_of: list[Tensor] = []
    new_mean, new_variance = [], []
    key = neuron = 0
    drops = training and seed != 0
    for node in nodes:
        values = [row for child in node.children for row in rows_of[child]] + [x[:, c] for c in node.inputs]
        if drops and node.edge_dropout:
            values = [_dropped(v, node.edge_dropout, seed, (key + j) * 4) for j, v in enumerate(values)]
        key += len(values)
        n_links = len(values) - len(node.inputs)
        from_inputs = input_weight.take(node.width * len(node.inputs)).view(node.width, len(node.inputs))
        from_nodes = link_weight.take(node.width * n_links).view(node.width, n_links)
        z = bias.take(node.width)[:, None].expand(node.width, len(x))
        if values:
            z = z + torch.cat([from_nodes, from_inputs], dim=1) @ torch.stack(values)
        if node.norm == "after":
            z = _activated(z, node.activation)
        if node.norm != "none":
            mean, variance = mean_tape.take(node.width), variance_tape.take(node.width)
            if training:
                n = counts.sum()
                now = (z * counts).sum(dim=1) / n
                spread = (((z - now[:, None]) ** 2) * counts).sum(dim=1)
                new_mean.append(((1 - momentum) * mean + momentum * now).detach())
                new_variance.append(((1 - momentum) * variance + momentum * spread / max(float(n) - 1, 1)).detach())
                mean, variance = now, spread / n
            else:
                new_mean.append(mean)
                new_variance.append(variance)
            z = (z - mean[:, None]) / torch.sqrt(variance[:, None] + epsilon)
            z = z * scale.take(node.width)[:, None] + shift.take(node.width)[:, None]
        numbers = range(neuron, neuron + node.width)
        neuron += node.width
        if drops and node.pre_dropout:
            z = torch.stack([_dropped(z[k], node.pre_dropout, seed, n * 4 + 1) for k, n in enumerate(numbers)])
        if node.norm != "after":
            z = _activated(z, node.activation)
        if drops and node.dropout:
            z = torch.stack([_dropped(z[k], node.dropout, seed, n * 4 + 2) for k, n in enumerate(numbers)])
        rows_of.append(z)
    for tape in (input_weight, link_weight, bias, scale, shift, mean_tape, variance_tape):
        tape.check_spent()
    after = torch.stack([torch.cat([running.new_zeros(0), *new]) for new in (new_mean, new_variance)])
    return SlowPass(torch.cat(rows_of), after)


class _Tape:
    """Values that are handed out in order."""

    def __init__(self, values: Tensor) -> None:
        self.values, self.at = values, 0

    def take(self, n: int) -> Tensor:
        self.at += n
        return self.values[self.at - n : self.at]

    def check_spent(self) -> None:
        assert self.at == len(self.values), "parameters that no node has"


def _activated(z: Tensor, activation: str) -> Tensor:
    if activation == "tanh":
        return torch.tanh(z)
    if activation == "relu":
        return torch.where(z > 0, z, torch.zeros_like(z))
    if activation == "sigmoid":
        return 1 / (1 + torch.exp(-z))
    return z


def _dropped(row: Tensor, p: float, seed: int, key: int) -> Tensor:
    keep = torch.from_numpy(kept(p, seed, key, len(row)))
    return torch.where(keep, row / (1 - p), torch.zeros_like(row))


def kept(p: float, seed: int, key: int, batch: int) -> NDArray[np.bool_]:
    """Return which samples of a row stay: 32 random bits each, from a hash of seed, key and number of the sample."""
    stream = _mix(np.array([(key * 0x9E3779B1 & 0xFFFFFFFF) ^ (seed & 0xFFFFFFFF)], dtype=np.uint64))
    samples = np.arange(batch, dtype=np.uint64) * np.uint64(0x85EBCA77)
    kept: NDArray[np.bool_] = _mix((stream + samples) & np.uint64(0xFFFFFFFF)) >= np.uint64(int(p * 2**32))
    return kept


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = ((x ^ (x >> np.uint64(shift))) * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
    return x ^ (x >> np.uint64(16))
