"""Tables whose first line names the columns: what is needed is found by name, whatever the order and the rest."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from kgreg.errors import SourceError
from kgreg.sources.files import name_of, read_lines

_QUOTED = re.compile(r'"(?:[^"]|"")*"')


def read_named_columns(
    location: Path | str,
    required: Sequence[str | tuple[str, ...]],
    optional: Sequence[str | tuple[str, ...]] = (),
    *,
    separators: str = "\t",
) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, values of the required and then of the optional columns) for every row.

    Parameters
    ----------
    location
        Path or https address, plain or gzip.
    required, optional
        Names of columns; of a tuple, the first that the file has. Case and a leading ``#`` do not matter. The value of
        an optional column that the file lacks is the empty text.
    separators
        Characters of which the one that is most frequent in the header separates the columns. Fields may stand in
        ``"``.

    Raises
    ------
    SourceError
        If a required column is missing, a row has another number of fields than the header, or the file cannot be
        read (see :func:`kgreg.sources.files.read_lines`); the message names file and line.
    """
    width, places, separator = 0, list[int](), separators[0]
    for number, text in read_lines(location):
        if not text.strip():
            continue
        where = f"{name_of(location)}, line {number}"
        if not width:
            separator = max(separators, key=text.count)
            header = [column.strip().lower() for column in _fields(text.lstrip("#"), separator, where)]
            width = len(header)
            places = [_place(column, header, where, needed=True) for column in required]
            places += [_place(column, header, where, needed=False) for column in optional]
            continue
        fields = _fields(text, separator, where)
        if len(fields) != width:
            raise SourceError(
                f"{where}: expected {width} columns, found {len(fields)}.",
                "The header names as many columns as every row must have; get the file again.",
            )
        yield number, [fields[place] if place >= 0 else "" for place in places]
    if not width:
        raise SourceError(f"{name_of(location)} is empty.", "Get the file again.")


def _fields(text: str, separator: str, where: str) -> list[str]:
    if '"' not in text:
        return text.split(separator)
    if separator == "\t":
        # There a quote is a mere character, unless it stands around the field: 5" end, "A|B".
        fields = text.split(separator)
        return [one[1:-1].replace('""', '"') if _QUOTED.fullmatch(one) else one for one in fields]
    try:
        return next(csv.reader([text], delimiter=separator, strict=True))
    except csv.Error as error:
        raise SourceError(f"{where}: the quotes do not match: {error}.", "Correct the line.") from None


def _place(column: str | tuple[str, ...], header: list[str], where: str, needed: bool) -> int:
    names = (column,) if isinstance(column, str) else column
    for name in names:
        if name.lower() in header:
            return header.index(name.lower())
    if needed:
        raise SourceError(
            f"{where}: there is no column '{' or '.join(names)}'.",
            f"The header has: {', '.join(header[:30])[:500]}. Is this the right file?",
        )
    return -1
