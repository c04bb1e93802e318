"""``kgreg sweep``: one experiment with several seeds and settings, runs side by side, and how far they agree."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import pandas as pd

from kgreg.decode.stability import agreement
from kgreg.errors import ExperimentError, KgregError, OutputError
from kgreg.experiment import Experiment, make_experiment, read_experiment
from kgreg.progress import Progress, no_progress
from kgreg.runs.folder import RunFolder, read_json
from kgreg.runs.pipeline import continue_run, run_experiment
from kgreg.runs.run import Run, open_run
from kgreg.spread import over_processes, over_ray

#: The key that ``seeds`` changes.
SEED = "training.seed"


@dataclass(frozen=True, eq=False)
class Case:
    """One run of a sweep: its name, the keys that it changes (``section.key`` -> value), and its experiment."""

    name: str
    values: Mapping[str, Any]
    experiment: Experiment

    @property
    def folder(self) -> Path:
        """Where its run lies."""
        return Path(self.experiment.output.folder)


@dataclass(frozen=True)
class Sweep:
    """What a sweep leaves behind.

    Attributes
    ----------
    runs
        Case -> its finished run.
    failed
        Name of a case -> what was wrong.
    metrics
        ``run``, a column for every key that was changed, ``arm, metric, mean, low, high, n``.
    agreement
        How far the rankings of the runs agree: ``among`` ("all" runs, or those that differ by nothing but their seed),
        ``kind, output, runs, kendall_w, p, rank_correlation, top_overlap, top``, see
        :func:`kgreg.decode.stability.agreement`.
    """

    runs: dict[Case, Run]
    failed: dict[str, str]
    metrics: pd.DataFrame
    agreement: pd.DataFrame


def plan_sweep(
    experiment: Experiment, output: Path, seeds: int = 1, values: Mapping[str, Sequence[Any]] | None = None
) -> list[Case]:
    """Return the runs of a sweep: every combination of the values, with every seed.

    Parameters
    ----------
    output
        Folder of the sweep; every run gets one in it.
    seeds
        How many seeds: that of the experiment and those that follow it.
    values
        ``section.key`` -> its values.

    Raises
    ------
    ExperimentError
        If a key is not of that form or not there, a value is not allowed, or nothing is changed.
    """
    changes = {key: list(dict.fromkeys(map(_frozen, own))) for key, own in (values or {}).items()}
    if SEED in changes and seeds > 1:
        raise ExperimentError(f"Seeds are given twice, by --seeds and by {SEED}.", "Leave one out.")
    if seeds > 1:
        first = experiment.training.seed
        changes[SEED] = [_frozen(seed) for seed in range(first, first + seeds)]
    if not changes or not all(changes.values()):
        raise ExperimentError("There is nothing to sweep over.", "Give --seeds 5, or --set section.key=VALUE,VALUE.")
    cases = []
    for combination in itertools.product(*changes.values()):
        chosen = {key: json.loads(value) for key, value in zip(changes, combination, strict=True)}
        name = ",".join(f"{key.rpartition('.')[2]}={_plain(value)}" for key, value in chosen.items())
        record = experiment.to_dict()
        for key, value in chosen.items():
            section, _, inner = key.partition(".")
            if not inner or not isinstance(record.get(section), dict):
                sections = ", ".join(sorted(name for name, own in record.items() if isinstance(own, dict)))
                raise ExperimentError(
                    f"'{key}' is not of the form section.key.",
                    f"For example training.learning_rate; sections: {sections}.",
                )
            record[section] = {**record[section], inner: value}
        record["output"] = {**record["output"], "folder": str(output.resolve() / name)}
        cases.append(Case(name, chosen, make_experiment(record, "--set")))
    if len({case.name for case in cases}) < len(cases):
        raise ExperimentError("Two runs of the sweep would have the same name.", "Do not sweep over keys of one name.")
    return cases


def sweep_experiment(
    experiment: Experiment | Path | str,
    output: Path | str,
    *,
    seeds: int = 1,
    values: Mapping[str, Sequence[Any]] | None = None,
    workers: int | None = None,
    ray: str | None = None,
    progress: Progress = no_progress,
) -> Sweep:
    """Run an experiment with several seeds and settings; what is finished in ``output`` is kept.

    Every run is a whole one, with its report, in a folder of its own; ``sweep.parquet`` and ``sweep_agreement.parquet``
    are :attr:`Sweep.metrics` and :attr:`Sweep.agreement`. A run that fails does not stop the others.

    Parameters
    ----------
    seeds, values
        See :func:`plan_sweep`.
    workers
        Runs side by side, each in a process of its own. Default: one a core. (With ``ray``: of a local one.)
    ray
        Address of a Ray cluster that shares the file system, or "local"; needs the extra ``ray``.

    Raises
    ------
    ExperimentError
        See :func:`plan_sweep`.
    OutputError
        If the folder of a run holds one of another experiment.
    KgregError
        If no run came to its end.
    """
    if not isinstance(experiment, Experiment):
        experiment = read_experiment(experiment)
    path = Path(output)
    cases = plan_sweep(experiment, path, seeds, values)
    waiting = [case for case in cases if not _is_finished(case)]
    path.mkdir(parents=True, exist_ok=True)
    failed: dict[str, str] = {}
    done = len(cases) - len(waiting)
    tasks = [(case.name, case.experiment.to_dict()) for case in waiting]
    workers = min(len(tasks), workers or int(joblib.cpu_count()))
    progress(f"{len(waiting)} of {len(cases)} runs to do", done / len(cases))
    finished: Generator[tuple[str, str], None, None]
    if ray is not None and tasks:
        finished = over_ray(run_case, tasks, ray, workers)
    else:
        finished = over_processes(run_case, tasks, workers)
    with closing(finished):
        for name, problem in finished:
            done += 1
            if problem:
                failed[name] = problem
            progress(f"{'failed' if problem else 'finished'}: {name}", done / len(cases))
    runs = {case: open_run(case.folder) for case in cases if case.name not in failed}
    if not runs:
        raise KgregError("No run of the sweep came to its end: " + next(iter(failed.values())))
    result = Sweep(runs, failed, metrics_table(runs), agreement_of_runs(runs))
    result.metrics.to_parquet(path / "sweep.parquet", index=False)
    result.agreement.to_parquet(path / "sweep_agreement.parquet", index=False)
    return result


def run_case(name: str, record: dict[str, Any]) -> tuple[str, str]:
    """Do one run, or what is left of it, in this process; return its name and what was wrong ("" if nothing)."""
    try:
        experiment = make_experiment(record)
        folder = Path(experiment.output.folder)
        if (folder / "run.json").is_file() and RunFolder(folder).finished("compile"):
            continue_run(folder, workers=1)
        else:
            run_experiment(experiment, force=(folder / "run.json").is_file(), workers=1)
    except KgregError as error:
        return name, str(error)
    return name, ""


def _is_finished(case: Case) -> bool:
    """Say whether the run of a case is there already.

    Raises
    ------
    OutputError
        If another run is there.
    """
    if not (case.folder / "experiment.json").is_file():
        return False
    if read_json(case.folder / "experiment.json") != case.experiment.to_dict():
        raise OutputError(
            f"{case.folder} holds a run of another experiment.",
            "The experiment has changed since the sweep was begun: choose another folder with --output.",
        )
    return RunFolder(case.folder).finished("report")


def metrics_table(runs: Mapping[Case, Run]) -> pd.DataFrame:
    """Return :attr:`Sweep.metrics`."""
    rows = [
        {"run": case.name, **{key: _plain(value) if isinstance(value, (list, dict)) else value for key, value in
         case.values.items()}, "arm": arm["arm"], "metric": metric, **interval}
        for case, run in runs.items()
        for arm in run.metrics["arms"]
        for metric, interval in arm["metrics"].items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def agreement_of_runs(runs: Mapping[Case, Run]) -> pd.DataFrame:
    """Return :attr:`Sweep.agreement`; nodes that a run does not have are left out of it."""
    tops = [run.experiment.decode.top for run in runs.values()]
    columns = ["among", "kind", "output", "runs", "kendall_w", "p", "rank_correlation", "top_overlap", "top"]
    ranks = pd.concat(
        {
            case.name: run.explanation.ranking.set_index(["kind", "output", "node"])["rank"]
            for case, run in runs.items()
        },
        axis=1,
    ).astype(float)
    varied = [key for key in next(iter(runs)).values if key != SEED and len({str(c.values[key]) for c in runs}) > 1]
    settings = {case.name: ", ".join(f"{key} = {_plain(case.values[key])}" for key in varied) for case in runs}
    among = {"all": list(settings)}
    for setting in dict.fromkeys(settings.values()):
        own = [name for name in settings if settings[name] == setting]
        if 1 < len(own) < len(settings):
            among[setting] = own
    rows = []
    for which, names in among.items():
        for (kind, output), part in ranks[names].groupby(level=["kind", "output"], sort=False):
            found = agreement(-part.to_numpy().T, min(tops))
            rows.append({"among": which, "kind": kind, "output": output, "top": min(tops), **found})
    table = pd.DataFrame(rows).rename(columns={"networks": "runs"})
    return table.reindex(columns=columns)


def _frozen(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _plain(value: Any) -> str:
    """Return a value as a part of a folder's name."""
    text = value if isinstance(value, str) else json.dumps(value)
    return re.sub(r"[^\w.+-]+", "-", text).strip("-")
