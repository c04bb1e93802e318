"""The hierarchy level by level in torch: any device, derivatives of any order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kgreg.nn.hierarchy.fused import Parameters, Pass
from kgreg.nn.hierarchy.program import Index, Program, spans
from kgreg.nn.sparse import SparsePattern, multiply

_BITS = 0xFFFFFFFF


#: Takes which rows these are and what they hold, ``[R, n, B]``; returns what stands there instead.
Change = Callable[[slice, Tensor], Tensor]


class Level(nn.Module):
    """One level: which rows it gathers, and the patterns of its weights over them."""

    def __init__(self, program: Program, level: int) -> None:
        super().__init__()
        first, last = int(program.level[level]), int(program.level[level + 1])
        start = int(program.start[first])
        stop = int(program.start[last - 1] + program.width[last - 1])
        self.rows = slice(start, stop)
        normed = int(program.norm_start[first])
        self.normed = slice(normed, normed + (stop - start if program.norm[first] else 0))
        self.input_span = slice(int(program.input_offset[first]), int(program.input_offset[last]))
        self.link_span = slice(int(program.link_offset[first]), int(program.link_offset[last]))
        self.activation, self.norm = int(program.activation[first]), int(program.norm[first])
        self.edge_dropout = float(program.edge_dropout[first])
        self.pre_dropout, self.dropout = float(program.pre_dropout[first]), float(program.dropout[first])
        nodes, width = slice(first, last), program.width[first:last]
        reads = (
            (program.input_column, program.input_ptr, program.key[nodes] + program.fan[nodes]),
            (program.source, program.source_ptr, program.key[nodes]),
        )
        self.inputs, self.links = (
            _Reads(source[ptr[first] : ptr[last]], np.diff(ptr[first : last + 1]), key, width, self.edge_dropout)
            for source, ptr, key in reads
        )

    def forward(self, x: Tensor, below: Tensor, parameters: Parameters, step: Pass, backend: str) -> Tensor:
        """Return the rows of this level, ``[R, rows, B]``, for inputs ``[R, I, B]`` and all rows below."""
        z = parameters.bias[:, self.rows, None]
        seeds = _seeds(step, x.device)
        drop = self.edge_dropout if step.training else 0.0
        for reads, source, values in (
            (self.inputs, x, parameters.input_values[:, self.input_span]),
            (self.links, below, parameters.link_values[:, self.link_span]),
        ):
            if reads.n_weights:
                z = z + reads(source, values, drop, seeds, backend)
        z = z.expand(-1, -1, x.shape[2])
        if self.norm == 2:
            return drop_rows(self._normalise(_activate(z, self.activation), parameters, step), *self._drop(step, seeds))
        if self.norm == 1:
            z = self._normalise(z, parameters, step)
        numbers = torch.arange(self.rows.start, self.rows.stop, device=x.device)
        if step.training and self.pre_dropout:
            z = drop_rows(z, self.pre_dropout, seeds, numbers * 4 + 1)
        return drop_rows(_activate(z, self.activation), *self._drop(step, seeds))

    def _drop(self, step: Pass, seeds: Tensor) -> tuple[float, Tensor, Tensor]:
        numbers = torch.arange(self.rows.start, self.rows.stop, device=seeds.device)
        return self.dropout if step.training else 0.0, seeds, numbers * 4 + 2

    def _normalise(self, z: Tensor, parameters: Parameters, step: Pass) -> Tensor:
        """Return the rows normalised over the samples, each counted as often as it stands in the batch."""
        running = step.running[:, :, self.normed]
        if step.training:
            counts = step.counts[:, None, :]
            total = counts.sum(dim=2).clamp(min=1)
            mean = (z * counts).sum(dim=2) / total
            variance = ((z - mean[:, :, None]) ** 2 * counts).sum(dim=2) / total
            with torch.no_grad():
                unbiased = variance * total / (total - 1).clamp(min=1)
                now = torch.stack([mean, unbiased])
                running += step.momentum * (now - running)
        else:
            mean, variance = running
        scale, shift = parameters.scale[:, self.normed, None], parameters.shift[:, self.normed, None]
        return (z - mean[:, :, None]) * torch.rsqrt(variance + step.epsilon)[:, :, None] * scale + shift


class _Reads(nn.Module):
    """The weights between the nodes of a level and what they read.

    Where reads are dropped, every node gets copies of its own of the rows that it reads.
    """

    gather: Tensor
    keys: Tensor
    order: Tensor

    def __init__(self, source: Index, counts: Index, key: Index, width: Index, dropout: float) -> None:
        super().__init__()
        first = np.cumsum(counts) - counts
        node, _, place = spans(first, counts)
        if dropout:
            gather, column = source, np.arange(len(source))
        else:
            gather, column = np.unique(source, return_inverse=True)
        # A row a neuron: every neuron of a node reads all that the node does.
        rows, read, _ = spans(np.repeat(first, width), np.repeat(counts, width))
        self.pattern = SparsePattern(rows, column[read], int(width.sum()), len(gather))
        self.n_weights = len(rows)
        self.register_buffer("gather", torch.from_numpy(gather), persistent=False)
        self.register_buffer("keys", torch.from_numpy((key[node] + place) * 4), persistent=False)
        # Weights are kept node by node; the pattern wants them row by row, by column.
        self.register_buffer("order", torch.from_numpy(np.argsort(self.pattern.edge_order)), persistent=False)

    def forward(self, source: Tensor, values: Tensor, dropout: float, seeds: Tensor, backend: str) -> Tensor:
        read = drop_rows(source.index_select(1, self.gather), dropout, seeds, self.keys)
        return multiply(self.pattern, values.index_select(1, self.order), read, backend)


def run_layers(
    levels: nn.ModuleList, x: Tensor, parameters: Parameters, step: Pass, backend: str, change: Change | None = None
) -> list[Tensor]:
    """Return ``[R, rows, B]`` of every level for ``x [R, B, I]``; see :func:`kgreg.nn.hierarchy.fused.run_fused`.

    What ``change`` makes of the rows of a level is what the levels above read.
    """
    source = x.transpose(1, 2)
    rows: list[Tensor] = []
    for level in levels:
        below = torch.cat(rows, dim=1) if rows else source[:, :0]
        assert isinstance(level, Level)
        own = level(source, below, parameters, step, backend)
        rows.append(own if change is None else change(level.rows, own))
    return rows


def drop_rows(rows: Tensor, p: float, seeds: Tensor, keys: Tensor) -> Tensor:
    """Return ``rows [R, n, B]`` with a share ``p`` of the values set to 0 and the rest scaled by 1 / (1 - p).

    Which ones follows from ``seeds [R]`` (0: none), ``keys [n]`` and the number of the sample, as in the kernels.
    """
    if p == 0:
        return rows
    samples = torch.arange(rows.shape[2], device=rows.device)
    bits = random_bits(seeds[:, None, None], keys[None, :, None], samples[None, None, :])
    keep = (bits >= min(int(p * 2**32), 2**32 - 1)) | (seeds == 0)[:, None, None]
    one = torch.ones((), dtype=rows.dtype, device=rows.device)
    scale = torch.where(seeds == 0, one, one / (1.0 - p))
    return rows * keep * scale[:, None, None]


def random_bits(seed: Tensor, key: Tensor, sample: Tensor) -> Tensor:
    """Return the 32 random bits that the kernels use, as int64; they depend on nothing but the arguments."""
    stream = _mix(((key * 0x9E3779B1) & _BITS) ^ (seed & _BITS))
    return _mix((stream + sample * 0x85EBCA77) & _BITS)


def _mix(x: Tensor) -> Tensor:
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & _BITS
    x = ((x ^ (x >> 15)) * 0x846CA68B) & _BITS
    return x ^ (x >> 16)


def _seeds(step: Pass, device: Any) -> Tensor:
    seeds: NDArray[np.int64] = step.seeds
    return torch.from_numpy(seeds).to(device)


def _activate(z: Tensor, activation: int) -> Tensor:
    return (torch.tanh, torch.relu, torch.sigmoid, torch.clone)[activation](z)
