"""From results to the report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from kgreg import __version__
from kgreg.data import Matching
from kgreg.decode import Explanation
from kgreg.decode.sequence.summary import SequenceSummary
from kgreg.errors import OutputError
from kgreg.fit import CrossValidation
from kgreg.report import ReportContents, write_report
from kgreg.report.formats import write_format
from kgreg.runs.contents import run_contents
from kgreg.runs.environment import describe_environment
from kgreg.runs.folder import RunFolder


def write_run_report(path: Path | str, form: str = "html", output: Path | str | None = None) -> Path:
    """Write the report of a finished run in one of :data:`kgreg.report.formats.FORMATS`; return its path.

    Parameters
    ----------
    path
        Folder of the run; networks and samples are not needed.
    output
        The file. Default: ``report.<format>`` in the folder.

    Raises
    ------
    OutputError
        If the run is not finished, its files are missing or altered, or the report cannot be written.
    """
    folder = RunFolder(Path(path))
    if not folder.finished("knockout"):
        raise OutputError(f"{path} is not finished.", f"Run `kgreg report {path}`.")
    folder.check()
    file = Path(output) if output is not None else folder.path / f"report.{form}"
    return write_format(run_contents(folder), form, file)


def report_result(
    path: Path | str,
    result: CrossValidation,
    explanation: Explanation,
    matching: Matching,
    knockouts: pd.DataFrame | None = None,
    edges: pd.DataFrame | None = None,
    sequences: SequenceSummary | None = None,
    *,
    title: str = "kgreg experiment",
    experiment: Mapping[str, Any] | None = None,
    run: Mapping[str, Any] | None = None,
    not_decoded: str = "",
    tables: Mapping[str, pd.DataFrame] | None = None,
) -> Path:
    """Write the HTML report of a cross-validated network; return its path.

    Parameters
    ----------
    experiment
        What was asked, section -> key -> value. Default: the settings of the training.
    run
        ``started, seconds, command, packages, platform``. Default: this process.
    not_decoded
        Why sequences were not decoded, if they were to be.
    tables
        Of :func:`kgreg.runs.decoding.load_tables`.

    Raises
    ------
    OutputError
        If ``path`` cannot be written.
    """
    about = dict(run) if run is not None else {**describe_environment(), "seconds": None}
    contents = ReportContents(
        title=title,
        experiment=experiment if experiment is not None else {"training": result.settings.to_dict()},
        data=result.samples.summary(),
        matching=matching.summary(),
        blueprint=result.blueprint,
        metrics=result.summary(),
        predictions=result.predictions,
        ranking=explanation.ranking,
        stability=explanation.stability,
        knockouts=knockouts if knockouts is not None else pd.DataFrame(),
        controls=explanation.controls,
        edges=edges if edges is not None else pd.DataFrame(),
        sequences=sequences,
        not_decoded=not_decoded,
        tables=tables or {},
        run={"kgreg": __version__, "seed": result.seed, **about},
    )
    return write_report(contents, Path(path))
