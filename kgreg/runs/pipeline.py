"""``kgreg run``: the stages in order, each finished once, each on disk before the next begins."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import joblib
import torch

from kgreg.decode import edge_scores, explain
from kgreg.errors import OutputError
from kgreg.experiment import Experiment, read_experiment
from kgreg.fit import CrossValidation, cross_validate
from kgreg.progress import Progress, no_progress
from kgreg.report import write_report
from kgreg.runs.contents import run_contents
from kgreg.runs.decoding import decode_further
from kgreg.runs.environment import describe_environment
from kgreg.runs.folder import RunFolder, check_output, write_json
from kgreg.runs.knockouts import do_knockouts
from kgreg.runs.records import (
    load_compiled,
    load_explanation,
    load_trained,
    save_compiled,
    save_edges,
    save_explanation,
    save_trained,
)
from kgreg.runs.run import Run
from kgreg.runs.sequences import decode_sequences
from kgreg.runs.stages import Compiled, compile_experiment, settings_of

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

log = logging.getLogger(__name__)

#: The stages of a run, in order.
STAGES = ("compile", "train", "explain", "knockout", "report")

#: How long each takes, about, of the whole: for one bar over all of them.
_EFFORT = {"compile": 8.0, "train": 80.0, "explain": 6.0, "knockout": 3.0, "report": 3.0}


def run_experiment(
    experiment: Experiment | Path | str,
    *,
    output: Path | str | None = None,
    data: AnnData | MuData | None = None,
    force: bool = False,
    resume: bool = False,
    until: str = "report",
    workers: int | None = None,
    progress: Progress = no_progress,
) -> Run:
    """Run an experiment from the knowledge graph to the report.

    Parameters
    ----------
    experiment
        The experiment, or the path of its file.
    output
        Folder of the run; default: ``[output] folder``.
    data
        Samples to use instead of ``[data] file``.
    force
        Replace a run that is there already. Nothing is removed before the new experiment has been compiled.
    resume
        Continue the run that is there with the experiment it was started with; finished stages and fits are kept.
    until
        Last stage to do, one of :data:`STAGES`.
    workers
        Processes that train side by side. Default: one a core; the results do not depend on it.
    progress
        Called as each stage goes on.

    Raises
    ------
    OutputError
        If the folder holds a run already (without ``force`` or ``resume``), holds something else, or cannot be
        written.
    KgregError
        Whatever the stages raise.
    """
    if not isinstance(experiment, Experiment):
        experiment = read_experiment(experiment)
    path = Path(output if output is not None else experiment.output.folder)
    if resume and (path / "run.json").is_file():
        return continue_run(path, data=data, until=until, workers=workers, progress=progress)
    check_output(path, force=force)
    about = describe_environment()
    started = time.perf_counter()
    compiled = compile_experiment(experiment, data, _part(progress, "compile", STAGES[: STAGES.index(until) + 1]))
    folder = RunFolder.create(path, force=force, about=about)
    write_json(path / "experiment.json", experiment.to_dict())
    save_compiled(compiled, path)
    folder.finish("compile", time.perf_counter() - started)
    return _Stages(folder, experiment, compiled, data, progress, workers).run(until)


def continue_run(
    path: Path | str,
    *,
    data: AnnData | MuData | None = None,
    again: Sequence[str] = (),
    until: str = "report",
    workers: int | None = None,
    progress: Progress = no_progress,
) -> Run:
    """Do the unfinished stages of a run up to ``until``.

    Parameters
    ----------
    again
        Stages to do once more although they are finished. (Trained networks are kept.) So are those whose files are
        missing.

    Raises
    ------
    OutputError
        If the run cannot go on, or a file of it was altered.
    """
    folder = RunFolder(Path(path))
    if not folder.finished("compile"):
        raise OutputError(f"{path} was interrupted before its network was compiled.", "Run again with --force.")
    for stage in folder.forget_incomplete():
        log.warning("Files of the stage '%s' are missing in %s: it is done again.", stage, path)
    if again:
        folder.forget(*again)
    experiment = read_experiment(folder.path / "experiment.json")
    return _Stages(folder, experiment, None, data, progress, workers).run(until)


def trained_networks(
    path: Path | str, *, data: AnnData | MuData | None = None, progress: Progress = no_progress
) -> CrossValidation:
    """Read the trained networks of a run, with its samples.

    Raises
    ------
    OutputError
        If there is no run in ``path``, it is not trained yet, or files of it are missing or altered.
    DataError
        If the samples are no longer those that it was trained on.
    """
    folder = RunFolder(Path(path))
    if not folder.finished("train"):
        raise OutputError(f"{path} has no trained networks yet.", f"Run `kgreg train {path}`.")
    folder.check()
    experiment = read_experiment(folder.path / "experiment.json")
    return _Stages(folder, experiment, None, data, progress).result


class _Stages:
    """One run in progress; what an earlier stage made is read from disk when it is not in memory."""

    def __init__(
        self,
        folder: RunFolder,
        experiment: Experiment,
        compiled: Compiled | None,
        data: AnnData | MuData | None,
        progress: Progress,
        workers: int | None = None,
    ) -> None:
        self.folder, self.experiment, self.data, self.progress = folder, experiment, data, progress
        self.workers = workers or _workers(experiment)
        self._compiled, self._result = compiled, None

    _result: CrossValidation | None

    @property
    def compiled(self) -> Compiled:
        if self._compiled is None:
            self._compiled = load_compiled(self.experiment, self.folder.path, self.data)
        return self._compiled

    @property
    def result(self) -> CrossValidation:
        if self._result is None:
            self._result = load_trained(self.compiled, self.experiment, self.folder.path, self.progress)
        return self._result

    def run(self, until: str) -> Run:
        """Do every unfinished stage up to ``until``."""
        stages: dict[str, Callable[[], None]] = {
            "train": self._train,
            "explain": self._explain,
            "knockout": self._knock_out,
            "report": self._report,
        }
        whole = STAGES[: STAGES.index(until) + 1]
        overall = self.progress
        for name in whole[1:]:
            self.progress = _part(overall, name, whole)
            if self.folder.finished(name):
                continue
            started = time.perf_counter()
            stages[name]()
            self.folder.finish(name, time.perf_counter() - started)
        return Run(self.folder.path)

    def _train(self) -> None:
        training, nulls = self.experiment.training, self.experiment.nulls
        self._result = cross_validate(
            self.compiled.blueprint,
            self.compiled.samples,
            self.compiled.splits,
            settings_of(self.experiment),
            replicates=training.replicates,
            rewired=nulls.rewired,
            labels=nulls.labels,
            controls=nulls.controls,
            null_replicates=nulls.replicates,
            seed=training.seed,
            folder=self.folder.path / "models",
            workers=self.workers,
            progress=self.progress,
        )
        save_trained(self._result, self.folder.path)

    def _explain(self) -> None:
        decode, progress = self.experiment.decode, self.progress
        found = explain(
            self.result,
            lambda text, share: progress(text, 0.5 * share),
            measure=decode.measure,
            accept=decode.accept,
            jaccard=decode.jaccard,
            top=decode.top,
            bootstrap=decode.bootstrap,
            degree=decode.degree,
        )
        save_explanation(found, self.folder.path)
        edges = edge_scores(self.result, lambda text, share: progress(text, 0.5 + 0.1 * share))
        save_edges(edges, self.folder.path)
        decode_sequences(self.result, found, self.folder.path, lambda text, share: progress(text, 0.6 + 0.2 * share))
        decode_further(
            self.result, found, self.experiment, self.folder.path, lambda text, share: progress(text, 0.8 + 0.2 * share)
        )

    def _knock_out(self) -> None:
        matching, explanation = self.compiled.matching, load_explanation(self.folder.path)
        do_knockouts(self.result, self.experiment, explanation, matching, self.folder.path, self.progress)

    def _report(self) -> None:
        self.progress("writing the report", 0.0)
        write_report(run_contents(self.folder), self.folder.path / "report.html")
        self.progress("writing the report", 1.0)


def _workers(experiment: Experiment) -> int:
    """Return how many fits run side by side: as many as there are cores for, one at a time on a GPU."""
    training = experiment.training
    if training.accelerator == "cuda" or (training.accelerator == "auto" and torch.cuda.is_available()):
        return 1
    return max(1, int(joblib.cpu_count()) // training.threads)


def _part(progress: Progress, stage: str, stages: Sequence[str]) -> Progress:
    """Return the progress of one stage as its part of the progress of all ``stages``."""
    total = sum(_EFFORT[name] for name in stages)
    before = sum(_EFFORT[name] for name in stages[: stages.index(stage)])
    return lambda text, share: progress(text, (before + share * _EFFORT[stage]) / total)
