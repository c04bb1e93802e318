"""The report in other formats than HTML: Markdown to read and paste, JSON and Excel to go on with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kgreg.disk import replace_bytes
from kgreg.errors import OutputError
from kgreg.report.contents import ReportContents
from kgreg.report.formats.markdown import render_markdown
from kgreg.report.formats.records import render_json
from kgreg.report.formats.workbook import render_workbook
from kgreg.report.page import render_report, write_report

#: Ending of the file -> what makes it.
FORMATS: dict[str, Callable[[ReportContents], str | bytes]] = {
    "html": render_report,
    "md": render_markdown,
    "json": render_json,
    "xlsx": render_workbook,
}

__all__ = ["FORMATS", "render_json", "render_markdown", "render_workbook", "write_format"]


def write_format(contents: ReportContents, form: str, path: Path) -> Path:
    """Write a report in one of :data:`FORMATS`, whole or not at all; return ``path``.

    Raises
    ------
    OutputError
        If the format is not known, or the file cannot be written.
    """
    if form not in FORMATS:
        raise OutputError(f"There is no report in the format '{form}'.", f"Choose one of: {', '.join(FORMATS)}.")
    if form == "html":  # which may have files beside it
        return write_report(contents, path)
    made = FORMATS[form](contents)
    try:
        replace_bytes(path, made.encode() if isinstance(made, str) else made)
    except OSError as error:
        raise OutputError(
            f"The report {path} cannot be written: {error.strerror or error}.",
            "Choose a path in a folder that exists and that you may write to, and check that the disk is not full.",
        ) from error
    return path
