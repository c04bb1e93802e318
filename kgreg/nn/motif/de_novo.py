"""Filters that begin at random beside the known motifs: for what no database holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from kgreg.nn.motif.bank import MotifBank, random_filters

if TYPE_CHECKING:
    from kgreg.nn.motif.design import MotifDesign

#: Norm of a new filter, a base: about that of a motif with half a bit a position.
_NORM_A_BASE = 1.0
#: Standard deviation of the head's first weights for new filters: without any, no filter would learn.
_FIRST_WEIGHT = 0.05


class DeNovo(nn.Module):
    """A bank of filters ``denovo:0``, ``denovo:1``, ... and the normalisation of their pooled scores.

    Draws of later rounds follow from ``seed``, which is drawn once from torch's generator and saved with the model,
    and the epoch: a resumed fit equals a whole one.
    """

    seed: Tensor

    def __init__(self, design: MotifDesign) -> None:
        super().__init__()
        self.n, self.width = design.de_novo, design.de_novo_width
        self.register_buffer("seed", torch.randint(2**31, ()))
        filters = {f"denovo:{k}": values for k, values in enumerate(self._filters(0))}
        self.bank = MotifBank(filters, design.pooling, design.n_top)
        self.norm = nn.BatchNorm1d(self.n, affine=False)

    def forward(self, pooled: Tensor) -> Tensor:
        """Return the pooled scores ``[batch, n]`` with mean 0 and variance 1."""
        normalised: Tensor = self.norm(pooled)
        return normalised

    def draw(self, which: Tensor, epoch: int) -> None:
        """Draw some filters anew, ``which [n]`` bool."""
        drawn = torch.from_numpy(np.concatenate(self._filters(epoch))).to(self.bank.weight)
        rows = which.repeat_interleave(self.width)[:, None]
        self.bank.weight.copy_(torch.where(rows, drawn, self.bank.weight))
        self.bank.start.copy_(torch.where(rows, drawn, self.bank.start))

    def first_weights(self, n_outputs: int, epoch: int) -> Tensor:
        """Return what the head begins with for new filters, ``[n_outputs, n]``."""
        generator = np.random.default_rng([int(self.seed), epoch, 1])
        weights = torch.from_numpy(generator.normal(scale=_FIRST_WEIGHT, size=(n_outputs, self.n)))
        return weights.to(self.bank.weight)

    def _filters(self, epoch: int) -> list[np.ndarray[tuple[int, int], np.dtype[np.float64]]]:
        norms = np.full(self.n, _NORM_A_BASE * np.sqrt(self.width))
        generator = np.random.default_rng([int(self.seed), epoch, 0])
        return random_filters([self.width] * self.n, generator, norms)
