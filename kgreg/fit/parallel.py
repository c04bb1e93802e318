"""Many fits on several cores."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from joblib import Parallel, delayed

from kgreg.blueprint.model import Blueprint
from kgreg.data.samples import Samples
from kgreg.fit.arms import Arm, Job, arm_samples
from kgreg.fit.settings import TrainSettings
from kgreg.fit.train import FittedModel, fit_network, is_finished
from kgreg.progress import Progress, no_progress

# After Ctrl-C the unfinished fits are cancelled; that is what was asked for.
warnings.filterwarnings("ignore", message=".*tasks which were still being processed by the workers")


def fit_jobs(
    jobs: list[Job],
    graphs: Mapping[Arm, Blueprint],
    samples: Samples,
    settings: TrainSettings,
    seed: int,
    *,
    folder: Path | None = None,
    workers: int = 1,
    progress: Progress = no_progress,
) -> dict[str, FittedModel]:
    """Train every job and return job name -> model, in the order of the jobs.

    Parameters
    ----------
    graphs
        The blueprint of every arm.
    folder
        Where models and checkpoints go; what is finished there is read.
    workers
        Processes. The numbers are the same for any, because a fit uses ``settings.threads`` threads wherever it runs.
    """
    models: dict[str, FittedModel] = {}
    waiting = []
    for job in jobs:
        if folder is not None and is_finished(folder / job.name):
            models[job.name] = fit_network(graphs[job.arm], samples, job.split, settings, job.seed, folder / job.name)
        else:
            waiting.append(job)
    if workers > 1 and len(waiting) > 1:
        trained = _in_parallel(waiting, graphs, samples, settings, seed, folder, min(workers, len(waiting)))
        progress(f"training {len(waiting)} networks on {min(workers, len(waiting))} cores", len(models) / len(jobs))
    else:
        trained = _one_by_one(waiting, graphs, samples, settings, seed, folder, progress, len(models), len(jobs))
    for job, model in trained:
        models[job.name] = replace(model, blueprint=graphs[job.arm])
        progress(f"trained {job.arm.name}, fold {job.split.fold + 1}", len(models) / len(jobs))
    return {job.name: models[job.name] for job in jobs}


def _one_by_one(
    jobs: list[Job],
    graphs: Mapping[Arm, Blueprint],
    samples: Samples,
    settings: TrainSettings,
    seed: int,
    folder: Path | None,
    progress: Progress,
    before: int,
    total: int,
) -> Iterator[tuple[Job, FittedModel]]:
    for done, job in enumerate(jobs, start=before):

        def on_epoch(epoch: int, most: int, job: Job = job, done: int = done) -> None:
            progress(f"training {job.arm.name}, fold {job.split.fold + 1}", (done + epoch / most) / total)

        own = arm_samples(samples, job.arm, seed)
        target = None if folder is None else folder / job.name
        yield job, fit_network(graphs[job.arm], own, job.split, settings, job.seed, target, on_epoch)


def _in_parallel(
    jobs: list[Job],
    graphs: Mapping[Arm, Blueprint],
    samples: Samples,
    settings: TrainSettings,
    seed: int,
    folder: Path | None,
    workers: int,
) -> Iterator[tuple[Job, FittedModel]]:
    tasks = (
        delayed(_fit)(job, graphs[job.arm], samples, settings, seed, None if folder is None else folder / job.name)
        for job in jobs
    )
    results: Iterator[tuple[Job, FittedModel]] = Parallel(n_jobs=workers, return_as="generator_unordered")(tasks)
    return results


def _fit(
    job: Job, blueprint: Blueprint, samples: Samples, settings: TrainSettings, seed: int, folder: Path | None
) -> tuple[Job, FittedModel]:
    # Ctrl-C reaches the whole process group; the parent answers it and stops its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return job, fit_network(blueprint, arm_samples(samples, job.arm, seed), job.split, settings, job.seed, folder)
