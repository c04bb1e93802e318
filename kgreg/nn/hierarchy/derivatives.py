"""A pass through a hierarchy in evaluation mode that is kept: to go back from values, and to set nodes anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kgreg.nn.hierarchy import changes, kernels
from kgreg.nn.hierarchy.adjoints import adjoints
from kgreg.nn.hierarchy.fused import Parameters, Pass, read_inputs
from kgreg.nn.hierarchy.program import Index, Program
from kgreg.nn.hierarchy.settings import set_nodes
from kgreg.nn.threads import use_threads

_AT_ONCE = 2**24  # activations that are read of a block of nodes


@dataclass(frozen=True)
class Kept:
    """What one pass leaves behind: activations ``hidden [R, N, B]``, and what the way back needs besides."""

    program: Program
    hidden: Tensor
    _saved: Any
    _stats: Any
    _values: tuple[Any, ...]
    _source: tuple[Any, Any]
    _running: Any
    _epsilon: float

    @classmethod
    def of(cls, program: Program, x: Tensor, parameters: Parameters, step: Pass) -> Kept:
        """Compute inputs ``x [R, B, I]`` by the kernel, in evaluation mode."""
        values = tuple(np.ascontiguousarray(p.detach().numpy()) for p in parameters)
        dtype = values[0].dtype
        networks, batch, _ = x.shape
        source, sparse = read_inputs(x.detach().to(parameters.bias.dtype), dtype)
        hidden = np.empty((networks, program.n_neurons, batch), dtype)
        saved = np.empty_like(hidden) if program.n_normed else np.empty((networks, program.n_neurons, 0), dtype)
        stats = np.empty((2, networks, program.n_normed), dtype)
        counts = np.ones((networks, batch), dtype)
        kernels.forward(
            program, use_threads(), source, sparse, counts, counts.sum(axis=1), *values, step.running.numpy(), False,
            step.momentum, step.epsilon, np.zeros(networks, np.int64), hidden, saved, stats,
        )  # fmt: skip
        running = step.running.numpy()
        return cls(program, torch.from_numpy(hidden), saved, stats, values, (source, sparse), running, step.epsilon)

    def back(self, direct: Tensor) -> tuple[Tensor, Tensor]:
        """Return the total derivatives of a value by all neurons ``[R, N, B]`` and all inputs ``[R, B, I]``.

        Parameters
        ----------
        direct
            ``[R, N, B]``: derivatives by the activations that are read, elsewhere 0. Overwritten.
        """
        total = direct.numpy()
        hidden = self.hidden.numpy()
        inputs, links, _, scale, _ = self._values
        d_x = np.empty((len(hidden), self.program.n_inputs, hidden.shape[2]), hidden.dtype)
        use_threads()
        adjoints(self.program, inputs, links, scale, hidden, self._saved, self._stats, total, np.empty_like(total), d_x)
        return direct, torch.from_numpy(d_x).transpose(1, 2)

    def setting(self, nodes: Index, times: float, plus: Tensor, rows: Index) -> Iterator[Tensor]:
        """Set nodes to other values, one at a time, and yield the neurons ``rows`` then, ``[K, R, m, B]`` for some.

        Parameters
        ----------
        nodes
            Positions of nodes, each to be set by itself; what stands above is computed again.
        times, plus
            The neurons h of a node become ``times * h + plus``; ``plus [N]`` holds a number for every neuron.
        """
        program, hidden = self.program, self.hidden.numpy()
        inputs, links, bias, scale, shift = self._values
        sums = np.empty_like(hidden)
        use_threads()
        changes.sums(program, *self._source, hidden, inputs, links, bias, sums)
        mean, variance = self._running
        gain = scale / np.sqrt(variance + self._epsilon).astype(scale.dtype)
        place = np.full(program.n_neurons, -1, np.int64)
        place[rows] = np.arange(len(rows))
        size = max(1, _AT_ONCE // max(1, len(hidden) * len(rows) * hidden.shape[2]))
        for start in range(0, len(nodes), size):
            own = nodes[start : start + size]
            above = [_above(program, int(node)) for node in own]
            reached = np.cumsum([0, *(len(one) for one in above)])
            taken = np.empty((len(own), len(hidden), len(rows), hidden.shape[2]), hidden.dtype)
            use_threads()
            set_nodes(
                program, own, times, plus.numpy().astype(hidden.dtype), reached, np.concatenate(above), hidden, sums,
                links, gain, mean, shift, place, rows, taken,
            )  # fmt: skip
            yield torch.from_numpy(taken)


def _above(program: Program, node: int) -> Index:
    """Return the nodes that read a node, or one that does, ascending."""
    found: set[int] = set()
    waiting = [node]
    while waiting:
        t = waiting.pop()
        parents = program.parent[program.parent_ptr[t] : program.parent_ptr[t + 1]].tolist()
        waiting += [parent for parent in parents if parent not in found]
        found.update(parents)
    return np.array(sorted(found), dtype=np.int64)
