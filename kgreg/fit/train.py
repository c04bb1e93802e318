"""Fits: a blueprint, splits and seeds -> trained networks, several of them side by side as one wider network."""

from __future__ import annotations

import logging
import shutil
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
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
from kgreg.fit.best import Best, EpochProgress
from kgreg.fit.checkpoints import SafetensorsIO, describe_fits, is_own
from kgreg.fit.feeding import Feed, ShuffledBatches, WholeInPieces, count_steps, loader
from kgreg.fit.fitted import FittedModel, build_network, is_finished, reuse_fitted, save_fitted
from kgreg.fit.memory import refuse_too_large
from kgreg.fit.module import VisibleModule
from kgreg.fit.readings import Preprocessing, Readings, Scaled, dense_rows
from kgreg.fit.settings import TrainSettings
from kgreg.fit.threads import limit_threads

#: Samples of the stopping part that are computed at a time.
_PIECE = 2048

#: Folder of the checkpoints, within that of a fit.
_CHECKPOINTS = "checkpoints"


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

    The numbers are those of training each by itself with as many ``steps``.

    Parameters
    ----------
    folders
        Where finished models go, one a fit, and checkpoints, in the first. A finished model there is read instead of
        trained again; interrupted fits continue from their last epoch, with the same numbers as if they had not been
        interrupted. A checkpoint of some of these fits together with others is of no use: they begin anew.
    steps
        Steps of an epoch. Default: see :func:`kgreg.fit.feeding.count_steps`.
    on_epoch
        Progress callback.

    Raises
    ------
    FitError
        If the stopping loss of a fit was never a finite number (the others are saved first), the network would not fit
        into memory, CUDA is asked for and absent, or a finished model or checkpoint in ``folders`` is damaged or
        belongs to another blueprint, other settings or other fits.
    """
    found: dict[int, FittedModel] = {}
    for i, folder in enumerate(folders or []):
        if is_finished(folder):
            found[i] = reuse_fitted(folder, blueprint, settings, seeds[i])
            shutil.rmtree(folder / _CHECKPOINTS, ignore_errors=True)
    waiting = [i for i in range(len(splits)) if i not in found]
    if waiting:
        _refuse_absent_cuda(settings)
        refuse_too_large(blueprint, samples, settings, len(waiting))
        steps = steps or count_steps([len(fitted_rows(split, settings)) for split in splits], settings.batch_size)
        own = [(splits[i], seeds[i]) for i in waiting]
        scratch = None if folders is None else folders[waiting[0]] / _CHECKPOINTS
        trained = _train(blueprint, samples, own, settings, steps, scratch, on_epoch)
        for i, model in zip(waiting, trained, strict=True):
            if model is not None:
                found[i] = model
                if folders is not None:
                    save_fitted(model, settings, folders[i])
        if folders is not None:
            for i in waiting:  # those of fits that were grouped otherwise, too
                shutil.rmtree(folders[i] / _CHECKPOINTS, ignore_errors=True)
        _refuse_failed([(splits[i], seeds[i]) for i in waiting if i not in found], len(splits))
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
) -> list[FittedModel | None]:
    """Return the model of every fit; None where the stopping loss was never a finite number."""
    readings = Readings.of(samples, blueprint)
    fits = [_prepare(readings, samples, split, settings, seed) for split, seed in own]
    seeds = [fit.seed for fit in fits]
    encoder = fits[0].preprocessing.encoder
    sizes = {name: block.shape[1] for name, block in readings.blocks.items()}
    build = partial(build_network, blueprint, settings, samples.task, len(samples.outputs), encoder, sizes)
    network = build(networks=len(fits))
    for r, seed in enumerate(seeds):
        torch.manual_seed(seed)
        network.reset_parameters(r)
        if network.burdens is not None:
            network.burdens.standardise(r, dense_rows(fits[r].fit))
    weights = [_class_weight(samples, fitted_rows(split, settings), settings) for split, _ in own]
    module = VisibleModule(network, samples.task, settings, weights, seeds)
    feed = Feed([fit.fit for fit in fits], [fit.fit_target for fit in fits])
    batches = loader(feed, ShuffledBatches(feed.sizes, steps, seeds))
    whole = Feed([fit.stop for fit in fits], [fit.stop_target for fit in fits])
    stop = loader(whole, WholeInPieces(whole.sizes, max(_PIECE, settings.batch_size)))
    best = Best(on_epoch, settings, describe_fits(blueprint, settings, seeds, steps))
    _run(module, batches, stop, settings, scratch, best)
    models: list[FittedModel | None] = []
    for r, (fit, (split, _)) in enumerate(zip(fits, own, strict=True)):
        if not best.weights[r]:
            models.append(None)
            continue
        single = build()
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
    module: VisibleModule, batches: Any, stop: Any, settings: TrainSettings, scratch: Path | None, best: Best
) -> None:
    """Run the Lightning loop; ``best`` ends up with every network's best weights and history."""
    callbacks: list[Callback] = [best]
    resume = None
    if scratch is not None:
        callbacks.append(ModelCheckpoint(scratch, filename="last", enable_version_counter=False, every_n_epochs=1))
        last = scratch / "last.ckpt"
        resume = str(last) if last.is_file() and is_own(last, best.whose) else None
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


def _refuse_failed(failed: list[tuple[Split, int]], total: int) -> None:
    if failed:
        which = ", ".join(f"fold {split.fold + 1} with seed {seed}" for split, seed in failed)
        raise FitError(
            f"The loss on the stopping part was never a finite number in {len(failed)} of {total} fits ({which}).",
            "Lower the learning rate or check the data.",
        )


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


def _class_weight(samples: Samples, rows: NDArray[np.int64], settings: TrainSettings) -> torch.Tensor | None:
    """Return ``[n_classes]`` weights, or ``[n_labels]`` how much more a positive weighs than a negative."""
    if samples.task not in ("classification", "multilabel") or settings.class_weight == "none":
        return None
    if samples.task == "multilabel":
        positive, negative = ((samples.target[rows] == value).sum(axis=0) for value in (1, 0))
        # A label with one value only in these rows has nothing to balance.
        ratio = np.where((positive > 0) & (negative > 0), negative / np.maximum(positive, 1), 1.0)
        return torch.from_numpy(ratio.astype(np.float32))
    counts = np.bincount(samples.target[rows], minlength=len(samples.classes))
    weight = len(rows) / (len(counts) * np.maximum(counts, 1))
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
