"""A pass through a hierarchy in evaluation mode that can be gone back as often as there are values to derive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kgreg.nn.hierarchy import kernels
from kgreg.nn.hierarchy.adjoints import adjoints
from kgreg.nn.hierarchy.fused import Parameters, Pass, read_inputs
from kgreg.nn.hierarchy.program import Program
from kgreg.nn.threads import use_threads


@dataclass(frozen=True)
class Kept:
    """What one pass leaves behind: activations ``hidden [R, N, B]``, and what the way back needs besides."""

    program: Program
    hidden: Tensor
    _saved: Any
    _stats: Any
    _values: tuple[Any, ...]

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
        return cls(program, torch.from_numpy(hidden), saved, stats, values)

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
