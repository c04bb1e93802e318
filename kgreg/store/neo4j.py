"""The store on a Neo4j server, through the official driver (Bolt)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time
from types import TracebackType
from typing import Any, Self

import neo4j
import neo4j.graph
import neo4j.spatial
import neo4j.time
import pyarrow as pa

from kgreg.errors import QueryError, StoreError
from kgreg.store.neo4j_connection import database_name, in_words, open_driver, read_only_refusal
from kgreg.store.neo4j_schema import STATE_LABELS, graph_schema, quoted
from kgreg.store.queries import OPAQUE, SOURCES_LOADED, check_statement

#: Version of the graph on a server; raise it when one loaded before can no longer be read.
SCHEMA_VERSION = 3

# A clause that writes: not a property (.set), label (:Set), parameter ($set) or key of a map (set: 1).
_WRITES = re.compile(
    r"(?<![.:$&|!\w])(CREATE|INSERT|MERGE|SET|DELETE|REMOVE|DROP|FOREACH|LOAD\s+CSV|ALTER|GRANT|DENY|REVOKE"
    r"|START\s+DATABASE|STOP\s+DATABASE|TERMINATE)\b(?!\s*:)",
    re.IGNORECASE,
)
_PROCEDURE = re.compile(r"\bCALL\s+([\w.]+)", re.IGNORECASE)
# Procedures that only read; any other may write.
_READING = re.compile(
    r"db\.(labels|relationshipTypes|propertyKeys|info|ping|schema\.\w+|index\.(fulltext|vector)\.query\w+)"
    r"|dbms\.components|gds\.[\w.]+\.stream",
    re.IGNORECASE,
)


def writes(cypher: str) -> bool:
    """Return whether a statement has a clause that writes, or calls a procedure that is not known to only read.

    A belt beside the server's own check, for servers that do not hold to the access mode. An escaped character
    outside quotes could hide a keyword, and counts as writing.
    """
    bare = OPAQUE.sub(" ", cypher)
    if "\\" in bare or _WRITES.search(bare):
        return True
    return any(not _READING.fullmatch(name) for name in _PROCEDURE.findall(bare))


class Neo4jStore:
    """A complete graph on a Neo4j server, opened for reading unless asked otherwise.

    The user name and password come from ``KGREG_NEO4J_USER`` and ``KGREG_NEO4J_PASSWORD`` (or ``NEO4J_USERNAME`` and
    ``NEO4J_PASSWORD``), else from the package ``keyring`` if it is installed. Statements run in managed transactions:
    after a transient error they are tried again.

    Parameters
    ----------
    uri
        Such as ``neo4j://localhost:7687``; ``neo4j+s://`` for TLS.
    database
        Its name; ``KGREG_NEO4J_DATABASE`` or the server's default if None.
    read_only
        Refuse every statement that writes.

    Raises
    ------
    StoreError
        If the server cannot be reached or refuses the credentials, holds no graph of kgreg, or its load never
        finished.
    """

    def __init__(self, uri: str, *, database: str | None = None, read_only: bool = True) -> None:
        self.read_only = read_only
        self.database = database or database_name()
        self._closed = False
        self._driver, self.location = open_driver(uri)
        try:
            self._check_complete()
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        """Return the address, and nothing secret."""
        return f"Neo4jStore({self.location!r}, database={self.database!r}, read_only={self.read_only})"

    def query(self, cypher: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """Run one Cypher statement; see :meth:`GraphStore.query`.

        Nodes and relations come as structs of their properties with ``_ID`` and ``_LABEL`` (and ``_SRC``, ``_DST``),
        paths as structs of ``_NODES`` and ``_RELS``.
        """
        if self._closed:
            raise StoreError(f"The store {self.location} is closed.", "Open it again.")
        given = dict(parameters or {})
        check_statement(cypher, given)
        if self.read_only and writes(cypher):
            raise read_only_refusal(self.location)
        with in_words(self.location), self._session() as session:
            if self.read_only:
                names, columns = session.execute_read(_fetch, cypher, given)
            else:
                names, columns = session.execute_write(_fetch, cypher, given)
        return _table(names, columns)

    def counts(self) -> dict[str, int]:
        """Return the number of nodes of every label and of relations of every type, those of the schema at least."""
        schema = graph_schema()
        labels = self.query("CALL db.labels() YIELD label RETURN label").to_pydict().get("label", [])
        kinds = self.query("CALL db.relationshipTypes() YIELD relationshipType AS kind RETURN kind").to_pydict()
        found: dict[str, int] = {}
        for label in sorted({*schema.labels, *labels} - set(STATE_LABELS)):
            found[label] = self._number(f"MATCH (n:{quoted(label)}) RETURN count(n) AS n")
        for kind in sorted({*schema.ends, *kinds.get("kind", [])}):
            found[kind] = self._number(f"MATCH ()-[r:{quoted(kind)}]->() RETURN count(r) AS n")
        return found

    def sources(self) -> pa.Table:
        """Return what was loaded: ``name, title, release, date, licence, url, rows``, sorted by name."""
        return self.query(SOURCES_LOADED)

    def close(self) -> None:
        """Let go of the server; closing twice is harmless."""
        if not self._closed:
            self._closed = True
            self._driver.close()

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
        self.close()

    def _session(self) -> neo4j.Session:
        mode = neo4j.READ_ACCESS if self.read_only else neo4j.WRITE_ACCESS
        return self._driver.session(database=self.database, default_access_mode=mode)

    def _number(self, cypher: str) -> int:
        return int(self.query(cypher)["n"][0].as_py())

    def _check_complete(self) -> None:
        load = f"Run `kgreg load --store {self.location}`"
        running = self.query("MATCH (l:Load) RETURN l.id AS source ORDER BY source").to_pylist()
        if running:
            names = ", ".join(str(row["source"]) for row in running)
            raise StoreError(
                f"The graph on {self.location} is not complete: the load of {names} was stopped, or is still running.",
                f"{load} again: it goes on with what is missing.",
            )
        marks = self.query("MATCH (s:Store) RETURN s.schema AS schema")
        if not marks.num_rows:
            raise StoreError(f"The server {self.location} holds no graph of kgreg.", f"{load} to make one.")
        if marks["schema"][0].as_py() != SCHEMA_VERSION:
            raise StoreError(
                f"The graph on {self.location} has schema {marks['schema'][0].as_py()};"
                f" this version of kgreg reads {SCHEMA_VERSION}.",
                f"{load} --force to write it anew.",
            )


def _fetch(
    transaction: neo4j.ManagedTransaction, cypher: str, parameters: dict[str, Any]
) -> tuple[list[str], list[list[Any]]]:
    result = transaction.run(cypher, parameters)
    names = list(result.keys())
    columns: list[list[Any]] = [[] for _ in names]
    for record in result:
        for column, value in zip(columns, record.values(), strict=True):
            column.append(_plain(value))
    return names, columns


def _table(names: list[str], columns: list[list[Any]]) -> pa.Table:
    arrays = []
    for name, values in zip(names, columns, strict=True):
        try:
            arrays.append(pa.array(values))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            raise QueryError(
                f"The column '{name}' holds values of several types, which no table can.",
                f"Return them in columns of their own, or as text: toString({name}).",
            ) from None
    return pa.Table.from_arrays(arrays, names=names)


def _plain(value: Any) -> Any:
    """Return a value of the driver in types that Arrow knows."""
    if value is None or isinstance(value, (str, bool, int, float, bytes, date, datetime, time)):
        return value
    if isinstance(value, neo4j.graph.Node):
        return {"_ID": value.element_id, "_LABEL": ":".join(sorted(value.labels)), **_plain(dict(value))}
    if isinstance(value, neo4j.graph.Relationship):
        ends = {"_SRC": _id_of(value.start_node), "_DST": _id_of(value.end_node)}
        return {"_ID": value.element_id, "_LABEL": value.type, **ends, **_plain(dict(value))}
    if isinstance(value, neo4j.graph.Path):
        return {"_NODES": [_plain(node) for node in value.nodes], "_RELS": [_plain(r) for r in value.relationships]}
    if isinstance(value, (neo4j.time.Date, neo4j.time.DateTime, neo4j.time.Time)):
        return value.to_native()
    if isinstance(value, neo4j.time.Duration):
        return value.iso_format()
    if isinstance(value, neo4j.spatial.Point):
        return list(value)
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value]


def _id_of(node: neo4j.graph.Node | None) -> str | None:
    return node.element_id if node is not None else None
