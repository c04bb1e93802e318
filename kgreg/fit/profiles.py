"""Fits of profiles at base resolution, for which experiment files have no task."""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kgreg.data.sequence.profile_data import ProfileData
from kgreg.data.splits import Split
from kgreg.errors import FitError
from kgreg.fit.seeding import mix
from kgreg.nn.sequence.encoding import one_hot, reverse_complement
from kgreg.nn.sequence.profile import Profile, ProfileTower, counts_loss, multinomial_profile_loss

_LOG = logging.getLogger(__name__)
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class ProfileSettings:
    """How a profile network is trained.

    Attributes
    ----------
    learning_rate, batch_size, max_epochs, patience
        Of Adam; training stops after ``patience`` epochs without a lower loss on the stopping part, and the best epoch
        is kept.
    counts_weight
        Lambda: the loss is that of the profile plus this times that of the counts.
    clip
        Gradients are shrunk to this norm.
    jitter
        Data have so many more positions at either end than the network reads and predicts, and training windows begin
        anywhere.
    turned
        Share of the training windows that are read on the other strand; their tracks are reversed, and two of them
        change places.
    """

    learning_rate: float = 1e-3
    batch_size: int = 64
    max_epochs: int = 50
    patience: int = 5
    counts_weight: float = 1.0
    clip: float = 1.0
    jitter: int = 0
    turned: float = 0.5


@dataclass(frozen=True)
class FittedProfiles:
    """A trained network, in evaluation mode, with the losses of every epoch; ``best_epoch`` counts from 0."""

    network: ProfileTower
    settings: ProfileSettings
    seed: int
    best_epoch: int
    history: list[dict[str, float]]

    def predict(self, data: ProfileData, rows: Rows | None = None) -> Profile:
        """Return the profiles of (some of) the samples."""
        rows = np.arange(len(data)) if rows is None else rows
        found = [profile for profile, _ in _pieces(self.network, data, rows, self.settings)]
        return Profile(torch.cat([p.logits for p in found]), torch.cat([p.log_counts for p in found]))

    def score(self, data: ProfileData, rows: Rows) -> dict[str, float]:
        """Return how good the predictions of some samples are.

        ``profile_loss`` and ``counts_loss``; ``uniform_loss``: the profile loss of reads that fall anywhere;
        ``profile_correlation``: Pearson's r of the shares of a sample, the mean over samples with reads;
        ``counts_correlation``: Pearson's r of ``log(1 + reads)`` over samples. What is constant has no r (NaN).
        """
        profile, observed = self.predict(data, rows), torch.from_numpy(_middle(data.observed[rows], self.settings))
        with torch.no_grad():
            uniform = multinomial_profile_loss(torch.zeros_like(profile.logits), observed)
            losses = multinomial_profile_loss(profile.logits, observed), counts_loss(profile.log_counts, observed)
        reads = observed.flatten(1).numpy()
        each = [_pearson(a, b) for a, b in zip(profile.shares.flatten(1).numpy(), reads, strict=True) if b.sum()]
        known = [r for r in each if np.isfinite(r)]
        return {
            "profile_loss": float(losses[0]),
            "uniform_loss": float(uniform),
            "counts_loss": float(losses[1]),
            "profile_correlation": float(np.mean(known)) if known else float("nan"),
            "counts_correlation": _pearson(profile.log_counts.numpy(), np.log1p(reads.sum(axis=1))),
        }


