"""Fits: a blueprint, splits and seeds -> trained networks, several of them side by side as one wider network."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from kgreg.blueprint.model import Blueprint
from kgreg.data.samples import Samples
from kgreg.data.splits import Split
from kgreg.errors import FitError
from kgreg.fit.best import Best, EpochProgress
from kgreg.fit.checkpoints import describe_fits
from kgreg.fit.feeding import Feed, ShuffledBatches, WholeInPieces, count_steps, loader
from kgreg.fit.fitted import FittedModel, build_network, centred, is_finished, reuse_fitted, save_fitted
from kgreg.fit.memory import refuse_too_large
from kgreg.fit.module import VisibleModule
from kgreg.fit.preparing import PIECE, class_weight_of, fitted_rows, prepare, read_each
from kgreg.fit.readings import dense_rows
from kgreg.fit.running import run_loop
from kgreg.fit.settings import TrainSettings
from kgreg.fit.train_guided import train_each
from kgreg.nn.design import Design

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
    samples: Samples | Sequence[Samples],
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
    samples
        Of all fits, or of each: with other targets or inputs, but the same features and outputs.
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
    each = [samples] * len(splits) if isinstance(samples, Samples) else list(samples)
    for i, folder in enumerate(folders or []):
        if is_finished(folder):
            found[i] = reuse_fitted(folder, blueprint, settings, seeds[i])
            shutil.rmtree(folder / _CHECKPOINTS, ignore_errors=True)
    waiting = [i for i in range(len(splits)) if i not in found]
    if waiting:
        _refuse_absent_cuda(settings)
        refuse_too_large(blueprint, each[0], settings, len(waiting))
        steps = steps or count_steps([len(fitted_rows(split, settings)) for split in splits], settings.batch_size)
        own = [(each[i], splits[i], seeds[i]) for i in waiting]
        scratch = None if folders is None else folders[waiting[0]] / _CHECKPOINTS
        if isinstance(settings.architecture, Design):
            folded = [None if folders is None else folders[i] / _CHECKPOINTS for i in waiting]
            trained = train_each(blueprint, own, settings, steps, folded, on_epoch)
        else:
            trained = _train(blueprint, own, settings, steps, scratch, on_epoch)
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


def _train(
    blueprint: Blueprint,
    own: list[tuple[Samples, Split, int]],
    settings: TrainSettings,
    steps: int,
    scratch: Path | None,
    on_epoch: EpochProgress | None,
) -> list[FittedModel | None]:
    """Return the model of every fit; None where the stopping loss was never a finite number."""
    readings = read_each(blueprint, [samples for samples, _, _ in own])
    fits = [
        prepare(read, samples, split, settings, seed)
        for read, (samples, split, seed) in zip(readings, own, strict=True)
    ]
    samples = own[0][0]
    seeds = [fit.seed for fit in fits]
    encoder = fits[0].preprocessing.encoder
    sizes = {name: block.shape[1] for name, block in readings[0].blocks.items()}
    build = partial(build_network, blueprint, settings, samples.task, len(samples.outputs), encoder, sizes)
    network = build(networks=len(fits))
    for r, seed in enumerate(seeds):
        torch.manual_seed(seed)
        network.reset_parameters(r)
        if network.burdens is not None:
            network.burdens.standardise(r, dense_rows(fits[r].fit))
    weights = [class_weight_of(one, fitted_rows(split, settings), settings) for one, split, _ in own]
    module = VisibleModule(network, samples.task, settings, weights, seeds)
    feed = Feed([fit.fit for fit in fits], [fit.fit_target for fit in fits])
    batches = loader(feed, ShuffledBatches(feed.sizes, steps, seeds))
    whole = Feed([fit.stop for fit in fits], [fit.stop_target for fit in fits])
    stop = loader(whole, WholeInPieces(whole.sizes, max(PIECE, settings.batch_size)))
    best = Best(on_epoch, settings, describe_fits(blueprint, settings, seeds, steps))
    run_loop(module, batches, stop, settings, scratch, best)
    models: list[FittedModel | None] = []
    for r, (fit, (_, split, _)) in enumerate(zip(fits, own, strict=True)):
        if not best.weights[r]:
            models.append(None)
            continue
        single = build()
        single.load_state_dict(best.weights[r])
        model = FittedModel(
            single.eval(), blueprint, fit.preprocessing, samples.task, fit.target_scale, fit.seed, best.epochs[r],
            best.history[r],
        )  # fmt: skip
        models.append(centred(model, readings[r], split.train))
    return models


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
