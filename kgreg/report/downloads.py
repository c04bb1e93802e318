"""Tables to take away: compressed inside the page, or as files beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv

from kgreg.report.contents import ReportContents
from kgreg.report.embed import packed

#: Tables of more cells than this are not carried; they lie in the folder of the run.
MOST_CELLS = 2_000_000

_WORDS = {
    "ranking": "every node for every output: score, interval, z, p, q, rank",
    "knockouts": "effects of the knockouts on every output and subsystem",
    "predictions": "predictions for the test samples of every arm",
    "edges": "interactions by attention",
    "controls": "real against control inputs",
    "training": "losses by epoch of every fit",
    "activity": "activity of every subsystem by group of samples",
    "sweep": "effect of silencing every gene alone",
    "epistasis": "pairs of genes against their singles",
    "enrichment": "gene sets among the ranked genes",
    "agreement": "how far the networks agree",
    "degree": "how far scores follow connectivity",
    "methods": "scores by other importance methods",
    "method_agreement": "agreement of the importance methods",
    "node_scores": "scores of every node in every network",
    "dropped": "what the compiler left out, and why",
}
#: Significant digits of floats; the tables in the folder of the run have all.
_DIGITS = 5

_FORMULA = re.compile(r"^[=+\-@\t\r]")


def download_tables(contents: ReportContents) -> dict[str, pd.DataFrame]:
    """Return every table that can be taken from the page, name -> table, those with nothing in them left out."""
    found: dict[str, pd.DataFrame] = {
        "ranking": contents.ranking,
        "knockouts": contents.knockouts,
        "predictions": contents.predictions,
        "edges": contents.edges,
        "controls": contents.controls,
        **contents.tables,
        "dropped": contents.blueprint.dropped,
    }
    return {name: table for name, table in found.items() if len(table)}


def download_rows(contents: ReportContents, beside: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """Return one row a table for the page: its name, size and what it holds, and how it can be had.

    Parameters
    ----------
    beside
        Table -> address of its file beside the page; by default the tables are carried in the page.
    """
    rows = []
    for name, table in download_tables(contents).items():
        fits = table.size <= MOST_CELLS
        link = (beside or {}).get(name, "")
        rows.append(
            {
                "name": name,
                "words": _WORDS.get(name, ""),
                "rows": len(table),
                "columns": table.shape[1],
                "link": link,
                "data": packed_table(table) if fits and beside is None else "",
            }
        )
    return rows


def packed_table(table: pd.DataFrame) -> str:
    """Return a table as CSV, compressed by gzip (the same bytes each time), in base64."""
    return packed(csv_text(table))


def csv_text(table: pd.DataFrame) -> str:
    """Return a table as CSV, floats with five significant digits, nothing for what is not known.

    Quotes are those of RFC 4180. A text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    shown = {str(_harmless(str(name))): _column(table[name]) for name in table.columns}
    buffer = pa.BufferOutputStream()
    csv.write_csv(pa.table(shown), buffer, csv.WriteOptions(quoting_style="needed"))
    return str(buffer.getvalue().to_pybytes().decode())


def _column(values: pd.Series[Any]) -> pa.Array:
    if pd.api.types.is_float_dtype(values):
        numbers = values.to_numpy(dtype=float, na_value=np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = 10.0 ** (_DIGITS - 1 - np.floor(np.log10(np.abs(numbers))))
            rounded = np.where(np.isfinite(scale) & (scale > 0), np.round(numbers * scale) / scale, numbers)
        return pa.array(rounded, from_pandas=True)
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return pa.array(values, from_pandas=True)
    codes, names = pd.factorize(values.astype(str).where(values.notna()))
    found = pa.array([_harmless(name) for name in names], pa.string())
    return found.take(pa.array(codes, mask=codes < 0))


def _harmless(value: str) -> str:
    return f"'{value}" if _FORMULA.match(value) else value


def write_beside(contents: ReportContents, page: Path) -> dict[str, str]:
    """Write the tables as CSV into ``<page>_tables/`` and return table -> address relative to the page.

    Not ``<page>_files/``: there, browsers put what belongs to a page that a reader saves.
    """
    folder = _folder(page)
    folder.mkdir(exist_ok=True)
    addresses = {}
    for name, table in download_tables(contents).items():
        if table.size <= MOST_CELLS:
            (folder / f"{name}.csv").write_text(csv_text(table), encoding="utf-8", newline="")
            addresses[name] = f"{folder.name}/{name}.csv"
    return addresses


def remove_beside(page: Path) -> None:
    """Remove the files that an earlier page had beside it: tables by their names, and the folder if nothing is left."""
    folder = _folder(page)
    for name in _WORDS:
        (folder / f"{name}.csv").unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _folder(page: Path) -> Path:
    return page.with_name(f"{page.stem}_tables")
