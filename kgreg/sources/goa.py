"""Direct Gene Ontology annotations of human genes, with evidence codes (http://geneontology.org/docs/guide-go-evidence-codes)."""

from __future__ import annotations

from kgreg.sources.base import Provenance, SourceTables, with_constant
from kgreg.sources.snapshot import manifest_provenance, read_table

NAME = "goa_human"


def provenance() -> Provenance:
    """Return where the bundled annotations came from."""
    return manifest_provenance(NAME)


def read() -> SourceTables:
    """Return ``ANNOTATED_TO`` from genes to terms; nothing is propagated to ancestors."""
    annotations = read_table(NAME, "annotations").select(["gene", "term", "evidence"])
    annotations = with_constant(annotations.rename_columns(["from", "to", "evidence"]), "source", NAME)
    return SourceTables({}, {"ANNOTATED_TO": annotations}, provenance())
