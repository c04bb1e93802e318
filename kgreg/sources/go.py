"""The Gene Ontology: terms and their relations (Ashburner et al. 2000; http://geneontology.org/docs/ontology-relations).

The term ``all`` of namespace ``universal``, which Bioconductor puts above the three roots, is a term like the others.
"""

from __future__ import annotations

import pyarrow.compute as pc

from kgreg.sources.base import Provenance, SourceTables, with_constant
from kgreg.sources.snapshot import manifest_provenance, read_table

NAME = "go"

#: Name of a relation in the ontology -> its type in the graph.
RELATIONS = {
    "is_a": "IS_A",
    "part_of": "PART_OF",
    "regulates": "REGULATES",
    "positively_regulates": "POSITIVELY_REGULATES",
    "negatively_regulates": "NEGATIVELY_REGULATES",
}


def provenance() -> Provenance:
    """Return where the bundled ontology came from."""
    return manifest_provenance(NAME)


def read() -> SourceTables:
    """Return ``Term`` nodes and the five relations between them, child to parent."""
    terms = read_table(NAME, "terms").select(["id", "name", "namespace", "definition"])
    links = read_table(NAME, "relations")
    relations = {}
    for name, kind in RELATIONS.items():
        rows = links.filter(pc.field("relation") == name).select(["child", "parent"])
        relations[kind] = with_constant(rows.rename_columns(["from", "to"]), "source", NAME)
    return SourceTables({"Term": with_constant(terms, "source", NAME)}, relations, provenance())
