"""The embedded store: one Ladybug database file."""

from __future__ import annotations

import contextlib
import logging
import re
import shlex
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ladybug
import pyarrow as pa

from kgreg.errors import QueryError, StoreError
from kgreg.store.queries import SOURCES_LOADED, check_statement

log = logging.getLogger(__name__)

#: Version of ``graphs/schema.ladybug.cypher``; raise it when a store written before can no longer be read.
SCHEMA_VERSION = 3
#: The node table that marks a complete store.
MARKER = "Store"
#: What is appended to the path of a store while it is being written.
LOADING_SUFFIX = ".loading"

# Ladybug reserves this much address space for a file. Its own 8 TiB do not fit where address space is limited, or
# where one process opens many stores.
_MAX_BYTES = 2**38

# Of a syntax error, the list of every keyword that could have stood there instead.
_ALTERNATIVES = re.compile(r" expecting \{[^}]*\}")


def loading_path(path: Path) -> Path:
    """Return where the store of ``path`` is written before it takes its place."""
    return path.with_name(path.name + LOADING_SUFFIX)


def load_command(path: Path, options: str = "") -> str:
    """Return the command that writes the store at ``path``, for hints."""
    return f"`kgreg load {options}--store {shlex.quote(str(path))}`"


def open_database(path: Path, read_only: bool) -> ladybug.Database:
    """Open a database file, whatever is in it.

    Raises
    ------
    StoreError
        If it is not a database, is damaged, or another process writes to it.
    """
    try:
        return ladybug.Database(path, read_only=read_only, max_db_size=_MAX_BYTES)
    except (RuntimeError, OSError) as error:
        text = _first_line(error)
        if "Could not set lock" in text:
            raise StoreError(
                f"The store {path} is in use by another process: {text}.",
                "Wait until it has finished, or end it. Readers do not hinder each other.",
            ) from None
        if "not a valid" in text:
            raise StoreError(
                f"{path} is not a Ladybug database.", "Give the path of a store written by `kgreg load`."
            ) from None
        raise StoreError(
            f"The store {path} cannot be opened: {text}", f"Run {load_command(path, '--force ')} to write it anew."
        ) from None


def run_statement(connection: ladybug.Connection, cypher: str, parameters: dict[str, Any] | None = None) -> pa.Table:
    """Run one statement and return its rows; errors are those of the database, unchanged."""
    result = connection.execute(cypher, parameters or {})
    if isinstance(result, list):
        raise ValueError("The query holds several statements.")
    try:
        # A statement that only writes has no columns, which get_as_arrow cannot stand.
        return result.get_as_arrow() if result.get_column_names() else pa.table({})
    finally:
        result.close()


class LadybugStore:
    """A complete store in one file, opened for reading unless asked otherwise.

    One store serves one thread at a time. Ctrl-C stops a running query and leaves the store usable.

    Parameters
    ----------
    path
        The database file.
    read_only
        Refuse every statement that writes. Many processes may read one store; only one may write.

    Raises
    ------
    StoreError
        If there is no store at ``path``, its load never finished, it is no kgreg store, or it is in use.
    """

    def __init__(self, path: str | Path, read_only: bool = True) -> None:
        file = Path(path).expanduser()
        self.location = str(file)
        self.read_only = read_only
        _refuse_what_is_no_store(file)
        self._database = open_database(file, read_only)
        self._connection = ladybug.Connection(self._database)
        self._closed = False
        try:
            self._check_complete()
        except BaseException:
            self.close()
            raise

    def query(self, cypher: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """Run one Cypher statement; see :meth:`GraphStore.query`."""
        if self._closed:
            raise StoreError(f"The store {self.location} is closed.", "Open it again.")
        given = dict(parameters or {})
        check_statement(cypher, given)
        try:
            return self._interruptible(cypher, given)
        except (RuntimeError, ValueError, TypeError, OverflowError) as error:
            text = str(error).strip()
            if "read-only database" in text:
                raise QueryError(
                    f"The store {self.location} is open for reading, and the query writes.",
                    "Open it with --write (read_only=False) if you mean to change it.",
                ) from None
            raise QueryError(_ALTERNATIVES.sub("", text), self._advice(text)) from None

    def counts(self) -> dict[str, int]:
        """Return the number of nodes of every label and of relations of every type."""
        tables = self.query("CALL show_tables() RETURN name, type")
        found: dict[str, int] = {}
        for row in sorted(tables.to_pylist(), key=lambda row: (row["type"], row["name"])):
            if row["name"] == MARKER:
                continue
            pattern = f"(n:`{row['name']}`)" if row["type"] == "NODE" else f"()-[n:`{row['name']}`]->()"
            found[row["name"]] = self.query(f"MATCH {pattern} RETURN count(n) AS n")["n"][0].as_py()
        return found

    def sources(self) -> pa.Table:
        """Return what was loaded: ``name, title, release, date, licence, url, rows``, sorted by name."""
        return self.query(SOURCES_LOADED)

    def close(self) -> None:
        """Let go of the file; closing twice is harmless."""
        if not self._closed:
            self._closed = True
            self._connection.close()
            self._database.close()

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
        self.close()

    def _interruptible(self, cypher: str, parameters: dict[str, Any]) -> pa.Table:
        # Python sees Ctrl-C only between its own instructions, so the database works in a thread of its own while
        # this one waits.
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(run_statement, self._connection, cypher, parameters)
            try:
                return future.result()
            except KeyboardInterrupt:
                self._connection.interrupt()
                raise

    def _advice(self, message: str) -> str:
        if not message.startswith("Binder exception"):
            return "Check the Cypher and the values of its parameters."
        tables = run_statement(self._connection, "CALL show_tables() RETURN name, type").to_pylist()
        names = sorted(row["name"] for row in tables if row["name"] != MARKER)
        return f"The labels and relation types of the graph are: {', '.join(names)}."

    def _check_complete(self) -> None:
        refusal = StoreError(
            f"{self.location} is not a complete kgreg store: its load never finished, or another program wrote it.",
            "Give the path of another store, or replace this one with"
            f" {load_command(Path(self.location), '--force ')}.",
        )
        try:
            marks = run_statement(self._connection, f"MATCH (s:{MARKER}) RETURN s.schema AS schema")
        except RuntimeError as error:
            log.debug("%s: %s", self.location, error)
            raise refusal from None
        if not marks.num_rows:
            raise refusal
        found = marks["schema"][0].as_py()
        if found != SCHEMA_VERSION:
            raise StoreError(
                f"The store {self.location} has schema {found}; this version of kgreg reads {SCHEMA_VERSION}.",
                f"Run {load_command(Path(self.location), '--force ')} to write it anew.",
            )


def _refuse_what_is_no_store(file: Path) -> None:
    if file.name.endswith(LOADING_SUFFIX):
        raise StoreError(
            f"{file} is a half-written store that `kgreg load` left behind when it was stopped.",
            f"Run {load_command(file.with_name(file.name.removesuffix(LOADING_SUFFIX)))}: it removes this file.",
        )
    if file.is_dir():
        raise StoreError(f"{file} is a folder, not a store.", "Give the path of the database file.")
    if not file.exists():
        if loading_path(file).exists():
            raise StoreError(
                f"The store {file} was never finished: its load was stopped, or is still running.",
                f"Run {load_command(file)} again.",
            )
        raise StoreError(f"There is no store at {file}.", f"Run {load_command(file)} to make one; it takes seconds.")
    with contextlib.suppress(OSError):
        if file.stat().st_size == 0:
            raise StoreError(f"{file} is empty, not a store.", f"Run {load_command(file, '--force ')} to write it.")


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
