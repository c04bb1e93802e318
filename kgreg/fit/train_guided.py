"""Fits of networks that are no hierarchies: one after the other, then a head for those that are not supervised."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from kgreg.blueprint.model import Blueprint
from kgreg.data.samples import Samples
from kgreg.data.splits import Split
from kgreg.fit.best import Best, EpochProgress
from kgreg.fit.checkpoints import describe_fits
from kgreg.fit.feeding import Feed, ShuffledBatches, WholeInPieces, loader
from kgreg.fit.fitted import FittedModel, build_guided, centred
from kgreg.fit.guided import GuidedModule, compute_all
from kgreg.fit.preparing import PIECE, Prepared, class_weight_of, fitted_rows, prepare, read_each
from kgreg.fit.probe import fit_probe
from kgreg.fit.readings import Readings
from kgreg.fit.running import run_loop
from kgreg.fit.settings import TrainSettings
from kgreg.nn.design import Design


def train_each(
    blueprint: Blueprint,
    own: list[tuple[Samples, Split, int]],
    settings: TrainSettings,
    steps: int,
    scratches: list[Path | None],
    on_epoch: EpochProgress | None,
) -> list[FittedModel | None]:
    """As :func:`_train`, for networks that are no hierarchies: one after the other."""
    each = read_each(blueprint, [samples for samples, _, _ in own])
    models = []
    for done, (readings, (samples, split, seed), scratch) in enumerate(zip(each, own, scratches, strict=True)):

        def told(epoch: int, most: int, done: int = done) -> None:
            if on_epoch is not None:
                on_epoch(done * most + epoch, len(own) * most)

        fit = prepare(readings, samples, split, settings, seed)
        models.append(_train_guided(blueprint, samples, readings, split, fit, settings, steps, scratch, told))
    return models


def _train_guided(
    blueprint: Blueprint,
    samples: Samples,
    readings: Readings,
    split: Split,
    fit: Prepared,
    settings: TrainSettings,
    steps: int,
    scratch: Path | None,
    on_epoch: EpochProgress,
) -> FittedModel | None:
    """Return one model; None where the stopping loss was never a finite number."""
    assert isinstance(settings.architecture, Design)
    torch.manual_seed(fit.seed)
    network = build_guided(
        blueprint, settings.architecture, samples.task, len(samples.outputs), fit.preprocessing.encoder
    )
    with torch.no_grad():
        network.begin(network.given(fit.fit.everything()), torch.from_numpy(fit.fit_target))
    weight = class_weight_of(samples, fitted_rows(split, settings), settings)
    module = GuidedModule(network, samples.task, settings, weight, fit.seed)
    feed, held = Feed([fit.fit], [fit.fit_target]), Feed([fit.stop], [fit.stop_target])
    batches = loader(feed, ShuffledBatches(feed.sizes, steps, [fit.seed]))
    stop = loader(held, WholeInPieces(held.sizes, max(PIECE, settings.batch_size)))
    best = Best(on_epoch, settings, describe_fits(blueprint, settings, [fit.seed], steps))
    run_loop(module, batches, stop, settings, scratch, best)
    if not best.weights[0]:
        return None
    network = network.cpu()
    network.load_state_dict(best.weights[0])
    if not network.supervised:
        # The head has its penalty chosen on the stopping part, which stands apart whatever the network was fitted on.
        early = replace(settings, stopping="early")
        apart = fit if settings.stopping == "early" else prepare(readings, samples, split, early, fit.seed)
        parts = [(apart.fit, apart.fit_target), (apart.stop, apart.stop_target)]
        read = [(compute_all(network, network.given(given.everything())), target) for given, target in parts]
        balanced = settings.class_weight == "balanced"
        fit_probe(network, samples.task, len(samples.outputs), read[0], read[1], balanced, fit.seed)
    model = FittedModel(
        network.eval(), blueprint, fit.preprocessing, samples.task, fit.target_scale, fit.seed, best.epochs[0],
        best.history[0],
    )  # fmt: skip
    return centred(model, readings, split.train)
