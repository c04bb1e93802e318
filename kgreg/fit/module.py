"""The Lightning module of one or more visible networks that are trained side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor

from kgreg.data.targets import Task
from kgreg.fit.feeding import Batch
from kgreg.fit.losses import loss_function
from kgreg.fit.optimisers import make_optimiser
from kgreg.fit.seeding import mix
from kgreg.fit.settings import TrainSettings
from kgreg.nn.hierarchy import Hierarchy
from kgreg.nn.hierarchy.program import NORMS
from kgreg.nn.inputs import NetworkOutput
from kgreg.nn.visible import VisibleNetwork

#: Parameters that weigh what is read; all others shift or scale it.
_WEIGHTS = ("input_weight", "link_weight", "weight", "interaction_weight", "covariate_weight")


class VisibleModule(L.LightningModule):
    """Train R networks of one shape, each on its own samples with its own seed.

    The loss of a network is that of its outputs plus ``auxiliary`` times that of its heads, plus ``laplacian`` times
    the roughness of its gene weights where it has such a penalty. Losses are summed over networks, whose parameters are
    apart: none sees another's gradient, and the optimiser works number by number.

    Attributes
    ----------
    active
        Networks that still learn; the others are not computed any more.
    stop_loss
        Of every network in the epoch that has just ended.
    """

    def __init__(
        self,
        network: VisibleNetwork,
        task: Task,
        settings: TrainSettings,
        class_weights: list[Tensor | None],
        seeds: list[int],
    ) -> None:
        super().__init__()
        self.network = network
        self.settings = settings
        self.seeds = seeds
        self.active = [True] * len(seeds)
        self.stop_loss = [float("nan")] * len(seeds)
        self._loss = loss_function(task, settings.loss)
        self._sum: Tensor | None = None
        self._outputs: list[list[Tensor]] = []
        self._targets: list[list[Tensor]] = []
        self._hierarchies = [part for part in network.modules() if isinstance(part, Hierarchy)]
        for i, part in enumerate(self._hierarchies):
            before = np.repeat(part.program.norm == NORMS["before"], part.program.width)
            self.register_buffer(f"normalised_{i}", torch.from_numpy(np.flatnonzero(before)), persistent=False)
        for r, weight in enumerate(class_weights):
            self.register_buffer(f"class_weight_{r}", weight, persistent=False)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move a batch, which Lightning cannot look into."""
        return batch if device.type == "cpu" else batch.to(device)

    # ---- training ------------------------------------------------------------------------------------------------

    def on_train_epoch_start(self) -> None:
        """Begin the sums of the epoch."""
        self._sum = torch.zeros(len(self.seeds), device=self.device)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a step, summed over the networks that still learn.

        What is dropped follows from seed, epoch and step alone: a resumed fit equals a whole one.
        """
        seeds = np.array([mix(seed, self.current_epoch, batch_idx) for seed in self.seeds], dtype=np.int64)
        losses = self.losses(self.network(self._only_active(batch), seeds), batch)
        with torch.no_grad():
            assert self._sum is not None
            self._sum += losses.detach() / self.trainer.num_training_batches
        learning = torch.tensor(self.active, device=losses.device)
        return torch.where(learning, losses, torch.zeros_like(losses)).sum()

    def on_after_backward(self) -> None:
        """Take what rounding leaves of a gradient that is 0: of biases that normalisation takes away again.

        Adam divides by the size of gradients and would make full steps of it, so that fits would come out differently
        for every order of summation: on another machine, or with other fits beside them.
        """
        for i, hierarchy in enumerate(self._hierarchies):
            if hierarchy.bias.grad is not None:
                hierarchy.bias.grad[:, getattr(self, f"normalised_{i}")] = 0

    @property
    def train_loss(self) -> list[float]:
        """Return the mean loss of the steps of the epoch that has just ended; callbacks ask before hooks are called."""
        assert self._sum is not None
        losses: list[float] = self._sum.tolist()
        return losses

    def _only_active(self, batch: Batch) -> Any:
        if all(self.active):
            return batch.inputs
        counts = batch.inputs.counts
        if counts is None:
            counts = self.network.hierarchy.bias.new_ones(batch.target.shape[:2])
        learning = torch.tensor(self.active, device=counts.device)
        return replace(batch.inputs, counts=counts * learning[:, None])

    def losses(self, out: NetworkOutput, batch: Batch) -> Tensor:
        """Return the training loss of every network, ``[R]``; 0 for those that learn no more."""
        # Taken apart at once: the way back of one index after the other would fill a tensor of all networks for each.
        settings, outputs = self.settings, self._each(out.outputs).unbind()
        auxiliary = None if out.auxiliary is None else self._each(out.auxiliary).unbind()
        found = []
        for r, size in enumerate(batch.sizes):
            if not self.active[r]:
                found.append(out.outputs.new_zeros(()))
                continue
            target, weight = batch.target[r, :size], self._class_weight(r)
            parts = []
            if settings.visible.readout != "heads":
                parts.append(self._loss(outputs[r][:size].t(), target, weight))
            if auxiliary is not None:
                parts.append(self._heads_loss(self._loss(auxiliary[r][:, :, :size], target, weight)))
            found.append(sum(parts[1:], parts[0]))
        losses, roughness = torch.stack(found), self.network.roughness()
        return losses if roughness is None else losses + settings.visible.laplacian * roughness

    def _heads_loss(self, losses: Tensor) -> Tensor:
        """Return the part of the heads, from one loss a head."""
        settings = self.settings
        if settings.layer_weights is not None:
            return (losses * losses.new_tensor(settings.layer_weights)).sum()
        if settings.visible.readout == "heads":
            return losses.sum()
        return settings.auxiliary * (losses.sum() if settings.auxiliary_sum else losses.mean())

    # ---- stopping ------------------------------------------------------------------------------------------------

    def on_validation_epoch_start(self) -> None:
        """Begin to collect outputs."""
        self._outputs, self._targets = [], []

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep the outputs: some losses are not sums over samples."""
        outputs = self._each(self.network(batch.inputs).outputs)
        self._outputs.append([outputs[r, :size] for r, size in enumerate(batch.sizes)])
        self._targets.append([batch.target[r, :size] for r, size in enumerate(batch.sizes)])

    def on_validation_epoch_end(self) -> None:
        """Take the loss of the outputs alone: the heads are there to help, not to be good."""
        for r in range(len(self.seeds)):
            outputs = torch.cat([piece[r] for piece in self._outputs])
            target = torch.cat([piece[r] for piece in self._targets])
            self.stop_loss[r] = float(self._loss(outputs.t(), target, self._class_weight(r)))

    def _each(self, output: Tensor) -> Tensor:
        """Return an output of the network with a leading R, which it leaves out where there is one."""
        return output if len(self.seeds) > 1 else output[None]

    def _class_weight(self, network: int) -> Tensor | None:
        weight: Tensor | None = getattr(self, f"class_weight_{network}")
        return weight

    def _groups(self) -> list[dict[str, Any]]:
        """Return the parameters in groups that are learned alike."""
        settings = self.settings
        groups: dict[str, list[Tensor]] = {"weights": [], "others": [], "covariates": []}
        for name, parameter in self.named_parameters():
            last = name.rsplit(".", 1)[-1]
            if last == "covariate_weight" and settings.covariate_rate != 1:
                groups["covariates"].append(parameter)
            else:
                groups["weights" if last in _WEIGHTS or settings.decay_biases else "others"].append(parameter)
        special: dict[str, dict[str, float]] = {
            "weights": {},
            "others": {"weight_decay": 0.0},
            "covariates": {"weight_decay": 0.0, "lr": settings.learning_rate * settings.covariate_rate},
        }
        return [{"params": found, **special[name]} for name, found in groups.items() if found]

    def configure_optimizers(self) -> Any:
        """Return the optimiser, and the schedule of its learning rate if there is one."""
        return make_optimiser(self._groups(), self.settings)
