"""The first stage: an encoder of single windows, trained with a classifier; its features are kept."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kgreg.data.targets import Task
from kgreg.errors import DataError, FitError
from kgreg.fit.contacts.checks import checked_parts, checked_target
from kgreg.fit.losses import binary_cross_entropy
from kgreg.fit.metrics import score
from kgreg.fit.threads import limit_threads
from kgreg.nn.contacts import WindowClassifier
from kgreg.progress import Progress, no_progress

TASK: Task = "multilabel"

#: Windows that are computed at once where no gradient is needed.
_PIECE = 512


@dataclass(frozen=True)
class WindowSettings:
    """How the first stage is trained; the defaults are ChromeGCN's, but for ``patience``, which ends what is over.

    Plain stochastic gradient descent with momentum; the rate is multiplied by ``decay`` after ``decay_every`` epochs.
    The epoch with the lowest loss on the validation windows is kept.
    """

    learning_rate: float = 0.25
    momentum: float = 0.9
    weight_decay: float = 1e-6
    batch_size: int = 64
    max_epochs: int = 100
    patience: int = 10
    decay: float = 0.5
    decay_every: int = 100
    threads: int = 1


@dataclass(frozen=True)
class WindowFit:
    """What the first stage leaves.

    Attributes
    ----------
    features
        ``[n, strands, n_features]`` of all windows, before the ReLU of the classifier.
    classifier
        The last layers, which the graph network begins with.
    encoder
        What computed the features.
    metrics
        Of the test windows: auroc, average_precision (means over labels).
    epochs
        How many were trained; the best one is kept.
    """

    features: NDArray[np.float32]
    classifier: WindowClassifier
    encoder: nn.Module
    metrics: dict[str, float]
    epochs: int


def fit_windows(
    encoder: nn.Module,
    inputs: NDArray[Any],
    target: NDArray[Any],
    parts: NDArray[Any],
    settings: WindowSettings | None = None,
    *,
    seed: int = 0,
    progress: Progress = no_progress,
) -> WindowFit:
    """Train an encoder of windows together with a classifier, and return the features of all windows.

    Parameters
    ----------
    encoder
        Any module ``[batch, 4, length] -> [batch, n_features]`` over one-hot DNA, or, for inputs that are features
        already, over these (:class:`torch.nn.Identity`: the classifier alone is fitted). It is trained in place of a
        copy: the module that is given stays as it was.
    inputs
        uint8 codes ``[n, length]`` (A, C, G, T = 0 to 3, 4 anything else): both strands go through the encoder, and
        their logits are averaged. Or float32 features ``[n, ...]``, which have one strand.
    target
        ``[n, n_labels]`` 0, 1 or NaN.
    parts
        ``[n]`` of "train", "valid", "test".

    Raises
    ------
    DataError
        If labels or parts do not fit, see :mod:`kgreg.fit.contacts.checks`.
    FitError
        If no epoch had a finite loss, or the encoder gives no ``[batch, n_features]``.
    """
    settings = settings or WindowSettings()
    labels, rows = torch.from_numpy(checked_target(target, len(inputs))), checked_parts(parts, len(inputs))
    if not len(inputs) or np.asarray(inputs[:1]).ndim < 2:
        raise DataError("Windows are rows: codes [n, length] or features [n, n_features].")
    torch.manual_seed(seed)
    trained = copy.deepcopy(encoder)
    with limit_threads(settings.threads):
        with torch.no_grad():
            first = trained.eval()(strands_of(inputs, rows["train"][:2])[:, 0])
        if first.dim() != 2:
            raise FitError(
                f"The encoder gives {list(first.shape[1:])} a window.", "It should give a vector of features."
            )
        model = _Windows(trained, WindowClassifier(first.shape[1], labels.shape[1]))
        optimiser = torch.optim.SGD(
            model.parameters(),
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
        )
        schedule = torch.optim.lr_scheduler.StepLR(optimiser, settings.decay_every, settings.decay)
        generator = torch.Generator().manual_seed(seed)
        best, state, at, epoch = float("inf"), None, -1, -1
        for epoch in range(settings.max_epochs):
            model.train()
            order = rows["train"][torch.randperm(len(rows["train"]), generator=generator).numpy()]
            for batch in np.array_split(order, max(1, len(order) // settings.batch_size)):
                optimiser.zero_grad()
                loss = binary_cross_entropy(model(strands_of(inputs, batch))[1].t(), labels[batch])
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            schedule.step()
            _, logits = _compute(model, inputs, rows["valid"])
            held = float(binary_cross_entropy(logits.t(), labels[rows["valid"]]))
            if held < best:
                best, state, at = held, copy.deepcopy(model.state_dict()), epoch
            progress(f"windows, epoch {epoch + 1}", (epoch + 1) / settings.max_epochs)
            if epoch - at >= settings.patience:
                break
        if state is None:
            raise FitError("No epoch of the window network had a finite loss.", "Lower the learning rate.")
        model.load_state_dict(state)
        features, logits = _compute(model, inputs, np.arange(len(inputs)))
    tested = score(TASK, labels.numpy()[rows["test"]], logits.sigmoid().numpy()[rows["test"]])
    return WindowFit(features.numpy(), model.classifier.eval(), model.encoder.eval(), tested, epoch + 1)


class _Windows(nn.Module):
    """An encoder and a classifier, over the strands of windows."""

    def __init__(self, encoder: nn.Module, classifier: WindowClassifier) -> None:
        super().__init__()
        self.encoder, self.classifier = encoder, classifier

    def forward(self, strands: Tensor) -> tuple[Tensor, Tensor]:
        """Return features ``[batch, strands, n_features]`` and the mean logits ``[batch, n_labels]``."""
        each = [self.encoder(strand) for strand in strands.unbind(dim=1)]
        logits = torch.stack([self.classifier(features) for features in each]).mean(dim=0)
        return torch.stack(each, dim=1), logits


@torch.no_grad()
def _compute(model: _Windows, inputs: NDArray[Any], rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Return features and logits in evaluation mode, in pieces."""
    model.eval()
    pieces = [model(strands_of(inputs, rows[start : start + _PIECE])) for start in range(0, len(rows), _PIECE)]
    return torch.cat([features for features, _ in pieces]), torch.cat([logits for _, logits in pieces])


def strands_of(inputs: NDArray[Any], rows: NDArray[np.int64]) -> Tensor:
    """Return one-hot DNA of both strands ``[batch, 2, 4, length]``, or features as they are ``[batch, 1, ...]``."""
    taken = torch.from_numpy(np.ascontiguousarray(inputs[rows]))
    if taken.dtype != torch.uint8:
        return taken.float()[:, None]
    from kgreg.nn.sequence.encoding import one_hot, reverse_complement

    return torch.stack([one_hot(taken), one_hot(reverse_complement(taken))], dim=1)
