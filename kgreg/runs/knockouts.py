"""The stage "knockout": what ``[knockouts]`` asks for, as tables."""

from __future__ import annotations

from pathlib import Path

from kgreg.data import Matching
from kgreg.decode import Explanation
from kgreg.decode.knockout import KnockoutOptions, epistasis_table, knockout_table, sweep_table
from kgreg.experiment import Experiment
from kgreg.fit import CrossValidation
from kgreg.progress import Progress

#: What the stage leaves beside ``knockouts.parquet``, where it is asked for.
KNOCKOUT_TABLES = ("epistasis", "sweep")


def knockout_options(experiment: Experiment, matching: Matching) -> KnockoutOptions:
    """Return how the genes of an experiment are knocked out."""
    section = experiment.knockouts
    return KnockoutOptions(section.value, section.dose, section.modalities, section.random, matching)


def knockouts_of(experiment: Experiment, explanation: Explanation) -> dict[str, list[str]]:
    """Return name -> genes of every knockout that ``[knockouts]`` asks for."""
    section = experiment.knockouts
    asked = {gene: [gene] for gene in section.genes} | {name: list(genes) for name, genes in section.sets.items()}
    return asked | {gene: [gene] for gene in explanation.leading_genes(section.automatic) if gene not in asked}


def do_knockouts(
    result: CrossValidation,
    experiment: Experiment,
    explanation: Explanation,
    matching: Matching,
    folder: Path,
    progress: Progress,
) -> None:
    """Write ``knockouts.parquet`` and, where they are asked for, ``epistasis.parquet`` and ``sweep.parquet``."""
    section, options = experiment.knockouts, knockout_options(experiment, matching)
    (folder / "knockouts.parquet").unlink(missing_ok=True)
    for name in KNOCKOUT_TABLES:
        (folder / f"{name}.parquet").unlink(missing_ok=True)
    table = knockout_table(
        result, knockouts_of(experiment, explanation), lambda text, share: progress(text, 0.4 * share), options
    )
    table.to_parquet(folder / "knockouts.parquet", index=False)
    if section.pairs:
        pairs = epistasis_table(
            result, section.pairs, lambda text, share: progress(text, 0.4 + 0.2 * share), options, section.epistasis
        )
        pairs.to_parquet(folder / "epistasis.parquet", index=False)
    if section.sweep:
        sweep = sweep_table(result, lambda text, share: progress(text, 0.6 + 0.4 * share), options)
        sweep.to_parquet(folder / "sweep.parquet", index=False)
