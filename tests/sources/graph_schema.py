"""Whether the tables of a source would go into the graph."""

from __future__ import annotations

import re
from functools import cache

import pyarrow.compute as pc

from kgreg.resources import resource_dir
from kgreg.sources import SourceTables


@cache
def _tables() -> dict[str, tuple[str, str]]:
    """Table of the schema file -> (NODE or REL, what stands in its brackets)."""
    text = (resource_dir("graphs") / "schema.ladybug.cypher").read_text(encoding="utf-8")
    found = re.findall(r"CREATE (NODE|REL) TABLE (?:IF NOT EXISTS )?(\w+)\((.*)\);", text)
    return {name: (kind, body) for kind, name, body in found}


def check_fits_schema(tables: SourceTables) -> None:
    """Assert the columns of the schema, ids that are unique, and relations that start and end at a node.

    The ends are checked where the source brings nodes of that label; others may bring them too.
    """
    for label, rows in tables.nodes.items():
        kind, body = _tables()[label]
        columns = [part.split()[0] for part in body.partition("PRIMARY KEY")[0].split(",") if part.strip()]
        assert (kind, rows.column_names) == ("NODE", columns), label
        assert rows["id"].null_count == 0, label
        assert pc.count_distinct(rows["id"]).as_py() == rows.num_rows, label
    for name, rows in tables.relations.items():
        kind, body = _tables()[name]
        ends, *properties = (part.split() for part in body.split(","))
        assert (kind, rows.column_names) == ("REL", ["from", "to", *(part[0] for part in properties)]), name
        assert rows.group_by(rows.column_names).aggregate([]).num_rows == rows.num_rows, name
        for column, label in (("from", ends[1]), ("to", ends[3])):
            if label in tables.nodes:
                assert set(rows[column].to_pylist()) <= set(tables.nodes[label]["id"].to_pylist()), (name, label)
    for name, rows in {**tables.nodes, **tables.relations}.items():
        assert set(rows["source"].to_pylist()) <= {tables.provenance.source}, name
