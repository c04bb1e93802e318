"""The knowledge graph: an embedded Ladybug file that answers Cypher."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from kgreg.errors import StoreError
from kgreg.store.ladybug import LadybugStore
from kgreg.store.loading import load
from kgreg.store.protocol import GraphStore
from kgreg.store.queries import NamedQuery, named_query, query_names, run_named


def default_store_path() -> Path:
    """Return where the store lies unless told: ``$KGREG_STORE``, else in the user's data folder."""
    chosen = os.environ.get("KGREG_STORE")
    if chosen:
        return Path(chosen).expanduser()
    return Path(platformdirs.user_data_dir("kgreg", appauthor=False)) / "knowledge.lbug"


def open_store(location: str | Path | None = None, read_only: bool = True) -> GraphStore:
    """Open the store at ``location`` (by default :func:`default_store_path`).

    Raises
    ------
    StoreError
        If ``location`` is a server, there is no store, its load never finished, or it is in use.
    """
    text = os.environ.get("KGREG_STORE", "") if location is None else str(location)
    if "://" in text:
        raise StoreError(f"{text} is a server; this version opens embedded stores only.", "Give a path.")
    return LadybugStore(default_store_path() if location is None else location, read_only)


__all__ = [
    "GraphStore",
    "LadybugStore",
    "NamedQuery",
    "default_store_path",
    "load",
    "named_query",
    "open_store",
    "query_names",
    "run_named",
]
