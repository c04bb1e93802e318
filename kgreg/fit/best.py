"""What is kept of networks in training: their best weights and their history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

from kgreg.fit.fitted import member_state
from kgreg.fit.module import VisibleModule
from kgreg.fit.settings import TrainSettings

#: Called after every epoch with (epoch, max_epochs).
EpochProgress = Callable[[int, int], None]


class Best(Callback):
    """Keep every network's best weights and history, and say when it has stopped learning.

    Part of the checkpoint, so a resumed fit has them too. ``whose`` says of which fits the checkpoint is, see
    :func:`kgreg.fit.checkpoints.is_own`.
    """

    def __init__(self, on_epoch: EpochProgress | None, settings: TrainSettings, whose: dict[str, Any]) -> None:
        n = len(whose["seeds"])
        self.losses, self.epochs = [float("inf")] * n, [-1] * n
        self.weights: list[dict[str, torch.Tensor]] = [{} for _ in range(n)]
        self.history: list[list[dict[str, float]]] = [[] for _ in range(n)]
        self._early = settings.stopping == "early"
        self.whose = whose
        self._on_epoch, self._max_epochs, self._patience = on_epoch, settings.max_epochs, settings.patience

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Go on with the networks that still learn; none may, when a fit was lost just before it was saved."""
        self._refresh(trainer, pl_module)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        module: VisibleModule = pl_module  # type: ignore[assignment]
        for r, active in enumerate(module.active):
            if not active:
                continue
            losses = {"train_loss": module.train_loss[r], "stop_loss": module.stop_loss[r]}
            self.history[r].append({"epoch": trainer.current_epoch, **losses})
            last = trainer.current_epoch + 1 == self._max_epochs
            if losses["stop_loss"] < self.losses[r] if self._early else last and np.isfinite(losses["stop_loss"]):
                self.losses[r], self.epochs[r] = losses["stop_loss"], trainer.current_epoch
                self.weights[r] = member_state(module.network, r)
        self._refresh(trainer, module)
        if self._on_epoch is not None:
            self._on_epoch(trainer.current_epoch + 1, self._max_epochs)

    def _refresh(self, trainer: L.Trainer, module: Any) -> None:
        module.active = [self._learns(r) for r in range(len(self.losses))]
        trainer.should_stop = not any(module.active)

    def _learns(self, r: int) -> bool:
        history = self.history[r]
        if not history:
            return True
        finite = np.isfinite(history[-1]["stop_loss"])
        return bool(finite) and (not self._early or len(history) - 1 - self.epochs[r] < self._patience)

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Write down whose checkpoint it is."""
        checkpoint["fits"] = self.whose

    def state_dict(self) -> dict[str, Any]:
        return {"losses": self.losses, "epochs": self.epochs, "weights": self.weights, "history": self.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.losses, self.epochs = state_dict["losses"], state_dict["epochs"]
        self.weights, self.history = state_dict["weights"], state_dict["history"]
