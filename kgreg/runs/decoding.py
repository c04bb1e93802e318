"""What is read out of the trained networks besides the ranking: a step makes a table or two, written at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from kgreg.decode import Explanation
from kgreg.decode.activity import activity_table, by_sample, network_activities
from kgreg.decode.also import compare_measures
from kgreg.decode.degree import degree_bias
from kgreg.decode.rank import accepted_networks
from kgreg.experiment import Experiment
from kgreg.fit import CrossValidation
from kgreg.progress import Progress, no_progress
from kgreg.runs.gene_sets import enrichment_table
from kgreg.runs.knockouts import KNOCKOUT_TABLES
from kgreg.runs.records import read_table

#: Takes what is known of a run so far; returns name -> table, of those it is listed with in :data:`STEPS`.
Step = Callable[[CrossValidation, Explanation, Experiment, Progress], dict[str, pd.DataFrame]]


def training_history(
    result: CrossValidation, explanation: Explanation, experiment: Experiment, progress: Progress
) -> dict[str, pd.DataFrame]:
    """Return the losses of every fit: ``arm, fold, replicate, epoch, train_loss, stop_loss, best`` (its best epoch)."""
    frames = [
        pd.DataFrame(result.models[job.name].history).assign(
            arm=job.arm.name, fold=job.split.fold, replicate=job.replicate, best=result.models[job.name].best_epoch
        )
        for job in result.jobs
    ]
    columns = ["arm", "fold", "replicate", "epoch", "train_loss", "stop_loss", "best"]
    table = pd.concat(frames, ignore_index=True)
    return {"training": table[[name for name in columns if name in table]]}


def enrichment(
    result: CrossValidation, explanation: Explanation, experiment: Experiment, progress: Progress
) -> dict[str, pd.DataFrame]:
    """Return the gene sets that the ranked genes belong to, see :func:`kgreg.decode.enrichment.enrich`."""
    scores = explanation.node_scores
    return {"enrichment": enrichment_table(experiment, result.blueprint, explanation.ranking, scores, progress)}


def stability_tables(
    result: CrossValidation, explanation: Explanation, experiment: Experiment, progress: Progress
) -> dict[str, pd.DataFrame]:
    """Return the scores of every network, and how far those of the graph agree; see :mod:`kgreg.decode.stability`."""
    return {"node_scores": explanation.node_scores, "agreement": explanation.agreement}


def subsystem_activities(
    result: CrossValidation, explanation: Explanation, experiment: Experiment, progress: Progress
) -> dict[str, pd.DataFrame]:
    """Return ``activity`` (see :func:`kgreg.decode.activity.activity_table`) and ``activities``.

    The latter has a row a sample (``sample``) and a column a subsystem; see
    :func:`kgreg.decode.activity.subsystem_activity`.
    """
    found = list(network_activities(result, progress))
    groups, each = activity_table(result, found), by_sample(result, found)
    if groups.empty or each.size > MOST_ACTIVITIES:
        return {"activity": groups}
    return {"activity": groups, "activities": each.rename_axis("sample").reset_index()}


def other_measures(
    result: CrossValidation, explanation: Explanation, experiment: Experiment, progress: Progress
) -> dict[str, pd.DataFrame]:
    """Return the scores of the measures of ``[decode] also``, and how far they agree with the ranking."""
    decode = experiment.decode
    measures = [measure for measure in decode.also if measure != decode.measure]
    accepted = accepted_networks(result, decode.accept)["graph"] if measures else None
    scores, agreement = compare_measures(result, explanation, measures, progress, accepted=accepted)
    return {"methods": scores, "method_agreement": agreement}


def connectivity_bias(
    result: CrossValidation, explanation: Explanation, experiment: Experiment, progress: Progress
) -> dict[str, pd.DataFrame]:
    """Return how far scores follow the connectivity of nodes; see :func:`kgreg.decode.degree.degree_bias`.

    Motifs read one sequence: the null permutes their columns, and their connectivity says nothing.
    """
    if result.samples.sequences is not None:
        return {}
    return {"degree": degree_bias(result, explanation)}


#: Activities of single samples are kept up to this many numbers; beyond, they are computed when they are asked for.
MOST_ACTIVITIES = 20_000_000

#: Tables with a column a node, which are read by themselves.
LARGE = frozenset({"activities"})

#: What makes the tables, in order, with the tables that each may make.
STEPS: dict[Step, tuple[str, ...]] = {
    training_history: ("training",),
    subsystem_activities: ("activity", "activities"),
    stability_tables: ("node_scores", "agreement"),
    other_measures: ("methods", "method_agreement"),
    connectivity_bias: ("degree",),
    enrichment: ("enrichment",),
}


def decode_further(
    result: CrossValidation,
    explanation: Explanation,
    experiment: Experiment,
    folder: Path,
    progress: Progress = no_progress,
) -> None:
    """Do every step and write its tables; one that does not apply to the run leaves none."""
    for done, (step, names) in enumerate(STEPS.items()):

        def part(text: str, share: float, done: int = done) -> None:
            progress(text, (done + share) / len(STEPS))

        made = step(result, explanation, experiment, part)
        for name in names:
            path = folder / f"{name}.parquet"
            table = made.get(name)
            if table is None or table.empty:
                path.unlink(missing_ok=True)
            else:
                table.to_parquet(path, index=False)


def load_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """Read the tables of steps and knockouts, but the large ones: name -> table; one that is not there is left out."""
    names = [name for names in STEPS.values() for name in names if name not in LARGE] + [*KNOCKOUT_TABLES]
    return {name: read_table(folder / f"{name}.parquet") for name in names if (folder / f"{name}.parquet").is_file()}
