"""The report as an Excel workbook: one sheet a table.

Text is always written as text: a cell from data that begins with ``=``, ``+``, ``-`` or ``@`` is no formula, and an
address is no link. A table longer than a sheet goes on in the next one.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from kgreg.report import summary
from kgreg.report.contents import ReportContents
from kgreg.report.formats.records import LEFT_OUT
from kgreg.report.inventory import run_rows
from kgreg.report.methods import citations, methods_paragraph
from kgreg.report.numbers import name_of_arm, name_of_metric

#: What Excel can hold: rows and columns of a sheet, letters of a cell and of the name of a sheet.
MOST_ROWS, MOST_COLUMNS, MOST_LETTERS, MOST_IN_NAME = 1_048_576, 16_384, 32_767, 31

#: Whole numbers beyond lose digits in Excel, which has none but doubles.
_MOST_EXACT = 2**53

_FORBIDDEN = re.compile(r"[\[\]:*?/\\]|^'|'$")
#: Letters that XML 1.0 cannot hold.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def render_workbook(contents: ReportContents) -> bytes:
    """Return the workbook as the bytes of an ``.xlsx`` file."""
    import xlsxwriter

    buffer = io.BytesIO()
    never = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True}
    with xlsxwriter.Workbook(buffer, never) as book:
        book.set_properties({"title": _text(contents.title), "created": _started(contents)})
        writer = _Writer(book)
        writer.pairs("summary", _summary(contents))
        for name, table in _tables(contents):
            writer.table(name, table)
    return buffer.getvalue()


def _summary(contents: ReportContents) -> list[tuple[str, str]]:
    verdict = summary.verdict(contents.metrics)
    rows = [("title", contents.title), ("asked", summary.asked(contents)), ("verdict", verdict["headline"])]
    rows += [("", text) for _, text in verdict["grounds"]]
    rows += [("methods", methods_paragraph(contents))]
    rows += [("reference", reference) for reference in citations(contents)]
    return rows + run_rows(contents)


def _tables(contents: ReportContents) -> Iterator[tuple[str, pd.DataFrame]]:
    yield "metrics", _metrics(contents)
    ranking = contents.ranking
    for kind in dict.fromkeys(ranking["kind"]):
        yield f"ranking {kind}", ranking[ranking["kind"] == kind].sort_values(["output", "rank"], kind="stable")
    yield "knockouts", contents.knockouts
    yield "interactions", contents.edges
    yield "controls", contents.controls
    yield from ((name, table) for name, table in contents.tables.items() if name not in LEFT_OUT)
    yield "predictions", contents.predictions
    yield "nodes", contents.blueprint.nodes
    yield "edges", contents.blueprint.edges
    yield "dropped", contents.blueprint.dropped


def _metrics(contents: ReportContents) -> pd.DataFrame:
    metrics = contents.metrics
    rows = [
        {"arm": name_of_arm(arm["arm"], metrics.get("arm_names")), "draws": arm["draws"],
         "metric": name_of_metric(metric), **value, "interval": metrics["interval"], "seed": metrics["seed"]}
        for arm in metrics["arms"]
        for metric, value in arm["metrics"].items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


class _Writer:
    """Sheets with a bold, frozen first row."""

    def __init__(self, book: Any) -> None:
        self.book = book
        self.head = book.add_format({"bold": True, "bottom": 1})
        self.wrapped = book.add_format({"text_wrap": True, "valign": "top"})
        self.names: set[str] = set()

    def pairs(self, name: str, rows: Iterable[tuple[str, str]]) -> None:
        sheet = self.book.add_worksheet(self._free(name))
        sheet.set_column(0, 0, 24, self.wrapped)
        sheet.set_column(1, 1, 120, self.wrapped)
        for i, pair in enumerate(rows):
            for j, text in enumerate(pair):
                sheet.write_string(i, j, _text(text))

    def table(self, name: str, table: pd.DataFrame, most: int = MOST_ROWS) -> None:
        """Write a table, over several sheets where it is longer than one."""
        table = table.iloc[:, :MOST_COLUMNS]
        for start in range(0, len(table), most - 1):
            self._part(self._free(name), table.iloc[start : start + most - 1])

    def _part(self, name: str, table: pd.DataFrame) -> None:
        sheet = self.book.add_worksheet(name)
        for j, column in enumerate(table.columns):
            sheet.write_string(0, j, _text(column), self.head)
            _write_column(sheet, j, table.iloc[:, j].tolist())
            sheet.set_column(j, j, min(max(len(str(column)) + 3, 11), 40))
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, len(table), max(table.shape[1] - 1, 0))

    def _free(self, name: str) -> str:
        """Return a name that Excel takes and that no other sheet has."""
        plain = _FORBIDDEN.sub("_", _text(name)) or "table"
        for number in range(1, len(self.names) + 2):
            end = f" ({number})" if number > 1 else ""
            found = plain[: MOST_IN_NAME - len(end)] + end
            if found.casefold() not in self.names and found.casefold() != "history":
                break
        self.names.add(found.casefold())
        return found


def _write_column(sheet: Any, j: int, values: Sequence[Any]) -> None:
    for i, value in enumerate(values, start=1):
        if isinstance(value, bool):
            sheet.write_boolean(i, j, value)
        elif (isinstance(value, float) and math.isfinite(value)) or (
            isinstance(value, int) and abs(value) <= _MOST_EXACT
        ):
            sheet.write_number(i, j, value)
        elif value is not None and value is not pd.NA and not (isinstance(value, float) and math.isnan(value)):
            sheet.write_string(i, j, _text(value))


def _is_exact(value: Any) -> bool:
    """Say whether a value is a number that Excel can hold."""
    if isinstance(value, int):
        return abs(value) <= _MOST_EXACT
    return isinstance(value, float) and math.isfinite(value)


def _text(value: object) -> str:
    """Return what a cell can hold; an ellipsis stands for what is too long."""
    text = _UNPRINTABLE.sub("\ufffd", str(value))
    return text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 1] + "…"


def _started(contents: ReportContents) -> datetime:
    try:
        return datetime.fromisoformat(str(contents.run.get("started"))).replace(tzinfo=None)
    except ValueError:
        return datetime(2000, 1, 1)
