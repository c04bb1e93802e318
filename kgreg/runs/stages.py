"""The stages of an experiment, each from memory to memory; :mod:`kgreg.runs.pipeline` puts them on disk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgreg.blueprint import Blueprint, Guide, compile_guide, go_guide, load_blueprint, reactome_guide
from kgreg.blueprint.compiler import recompile
from kgreg.data import (
    Matching,
    Samples,
    Split,
    input_table,
    match_blueprint,
    match_genes,
    read_samples,
    split_fixed,
    split_folds,
    usable_features,
)
from kgreg.data.bundled import bundled_file
from kgreg.decode import Explanation
from kgreg.experiment import Experiment
from kgreg.fit import TrainSettings
from kgreg.fit.losses import loss_function
from kgreg.progress import Progress, no_progress
from kgreg.store import default_location, is_server, load, open_store

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class Compiled:
    """Samples, what became of their gene names, the network over them, and the folds."""

    samples: Samples
    matching: Matching
    blueprint: Blueprint
    splits: list[Split]


def guide_of(experiment: Experiment) -> Guide:
    """Return the guide that ``[knowledge]`` asks for."""
    knowledge = experiment.knowledge
    if knowledge.guide == "cypher":
        terms, hierarchy, annotations = (str(q) for q in (knowledge.terms, knowledge.hierarchy, knowledge.annotations))
        return Guide("your Cypher", terms, hierarchy, annotations, knowledge.parameters)
    if knowledge.guide == "reactome":
        return reactome_guide(knowledge.evidence_excluded)
    return go_guide(knowledge.namespace, knowledge.relations, knowledge.evidence_excluded)


#: Keys of ``[training]`` that are settings of a fit under the same name.
_OF_TRAINING = (
    "learning_rate", "weight_decay", "optimiser", "betas", "epsilon", "decay_biases", "covariate_rate", "decay",
    "decay_every", "batch_size", "max_epochs", "patience", "stopping", "class_weight", "loss", "accelerator", "threads",
    "together",
)  # fmt: skip


def settings_of(experiment: Experiment) -> TrainSettings:
    """Return the settings of one fit."""
    training, network = experiment.training, experiment.network
    return TrainSettings(
        architecture=network.architecture(),
        auxiliary=network.auxiliary,
        auxiliary_sum=network.auxiliary_sum,
        interactions=tuple(network.interactions),
        layer_weights=None if network.layer_weights is None else tuple(network.layer_weights),
        scale=experiment.data.scale,
        **{key: getattr(training, key) for key in _OF_TRAINING},
    )


def read_data(experiment: Experiment, data: AnnData | None = None) -> Samples:
    """Read the samples of ``[data]``, from ``data`` if an object is given instead of the file."""
    section = experiment.data
    source = bundled_file(section.file) if section.file.startswith("scanpy:") else Path(section.file)
    return read_samples(
        data if data is not None else source,
        section.label,
        time=section.time,
        event=section.event,
        layer=section.layers or section.layer,
        group=section.group,
        task=section.task,
        split=section.split,
        covariates=section.covariates,
        blocks=section.blocks,
    )


def split_data(experiment: Experiment, samples: Samples) -> list[Split]:
    """Return the folds of ``[training]``, or the one split that the data fix."""
    training = experiment.training
    if samples.parts is not None or training.folds is None:
        return split_fixed(samples, training.stop_fraction, training.seed)
    return split_folds(samples, training.folds, training.stop_fraction, training.seed)


def compile_experiment(
    experiment: Experiment, data: AnnData | None = None, progress: Progress = no_progress
) -> Compiled:
    """Read the data, match its genes to the store, and compile the network.

    The default store is made from the bundled snapshot if there is none yet; a store that was named must exist. With
    ``guide = "blueprint"`` no store is opened.
    """
    progress("reading the data", 0.0)
    samples = read_data(experiment, data)
    loss_function(samples.task, experiment.training.loss)  # refuses a loss that is for another task
    splits = split_data(experiment, samples)
    knowledge = experiment.knowledge
    if knowledge.blueprint is not None:
        return _take_blueprint(experiment, samples, splits, load_blueprint(Path(knowledge.blueprint)), progress)
    location: Any = knowledge.store
    if location is None:
        location = default_location()
        if not is_server(location) and not Path(location).exists():
            load(location, progress=lambda text, share: progress(text, 0.8 * share))
    with open_store(location) as store:
        progress("matching gene symbols", 0.85)
        matching = match_genes(samples.genes, store)
        matching = _without_constant(experiment, samples, matching)
        progress("compiling the network", 0.9)
        blueprint = compile_guide(
            store,
            guide_of(experiment),
            input_table(samples, matching.matched),
            **_limits(experiment),
            cycles=knowledge.cycles,
            width=experiment.network.width,
            width_fraction=experiment.network.width_fraction,
        )
    progress("compiling the network", 1.0)
    return Compiled(samples, matching, blueprint, splits)


def _take_blueprint(
    experiment: Experiment, samples: Samples, splits: list[Split], blueprint: Blueprint, progress: Progress
) -> Compiled:
    """Fit a blueprint that was compiled before to the data; it is cut only where ``[knowledge]`` says so."""
    progress("matching genes", 0.5)
    matching = _without_constant(experiment, samples, match_blueprint(samples.genes, blueprint))
    progress("compiling the network", 0.9)
    provenance = {**blueprint.provenance, "blueprint": {"content_hash": blueprint.content_hash()}}
    taken = replace(blueprint, provenance=provenance)
    taken = recompile(taken, inputs=input_table(samples, matching.matched), **_limits(experiment))
    progress("compiling the network", 1.0)
    network = experiment.network
    return Compiled(samples, matching, taken.with_width(network.width, network.width_fraction), splits)


def _without_constant(experiment: Experiment, samples: Samples, matching: Matching) -> Matching:
    matched = list(matching.matched["feature"])
    usable = usable_features(samples, matched, experiment.data.constant_genes)
    return matching.without_constant(set(matched) - set(usable))


def _limits(experiment: Experiment) -> dict[str, Any]:
    """Return how ``[knowledge]`` cuts the hierarchy to size."""
    keys = ("min_genes", "max_genes", "redundancy", "max_depth", "root", "levels")
    return {key: getattr(experiment.knowledge, key) for key in keys}


def knockouts_of(experiment: Experiment, explanation: Explanation) -> dict[str, list[str]]:
    """Return name -> genes of every knockout that ``[knockouts]`` asks for."""
    section = experiment.knockouts
    asked = {gene: [gene] for gene in section.genes} | {name: list(genes) for name, genes in section.sets.items()}
    return asked | {gene: [gene] for gene in explanation.leading_genes(section.automatic) if gene not in asked}
