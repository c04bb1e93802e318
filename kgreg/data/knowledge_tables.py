"""Knowledge in one's own tables: interactions, hierarchies, annotations, by the names of their columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from kgreg.errors import DataError
from kgreg.sources.named_columns import read_named_columns


def read_knowledge_table(
    path: Path, needed: Sequence[str], optional: Sequence[str] = (), numbers: Sequence[str] = ()
) -> pd.DataFrame:
    """Read the named columns of a table: text with commas, tabs or semicolons (plain or gzip), or Parquet.

    Parameters
    ----------
    needed, optional
        Columns of text; an optional one is there if the file has it.
    numbers
        Optional columns of numbers.

    Raises
    ------
    DataError
        If the file is missing, has no rows, or holds what is no number in a column of numbers (with the line).
    SourceError
        If a needed column is missing or a row has another number of fields; the message names file and line.
    """
    if not path.is_file():
        raise DataError(f"{path} is not a file.", "Give the path of a .csv, .tsv or .parquet file.")
    extra = [*optional, *numbers]
    if path.suffix == ".parquet":
        table = _read_parquet(path, needed, extra)
        lines = np.arange(len(table)) + 1
    else:
        rows = list(read_named_columns(path, list(needed), extra, separators=",\t;"))
        lines = np.array([number for number, _ in rows], dtype=np.int64)
        table = pd.DataFrame([values for _, values in rows], columns=[*needed, *extra], dtype=str)
        table = table.drop(columns=[name for name in extra if len(table) and (table[name] == "").all()])
    if table.empty:
        raise DataError(f"{path} has no rows.", f"It should list {', '.join(needed)}.")
    for name in numbers:
        if name not in table:
            continue
        values = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=float)
        wrong = np.flatnonzero(~np.isfinite(values))
        if len(wrong):
            raise DataError(
                f"{path}, line {lines[wrong[0]]}: '{table[name].iloc[wrong[0]]}' in the column '{name}' is no number"
                f" ({len(wrong)} such rows).",
                "Give every row a number, or leave the column out.",
            )
        table[name] = values
    for name in needed:
        missing = np.flatnonzero(table[name].isna() | (table[name].astype(str).str.strip() == ""))
        if len(missing):
            raise DataError(f"{path}, line {lines[missing[0]]}: the column '{name}' is empty.", "Give it a name.")
        table[name] = table[name].astype(str).str.strip()
    return table


def _read_parquet(path: Path, needed: Sequence[str], optional: Sequence[str]) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}") from error
    missing = [name for name in needed if name not in table]
    if missing:
        raise DataError(
            f"{path} lacks the columns {', '.join(missing)}; it has {', '.join(map(str, table.columns))}.",
            "Rename its columns.",
        )
    return table[[*needed, *(name for name in optional if name in table)]].copy()
