"""The stages of an experiment, each from memory to memory; :mod:`kgreg.runs.pipeline` puts them on disk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgreg.blueprint import Blueprint
from kgreg.data import (
    Matching,
    Samples,
    Split,
    read_samples,
    split_fixed,
    split_folds,
)
from kgreg.data.bundled import bundled_file
from kgreg.data.multiomics import Modality, is_mudata, read_mudata, read_multiomics
from kgreg.data.samples import Columns
from kgreg.data.sequence import read_sequences
from kgreg.data.sequence.blocks import read_blocks
from kgreg.experiment import Experiment
from kgreg.experiment_sections import NetworkSection
from kgreg.experiment_sequences import SequencesSection
from kgreg.fit import TrainSettings
from kgreg.fit.losses import loss_function
from kgreg.progress import Progress, no_progress
from kgreg.runs.gene_sets import check_gene_sets
from kgreg.runs.knowledge import make_blueprint

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@dataclass(frozen=True)
class Compiled:
    """Samples, what became of their gene names, the network over them, and the folds."""

    samples: Samples
    matching: Matching
    blueprint: Blueprint
    splits: list[Split]


#: Keys of ``[training]`` that are settings of a fit under the same name.
_OF_TRAINING = (
    "learning_rate", "weight_decay", "optimiser", "betas", "epsilon", "momentum", "decay_biases", "covariate_rate",
    "decay", "decay_every", "batch_size", "max_epochs", "patience", "stopping", "class_weight", "loss", "accelerator",
    "threads", "together",
)  # fmt: skip


def settings_of(experiment: Experiment) -> TrainSettings:
    """Return the settings of one fit."""
    training, network = experiment.training, experiment.network
    common = {key: getattr(training, key) for key in _OF_TRAINING} | {"scale": experiment.data.scale}
    if not isinstance(network, NetworkSection):
        return TrainSettings(architecture=network, **common)
    return TrainSettings(
        architecture=network.architecture(),
        auxiliary=network.auxiliary,
        auxiliary_sum=network.auxiliary_sum,
        interactions=tuple(network.interactions),
        layer_weights=None if network.layer_weights is None else tuple(network.layer_weights),
        **common,
    )


def read_data(experiment: Experiment, data: AnnData | MuData | None = None) -> Samples:
    """Read the samples of ``[data]``, from ``data`` if an object is given instead of the file."""
    section = experiment.data
    columns = Columns(
        section.label, section.time, section.event, section.group, section.task, section.split,
        tuple(section.covariates),
    )  # fmt: skip
    modalities = {
        name: Modality(own.file or "", own.orient, own.layer, own.map, own.how)
        for name, own in section.modalities.items()
    }
    if section.sequences is not None:
        return _read_dna(section.sequences, columns)
    file = section.file or ""
    if data is None and not file:
        return read_multiomics(modalities, str(section.obs), columns, section.samples)
    source: Any = data
    if source is None:
        source = bundled_file(file) if file.startswith("scanpy:") else Path(file)
    if is_mudata(source):
        return read_mudata(source, columns, modalities, section.samples, section.blocks)
    return read_samples(
        source,
        section.label,
        time=section.time,
        event=section.event,
        layer=section.layers or section.layer,
        group=section.group,
        task=section.task,
        split=section.split,
        covariates=section.covariates,
        blocks=section.blocks,
        samples=section.samples,
    )


def _read_dna(section: SequencesSection, columns: Columns) -> Samples:
    samples = read_sequences(
        section.file or section.paths,
        columns,
        genome=section.genome,
        length=section.length,
        ends=section.ends,
        centre=section.centre,
        negatives=section.negatives,
        labels=section.labels,
        targets=section.targets,
        statistic=section.statistic,
        log1p=section.transform == "log1p",
        test_chromosomes=section.test_chromosomes,
        seed=section.seed,
    )
    return replace(samples, blocks=read_blocks(section.blocks, samples.names)) if section.blocks else samples


def split_data(experiment: Experiment, samples: Samples) -> list[Split]:
    """Return the folds of ``[training]``, or the one split that the data fix."""
    training = experiment.training
    if samples.parts is not None or training.folds is None:
        return split_fixed(samples, training.stop_fraction, training.seed)
    return split_folds(samples, training.folds, training.stop_fraction, training.seed)


def compile_experiment(
    experiment: Experiment, data: AnnData | MuData | None = None, progress: Progress = no_progress
) -> Compiled:
    """Read the data, match its genes to the store, and compile the network.

    See :func:`kgreg.runs.knowledge.make_blueprint` for where the knowledge comes from.
    """
    progress("reading the data", 0.0)
    samples = read_data(experiment, data)
    loss_function(samples.task, experiment.training.loss)  # refuses a loss that is for another task
    splits = split_data(experiment, samples)
    matching, blueprint = make_blueprint(experiment, samples, progress)
    check_gene_sets(experiment, blueprint)
    return Compiled(samples, matching.with_unmapped(samples.unmapped), blueprint, splits)
