"""What the stages leave in the folder of a run, written and read back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from kgreg.blueprint import load_blueprint, save_blueprint
from kgreg.data import Matching, Samples, splits_table
from kgreg.decode import Explanation
from kgreg.decode.edges import EDGE_SCORE_COLUMNS
from kgreg.errors import DataError, OutputError
from kgreg.experiment import Experiment
from kgreg.fit import CrossValidation, load_fitted, plan
from kgreg.fit.arms import arm_blueprint
from kgreg.progress import Progress, no_progress
from kgreg.runs.folder import read_json, write_json
from kgreg.runs.stages import Compiled, read_data, settings_of, split_data

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

#: Real against control inputs, in the folder of a run.
_CONTROLS = "controls.parquet"


def save_compiled(compiled: Compiled, folder: Path) -> None:
    """Write ``blueprint/``, ``data.json``, ``matching.parquet`` and ``splits.parquet``."""
    save_blueprint(compiled.blueprint, folder / "blueprint")
    compiled.matching.table.to_parquet(folder / "matching.parquet", index=False)
    splits_table(compiled.splits, compiled.samples).to_parquet(folder / "splits.parquet", index=False)
    write_json(folder / "data.json", compiled.samples.summary())


def load_compiled(experiment: Experiment, folder: Path, data: AnnData | MuData | None = None) -> Compiled:
    """Read what :func:`save_compiled` wrote, and the samples from where they came.

    Raises
    ------
    DataError
        If the samples are not those the network was compiled for, or would be split otherwise.
    """
    samples = read_data(experiment, data)
    _refuse_other_data(samples, folder)
    splits = split_data(experiment, samples)
    saved = read_table(folder / "splits.parquet")
    if not splits_table(splits, samples).equals(saved):
        raise DataError(
            f"The folds of {folder} cannot be made again from {samples.origin}.",
            "The data or scikit-learn have changed since; run again with --force.",
        )
    matching = Matching(read_table(folder / "matching.parquet"))
    return Compiled(samples, matching, load_blueprint(folder / "blueprint"), splits)


def _refuse_other_data(samples: Samples, folder: Path) -> None:
    was, now = read_json(folder / "data.json"), samples.summary()
    for key in ("sha256", "samples", "features", "classes", "task", "labels", "events"):
        if was.get(key) != now.get(key):
            raise DataError(
                f"{samples.origin} has changed since {folder} was compiled ({key}: {was.get(key)} then, "
                f"{now.get(key)} now).",
                "Run again with --force, or bring the former file back.",
            )


def save_trained(result: CrossValidation, folder: Path) -> None:
    """Write ``predictions.parquet``, ``scores.parquet`` and ``metrics.json`` (the models are there already)."""
    predictions = result.predictions
    if "target" in predictions:  # of classes or values
        predictions = predictions.assign(target=predictions["target"].astype(str))
    predictions.to_parquet(folder / "predictions.parquet", index=False)
    result.scores.to_parquet(folder / "scores.parquet", index=False)
    write_json(folder / "metrics.json", {**result.summary(), "baseline_settings": result.baseline_settings})


def load_trained(
    compiled: Compiled, experiment: Experiment, folder: Path, progress: Progress = no_progress
) -> CrossValidation:
    """Read the trained networks and their scores."""
    training, nulls = experiment.training, experiment.nulls
    jobs = plan(
        compiled.splits,
        training.replicates,
        nulls.rewired,
        nulls.labels,
        training.seed,
        nulls.controls,
        nulls.replicates,
    )
    arms = {job.arm: arm_blueprint(compiled.blueprint, job.arm, training.seed) for job in jobs}
    models = {}
    for done, job in enumerate(jobs):
        progress("reading the trained networks", done / len(jobs))
        models[job.name] = load_fitted(folder / "models" / job.name, arms[job.arm])
    predictions = read_table(folder / "predictions.parquet")
    if compiled.samples.task == "regression":
        predictions["target"] = predictions["target"].astype(float)
    return CrossValidation(
        blueprint=compiled.blueprint,
        samples=compiled.samples,
        splits=compiled.splits,
        settings=settings_of(experiment),
        seed=training.seed,
        jobs=jobs,
        models=models,
        predictions=predictions,
        scores=read_table(folder / "scores.parquet"),
        baseline_settings=read_json(folder / "metrics.json")["baseline_settings"],
    )


def save_explanation(explanation: Explanation, folder: Path) -> None:
    """Write ``ranking.parquet``, ``stability.json`` and, where control inputs were trained on, ``controls.parquet``."""
    explanation.ranking.to_parquet(folder / "ranking.parquet", index=False)
    write_json(folder / "stability.json", explanation.stability)
    if len(explanation.controls):
        explanation.controls.to_parquet(folder / _CONTROLS, index=False)


def load_explanation(folder: Path) -> Explanation:
    """Read what :func:`save_explanation` wrote."""
    controls = read_table(folder / _CONTROLS) if (folder / _CONTROLS).exists() else pd.DataFrame()
    return Explanation(read_table(folder / "ranking.parquet"), read_json(folder / "stability.json"), controls)


def save_edges(edges: pd.DataFrame, folder: Path) -> None:
    """Write ``edges.parquet``, or remove one of an earlier run where the networks have no attention."""
    path = folder / "edges.parquet"
    if edges.empty:
        path.unlink(missing_ok=True)
    else:
        edges.to_parquet(path, index=False)


def load_edges(folder: Path) -> pd.DataFrame:
    """Read what :func:`save_edges` wrote; an empty table if it wrote nothing."""
    path = folder / "edges.parquet"
    return read_table(path) if path.is_file() else pd.DataFrame(columns=list(EDGE_SCORE_COLUMNS))


def read_table(path: Path) -> pd.DataFrame:
    """Read a table of a run.

    Raises
    ------
    OutputError
        If it is missing or damaged.
    """
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise OutputError(f"{path} cannot be read: {error}", "Finish the stage before, or run again.") from error
