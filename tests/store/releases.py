"""GO with its annotations, cut to the death of cells so that loading is quick, and as another release might have it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pyarrow as pa

from kgreg.sources import SourceTables, read_source
from tests.store.conformance.graph_slice import among, below, restricted

#: Terms that the other release has no more, with annotations; and one that it has in addition.
GONE = ["GO:0000149", "GO:0000151", "GO:0000235"]
NEW = "GO:9999999"


@cache
def small_release() -> dict[str, SourceTables]:
    """Return GO below programmed cell death, the genes annotated there, and their annotations, as they are bundled."""
    from kgreg.store.neo4j_schema import graph_schema

    ends = {kind: pairs[0] for kind, pairs in graph_schema().ends.items()}
    whole = {name: read_source(name) for name in ("go", "genes_human", "goa_human")}
    links = pa.concat_tables([whole["go"].relations["IS_A"], whole["go"].relations["PART_OF"]])
    ends_of_gone = {
        node
        for links_of in whole["go"].relations.values()
        for one, other in (("from", "to"), ("to", "from"))
        for node in among(links_of, one, GONE)[other].to_pylist()
    }
    terms = below(links, "GO:0012501") | {"GO:0008150", "GO:0000001", *GONE, *ends_of_gone}
    genes = set(among(whole["goa_human"].relations["ANNOTATED_TO"], "to", terms)["from"].to_pylist())
    proteins = set(among(whole["genes_human"].relations["ENCODES"], "from", genes)["to"].to_pylist())
    aliases = set(among(whole["genes_human"].relations["ALIAS_OF"], "to", genes)["from"].to_pylist())
    keep = {"Term": terms, "Gene": genes, "Protein": proteins, "Alias": aliases}
    return {name: restricted(tables, keep, ends) for name, tables in whole.items()}


def other_release() -> SourceTables:
    """Return the small GO without ``GONE``, with ``NEW`` below apoptosis, apoptosis moved, and GO:0000001 renamed."""
    go = small_release()["go"]
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
