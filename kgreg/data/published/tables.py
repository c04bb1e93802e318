"""The tables that the projects of one laboratory share: numbered names, matrices of 0 and 1, and where they lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy import sparse

from kgreg.errors import DataError, some
from kgreg.sources.files import read_lines, read_rows


def find_files(folder: Path, patterns: Mapping[str, Sequence[str]], optional: Sequence[str] = ()) -> dict[str, Path]:
    """Return role -> path of the one file of ``folder`` that matches the first of its patterns that any file matches.

    Raises
    ------
    DataError
        If ``folder`` is none, several files match, or a file that is not ``optional`` is missing; all missing ones are
        named.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder.", "Give the folder that holds the files of the project.")
    found: dict[str, Path] = {}
    missing = []
    for role, names in patterns.items():
        matches = next((hits for name in names if (hits := sorted(folder.glob(name)))), [])
        if len(matches) > 1:
            raise DataError(
                f"{folder} holds several files {next(n for n in names if list(folder.glob(n)))}: "
                f"{some(path.name for path in matches)}.",
                "Leave one of them in the folder.",
            )
        if matches:
            found[role] = matches[0]
        elif role not in optional:
            missing.append(" or ".join(names))
    if missing:
        raise DataError(f"{folder} lacks {', '.join(missing)}.", "All files of the project must lie in one folder.")
    return found


def cut_off(file: Path) -> list[str]:
    """Return a note if the last line of ``file`` has no end: a copy that was cut there looks the same."""
    with file.open("rb") as opened:
        if opened.read(2) == b"\x1f\x8b":  # gzip knows its own end
            return []
        opened.seek(0, 2)
        size = opened.tell()
        opened.seek(max(0, size - 1))
        whole = size == 0 or opened.read(1) == b"\n"
    return [] if whole else [f"{file.name}: the last line has no end; check that the file is whole"]


def read_index(file: Path) -> list[str]:
    """Return the names of a table ``number, name`` (tab between them, numbers from 0), in the order of the numbers.

    Raises
    ------
    DataError
        If a number is none, is missing or comes twice, or a name is empty or comes twice; the message has the line.
    """
    line_of: dict[str, int] = {}
    names: dict[int, str] = {}
    for line, (number, name) in read_rows(file, ["number", "name"]):
        where = f"{file}, line {line}"
        name = name.strip()
        if not number.strip().isdecimal():
            raise DataError(f"{where}: '{number[:40]}' is not a number.", "Each line is: number, tab, name.")
        if not name:
            raise DataError(f"{where}: an empty name.", "Each line is: number, tab, name.")
        if int(number) in names:
            raise DataError(f"{where}: the number {int(number)} stands for '{names[int(number)]}' already.")
        if name in line_of:
            raise DataError(f"{where}: '{name}' stands in line {line_of[name]} already.", "Every name has one number.")
        names[int(number)], line_of[name] = name, line
    gaps = sorted(set(range(len(names))) - set(names))
    if gaps:
        raise DataError(
            f"{file} numbers {len(names)} names, but not with {some(gaps)}.",
            "The numbers must run from 0 without gaps.",
        )
    return [names[i] for i in range(len(names))]


def read_matrix(
    file: Path, rows: int, rows_named_by: str, columns: Sequence[str] | None = None
) -> tuple[sparse.csr_matrix, list[str]]:
    """Read comma-separated numbers without a header, nearly all of them 0.

    Parameters
    ----------
    rows, rows_named_by
        How many lines there must be, and the name of the file that says so.
    columns
        Names of the columns; without them all lines must be as long as the first.

    Returns
    -------
    matrix, notes
        ``[rows, columns]`` CSR, uint8 where all values are 0 or 1, else float32; a note if other numbers are there.

    Raises
    ------
    DataError
        If a line is longer or shorter, there are more or fewer lines, or a value is not a finite number; the message
        has the line and the column.
    """
    data, indices, starts = [np.empty(0, dtype=np.float32)], [np.empty(0, dtype=np.int32)], [0]
    other, first_other, width = 0, "", None if columns is None else len(columns)
    for line, text in read_lines(file):
        fields = text.split(",")
        width = len(fields) if width is None else width
        if len(fields) != width:
            raise DataError(
                f"{file}, line {line}: expected {width} values, found {len(fields)}.",
                "Every line has one value a column, with commas between; check that the file is whole.",
            )
        values = _numbers(fields, file, line)
        here = np.flatnonzero(values)
        odd = np.flatnonzero((values != 0) & (values != 1))
        if len(odd) and not other:
            first_other = f"line {line}, column {odd[0] + 1}: {fields[odd[0]]}"
        other += len(odd)
        data.append(values[here])
        indices.append(here.astype(np.int32))
        starts.append(starts[-1] + len(here))
    if len(starts) - 1 != rows:
        raise DataError(
            f"{file} has {len(starts) - 1:,} lines, {rows_named_by} names {rows:,}.",
            "Line i holds the values of the name with the number i - 1.",
        )
    notes = [f"{file.name}: {other:,} values are neither 0 nor 1 and are kept as they are ({first_other})"] * (
        other > 0
    )
    kind = np.float32 if other else np.uint8
    parts = (np.concatenate(data).astype(kind), np.concatenate(indices), np.asarray(starts))
    return sparse.csr_matrix(parts, shape=(rows, width or 0)), notes + cut_off(file)


def _numbers(fields: list[str], file: Path, line: int) -> np.ndarray:
    try:
        values = np.array(fields, dtype=np.float32)
    except ValueError:
        values = np.full(len(fields), np.nan, dtype=np.float32)
        for i, field in enumerate(fields):
            try:
                values[i] = float(field)
            except ValueError:
                break
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise DataError(
            f"{file}, line {line}, column {bad[0] + 1}: '{fields[bad[0]][:40]}' is not a finite number.",
            "The matrix holds 0 and 1; it has no header and no names.",
        )
    return values


def first_lines(names: Iterable[tuple[str, int]]) -> tuple[int, str]:
    """Return how many different names there are, and the first few with the line where each first stands."""
    first: dict[str, int] = {}
    for name, line in names:
        first.setdefault(name, line)
    return len(first), some(f"{name} (line {line})" for name, line in first.items())


def refuse_unknown(file: Path, names: Sequence[tuple[str, int]], what: str, known_by: str) -> None:
    """Refuse names that are not known; ``names`` has (name, line) of each.

    Raises
    ------
    DataError
        If there are any; the message has the first few, with their lines.
    """
    if names:
        count, listed = first_lines(names)
        raise DataError(
            f"{file} names {count:,} {what} that {known_by} lacks: {listed}.",
            f"Add them to {known_by} and to the matrices that it numbers, or remove these lines.",
        )
