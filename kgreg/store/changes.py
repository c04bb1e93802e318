"""What a new release of a source changes."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from kgreg.errors import some

#: Relations that place a node under another; a node whose own ones differ has moved.
HIERARCHICAL = ("IS_A", "PART_OF", "SUBPATHWAY_OF", "BROADER")


@dataclass
class Changes:
    """The difference between two releases of one source.

    Attributes
    ----------
    source, before, after
        Name and releases.
    added, removed, altered
        Label -> ids of the nodes that came, went, or have other properties.
    moved
        Ids of nodes that stay and hang under other parents.
    relations
        Type -> (relations that came, relations that went).
    lost
        Type -> relations of *other* sources that went with the nodes they touched.
    """

    source: str
    before: str
    after: str
    added: dict[str, list[str]] = field(default_factory=dict)
    removed: dict[str, list[str]] = field(default_factory=dict)
    altered: dict[str, list[str]] = field(default_factory=dict)
    moved: list[str] = field(default_factory=list)
    relations: dict[str, tuple[int, int]] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)

    def summary(self) -> list[tuple[str, str, int, str]]:
        """Return rows (what, label or type, how many, the first few ids)."""
        rows = [
            (what, label, len(ids), some(ids))
            for what, table in (("added", self.added), ("removed", self.removed), ("altered", self.altered))
            for label, ids in table.items()
            if ids
        ]
        if self.moved:
            rows.append(("moved", "nodes", len(self.moved), some(self.moved)))
        for kind, (came, went) in self.relations.items():
            rows += [(what, kind, count, "") for what, count in (("added", came), ("removed", went)) if count]
        rows += [("lost, of other sources", kind, count, "") for kind, count in self.lost.items() if count]
        return rows


def compare_nodes(before: pa.Table, after: pa.Table) -> tuple[list[str], list[str], list[str]]:
    """Return the ids that came, that went, and that stay with other properties (columns of ``after``, ``id`` first)."""
    columns = after.column_names[1:]
    old = dict(zip(before["id"].to_pylist(), _rows(before, columns), strict=True))
    new = dict(zip(after["id"].to_pylist(), _rows(after, columns), strict=True))
    added = [node for node in new if node not in old]
    removed = [node for node in old if node not in new]
    altered = [node for node, values in new.items() if node in old and old[node] != values]
    return added, removed, altered


def compare_relations(before: pa.Table, after: pa.Table) -> tuple[int, int, set[str]]:
    """Return how many relations came, how many went, and the ids they start from."""
    columns = after.column_names
    old, new = set(_rows(before, columns)), set(_rows(after, columns))
    came, went = new - old, old - new
    return len(came), len(went), {str(row[0]) for row in came | went}


def _rows(table: pa.Table, columns: list[str]) -> list[tuple[object, ...]]:
    values = [table[column].to_pylist() for column in columns]
    rows = zip(*values, strict=True) if values else iter([()] * table.num_rows)
    return [tuple(tuple(value) if isinstance(value, list) else value for value in row) for row in rows]
