"""The Lightning module and the fit of a guided network: one network at a time, with a loss of its own."""

from __future__ import annotations

import math
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor

from kgreg.data.targets import Task
from kgreg.fit.feeding import Batch
from kgreg.fit.losses import loss_function
from kgreg.fit.optimisers import make_optimiser
from kgreg.fit.preparing import PIECE
from kgreg.fit.seeding import mix
from kgreg.fit.settings import TrainSettings
from kgreg.nn.guided import Given, GuidedNetwork, Passed


class GuidedModule(L.LightningModule):
    """Train one :class:`kgreg.nn.guided.GuidedNetwork`.

    What is drawn in a step follows from seed, epoch and step alone: a resumed fit equals a whole one. A supervised
    network stops by the loss of the task on its outputs, as every network does; one that is not, by its own loss.

    Attributes
    ----------
    active, stop_loss
        As :class:`kgreg.fit.module.VisibleModule` has them, here with one entry.
    """

    def __init__(
        self, network: GuidedNetwork, task: Task, settings: TrainSettings, class_weight: Tensor | None, seed: int
    ) -> None:
        super().__init__()
        self.network, self.settings, self.seed = network, settings, seed
        self.active = [True]
        self.stop_loss = [float("nan")]
        self._loss = loss_function(task, settings.loss)
        self._sum: Tensor | None = None
        self._found: list[tuple[Tensor, Tensor]] = []
        self._own: list[tuple[float, int]] = []
        self._passed: list[Passed] = []
        self.register_buffer("class_weight", class_weight, persistent=False)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move a batch, which Lightning cannot look into."""
        return batch if device.type == "cpu" else batch.to(device)

    def task_loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return the loss of the task, of outputs ``[n_outputs, batch]``."""
        weight: Tensor | None = self.class_weight  # type: ignore[assignment]
        return self._loss(outputs, target, weight)

    def on_train_epoch_start(self) -> None:
        """Begin the sums of the epoch."""
        self._sum = torch.zeros((), device=self.device)
        self.network.at_epoch(self.current_epoch)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a step."""
        given, target = self.network.given(batch.inputs), batch.target[0]
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(mix(self.seed, self.current_epoch, batch_idx))
            loss = self.network.loss(self.network.compute(given), given, target, self.task_loss)
        assert self._sum is not None
        self._sum += loss.detach() / self.trainer.num_training_batches
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Bring parameters back to where they must be."""
        rate = float(self.trainer.optimizers[0].param_groups[0]["lr"])
        with torch.no_grad():
            self.network.after_step(rate)

    @property
    def train_loss(self) -> list[float]:
        """Return the mean loss of the steps of the epoch that has just ended."""
        assert self._sum is not None
        return [float(self._sum)]

    def on_validation_epoch_start(self) -> None:
        """Begin to collect."""
        self._found, self._own, self._passed = [], [], []

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep what the loss is taken of at the end of the epoch."""
        given, target = self.network.given(batch.inputs), batch.target[0]
        passed = self.network.compute(given)
        if self.network.supervised:  # some losses are not sums over samples
            self._found.append((passed.outputs, target))
            if self.network.judges:
                self._passed.append(passed)
        else:
            self._own.append((float(self.network.loss(passed, given, target, self.task_loss)), len(target)))

    def on_validation_epoch_end(self) -> None:
        """Take the loss by which it is decided when to stop."""
        if self.network.supervised:
            outputs, targets = (torch.cat(parts) for parts in zip(*self._found, strict=True))
            self.stop_loss = [float(self.task_loss(outputs.t(), targets))]
            if self.network.judges:
                self.network.judge(self._passed, targets, self.task_loss)
        else:
            total = sum(n for _, n in self._own)
            self.stop_loss = [math.fsum(loss * n for loss, n in self._own) / total]

    def configure_optimizers(self) -> Any:
        """Return the optimiser, and the schedule of its learning rate if there is one."""
        groups = self.network.parameter_groups(self.settings.learning_rate)
        return make_optimiser(groups, self.settings)


@torch.no_grad()
def compute_all(network: GuidedNetwork, given: Given) -> np.ndarray:
    """Return what the head reads of all samples, ``[n, head.in_features]``; in evaluation mode."""
    was = network.training
    network.eval()
    pieces = [
        network.read(network.compute(given.rows(slice(start, start + PIECE)))).cpu().numpy()
        for start in range(0, len(given.x), PIECE)
    ]
    network.train(was)
    return np.concatenate(pieces)
