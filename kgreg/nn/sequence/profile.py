"""Profiles at base resolution: where along a sequence reads fall, and how many (BPNet, Avsec et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kgreg.errors import FitError
from kgreg.nn.sequence.design import SequenceDesign
from kgreg.nn.sequence.layers.layer import Context, Layer, Shape
from kgreg.nn.sequence.layers.pooling import Pool
from kgreg.nn.sequence.layers.stack import Stack, shapes


class Profile(NamedTuple):
    """What a :class:`ProfileTower` predicts.

    ``logits [batch, tracks, positions]``: one softmax over all positions of all tracks says where reads fall;
    ``log_counts [batch]``: ``log(1 + reads)``, of all tracks together.
    """

    logits: Tensor
    log_counts: Tensor

    @property
    def shares(self) -> Tensor:
        """The share of the reads at every position of every track; they sum to 1 over both."""
        return self.logits.flatten(1).softmax(dim=1).reshape(self.logits.shape)


class ProfileTower(nn.Module):
    """Layers that keep every position, then two heads: a wide convolution for the profile, a mean for the counts.

    Control tracks stand beside the channels that the wide convolution reads, and ``log(1 + their reads)`` beside the
    mean that the counts are read from. Predictions are for the middle of the sequence, where the layers see all of what
    they can reach; the mean is taken over the positions that the wide convolution reads for these.

    Parameters
    ----------
    layers
        As in :class:`SequenceDesign`; what they give has as many positions as the sequence.
    positions
        Of the profile. BPNet: 1,000 of 2,114.
    tracks, controls
        Number of tracks to predict (two: the strands) and of control tracks.
    width
        Of the wide convolution, an odd number.

    Raises
    ------
    FitError
        If the layers do not keep the positions.
    """

    def __init__(
        self, layers: Sequence[Layer], positions: int, tracks: int = 2, controls: int = 0, width: int = 75
    ) -> None:
        super().__init__()
        if width % 2 == 0:
            raise FitError(f"The width of the profile's convolution is {width}, but must be odd.")
        tried = max(positions, 1000)
        gives = shapes(layers, Shape(4, tried), Context())[-1]
        if gives.vector or gives.positions != tried:
            raise FitError(
                f"A profile needs a value at every position, but the layers turn {tried} positions into {gives}.",
                'Use padding = "same" and no pooling.',
            )
        self.positions, self.tracks, self.controls, self.reach = positions, tracks, controls, width // 2
        self.layers = Stack(layers, Shape(4), Context())
        self.profile = nn.Conv1d(gives.channels + controls, tracks, width, padding=self.reach)
        self.counts = nn.Linear(gives.channels + (1 if controls else 0), 1)

    @classmethod
    def of(
        cls, design: SequenceDesign, positions: int, tracks: int = 2, controls: int = 0, width: int = 75
    ) -> ProfileTower:
        """Return the tower of a design (such as the recipe ``bpnet``): its layers without the pooling at the end."""
        layers = design.layers
        if isinstance(layers[-1], Pool) and layers[-1].width is None:
            layers = layers[:-1]
        return cls(layers, positions, tracks, controls, width)

    def forward(self, x: Tensor, control: Tensor | None = None) -> Profile:
        """Return the profile of one-hot sequences ``[batch, 4, length]``; ``control [batch, controls, length]``."""
        start = (x.shape[2] - self.positions) // 2
        if start < 0:
            raise FitError(f"The profile has {self.positions} positions, the sequences only {x.shape[2]}.")
        if (0 if control is None else control.shape[1]) != self.controls:
            given = 0 if control is None else control.shape[1]
            raise FitError(f"The network reads {self.controls} control tracks, the data have {given}.")
        hidden = self.layers(x, {})
        read = hidden if control is None else torch.cat([hidden, control], dim=1)
        logits = self.profile(read)[:, :, start : start + self.positions]
        seen = slice(max(start - self.reach, 0), start + self.positions + self.reach)
        mean = hidden[:, :, seen].mean(dim=2)
        if control is not None:
            mean = torch.cat([mean, torch.log1p(control[:, :, seen].sum(dim=(1, 2)))[:, None]], dim=1)
        return Profile(logits, self.counts(mean)[:, 0])


def multinomial_profile_loss(logits: Tensor, observed: Tensor) -> Tensor:
    """Return minus the log probability of reads under a multinomial distribution, the mean over samples.

    All tracks of a sample are one distribution, so that the loss also says on which strand reads fall. The binomial
    coefficients are part of it.

    Parameters
    ----------
    logits, observed
        ``[batch, tracks, positions]``; ``observed`` are numbers of reads.
    """
    reads = observed.flatten(1)
    log_shares = F.log_softmax(logits.flatten(1), dim=1)
    log_ways = torch.lgamma(reads.sum(dim=1) + 1) - torch.lgamma(reads + 1).sum(dim=1)
    return -(log_ways + (reads * log_shares).sum(dim=1)).mean()


def counts_loss(log_counts: Tensor, observed: Tensor) -> Tensor:
    """Return the mean squared error of ``log(1 + reads)``.

    Parameters
    ----------
    log_counts
        ``[batch]``.
    observed
        ``[batch, tracks, positions]`` reads, which are summed.
    """
    return F.mse_loss(log_counts, torch.log1p(observed.flatten(1).sum(dim=1)))
