"""Many fits: those of one graph side by side as one wider network, graphs on several cores."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from joblib import Parallel, delayed

from kgreg.blueprint.model import Blueprint
from kgreg.data.samples import Samples
from kgreg.fit.arms import Arm, Job, arm_samples
from kgreg.fit.best import EpochProgress
from kgreg.fit.feeding import count_steps
from kgreg.fit.fitted import FittedModel, is_finished, reuse_fitted
from kgreg.fit.preparing import fitted_rows
from kgreg.fit.settings import TrainSettings
from kgreg.fit.train import fit_networks
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
        Processes. The numbers are the same for any, because a fit uses ``settings.threads`` threads wherever it runs,
        and the same whichever fits are trained side by side.
    """
    models: dict[str, FittedModel] = {}
    waiting = []
    for job in jobs:
        if folder is not None and is_finished(folder / job.name):
            models[job.name] = reuse_fitted(folder / job.name, graphs[job.arm], settings, job.seed)
        else:
            waiting.append(job)
    steps = count_steps([len(fitted_rows(job.split, settings)) for job in jobs], settings.batch_size)
    groups = group_jobs(waiting, settings.together, workers)
    if workers > 1 and len(groups) > 1:
        trained = _in_parallel(groups, graphs, samples, settings, seed, folder, steps, min(workers, len(groups)))
        progress(f"training {len(waiting)} networks on {min(workers, len(groups))} cores", len(models) / len(jobs))
    else:
        trained = _one_by_one(groups, graphs, samples, settings, seed, folder, steps, progress, len(models), len(jobs))
    with closing(trained):  # whatever ends the loop, nothing goes on training behind it
        for group in trained:
            for job, model in group:
                models[job.name] = replace(model, blueprint=graphs[job.arm])
            progress(f"trained {_describe([job for job, _ in group])}", len(models) / len(jobs))
    return {job.name: models[job.name] for job in jobs}


def group_jobs(jobs: list[Job], together: int, workers: int) -> list[list[Job]]:
    """Return the jobs in groups to train side by side: of one arm, at most ``together`` (0: no limit).

    Where there are fewer arms than workers, arms are cut, so that nobody is idle.
    """
    arms: dict[Arm, list[Job]] = {}
    for job in jobs:
        arms.setdefault(job.arm, []).append(job)
    pieces = -(-workers // len(arms)) if arms else 1
    groups = []
    for own in arms.values():
        most = -(-len(own) // pieces)
        if together:
            most = min(most, together)
        groups += [own[start : start + most] for start in range(0, len(own), most)]
    return groups


def _describe(group: list[Job]) -> str:
    """Return what is told of a group, such as ``graph, 6 fits side by side``."""
    first = group[0]
    what = f"fold {first.split.fold + 1}" if len(group) == 1 else f"{len(group)} fits side by side"
    return f"{first.arm.name}, {what}"


def _one_by_one(
    groups: list[list[Job]],
    graphs: Mapping[Arm, Blueprint],
    samples: Samples,
    settings: TrainSettings,
    seed: int,
    folder: Path | None,
    steps: int,
    progress: Progress,
    before: int,
    total: int,
) -> Generator[list[tuple[Job, FittedModel]], None, None]:
    done = before
    for group in groups:

        def on_epoch(epoch: int, most: int, group: list[Job] = group, done: int = done) -> None:
            progress(f"training {_describe(group)}", (done + len(group) * epoch / most) / total)

        yield _fit(group, graphs[group[0].arm], samples, settings, seed, folder, steps, on_epoch)
        done += len(group)


def _in_parallel(
    groups: list[list[Job]],
    graphs: Mapping[Arm, Blueprint],
    samples: Samples,
    settings: TrainSettings,
    seed: int,
    folder: Path | None,
    steps: int,
    workers: int,
) -> Generator[list[tuple[Job, FittedModel]], None, None]:
    tasks = (
        delayed(_fit_in_worker)(group, graphs[group[0].arm], samples, settings, seed, folder, steps) for group in groups
    )
    try:
        yield from Parallel(n_jobs=workers, return_as="generator_unordered")(tasks)
    except BaseException:
        # The workers were killed, perhaps while one was writing: what it wrote aside is nobody's any more.
        for part in [] if folder is None else folder.rglob("*.part"):
            part.unlink(missing_ok=True)
        raise


def _fit_in_worker(
    group: list[Job],
    blueprint: Blueprint,
    samples: Samples,
    settings: TrainSettings,
    seed: int,
    folder: Path | None,
    steps: int,
) -> list[tuple[Job, FittedModel]]:
    # Ctrl-C reaches the whole process group; the parent answers it and stops its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return _fit(group, blueprint, samples, settings, seed, folder, steps)


def _fit(
    group: list[Job],
    blueprint: Blueprint,
    samples: Samples,
    settings: TrainSettings,
    seed: int,
    folder: Path | None,
    steps: int,
    on_epoch: EpochProgress | None = None,
) -> list[tuple[Job, FittedModel]]:
    own = arm_samples(samples, group[0].arm, seed, blueprint.inputs)
    folders = None if folder is None else [folder / job.name for job in group]
    splits, seeds = [job.split for job in group], [job.seed for job in group]
    models = fit_networks(blueprint, own, splits, settings, seeds, folders, steps=steps, on_epoch=on_epoch)
    return list(zip(group, models, strict=True))
