"""Human genes of NCBI Gene with their synonyms and UniProt accessions."""

from __future__ import annotations

import pyarrow as pa

from kgreg.sources.base import Provenance, SourceTables, with_constant
from kgreg.sources.snapshot import manifest_provenance, read_table

NAME = "genes_human"
SPECIES = "Homo sapiens"


def provenance() -> Provenance:
    """Return where the bundled genes came from."""
    return manifest_provenance(NAME)


def read() -> SourceTables:
    """Return ``Gene``, ``Alias`` and ``Protein`` nodes with ``ALIAS_OF`` and ``ENCODES``.

    An alias that several genes share is one node with several relations.
    """
    genes = with_constant(read_table(NAME, "genes").select(["id", "symbol", "name", "type"]), "species", SPECIES)
    aliases = read_table(NAME, "aliases")
    proteins = read_table(NAME, "proteins")
    nodes = {
        "Gene": genes,
        "Alias": pa.table({"id": aliases["alias"].unique()}),
        "Protein": pa.table({"id": proteins["uniprot"].unique()}),
    }
    relations = {
        "ALIAS_OF": aliases.select(["alias", "gene"]).rename_columns(["from", "to"]),
        "ENCODES": proteins.select(["gene", "uniprot"]).rename_columns(["from", "to"]),
    }
    return SourceTables(
        {label: with_constant(table, "source", NAME) for label, table in nodes.items()},
        {kind: with_constant(table, "source", NAME) for kind, table in relations.items()},
        provenance(),
    )
