"""The knowledge graph, which answers Cypher: an embedded Ladybug file, or a Neo4j server."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import platformdirs

from kgreg.progress import Progress, no_progress
from kgreg.sources import SourceTables
from kgreg.store.ladybug import SCHEMA_VERSION, LadybugStore
from kgreg.store.loading import OnChanges, log_changes
from kgreg.store.loading import load as load_file
from kgreg.store.protocol import GraphStore
from kgreg.store.queries import NamedQuery, named_query, query_names, run_named


def default_store_path() -> Path:
    """Return where the store lies unless told: ``$KGREG_STORE``, else in the user's data folder.

    The schema is part of its name: another version of kgreg has a store of its own beside this one.
    """
    chosen = os.environ.get("KGREG_STORE")
    if chosen:
        return Path(chosen).expanduser()
    return Path(platformdirs.user_data_dir("kgreg", appauthor=False)) / f"knowledge-{SCHEMA_VERSION}.lbug"


def stores_of_other_versions() -> list[Path]:
    """Return the default stores that other versions of kgreg left in the user's data folder; none if one was chosen."""
    if os.environ.get("KGREG_STORE"):
        return []
    path = default_store_path()
    return sorted(set(path.parent.glob("knowledge*.lbug")) - {path})


def default_location() -> str | Path:
    """Return the store to use unless told: the server or file of ``$KGREG_STORE``, else one in the user's folder."""
    chosen = os.environ.get("KGREG_STORE", "")
    return chosen if is_server(chosen) else default_store_path()


def is_server(location: str | Path) -> bool:
    """Return whether a location is the address of a server and not a path."""
    return "://" in str(location)


def open_store(location: str | Path | None = None, read_only: bool = True) -> GraphStore:
    """Open the store at ``location`` (by default :func:`default_location`): a path, or such as ``neo4j://localhost``.

    Raises
    ------
    StoreError
        If there is no store, its load never finished, it is in use, or the server cannot be reached.
    """
    chosen = default_location() if location is None else location
    if is_server(chosen):
        from kgreg.store.neo4j import Neo4jStore

        return Neo4jStore(str(chosen), read_only=read_only)
    return LadybugStore(chosen, read_only)


def load(
    location: str | Path,
    sources: Sequence[str | SourceTables] | None = None,
    progress: Progress = no_progress,
    force: bool = False,
    on_changes: OnChanges = log_changes,
) -> dict[str, int]:
    """Load sources into the store at ``location``, a path or the address of a server, and return its counts.

    See :func:`kgreg.store.loading.load` for the arguments and errors, and
    :func:`kgreg.store.neo4j_loading.load_server` for what differs on a server.
    """
    if is_server(location):
        from kgreg.store.neo4j_loading import load_server

        return load_server(str(location), sources, progress, force, on_changes)
    return load_file(location, sources, progress, force, on_changes)


__all__ = [
    "GraphStore",
    "LadybugStore",
    "NamedQuery",
    "default_location",
    "default_store_path",
    "is_server",
    "load",
    "named_query",
    "open_store",
    "query_names",
    "run_named",
    "stores_of_other_versions",
]
