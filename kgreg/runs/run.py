"""A run on disk, as pandas tables and plain values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from kgreg.blueprint import Blueprint, load_blueprint
from kgreg.decode import Explanation
from kgreg.decode.activity import subsystem_activity
from kgreg.decode.sequence.summary import SequenceSummary
from kgreg.experiment import Experiment, read_experiment
from kgreg.report import ReportContents
from kgreg.runs.contents import run_contents
from kgreg.runs.decoding import load_tables
from kgreg.runs.folder import RunFolder, read_json
from kgreg.runs.records import load_edges, load_explanation, read_table
from kgreg.runs.sequences import load_sequences

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData


@dataclass(frozen=True)
class Run:
    """Results of :func:`run_experiment`. Every table is read when it is first asked for.

    Attributes
    ----------
    path
        The folder.
    """

    path: Path

    @cached_property
    def experiment(self) -> Experiment:
        """What was asked."""
        return read_experiment(self.path / "experiment.json")

    @cached_property
    def blueprint(self) -> Blueprint:
        """The compiled network."""
        return load_blueprint(self.path / "blueprint")

    @cached_property
    def record(self) -> dict[str, Any]:
        """Version, command, machine, packages, and when each stage was finished."""
        return dict(RunFolder(self.path).record)

    @cached_property
    def data(self) -> dict[str, Any]:
        """Counts of samples, features and classes."""
        return dict(read_json(self.path / "data.json"))

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Metrics of every arm with intervals, comparisons and the verdict."""
        return dict(read_json(self.path / "metrics.json"))

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """Predictions for every test sample."""
        return read_table(self.path / "predictions.parquet")

    @cached_property
    def explanation(self) -> Explanation:
        """Ranked genes and subsystems."""
        return load_explanation(self.path)

    @cached_property
    def edges(self) -> pd.DataFrame:
        """Interactions by attention (:func:`kgreg.decode.edge_scores`); empty for networks without attention."""
        return load_edges(self.path)

    @cached_property
    def sequences(self) -> SequenceSummary | None:
        """Filters, motifs and example sequences; None for networks that read no DNA."""
        return load_sequences(self.path)

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """What else was read out of the networks, name -> table: training curves and the like."""
        return load_tables(self.path)

    @cached_property
    def activities(self) -> pd.DataFrame:
        """Activity of every subsystem in every tested sample; see :func:`kgreg.decode.activity.subsystem_activity`.

        Large tables, and those of runs of former versions, are computed from the trained networks.
        """
        path = self.path / "activities.parquet"
        if path.is_file():
            return read_table(path).set_index("sample").rename_axis(None)
        from kgreg.runs.pipeline import trained_networks  # which imports this module

        return subsystem_activity(trained_networks(self.path))

    @cached_property
    def knockouts(self) -> pd.DataFrame:
        """Effects of the knockouts on outputs and subsystems."""
        return read_table(self.path / "knockouts.parquet")

    def to_anndata(self, data: AnnData | Path | str | None = None) -> AnnData:
        """Return the samples with the results; see :func:`kgreg.runs.annotated.to_anndata`."""
        from kgreg.runs.annotated import to_anndata  # anndata takes a second to import

        return to_anndata(self, data)

    def to_mudata(self, data: MuData | Path | str | None = None) -> MuData:
        """Return the samples of several modalities with the results; see :func:`kgreg.runs.annotated.to_mudata`."""
        from kgreg.runs.annotated import to_mudata

        return to_mudata(self, data)

    def activities_anndata(self, data: AnnData | MuData | Path | str | None = None) -> AnnData:
        """Return samples by subsystems; see :func:`kgreg.runs.annotated.activities_anndata`."""
        from kgreg.runs.annotated import activities_anndata

        return activities_anndata(self, data)

    @cached_property
    def contents(self) -> ReportContents:
        """What its reports are made from, for the functions of :mod:`kgreg.report`."""
        return run_contents(RunFolder(self.path))

    @property
    def report(self) -> Path:
        """The HTML file."""
        return self.path / "report.html"


def open_run(path: Path | str) -> Run:
    """Open the folder of a run.

    Raises
    ------
    OutputError
        If there is no run in it, or files that its stages wrote are missing or were altered.
    """
    folder = RunFolder(Path(path))
    folder.check()
    return Run(folder.path)
