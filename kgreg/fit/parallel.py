"""Many fits: those of one graph side by side as one wider network, graphs on several cores."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import torch
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

#: Fits that are trained as one wider network on the CPU at most: more take no less time each, and more memory.
MOST_TOGETHER = 10

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
    groups = group_jobs(waiting, settings.together or _most_together(settings), workers)
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
    """Return the jobs in groups to train side by side: of one graph, at most ``together`` (0: no limit).

    Permuted labels and control inputs are trained on the real graph, and go with it; every rewired graph is apart.
    Where there are fewer graphs than workers, or one graph has most of the fits, they are cut, so that nobody is idle.
    """
    graphs: dict[Arm, list[Job]] = {}
    for job in jobs:
        graphs.setdefault(job.arm if job.arm.kind == "rewired" else Arm("graph"), []).append(job)
    pieces = -(-workers // len(graphs)) if graphs else 1
    groups = []
    for own in graphs.values():
        most = min(-(-len(own) // pieces), -(-len(jobs) // workers))
        if together:
            most = min(most, together)
        groups += [own[start : start + most] for start in range(0, len(own), most)]
    return groups


def _most_together(settings: TrainSettings) -> int:
    """Return how many fits are trained side by side where it is not said: on a GPU as many as there are (0)."""
    on_cpu = settings.accelerator == "cpu" or not torch.cuda.is_available()
    return MOST_TOGETHER if on_cpu else 0


def _describe(group: list[Job]) -> str:
    """Return what is told of a group, such as ``graph, 6 fits side by side``."""
    if len(group) == 1:
        return f"{group[0].arm.name}, fold {group[0].split.fold + 1}"
    names = list(dict.fromkeys(job.arm.name for job in group))
    what = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
    return f"{what}, {len(group)} fits side by side"


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
    arms = {job.arm: arm_samples(samples, job.arm, seed, blueprint.inputs) for job in group}
    own = [arms[job.arm] for job in group]
    folders = None if folder is None else [folder / job.name for job in group]
    splits, seeds = [job.split for job in group], [job.seed for job in group]
    models = fit_networks(blueprint, own, splits, settings, seeds, folders, steps=steps, on_epoch=on_epoch)
    return list(zip(group, models, strict=True))
