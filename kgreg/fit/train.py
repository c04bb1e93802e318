"""Fits: a blueprint, splits and seeds -> trained networks, several of them side by side as one wider network."""

from __future__ import annotations

import logging
import shutil
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from numpy.typing import NDArray

from kgreg.blueprint.model import Blueprint
from kgreg.data.samples import Samples
from kgreg.data.splits import Split
from kgreg.errors import FitError
from kgreg.fit.checkpoints import SafetensorsIO
from kgreg.fit.feeding import Feed, ShuffledBatches, WholeInPieces, count_steps, loader
from kgreg.fit.fitted import FittedModel, build_network, is_finished, member_state, reuse_fitted, save_fitted
from kgreg.fit.memory import refuse_too_large
from kgreg.fit.module import VisibleModule
from kgreg.fit.readings import Preprocessing, Readings, Scaled, dense_rows
from kgreg.fit.settings import TrainSettings
from kgreg.fit.threads import limit_threads

#: Called after every epoch with (epoch, max_epochs).
EpochProgress = Callable[[int, int], None]

#: Samples of the stopping part that are computed at a time.
_PIECE = 2048


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

    See :func:`fit_networks`.
    """
    folders = None if folder is None else [folder]
    return fit_networks(blueprint, samples, [split], settings, [seed], folders, on_epoch=on_epoch)[0]


def fit_networks(
    blueprint: Blueprint,
    samples: Samples,
    splits: Sequence[Split],
    settings: TrainSettings,
    seeds: Sequence[int],
    folders: Sequence[Path] | None = None,
    *,
    steps: int | None = None,
    on_epoch: EpochProgress | None = None,
) -> list[FittedModel]:
    """Train one network a split and seed, all on one blueprint, as one wider network.

    The numbers are those of training each by itself.

    Parameters
    ----------
    folders
        Where finished models go, one a fit, and checkpoints, in the first. A finished model there is read instead of
        trained again; an interrupted fit continues from its last epoch, with the same numbers as if it had not been
        interrupted.
    steps
        Steps of an epoch. Default: as many as batches of ``settings.batch_size`` need for the largest fit.
    on_epoch
        Progress callback.

    Raises
    ------
    FitError
        If a loss becomes NaN, the network would not fit into memory, CUDA is asked for and absent, or a finished model
        or checkpoint in ``folders`` belongs to another blueprint or other settings.
    """
    found: dict[int, FittedModel] = {}
    for i, folder in enumerate(folders or []):
        if is_finished(folder):
            found[i] = reuse_fitted(folder, blueprint, settings, seeds[i])
    waiting = [i for i in range(len(splits)) if i not in found]
    if waiting:
        _refuse_absent_cuda(settings)
        refuse_too_large(blueprint, samples, settings, len(waiting))
        steps = steps or count_steps(max(len(fitted_rows(split, settings)) for split in splits), settings.batch_size)
        own = [(splits[i], seeds[i]) for i in waiting]
        scratch = None if folders is None else folders[waiting[0]] / "checkpoints"
        trained = _train(blueprint, samples, own, settings, steps, scratch, on_epoch)
        for i, model in zip(waiting, trained, strict=True):
            found[i] = model
            if folders is not None:
                save_fitted(model, settings, folders[i])
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
    return [found[i] for i in range(len(splits))]


def fitted_rows(split: Split, settings: TrainSettings) -> NDArray[np.int64]:
    """Return the rows that the optimiser sees."""
    return split.fit if settings.stopping == "early" else split.train


@dataclass(frozen=True)
class _Fit:
    """One fit, ready to be fed."""

    seed: int
    preprocessing: Preprocessing
    fit: Scaled
    stop: Scaled
    fit_target: NDArray[Any]
    stop_target: NDArray[Any]
    target_scale: tuple[float, float]


def _prepare(readings: Readings, samples: Samples, split: Split, settings: TrainSettings, seed: int) -> _Fit:
    preprocessing = Preprocessing.fit(readings.rows(split.train), settings.scale, readings.covariates)
    rows = fitted_rows(split, settings)
    fit = preprocessing.apply(readings.rows(rows))
    if settings.shares_rows:
        fit = fit.with_shared_rows()
    target, target_scale = _scaled_target(samples, split)
    stop = preprocessing.apply(readings.rows(split.stop))
    return _Fit(seed, preprocessing, fit, stop, target[rows], target[split.stop], target_scale)


def _train(
    blueprint: Blueprint,
    samples: Samples,
    own: list[tuple[Split, int]],
    settings: TrainSettings,
    steps: int,
    scratch: Path | None,
    on_epoch: EpochProgress | None,
) -> list[FittedModel]:
    readings = Readings.of(samples, blueprint)
    fits = [_prepare(readings, samples, split, settings, seed) for split, seed in own]
    seeds = [fit.seed for fit in fits]
    encoder = fits[0].preprocessing.encoder
    network = build_network(
        blueprint,
        settings,
        samples.task,
        len(samples.outputs),
        encoder,
        {name: block.shape[1] for name, block in readings.blocks.items()},
        networks=len(fits),
    )
    for r, seed in enumerate(seeds):
        torch.manual_seed(seed)
        network.reset_parameters(r)
        if network.burdens is not None:
            network.burdens.standardise(r, dense_rows(fits[r].fit))
    weights = [_class_weight(samples, split, settings) for split, _ in own]
    module = VisibleModule(network, samples.task, settings, weights, seeds)
    feed = Feed([fit.fit for fit in fits], [fit.fit_target for fit in fits])
    batches = loader(feed, ShuffledBatches(feed.sizes, steps, seeds))
    whole = Feed([fit.stop for fit in fits], [fit.stop_target for fit in fits])
    stop = loader(whole, WholeInPieces(whole.sizes, max(_PIECE, settings.batch_size)))
    best = _Best(on_epoch, settings, blueprint.content_hash(), seeds)
    _run(module, batches, stop, settings, scratch, best)
    models = []
    for r, (fit, (split, _)) in enumerate(zip(fits, own, strict=True)):
        single = build_network(
            blueprint,
            settings,
            samples.task,
            len(samples.outputs),
            encoder,
            {name: block.shape[1] for name, block in readings.blocks.items()},
        )
        single.load_state_dict(best.weights[r])
        model = FittedModel(
            single.eval(), blueprint, fit.preprocessing, samples.task, fit.target_scale, fit.seed, best.epochs[r],
            best.history[r],
        )  # fmt: skip
        if samples.task == "survival":  # the loss ignores a shift of all risks
            mean = float(model.predict(readings.rows(split.train)).mean())
            model = replace(model, target_scale=(-mean, 1.0))
        models.append(model)
    return models


def _run(
    module: VisibleModule, batches: Any, stop: Any, settings: TrainSettings, scratch: Path | None, best: _Best
) -> None:
    """Run the Lightning loop; ``best`` ends up with every network's best weights and history."""
    callbacks: list[Callback] = [best]
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
    if any(not weights for weights in best.weights):
        raise FitError(
            "The loss on the stopping part was never a finite number.", "Lower the learning rate or check the data."
        )


