"""Tables of samples that somebody else made: CSV, TSV (plain or gzip) and Parquet, the names in the first column."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.errors import DataError, SourceError, some
from kgreg.sources.files import read_lines

#: Endings of files of text, and what separates their columns.
SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
ENDINGS = ".csv, .tsv, .txt (each also .gz) or .parquet"


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_any_table(path: Path) -> pd.DataFrame:
    """Read a table whose first column holds names, which become the index.

    A header that lacks the name of that column, as R writes it, is understood.

    Raises
    ------
    DataError
        If the file is missing, has another ending, is empty or damaged, has a line of another length, or names a
        column or a row twice.
    """
    if not path.is_file():
        raise DataError(f"{path} is not a file.", f"Give the path of a table, {ENDINGS}.")
    inner = path.suffixes[-2] if path.suffix == ".gz" and len(path.suffixes) > 1 else path.suffix
    if inner == ".parquet":
        table = _parquet(path)
    elif inner in SEPARATORS:
        table = _text(path, SEPARATORS[inner])
    else:
        raise DataError(f"{path} is no table that is known by its ending.", f"Use {ENDINGS}.")
    table.index = pd.Index([str(name) for name in table.index], dtype=object)
    table.columns = pd.Index([str(name) for name in table.columns], dtype=object)
    for names, what in ((table.columns, "columns"), (table.index, "rows")):
        if not names.is_unique:
            twice = names[names.duplicated()]
            raise DataError(f"{path} names {what} more than once: {some(twice)}.", "Give every name once.")
    return table


def _parquet(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path)
    except Exception as error:  # pyarrow raises many kinds
        raise DataError(f"{path} cannot be read as Parquet: {error}", "Write it again.") from error
    if isinstance(table.index, pd.RangeIndex) and table.shape[1]:
        table = table.set_index(table.columns[0])
    return table


def _text(path: Path, separator: str) -> pd.DataFrame:
    try:
        lines = read_lines(path)
        _, first = next(lines)
        second = next(lines, (0, ""))[1]
    except (SourceError, StopIteration) as error:
        raise DataError(str(error) or f"{path} is empty.", "Write the table again.") from None
    header, row = (next(csv.reader([text], delimiter=separator), []) for text in (first, second))
    if not row:
        raise DataError(f"{path} has a header, and no rows.", "Write the table again.")
    if len(row) == len(header) + 1:
        header = ["", *header]
    if len(header) < 2 or len(row) != len(header):
        raise DataError(
            f"{path}, line 2: {len(row)} fields under {len(header)} names, separated by {separator!r}.",
            "Separate columns by commas in .csv, by tabs in .tsv; the first column holds names.",
        )
    if len(set(header[1:])) < len(header) - 1:
        twice = [name for i, name in enumerate(header[1:]) if name in set(header[1 : i + 1])]
        raise DataError(f"{path}, line 1 names columns more than once: {some(twice)}.", "Give every name once.")
    try:
        return pd.read_csv(
            path, sep=separator, header=None, skiprows=1, names=header, index_col=0, dtype={header[0]: str},
            encoding="utf-8-sig", low_memory=False, skip_blank_lines=False, on_bad_lines="error",
        )  # fmt: skip
    except (ValueError, OSError, EOFError) as error:  # pandas names the line
        said = str(error).replace("Error tokenizing data. C error: ", "").strip()
        raise DataError(f"{path} cannot be read: {said}", "Write the table again.") from error


def read_numbers(path: Path) -> pd.DataFrame:
    """Read a table of numbers; cells may be empty.

    Raises
    ------
    DataError
        As :func:`read_any_table`, and if a cell is no number; the message has line and column.
    """
    table = read_any_table(path)
    for name, column in table.items():
        if pd.api.types.is_bool_dtype(column):
            table[name] = column.astype(np.float32)
        elif not pd.api.types.is_numeric_dtype(column):
            number = pd.to_numeric(column, errors="coerce")
            wrong = np.flatnonzero(number.isna().to_numpy() & column.notna().to_numpy())
            if len(wrong):
                raise DataError(
                    f"{path}, line {wrong[0] + 2}, column '{name}': '{str(column.iloc[wrong[0]])[:40]}' is not a "
                    "number.",
                    "The first column holds names, all others numbers. For a table with the features in rows set "
                    'orient = "features".',
                )
            table[name] = number
    return table


def as_float32(table: pd.DataFrame) -> NDArray[np.float32]:
    """Return the values of a table of numbers."""
    values: NDArray[Any] = table.to_numpy()
    return np.ascontiguousarray(values, dtype=np.float32)
