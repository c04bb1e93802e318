"""The second stage: one graph network over frozen features, a chromosome a batch."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kgreg.data.contacts import ContactGraph
from kgreg.errors import FitError
from kgreg.fit.losses import binary_cross_entropy
from kgreg.nn.contacts import ContactNetwork, WindowClassifier
from kgreg.nn.contacts.network import GAIN, propagation_of
from kgreg.nn.graphs.genes import Propagation


@dataclass(frozen=True)
class ContactSettings:
    """How graph networks are trained; the defaults are ChromeGCN's, but for ``patience``, which ends what is over.

    A chromosome is a batch and a step, in the order of their names. The rate is multiplied by ``decay`` after
    ``decay_every`` epochs; the epoch with the lowest loss on the validation chromosomes is kept, which may be the
    first: the network as it begins counts too.
    """

    layers: int = 2
    dropout: float = 0.2
    gain: float = GAIN
    learning_rate: float = 0.25
    momentum: float = 0.9
    weight_decay: float = 1e-6
    decay: float = 0.5
    decay_every: int = 100
    max_epochs: int = 1000
    patience: int = 50
    threads: int = 1


@dataclass(frozen=True)
class Chromosome:
    """Windows of one chromosome: their positions, features, labels, and the mean over partners."""

    rows: NDArray[np.int64]
    features: Tensor
    labels: Tensor
    mean: Propagation


def chromosomes_of(
    graph: ContactGraph, features: NDArray[np.float32], target: NDArray[np.float32], rows: NDArray[np.int64]
) -> list[Chromosome]:
    """Return the chromosomes that some windows lie on; ``features [n, strands, n_features]``.

    Those that contacts join are one batch.
    """
    codes = graph.windows.codes
    group = np.arange(len(graph.windows.chromosomes))
    for a, b in {(int(a), int(b)) for a, b in zip(codes[graph.one], codes[graph.two], strict=True) if a != b}:
        group[group == group[b]] = group[a]
    joined = group[codes]
    parts = []
    for value in np.unique(joined[rows]):
        own = rows[joined[rows] == value]
        parts.append(
            Chromosome(
                own,
                torch.from_numpy(features[own]),
                torch.from_numpy(target[own]),
                propagation_of(graph.adjacency(own)),
            )
        )
    return parts


def fit_graph(
    classifier: WindowClassifier,
    train: list[Chromosome],
    valid: list[Chromosome],
    settings: ContactSettings,
    seed: int,
) -> tuple[ContactNetwork, int]:
    """Return the trained network, in evaluation mode, and the epochs it took.

    Raises
    ------
    FitError
        If the loss on the validation chromosomes was never a finite number.
    """
    torch.manual_seed(seed)
    network = ContactNetwork(classifier, settings.layers, settings.dropout, settings.gain)
    optimiser = torch.optim.SGD(
        network.parameters(),
        lr=settings.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, settings.decay_every, settings.decay)
    best, state, at, epoch = float("inf"), None, 0, 0
    for epoch in range(settings.max_epochs + 1):
        if epoch:
            network.train()
            for one in train:
                optimiser.zero_grad()
                binary_cross_entropy(network(one.features, one.mean).t(), one.labels).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            schedule.step()
        logits, labels = predict(network, valid), torch.cat([one.labels for one in valid])
        held = float(binary_cross_entropy(logits.t(), labels))
        if held < best:
            best, state, at = held, copy.deepcopy(network.state_dict()), epoch
        if epoch - at >= settings.patience:
            break
    if state is None:
        raise FitError("No epoch of the graph network had a finite loss.", "Lower the learning rate.")
    network.load_state_dict(state)
    return network.eval(), epoch


@torch.no_grad()
def predict(network: ContactNetwork, chromosomes: list[Chromosome]) -> Tensor:
    """Return logits ``[windows, n_labels]`` of several chromosomes, one after the other, in evaluation mode."""
    network.eval()
    return torch.cat([network(one.features, one.mean) for one in chromosomes])


@torch.no_grad()
def gates_of(network: ContactNetwork, chromosomes: list[Chromosome]) -> NDArray[np.float32]:
    """Return the gates of every layer, ``[windows, layers]``, as :func:`predict` orders them."""
    network.eval()
    parts = [torch.stack(network.trace(one.features, one.mean)[1], dim=1) for one in chromosomes]
    found: NDArray[np.float32] = torch.cat(parts).numpy()
    return found