def fit_profiles(
    network: ProfileTower, data: ProfileData, split: Split, settings: ProfileSettings, seed: int = 0
) -> FittedProfiles:
    """Train a copy of a profile network.

    Parameters
    ----------
    network
        With the parameters that it starts from.
    split
        Rows to fit, to stop by, and to test; the caller keeps chromosomes on one side.
    seed
        Of the order of the samples, jitter, strands and dropout.

    Raises
    ------
    FitError
        If the data do not fit the network, or the loss is not finite in the first epoch.
    """
    positions = data.observed.shape[2] - 2 * settings.jitter
    if positions != network.positions or data.observed.shape[1] != network.tracks:
        raise FitError(
            f"The network predicts {network.tracks} tracks of {network.positions} positions, the data have "
            f"{data.observed.shape[1]} of {positions} (without the jitter)."
        )
    network = copy.deepcopy(network)
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    best, best_epoch, weights = float("inf"), -1, {}
    history: list[dict[str, float]] = []
    steps = max(1, -(-len(split.fit) // settings.batch_size))
    for epoch in range(settings.max_epochs):
        order = np.random.default_rng([seed, epoch]).permutation(split.fit)
        network.train()
        total = 0.0
        with torch.random.fork_rng(devices=[]):
            for step in range(steps):
                torch.manual_seed(mix(seed, epoch, step))
                rows = order[len(order) * step // steps : len(order) * (step + 1) // steps]
                sequences, observed, control = _augmented(*_tensors(data, rows), settings)
                loss = _loss(network(one_hot(sequences), control), observed, settings)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
                optimiser.step()
                total += float(loss.detach()) / steps
        stop = _mean_loss(network, data, split.stop, settings)
        history.append({"epoch": epoch, "train_loss": total, "stop_loss": stop})
        _LOG.info("epoch %d: training loss %.4f, stopping loss %.4f", epoch, total, stop)
        if stop < best:
            best, best_epoch, weights = stop, epoch, copy.deepcopy(network.state_dict())
        if not np.isfinite(stop) or epoch - best_epoch >= settings.patience:
            break
    if not weights:
        raise FitError("The loss of the profiles was never a finite number.", "Lower the learning rate.")
    network.load_state_dict(weights)
    return FittedProfiles(network.eval(), settings, seed, best_epoch, history)


def _loss(profile: Profile, observed: Tensor, settings: ProfileSettings) -> Tensor:
    own = multinomial_profile_loss(profile.logits, observed)
    return own + settings.counts_weight * counts_loss(profile.log_counts, observed)


def _mean_loss(network: ProfileTower, data: ProfileData, rows: Rows, settings: ProfileSettings) -> float:
    losses = [
        (float(_loss(profile, observed, settings)), len(observed))
        for profile, observed in _pieces(network, data, rows, settings)
    ]
    return sum(loss * n for loss, n in losses) / max(sum(n for _, n in losses), 1)


@torch.no_grad()
def _pieces(
    network: ProfileTower, data: ProfileData, rows: Rows, settings: ProfileSettings
) -> list[tuple[Profile, Tensor]]:
    """Return predictions and reads of the middle windows, a batch at a time."""
    was = network.training
    network.eval()
    found = []
    for start in range(0, len(rows), settings.batch_size):
        sequences, observed, control = (
            None if part is None else torch.from_numpy(np.ascontiguousarray(_middle(part.numpy(), settings)))
            for part in _tensors(data, rows[start : start + settings.batch_size])
        )
        assert sequences is not None
        assert observed is not None
        found.append((network(one_hot(sequences), control), observed))
    network.train(was)
    return found


def _tensors(data: ProfileData, rows: Rows) -> tuple[Tensor, Tensor, Tensor | None]:
    control = None if data.control is None else torch.from_numpy(data.control[rows])
    return torch.from_numpy(data.sequences[rows]), torch.from_numpy(data.observed[rows]), control


def _middle(table: NDArray[np.float32], settings: ProfileSettings) -> NDArray[np.float32]:
    j = settings.jitter
    return table[..., j : table.shape[-1] - j]


def _augmented(
    sequences: Tensor, observed: Tensor, control: Tensor | None, settings: ProfileSettings
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return windows that begin anywhere within the jitter, some of them on the other strand."""
    n = len(sequences)
    shift = torch.randint(0, 2 * settings.jitter + 1, (n,))
    turned = torch.rand(n) < settings.turned

    def cut(table: Tensor) -> Tensor:
        length = table.shape[-1] - 2 * settings.jitter
        at = shift[:, None] + torch.arange(length)
        if table.dim() == 3:
            return table.gather(2, at[:, None].expand(-1, table.shape[1], -1))
        return table.gather(1, at)

    def turn(table: Tensor) -> Tensor:
        other = reverse_complement(table) if table.dim() == 2 else _other_strand(table)
        return torch.where(turned.reshape(-1, *[1] * (table.dim() - 1)), other, table)

    return turn(cut(sequences)), turn(cut(observed)), None if control is None else turn(cut(control))


def _other_strand(tracks: Tensor) -> Tensor:
    """Return tracks ``[batch, tracks, positions]`` as they are read on the other strand; two change places."""
    return tracks.flip(1, 2) if tracks.shape[1] == 2 else tracks.flip(2)


def _pearson(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum() / size) if size else float("nan")
