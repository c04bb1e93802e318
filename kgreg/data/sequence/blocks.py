"""Tables of numbers that networks read beside the sequences, such as the methylation around CpG sites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.data.multiomics.tables import read_any_table
from kgreg.errors import DataError, some


def read_blocks(tables: Mapping[str, Path | str], names: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Return name -> ``[n, columns]``, the rows of every table in the order of ``names``.

    Parameters
    ----------
    tables
        Name of a block -> a table with the names of sequences in its first column. Rows of other sequences are ignored.

    Raises
    ------
    DataError
        If a table cannot be read, lacks a sequence, or holds anything but finite numbers.
    """
    return {name: _read(Path(path), list(names)) for name, path in tables.items()}


def _read(path: Path, names: list[str]) -> NDArray[np.float32]:
    table = read_any_table(path)
    missing = [name for name in names if name not in table.index]
    if missing:
        raise DataError(
            f"{path} has no row for {len(missing)} of {len(names)} sequences: {some(missing)}.",
            "Its first column holds the names of the sequences, each once.",
        )
    rows = table.loc[names]
    texts = [column for column in rows.columns if not pd.api.types.is_numeric_dtype(rows[column])]
    if texts:
        raise DataError(f"{path} has columns that are not numbers: {some(texts)}.")
    values: NDArray[np.float32] = rows.to_numpy(dtype=np.float32)
    bad = np.flatnonzero(~np.isfinite(values).all(axis=0))
    if len(bad):
        raise DataError(f"{path} has missing or infinite values in: {some(rows.columns[bad])}.", "Fill them in.")
    return values
