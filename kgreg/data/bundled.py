"""Data sets that ship inside other packages, so that the demo works without a network."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from kgreg.errors import DataError

_FILES = {"scanpy:pbmc68k_reduced": ("scanpy", "datasets/10x_pbmc68k_reduced.h5ad")}


def bundled_file(name: str) -> Path:
    """Return the path of a bundled h5ad file.

    ``scanpy:pbmc68k_reduced``: 700 blood cells x 765 genes, ten types in ``obs.bulk_labels`` (Zheng et al. 2017).

    Raises
    ------
    DataError
        If the name is unknown or the package that holds the file is not installed.
    """
    if name not in _FILES:
        raise DataError(f"There is no bundled data set '{name}'.", f"Choose one of: {', '.join(_FILES)}.")
    package, inside = _FILES[name]
    found = find_spec(package)
    path = None if found is None or found.origin is None else Path(found.origin).parent / inside
    if path is None or not path.is_file():
        raise DataError(f"'{name}' ships inside {package}, which is not installed.", "pip install 'kgreg[demo]'")
    return path
