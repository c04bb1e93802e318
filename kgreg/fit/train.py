"""One fit: a blueprint, a split and a seed -> a trained network."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save

from kgreg.blueprint.model import Blueprint
from kgreg.data.samples import Samples, Task
from kgreg.data.scaling import Scaler
from kgreg.data.splits import Split
from kgreg.disk import replace_text
from kgreg.errors import FitError
from kgreg.fit.checkpoints import SafetensorsIO
from kgreg.fit.module import VisibleModule, training_batches, whole_batch
from kgreg.fit.settings import TrainSettings
from kgreg.fit.threads import limit_threads
from kgreg.nn.visible import NetworkOutput, VisibleNetwork

#: Called after every epoch with (epoch, max_epochs).
EpochProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class FittedModel:
    """A trained network with everything needed to use it on new samples.

    Attributes
    ----------
    network
        In evaluation mode, on the CPU.
    scaler
        Fitted on the training part; for regression ``target_scale`` holds the mean and sd of its target.
    history
        One row an epoch: ``epoch``, ``train_loss``, ``stop_loss``.
    """

    network: VisibleNetwork
    blueprint: Blueprint
    scaler: Scaler
    task: Task
    target_scale: tuple[float, float]
    seed: int
    best_epoch: int
    history: list[dict[str, float]]

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return class probabilities ``[n, n_classes]`` or values ``[n, 1]`` for unscaled ``x [n, n_inputs]``."""
        return self._predicted(self._passed(x))

    def respond(self, x: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return, from one pass, the prediction (see :meth:`predict`) and the activations ``[n_neurons, n]``."""
        passed = self._passed(x)
        return self._predicted(passed), torch.cat(passed.hidden).numpy()

    def _passed(self, x: NDArray[np.float32]) -> NetworkOutput:
        with torch.inference_mode():
            passed: NetworkOutput = self.network(torch.from_numpy(self.scaler.transform(x)))
        return passed

    def _predicted(self, passed: NetworkOutput) -> NDArray[np.float32]:
        if self.task == "classification":
            outputs = torch.softmax(passed.outputs, dim=1)
        else:
            outputs = passed.outputs * self.target_scale[1] + self.target_scale[0]
        result: NDArray[np.float32] = outputs.numpy()
        return result


def fit_network(
    blueprint: Blueprint,
    samples: Samples,
    split: Split,
    settings: TrainSettings,
    seed: int,
    folder: Path | None = None,
    on_epoch: EpochProgress | None = None,
) -> FittedModel:
    """Train a visible network on ``split.fit``, stop by ``split.stop``; ``split.test`` is not looked at.

    Parameters
    ----------
    folder
        Where checkpoints and the finished model go. A finished model there is loaded instead of trained again; an
        interrupted fit continues from its last epoch, with the same numbers as if it had not been interrupted.
    on_epoch
        Progress callback.

    Raises
    ------
    FitError
        If the loss becomes NaN, or a finished model in ``folder`` was trained on another blueprint or with other
        settings.
    """
    if folder is not None and is_finished(folder):
        return _reuse(folder, blueprint, settings, seed)
    x = samples.columns(blueprint.inputs)
    scaler = Scaler.fit(x[split.train], settings.scale)
    n_outputs = len(samples.classes) or 1
    target, target_scale = _scaled_target(samples, split)
    torch.manual_seed(seed)
    network = VisibleNetwork(
        blueprint, n_outputs, order=settings.order, auxiliary=settings.auxiliary > 0, dropout=settings.dropout
    )
    module = VisibleModule(network, samples.task, settings, _class_weight(samples, split, settings), seed)
    batches = training_batches(scaler.transform(x[split.fit]), target[split.fit], settings.batch_size, seed)
    stop = whole_batch(scaler.transform(x[split.stop]), target[split.stop])
    scratch = None if folder is None else folder / "checkpoints"
    best_epoch, history = _run(module, batches, stop, settings, scratch, on_epoch)
    network.eval().cpu()
    model = FittedModel(network, blueprint, scaler, samples.task, target_scale, seed, best_epoch, history)
    if folder is not None:
        save_fitted(model, settings, n_outputs, folder)
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return model


def _run(
    module: VisibleModule,
    batches: Any,
    stop: Any,
    settings: TrainSettings,
    scratch: Path | None,
    on_epoch: EpochProgress | None,
) -> tuple[int, list[dict[str, float]]]:
    """Run the Lightning loop and leave the best epoch's weights in ``module``; return that epoch and the history."""
    best = _Best(on_epoch, settings)
    callbacks: list[Callback] = [
        EarlyStopping("stop_loss", patience=settings.patience, check_finite=True, verbose=False),
        best,
    ]
    resume = None
    if scratch is not None:
        callbacks.append(ModelCheckpoint(scratch, filename="last", enable_version_counter=False, every_n_epochs=1))
        last = scratch / "last.ckpt"
        resume = str(last) if last.is_file() else None
    with _quiet(), _interruptible(), limit_threads(settings.threads):
        trainer = L.Trainer(
            accelerator=settings.accelerator,
            devices=1,
            max_epochs=settings.max_epochs,
            callbacks=callbacks,
            plugins=[SafetensorsIO()],
            logger=False,
            enable_checkpointing=scratch is not None,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        try:
            trainer.fit(module, batches, stop, ckpt_path=resume)
        except SystemExit:
            # Lightning turns Ctrl-C into an exit after cleaning up; callers expect the interrupt itself.
            if trainer.interrupted:
                raise KeyboardInterrupt from None
            raise
    if not best.weights:
        raise FitError(
            "The loss on the stopping part was never a finite number.", "Lower the learning rate or check the data."
        )
    module.network.load_state_dict(best.weights)
    return best.epoch, best.history


class _Best(Callback):
    """Keep the weights of the best epoch and the history; part of the checkpoint, so a resumed fit has them too."""

    def __init__(self, on_epoch: EpochProgress | None, settings: TrainSettings) -> None:
        self.loss, self.epoch = float("inf"), -1
        self.weights: dict[str, torch.Tensor] = {}
        self.history: list[dict[str, float]] = []
        self._on_epoch, self._max_epochs, self._patience = on_epoch, settings.max_epochs, settings.patience

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Do not train on when the fit was lost after its patience was spent and before it was saved."""
        trainer.should_stop = bool(self.history) and len(self.history) - 1 - self.epoch >= self._patience

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        losses = {name: float(trainer.callback_metrics[name]) for name in ("train_loss", "stop_loss")}
        self.history.append({"epoch": trainer.current_epoch, **losses})
        if losses["stop_loss"] < self.loss:
            self.loss, self.epoch = losses["stop_loss"], trainer.current_epoch
            network: VisibleNetwork = pl_module.network  # type: ignore[assignment]
            self.weights = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
        if self._on_epoch is not None:
            self._on_epoch(trainer.current_epoch + 1, self._max_epochs)

    def state_dict(self) -> dict[str, Any]:
        return {"loss": self.loss, "epoch": self.epoch, "weights": self.weights, "history": self.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.loss, self.epoch = state_dict["loss"], state_dict["epoch"]
        self.weights, self.history = state_dict["weights"], state_dict["history"]


def _scaled_target(samples: Samples, split: Split) -> tuple[NDArray[Any], tuple[float, float]]:
    if samples.task == "classification":
        return samples.target, (0.0, 1.0)
    train = samples.target[split.train]
    centre, spread = float(train.mean()), float(train.std()) or 1.0
    return ((samples.target - centre) / spread).astype(np.float32), (centre, spread)


def _class_weight(samples: Samples, split: Split, settings: TrainSettings) -> torch.Tensor | None:
    if samples.task != "classification" or settings.class_weight == "none":
        return None
    counts = np.bincount(samples.target[split.fit], minlength=len(samples.classes))
    weight = len(split.fit) / (len(counts) * np.maximum(counts, 1))
    return torch.from_numpy(weight.astype(np.float32))


@contextmanager
def _interruptible() -> Iterator[None]:
    """Give Ctrl-C back its meaning: Lightning ignores it for good once it has been pressed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if handler is not None:
            signal.signal(signal.SIGINT, handler)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Lightning's hints about loaders and sparse tensors' beta notice; errors pass."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


# ---- on disk ---------------------------------------------------------------------------------------------------------


def is_finished(folder: Path) -> bool:
    """Say whether ``folder`` holds a finished model; ``model.json`` is written last."""
    return (folder / "model.json").is_file()


def save_fitted(model: FittedModel, settings: TrainSettings, n_outputs: int, folder: Path) -> None:
    """Write ``model.safetensors`` (weights, scaler) and ``model.json`` into ``folder``; the latter says it is done."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"network.{name}": tensor.contiguous() for name, tensor in model.network.state_dict().items()}
    tensors["scaler.mean"] = torch.from_numpy(model.scaler.mean)
    tensors["scaler.sd"] = torch.from_numpy(model.scaler.sd)
    data = save(tensors)
    (folder / "model.safetensors").write_bytes(data)
    record = {
        "sha256": hashlib.sha256(data).hexdigest(),
        "blueprint": model.blueprint.content_hash(),
        "n_outputs": n_outputs,
        "task": model.task,
        "target_scale": list(model.target_scale),
        "seed": model.seed,
        "best_epoch": model.best_epoch,
        "history": model.history,
        "settings": settings.to_dict(),
    }
    replace_text(folder / "model.json", json.dumps(record, indent=1) + "\n")


def _reuse(folder: Path, blueprint: Blueprint, settings: TrainSettings, seed: int) -> FittedModel:
    """Read a finished model, if it is the one that is asked for."""
    model = load_fitted(folder, blueprint)
    trained = json.loads((folder / "model.json").read_text(encoding="utf-8"))["settings"]
    other = [key for key, value in settings.to_dict().items() if key != "accelerator" and trained.get(key) != value]
    if model.seed != seed:
        other.append("seed")
    if other:
        raise FitError(
            f"The model in {folder} was trained with other settings ({', '.join(other)}).",
            "Train in another folder, or remove it.",
        )
    return model


def load_fitted(folder: Path, blueprint: Blueprint) -> FittedModel:
    """Read a model that :func:`save_fitted` wrote.

    Raises
    ------
    FitError
        If a file is missing or altered, or the model was trained on another blueprint.
    """
    try:
        record = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        data = (folder / "model.safetensors").read_bytes()
        if record["blueprint"] != blueprint.content_hash():
            raise FitError(f"The model in {folder} was trained on another blueprint.", "Train again with --force.")
        if record["sha256"] != hashlib.sha256(data).hexdigest():
            raise FitError(f"{folder / 'model.safetensors'} is not the file that was saved.", "Train again.")
        tensors = load(data)
        settings = TrainSettings(**record["settings"])
        network = VisibleNetwork(
            blueprint,
            record["n_outputs"],
            order=settings.order,
            auxiliary=settings.auxiliary > 0,
            dropout=settings.dropout,
        )
        weights = {name.removeprefix("network."): t for name, t in tensors.items() if name.startswith("network.")}
        network.load_state_dict(weights)
        centre, spread = record["target_scale"]
        return FittedModel(
            network=network.eval(),
            blueprint=blueprint,
            scaler=Scaler(tensors["scaler.mean"].numpy(), tensors["scaler.sd"].numpy()),
            task=record["task"],
            target_scale=(centre, spread),
            seed=record["seed"],
            best_epoch=record["best_epoch"],
            history=record["history"],
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise FitError(f"{folder} holds no readable model: {error}", "Train again.") from error