class _Best(Callback):
    """Keep every network's best weights and history, and say when it has stopped learning.

    Part of the checkpoint, so a resumed fit has them too; there it refuses a checkpoint of another blueprint or other
    fits.
    """

    def __init__(
        self, on_epoch: EpochProgress | None, settings: TrainSettings, blueprint: str, seeds: list[int]
    ) -> None:
        n = len(seeds)
        self.losses, self.epochs = [float("inf")] * n, [-1] * n
        self.weights: list[dict[str, torch.Tensor]] = [{} for _ in seeds]
        self.history: list[list[dict[str, float]]] = [[] for _ in seeds]
        self._early = settings.stopping == "early"
        self._whose = {"blueprint": blueprint, "seeds": seeds}
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

    def state_dict(self) -> dict[str, Any]:
        return {
            "whose": self._whose,
            "losses": self.losses,
            "epochs": self.epochs,
            "weights": self.weights,
            "history": self.history,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for key, text in (("blueprint", "blueprint"), ("seeds", "fits")):
            if state_dict["whose"][key] != self._whose[key]:
                raise FitError(f"The checkpoint belongs to another {text}.", "Remove it, or train in another folder.")
        self.losses, self.epochs = state_dict["losses"], state_dict["epochs"]
        self.weights, self.history = state_dict["weights"], state_dict["history"]


def _refuse_absent_cuda(settings: TrainSettings) -> None:
    if settings.accelerator == "cuda" and not torch.cuda.is_available():
        raise FitError(
            'accelerator = "cuda", but torch finds no CUDA device.',
            'Set accelerator = "auto" or "cpu", or install a CUDA build of torch on a machine with a GPU.',
        )


def _scaled_target(samples: Samples, split: Split) -> tuple[NDArray[Any], tuple[float, float]]:
    if samples.task != "regression":
        return samples.target, (0.0, 1.0)
    train = samples.target[split.train]
    centre, spread = float(train.mean()), float(train.std()) or 1.0
    return ((samples.target - centre) / spread).astype(np.float32), (centre, spread)


def _class_weight(samples: Samples, split: Split, settings: TrainSettings) -> torch.Tensor | None:
    """Return ``[n_classes]`` weights, or ``[n_labels]`` how much more a positive weighs than a negative."""
    if samples.task not in ("classification", "multilabel") or settings.class_weight == "none":
        return None
    if samples.task == "multilabel":
        positive, negative = ((samples.target[split.fit] == value).sum(axis=0) for value in (1, 0))
        # A label with one value only in these rows has nothing to balance.
        ratio = np.where((positive > 0) & (negative > 0), negative / np.maximum(positive, 1), 1.0)
        return torch.from_numpy(ratio.astype(np.float32))
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
