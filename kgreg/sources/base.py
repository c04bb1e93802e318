"""What every source hands over: node and relation tables, and where they came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa


@dataclass(frozen=True)
class Provenance:
    """Where a source came from.

    Attributes
    ----------
    source
        Its name, as in ``kgreg.sources.SOURCES``.
    title, release, date, url, licence
        For the reader of a report; ``date`` is ISO 8601.
    tables
        Table -> SHA-256 of the file it was read from.
    dropped
        What was left out on reading -> how many rows.
    """

    source: str
    title: str
    release: str
    date: str
    url: str
    licence: str
    tables: Mapping[str, str] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class SourceTables:
    """The part of the graph that one source brings, in the schema of ``graphs/schema.ladybug.cypher``.

    Attributes
    ----------
    nodes
        Label -> table; the columns are the properties in the order of the schema, ``id`` first. Several sources may
        bring the same node; the first one loaded keeps it.
    relations
        Type -> table; ``from`` and ``to`` (node ids), then the properties in the order of the schema.
    """

    nodes: Mapping[str, pa.Table]
    relations: Mapping[str, pa.Table]
    provenance: Provenance

    @property
    def rows(self) -> int:
        """Nodes and relations together."""
        return sum(table.num_rows for table in (*self.nodes.values(), *self.relations.values()))


@dataclass(frozen=True)
class Source:
    """An entry of the registry: how to read a source, and which sources its relations refer to."""

    read: Callable[[], SourceTables]
    provenance: Callable[[], Provenance]
    requires: tuple[str, ...] = ()


def with_constant(table: pa.Table, column: str, value: str) -> pa.Table:
    """Append a column that holds the same text in every row."""
    return table.append_column(column, pa.repeat(pa.scalar(value), table.num_rows))
