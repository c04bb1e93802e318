"""What a report is made from, read from the folder of a run: neither the networks nor the samples are needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from kgreg.blueprint import load_blueprint
from kgreg.data import Matching
from kgreg.experiment import read_experiment
from kgreg.report import ReportContents
from kgreg.runs.decoding import load_tables
from kgreg.runs.folder import RunFolder, read_json
from kgreg.runs.records import load_edges, load_explanation, read_table
from kgreg.runs.sequences import load_sequences, missing_packages

#: Keys of ``run.json`` that a report shows.
_SHOWN = ("kgreg", "started", "command", "packages", "platform")


def run_contents(folder: RunFolder) -> ReportContents:
    """Read the tables and values of a run whose stages before the report are finished.

    Raises
    ------
    OutputError
        If a file is missing or damaged.
    """
    path = folder.path
    experiment = read_experiment(path / "experiment.json")
    explanation = load_explanation(path)
    metrics = _with_nan(read_json(path / "metrics.json"))
    return ReportContents(
        title=experiment.title,
        experiment=experiment.to_dict(),
        data=read_json(path / "data.json"),
        matching=Matching(read_table(path / "matching.parquet")).summary(),
        blueprint=load_blueprint(path / "blueprint"),
        metrics=metrics,
        predictions=_predictions(path, metrics["task"]),
        ranking=explanation.ranking,
        stability=_with_nan(explanation.stability),
        knockouts=read_table(path / "knockouts.parquet"),
        controls=explanation.controls,
        edges=load_edges(path),
        sequences=load_sequences(path),
        not_decoded=missing_packages(path),
        tables=load_tables(path),
        run={
            **{key: folder.record[key] for key in _SHOWN if key in folder.record},
            "seconds": folder.seconds,
            "seed": metrics["seed"],
        },
    )


def _predictions(path: Path, task: str) -> pd.DataFrame:
    table = read_table(path / "predictions.parquet")
    return table.astype({"target": float}) if task == "regression" else table


def _with_nan(value: Any) -> Any:
    """Return JSON values with NaN for null: the numbers that JSON had no word for."""
    if isinstance(value, dict):
        return {key: _with_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_nan(item) for item in value]
    return float("nan") if value is None else value
