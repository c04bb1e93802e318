"""Loading sources into a Neo4j server: batched ``UNWIND ... MERGE`` in managed transactions, marked until complete.

A server has no rename that would put a finished graph in place at once. Instead ``(:Load {id: source})`` stands from
before the first change until the transaction that writes the source's ``(:Source)``; a graph with a mark is refused
for reading. Every source is compared with what the server holds of it, so that a load that was stopped goes on, a
release that is there changes nothing, and another release replaces the rows of that source only.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import neo4j
import pyarrow as pa

from kgreg.errors import QueryError, SourceError, StoreError
from kgreg.progress import Progress, no_progress
from kgreg.sources import SOURCES, SourceTables, find_source, read_source
from kgreg.store.changes import HIERARCHICAL, Changes, compare_nodes, compare_relations
from kgreg.store.loading import OnChanges, log_changes, with_requirements
from kgreg.store.neo4j import SCHEMA_VERSION, Neo4jStore
from kgreg.store.neo4j_connection import database_name, in_words, open_driver
from kgreg.store.neo4j_schema import STATE_LABELS, ends_of, graph_schema, quoted, server_statements

log = logging.getLogger(__name__)

# Rows of one transaction: more take memory of the server rather than time.
_BATCH = 5_000


def load_server(
    uri: str,
    sources: Sequence[str | SourceTables] | None = None,
    progress: Progress = no_progress,
    force: bool = False,
    on_changes: OnChanges = log_changes,
    *,
    database: str | None = None,
) -> dict[str, int]:
    """Load sources into the server at ``uri`` and return its counts by label and relation type.

    The arguments are those of :func:`kgreg.store.load`, and :class:`~kgreg.store.neo4j.Neo4jStore`'s. With ``force``
    every source is compared with the server and repaired, whatever its release. What others keep in the same database
    stays as it is: only nodes and relations whose ``source`` is one that is loaded are changed.

    Raises
    ------
    SourceError
        If a source is unknown, its data are damaged, or a relation names a node that is not there.
    StoreError
        If the server cannot be reached or written, or another load takes over.
    """
    asked = list(SOURCES) if sources is None else list(sources)
    given = {one.provenance.source: one for one in asked if isinstance(one, SourceTables)}
    named = [one for one in asked if isinstance(one, str)]
    with_requirements(named)  # an unknown name is refused before anything is made
    driver, address = open_driver(uri)
    try:
        with in_words(address):
            _load(_Server(driver, address, database or database_name()), named, given, progress, force, on_changes)
    finally:
        driver.close()
    with Neo4jStore(uri, database=database) as store:
        return store.counts()


def _load(
    server: _Server,
    named: list[str],
    given: dict[str, SourceTables],
    progress: Progress,
    force: bool,
    on_changes: OnChanges,
) -> None:
    present = server.present(force)
    stopped = server.stopped()
    needed = [name for one in given if one in SOURCES for name in SOURCES[one].requires]
    again = [name for name in {*stopped, *(present if force else ())} if name in SOURCES]
    wanted = [name for name in with_requirements([*named, *needed, *again]) if name not in given]
    release = {name: find_source(name).provenance().release for name in wanted}
    release |= {name: tables.provenance.release for name, tables in given.items()}
    lost = sorted(stopped - release.keys())
    if lost:
        raise StoreError(
            f"The load of {', '.join(lost)} into {server.address} was stopped.", "Load it again from its files first."
        )
    asked_for = {*named, *given}
    work = [
        name
        for name in dict.fromkeys((*SOURCES, *given))
        if name in release
        and (force or name in stopped or name not in present or (name in asked_for and present[name] != release[name]))
    ]
    if not work:
        progress(f"already loaded: {', '.join(release)}", 1.0)
        return
    tables = [given[name] if name in given else read_source(name) for name in work]
    server.prepare(work)
    total, done = max(1, sum(one.rows for one in tables)), 0
    for one in tables:
        name = one.provenance.source
        for what, count in one.provenance.dropped.items():
            log.info("%s: %d %s", name, count, what)
        changes = Changes(name, present.get(name, ""), one.provenance.release)
        for text, rows in server.write(one, changes):
            progress(f"loading {name}: {text}", done / total)
            done += rows
        server.finish(one)
        if name in present and present[name] != one.provenance.release:
            on_changes(changes)
    progress(f"loaded: {', '.join(work)}", 1.0)


@dataclass
class _Server:
    """An open connection that writes."""

    driver: neo4j.Driver
    address: str
    database: str | None

    def __post_init__(self) -> None:
        # Names this load: a batch is refused when another load has taken over its source.
        self.token = uuid.uuid4().hex

    def present(self, force: bool) -> dict[str, str]:
        """Return the sources that the server holds (name -> release)."""
        schema = [row[0] for row in self.read("MATCH (s:Store) RETURN s.schema")]
        if schema not in ([], [SCHEMA_VERSION]) and not force:
            raise StoreError(
                f"The graph on {self.address} has schema {schema[0]}; this version of kgreg writes {SCHEMA_VERSION}.",
                "Load with --force.",
            )
        return dict(self.read("MATCH (s:Source) RETURN s.id, s.release"))

    def stopped(self) -> set[str]:
        """Return the sources whose load was stopped."""
        return {row[0] for row in self.read("MATCH (l:Load) RETURN l.id")}

    def prepare(self, names: list[str]) -> None:
        """Make constraints and indexes, and mark the sources as being loaded."""
        for statement in server_statements():
            try:
                self.change(statement)
            except QueryError as error:
                raise StoreError(
                    f"The database on {self.address} cannot take kgreg's schema: {error.message}",
                    "It may hold nodes of these labels with equal ids; use another database.",
                ) from None
        self.change(
            "UNWIND $names AS name MERGE (l:Load {id: name}) SET l.state = 'running', l.token = $token",
            names=names,
            token=self.token,
        )
        self.change("MERGE (s:Store {id: 'kgreg'}) SET s.schema = $schema", schema=SCHEMA_VERSION)

    def write(self, tables: SourceTables, changes: Changes) -> Iterator[tuple[str, int]]:
        """Make the part of the graph that came from a source what ``tables`` say; yield (what was done, rows)."""
        source, schema = tables.provenance.source, graph_schema()
        placed: set[str] = set()
        coming: dict[str, pa.Table] = {}
        for kind in sorted({*schema.ends, *tables.relations}):
            after = tables.relations.get(kind)
            if after is None and len(schema.ends[kind]) != 1:  # no source's, but written by runs
                continue
            old = self._old_relations(kind, after, source)
            came, went, touched = compare_relations(old, old.slice(0, 0) if after is None else after)
            changes.relations[kind] = (came, went)
            placed |= touched if kind in HIERARCHICAL else set()
            if went:
                self._delete_relations(kind, source)
            if after is not None and (came or went):
                coming[kind] = after
            elif after is not None:
                yield f"{kind} as before", after.num_rows
        for label in sorted({*schema.labels, *tables.nodes} - {*STATE_LABELS, "Source"}):
            nodes = tables.nodes.get(label)
            for rows in self._update_nodes(label, nodes, source, changes):
                yield f"{tables.nodes[label].num_rows:,} {label}", rows
        for kind, after in coming.items():
            for rows in self._merge_relations(kind, after, source):
                yield f"{after.num_rows:,} {kind}", rows
        new = {node for ids in (*changes.added.values(), *changes.removed.values()) for node in ids}
        changes.moved = sorted(placed - new)

    def finish(self, tables: SourceTables) -> None:
        """Write the ``Source`` and take its mark away, in one transaction."""
        origin = tables.provenance
        names = ("title", "release", "date", "licence", "url")
        entry = {"id": origin.source, **{name: getattr(origin, name) for name in names}, "rows": tables.rows}
        self._marked(
            origin.source,
            "MERGE (s:Source {id: $source}) SET s = $entry WITH s MATCH (l:Load {id: $source}) DELETE l",
            entry=entry,
        )

    def read(self, cypher: str, **parameters: Any) -> list[list[Any]]:
        """Return the rows of a query."""
        with self.driver.session(database=self.database, default_access_mode=neo4j.READ_ACCESS) as session:
            return session.execute_read(lambda tx: [record.values() for record in tx.run(cypher, parameters)])

    def change(self, cypher: str, **parameters: Any) -> None:
        """Run one statement that writes."""
        with in_words(self.address), self.driver.session(database=self.database) as session:
            session.execute_write(lambda tx: tx.run(cypher, parameters).consume())

    def _marked(self, source: str, cypher: str, **parameters: Any) -> list[list[Any]]:
        """Run a statement that writes rows of a source, unless another load has taken over."""

        def work(transaction: neo4j.ManagedTransaction) -> list[list[Any]]:
            mark = transaction.run(
                "MATCH (l:Load {id: $source}) WHERE l.token = $token RETURN l.id", source=source, token=self.token
            )
            if mark.single() is None:
                raise StoreError(
                    f"Another load of {source} into {self.address} has taken over.", "Wait until it has finished."
                )
            return [record.values() for record in transaction.run(cypher, {**parameters, "source": source})]

        with self.driver.session(database=self.database) as session:
            return session.execute_write(work)

    def _old_relations(self, kind: str, after: pa.Table | None, source: str) -> pa.Table:
        columns = after.column_names if after is not None else ["from", "to"]
        start, end = ends_of(kind)
        listed = ["a.id", "b.id", *(f"r.{quoted(column)}" for column in columns[2:])]
        rows = self.read(
            f"MATCH (a:{start})-[r:{quoted(kind)}]->(b:{end}) WHERE r.source = $source RETURN "
            + ", ".join(f"{value} AS c{i}" for i, value in enumerate(listed)),
            source=source,
        )
        return _table(columns, rows)

    def _delete_relations(self, kind: str, source: str) -> None:
        start, end = ends_of(kind)
        statement = (
            f"MATCH (:{start})-[r:{quoted(kind)}]->(:{end}) WHERE r.source = $source"
            " WITH r LIMIT $most DELETE r RETURN count(*) AS n"
        )
        while self._marked(source, statement, most=_BATCH)[0][0]:
            pass

    def _update_nodes(self, label: str, after: pa.Table | None, source: str, changes: Changes) -> Iterator[int]:
        columns = after.column_names if after is not None else ["id"]
        listed = ", ".join(f"n.{quoted(column)} AS c{i}" for i, column in enumerate(columns))
        rows = self.read(f"MATCH (n:{quoted(label)}) WHERE n.source = $source RETURN {listed}", source=source)
        old = _table(columns, rows)
        added, removed, altered = compare_nodes(old, old.slice(0, 0) if after is None else after)
        for ids in _batches(removed):
            # Nodes that go take the relations of other sources with them.
            lost = self._marked(
                source,
                f"UNWIND $ids AS i MATCH (n:{quoted(label)} {{id: i}})-[r]-() RETURN type(r) AS kind, count(r) AS n",
                ids=ids,
            )
            for kind, count in lost:
                changes.lost[kind] = changes.lost.get(kind, 0) + count
            self._marked(source, f"UNWIND $ids AS i MATCH (n:{quoted(label)} {{id: i}}) DETACH DELETE n", ids=ids)
        if after is None:
            if removed:
                changes.removed[label] = removed
            return
        wanted = {*added, *altered}
        taken: set[str] = set()
        for batch in _batches(after.to_pylist()):
            new = [row for row in batch if row["id"] in wanted]
            if new:
                # A node that another source, or somebody else, brought first stays theirs.
                there = self._marked(
                    source,
                    f"UNWIND $rows AS row MERGE (n:{quoted(label)} {{id: row.id}}) ON CREATE SET n.source = $source"
                    " WITH n, row WHERE n.source = $source SET n = row RETURN n.id AS id",
                    rows=new,
                )
                taken |= {row[0] for row in there}
            yield len(batch)
        changes.added[label] = [node for node in added if node in taken]
        changes.removed[label], changes.altered[label] = removed, altered

    def _merge_relations(self, kind: str, after: pa.Table, source: str) -> Iterator[int]:
        start, end = ends_of(kind)
        properties = after.column_names[2:]
        # MERGE takes no nulls, so rows go together by which of their properties are null.
        keyed = sorted(
            ((tuple(name for name in properties if row[name] is not None), row) for row in after.to_pylist()),
            key=lambda pair: pair[0],
        )
        for filled, group in groupby(keyed, key=lambda pair: pair[0]):
            setting = ", ".join(f"{quoted(name)}: row.{quoted(name)}" for name in filled)
            statement = (
                f"UNWIND $rows AS row MATCH (a:{start} {{id: row.`from`}}) MATCH (b:{end} {{id: row.`to`}})"
                f" MERGE (a)-[r:{quoted(kind)} {{{setting}}}]->(b) RETURN count(*) AS n"
            )
            for batch in _batches([row for _, row in group]):
                if self._marked(source, statement, rows=batch)[0][0] < len(batch):
                    raise self._missing_end(kind, start, end, batch, source)
                yield len(batch)

    def _missing_end(self, kind: str, start: str, end: str, batch: list[dict[str, Any]], source: str) -> SourceError:
        for column, label in (("from", start), ("to", end)):
            ids = list({row[column] for row in batch})
            found = {row[0] for row in self.read(f"MATCH (n:{label}) WHERE n.id IN $ids RETURN n.id", ids=ids)}
            missing = sorted(set(ids) - found)
            if missing:
                text = f"a {kind} relation names the {label} {missing[0]}, which no source brings"
                break
        else:
            text = f"relations of type {kind} were lost on the way"
        return SourceError(
            f"The rows of {source} for {kind} do not fit the graph: {text}.", "Check the source's tables."
        )


def _table(columns: list[str], rows: list[list[Any]]) -> pa.Table:
    return pa.table({name: pa.array([row[i] for row in rows]) for i, name in enumerate(columns)})


def _batches(rows: list[Any]) -> list[list[Any]]:
    return [rows[i : i + _BATCH] for i in range(0, len(rows), _BATCH)]
