"""Replacing one source of an embedded store by another release of it, and nothing else."""

from __future__ import annotations

import logging
from typing import Any

import ladybug
import pyarrow as pa
import pyarrow.compute as pc

from kgreg.errors import some
from kgreg.sources import SourceTables
from kgreg.store.changes import HIERARCHICAL, Changes, compare_nodes, compare_relations
from kgreg.store.ladybug import run_statement

log = logging.getLogger(__name__)

# A statement with more rows than this takes memory rather than time.
_BATCH = 20_000


def update_source(connection: ladybug.Connection, tables: SourceTables, before: str) -> Changes:
    """Make the part of the store that came from a source what ``tables`` say; return what that changed.

    Nodes that stay are kept with whatever other sources attached to them; nodes that go take the relations of other
    sources with them, which is counted. Nodes that another source brought first stay that source's.

    Parameters
    ----------
    before
        The release that the store holds.
    """
    name = tables.provenance.source
    changes = Changes(name, before, tables.provenance.release)
    kinds = _relation_types(connection)
    placed: set[str] = set()
    gone: dict[str, pa.Table] = {}
    for kind in kinds:
        after = tables.relations.get(kind)
        columns = after.column_names if after is not None else ["from", "to"]
        old = _relations(connection, kind, columns, name)
        if after is None and not old.num_rows:
            continue
        came, went, touched = compare_relations(old, after if after is not None else old.slice(0, 0))
        changes.relations[kind] = (came, went)
        if kind in HIERARCHICAL:
            placed |= touched
        if came or went:
            connection.execute(f"MATCH ()-[r:{kind}]->() WHERE r.source = $name DELETE r", {"name": name})
            if after is not None:
                gone[kind] = after
    for label in _node_labels(connection):
        _update_nodes(connection, label, tables.nodes.get(label), name, changes)
    for kind, after in gone.items():
        fitting = linkable(connection, name, kind, after)
        if fitting.num_rows:
            connection.execute(f"COPY {kind} FROM $rows", {"rows": fitting})
    stayed = placed - {node for ids in (*changes.added.values(), *changes.removed.values()) for node in ids}
    changes.moved = sorted(stayed)
    return changes


def linkable(connection: ladybug.Connection, source: str, kind: str, rows: pa.Table) -> pa.Table:
    """Return the relations whose two nodes the store holds; how many do not is logged as a warning, with examples."""
    ends = run_statement(connection, f"CALL show_connection('{kind}') RETURN *").to_pylist()[0]
    keep = pa.array([True] * rows.num_rows, pa.bool_())
    missing: list[str] = []
    for column, key in (("from", "source table name"), ("to", "destination table name")):
        there = run_statement(connection, f"MATCH (n:{ends[key]}) RETURN n.id AS id")["id"].cast(pa.string())
        known = pc.is_in(rows[column], value_set=there)
        missing += pc.unique(rows[column].filter(pc.invert(known))).to_pylist()
        keep = pc.and_(keep, known)
    fitting = rows.filter(keep)
    if rows.num_rows > fitting.num_rows:
        log.warning(
            "%s: %d of %d %s relations name nodes that the store does not hold, and were left out (%s)",
            source, rows.num_rows - fitting.num_rows, rows.num_rows, kind, some(missing),
        )  # fmt: skip
    return fitting


def _update_nodes(
    connection: ladybug.Connection, label: str, after: pa.Table | None, name: str, changes: Changes
) -> None:
    columns = after.column_names if after is not None else ["id"]
    listed = ", ".join(f"n.`{column}` AS `{column}`" for column in columns)
    old = run_statement(connection, f"MATCH (n:{label}) WHERE n.source = $name RETURN {listed}", {"name": name})
    if after is None:
        if not old.num_rows:
            return
        after = old.slice(0, 0)
    others = run_statement(connection, f"MATCH (n:{label}) WHERE n.source <> $name RETURN n.id AS id", {"name": name})
    theirs = set(others["id"].to_pylist())
    after = after.filter(pa.array([node not in theirs for node in after["id"].to_pylist()], pa.bool_()))
    added, removed, altered = compare_nodes(old, after)
    changes.added[label], changes.removed[label], changes.altered[label] = added, removed, altered
    if removed:
        _count_lost(connection, label, removed, changes)
        for ids in _batches(removed):
            connection.execute(f"UNWIND $ids AS i MATCH (n:{label}) WHERE n.id = i DETACH DELETE n", {"ids": ids})
    if altered:
        wanted = set(altered)
        rows = [row for row in after.to_pylist() if row["id"] in wanted]
        setting = ", ".join(f"n.`{column}` = r.`{column}`" for column in columns if column != "id")
        for batch in _batches(rows):
            connection.execute(f"UNWIND $rows AS r MATCH (n:{label}) WHERE n.id = r.id SET {setting}", {"rows": batch})
    if added:
        wanted = set(added)
        new = after.filter(pa.array([node in wanted for node in after["id"].to_pylist()], pa.bool_()))
        connection.execute(f"COPY {label} FROM $rows", {"rows": new})


def _count_lost(connection: ladybug.Connection, label: str, removed: list[str], changes: Changes) -> None:
    """Count the relations of other sources that will go with the nodes (this source's are deleted already)."""
    for kind in _relation_types(connection):
        for pattern in (f"(n:{label})-[r:{kind}]->()", f"()-[r:{kind}]->(n:{label})"):
            try:
                found = sum(
                    run_statement(
                        connection,
                        f"UNWIND $ids AS i MATCH {pattern} WHERE n.id = i RETURN count(r) AS c",
                        {"ids": ids},
                    )["c"][0].as_py()
                    for ids in _batches(removed)
                )
            except RuntimeError:  # this type never touches the label; Ladybug refuses the pattern
                continue
            if found:
                changes.lost[kind] = changes.lost.get(kind, 0) + found


def _relations(connection: ladybug.Connection, kind: str, columns: list[str], name: str) -> pa.Table:
    listed = ["a.id AS `from`", "b.id AS `to`", *(f"r.`{column}` AS `{column}`" for column in columns[2:])]
    return run_statement(
        connection, f"MATCH (a)-[r:{kind}]->(b) WHERE r.source = $name RETURN {', '.join(listed)}", {"name": name}
    )


def _relation_types(connection: ladybug.Connection) -> list[str]:
    return [kind for kind in _tables(connection, "REL") if _has_source(connection, kind)]


def _node_labels(connection: ladybug.Connection) -> list[str]:
    return [label for label in _tables(connection, "NODE") if _has_source(connection, label)]


def _tables(connection: ladybug.Connection, kind: str) -> list[str]:
    rows = run_statement(connection, "CALL show_tables() RETURN name, type").to_pylist()
    return sorted(row["name"] for row in rows if row["type"] == kind)


def _has_source(connection: ladybug.Connection, table: str) -> bool:
    rows = run_statement(connection, f"CALL table_info('{table}') RETURN name").to_pylist()
    return any(row["name"] == "source" for row in rows)


def _batches(rows: list[Any]) -> list[list[Any]]:
    return [rows[i : i + _BATCH] for i in range(0, len(rows), _BATCH)]
