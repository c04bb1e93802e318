"""What both stages ask of windows, labels and parts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgreg.errors import DataError, some

PARTS = ("train", "valid", "test")


def checked_target(target: NDArray[Any], n: int) -> NDArray[np.float32]:
    """Return ``target`` as ``[n, n_labels]`` of 0, 1 and NaN.

    Raises
    ------
    DataError
        If it has another shape or other values.
    """
    values = np.asarray(target, dtype=np.float32)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or len(values) != n or not values.shape[1]:
        raise DataError(
            f"There are {n} windows, but labels of the shape {list(np.shape(target))}.", "Give a row a window."
        )
    wrong = ~np.isin(values, (0, 1)) & ~np.isnan(values)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataError(
            f"Label {column + 1} of window {row + 1} is {values[row, column]:g} ({int(wrong.sum())} such values).",
            "Labels are 0 or 1, or missing (NaN).",
        )
    return values


def checked_parts(parts: NDArray[Any], n: int, chromosomes: NDArray[Any] | None = None) -> dict[str, NDArray[np.int64]]:
    """Return part -> positions of its windows.

    Raises
    ------
    DataError
        If a part is missing or unknown, or a chromosome lies in two: its contacts would join what is trained on with
        what is tested.
    """
    names = np.asarray(parts).astype(str)
    if names.shape != (n,):
        raise DataError(f"There are {n} windows, but parts of the shape {list(names.shape)}.", "Give one a window.")
    unknown = sorted(set(names) - set(PARTS))
    lacking = [part for part in PARTS if part not in names]
    if unknown or lacking:
        found = f"there are {some(unknown)}" if unknown else f"no window is in {some(lacking)}"
        raise DataError(
            f"Windows belong to train, valid or test; {found}.", "Give windows to all three, by chromosome."
        )
    rows = {part: np.flatnonzero(names == part) for part in PARTS}
    if chromosomes is not None:
        twice = [
            str(chromosome)
            for chromosome in dict.fromkeys(chromosomes)
            if len(set(names[chromosomes == chromosome])) > 1
        ]
        if twice:
            raise DataError(
                f"Windows of {some(twice)} lie in two parts.",
                "Split by chromosome: contacts would carry what is tested into training.",
            )
    return rows
