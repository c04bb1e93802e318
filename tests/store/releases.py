"""GO as it might look in another release."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from kgreg.sources import SourceTables, read_source

#: Terms that the other release has no more, with annotations; and one that it has in addition.
GONE = ["GO:0000149", "GO:0000151", "GO:0000235"]
NEW = "GO:9999999"


def other_release() -> SourceTables:
    """Return GO without ``GONE``, with ``NEW`` below apoptosis, apoptosis moved, and GO:0000001 renamed."""
    go = read_source("go")
    rows = [row for row in go.nodes["Term"].to_pylist() if row["id"] not in GONE]
    for row in rows:
        if row["id"] == "GO:0000001":
            row["name"] = "renamed"
    rows.append({"id": NEW, "name": "new", "namespace": "biological_process", "definition": None, "source": "go"})
    relations = {}
    for kind, table in go.relations.items():
        kept = [row for row in table.to_pylist() if row["from"] not in GONE and row["to"] not in GONE]
        if kind == "IS_A":
            kept = [row for row in kept if row["from"] != "GO:0006915"]
            kept += [
                {"from": "GO:0006915", "to": "GO:0008150", "source": "go"},
                {"from": NEW, "to": "GO:0006915", "source": "go"},
            ]
        relations[kind] = pa.Table.from_pylist(kept, schema=table.schema)
    return replace(
        go,
        nodes={**go.nodes, "Term": pa.Table.from_pylist(rows, schema=go.nodes["Term"].schema)},
        relations=relations,
        provenance=replace(go.provenance, release="2099-01-01"),
    )
