"""How far a reconstruction is from the data."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from kgreg.blueprint.model import Blueprint
from kgreg.nn.guided import Given


def negative_binomial(x: Tensor, log_mean: Tensor, log_dispersion: Tensor) -> Tensor:
    """Return minus the log probability of counts, value by value.

    With mean m and inverse dispersion r the variance is ``m + m^2 / r``.

    Parameters
    ----------
    x, log_mean
        ``[batch, n]`` counts and logarithms of their means.
    log_dispersion
        ``[n]`` logarithms of r.
    """
    r = log_dispersion.exp()
    log_both = torch.logaddexp(log_mean, log_dispersion.expand_as(log_mean))
    likely = torch.lgamma(x + r) - torch.lgamma(r) - torch.lgamma(x + 1)
    return -(likely + r * (log_dispersion - log_both) + x * (log_mean - log_both))


class Presence(nn.Module):
    """Say which inputs of a sample were measured, for reconstructions that are to count only these."""

    modality: Tensor

    def __init__(self, blueprint: Blueprint) -> None:
        super().__init__()
        names = blueprint.inputs["modality"].tolist()
        place = {name: i for i, name in enumerate(dict.fromkeys(names))}
        modality = torch.from_numpy(np.array([place[name] for name in names], dtype=np.int64))
        self.register_buffer("modality", modality, persistent=False)

    def forward(self, given: Given) -> Tensor | None:
        """Return ``[batch, n_inputs]`` of 1 and 0, or None where all are there."""
        return None if given.present is None else given.present[:, self.modality]


def per_sample(values: Tensor, present: Tensor | None, average: bool) -> Tensor:
    """Return sums or means ``[batch]`` over the inputs that are there, of values ``[batch, n_inputs]``."""
    if present is None:
        return values.mean(dim=1) if average else values.sum(dim=1)
    total = (values * present).sum(dim=1)
    return total / present.sum(dim=1).clamp(min=1) if average else total
