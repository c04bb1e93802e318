"""The Lightning module of a visible network and the batches it sees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Sampler, TensorDataset

from kgreg.data.targets import Task
from kgreg.fit.losses import loss_function
from kgreg.fit.settings import TrainSettings
from kgreg.nn.visible import NetworkOutput, VisibleNetwork


class VisibleModule(L.LightningModule):
    """Train a visible network: loss of the outputs + ``auxiliary`` x mean loss of the terms' heads."""

    def __init__(
        self, network: VisibleNetwork, task: Task, settings: TrainSettings, class_weight: Tensor | None, seed: int
    ) -> None:
        super().__init__()
        self.network = network
        self.settings = settings
        self._loss = loss_function(task, settings.loss)
        self.seed = seed
        self.register_buffer("class_weight", class_weight, persistent=False)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Make a batch's random numbers depend on seed, epoch and batch alone: a resumed fit equals a whole one.

        Seeding once an epoch is not enough: a resumed fit makes its loader's iterator, which draws from the generator,
        at another moment.
        """
        torch.manual_seed(_mix(self.seed, self.current_epoch, batch_idx))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the loss of a batch."""
        x, y = batch
        loss = self.loss(self.network(x), y)
        self.log("train_loss", loss, on_epoch=True, on_step=False, batch_size=len(x))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log the loss of the outputs alone: the heads are there to help, not to be good."""
        x, y = batch
        self.log("stop_loss", self.output_loss(self.network(x).outputs, y), batch_size=len(x))

    def loss(self, out: NetworkOutput, y: Tensor) -> Tensor:
        """Return the training loss of a pass."""
        loss = self.output_loss(out.outputs, y)
        if out.auxiliary is None:
            return loss
        return loss + self.settings.auxiliary * self.auxiliary_loss(out.auxiliary, y)

    def output_loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the task's loss of ``outputs [batch, n_outputs]``."""
        weight: Any = self.class_weight
        return self._loss(outputs.t(), y, weight)

    def auxiliary_loss(self, auxiliary: Tensor, y: Tensor) -> Tensor:
        """Return the mean loss of the terms' heads, ``auxiliary [n_terms, n_outputs, batch]``."""
        weight: Any = self.class_weight
        return self._loss(auxiliary, y, weight).mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW."""
        return torch.optim.AdamW(
            self.parameters(), lr=self.settings.learning_rate, weight_decay=self.settings.weight_decay, fused=True
        )


class ShuffledBatches(Sampler[list[int]]):
    """Batches of row numbers, shuffled by (seed, epoch).

    A last batch of one sample joins the batch before it: batch normalisation needs two.
    """

    def __init__(self, n_rows: int, batch_size: int, seed: int) -> None:
        self.seed, self.epoch = seed, 0
        cuts = list(range(batch_size, n_rows, batch_size))
        if cuts and n_rows - cuts[-1] == 1:
            cuts.pop()
        self.bounds = list(zip([0, *cuts], [*cuts, n_rows], strict=True))

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before every epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.bounds)

    def __iter__(self) -> Iterator[list[int]]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.bounds[-1][1])
        for start, stop in self.bounds:
            yield order[start:stop].tolist()


def training_batches(x: NDArray[Any], y: NDArray[Any], batch_size: int, seed: int) -> DataLoader[Any]:
    """Return shuffled batches of ``x [n, features]`` and ``y [n, ...]``, each taken in one indexing step."""
    data = TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
    return DataLoader(data, batch_size=None, sampler=ShuffledBatches(len(x), batch_size, seed))


def whole_batch(x: NDArray[Any], y: NDArray[Any]) -> DataLoader[Any]:
    """Return all rows as one batch."""
    data = TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
    return DataLoader(data, batch_size=None, sampler=[list(range(len(x)))])


def _mix(*numbers: int) -> int:
    """Return one seed from several."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
