"""Arrow tables of text from rows of Python, with the columns typed even where there are no rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa


def text_table(columns: Sequence[str], rows: Iterable[Sequence[str | None]]) -> pa.Table:
    """Return a table whose columns, named ``columns``, are all strings; ``None`` becomes null.

    Rows that come twice are kept once, in the order of their first coming.
    """
    kept = list(dict.fromkeys(tuple(row) for row in rows))
    fields = zip(*kept, strict=True) if kept else [()] * len(columns)
    return pa.table({name: pa.array(values, pa.string()) for name, values in zip(columns, fields, strict=True)})
