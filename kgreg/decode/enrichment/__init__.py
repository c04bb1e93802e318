"""Enrichment of the ranked genes in gene sets."""

from kgreg.decode.enrichment.gene_sets import COLLECTIONS, GeneSets, genes_in_store, read_gene_sets
from kgreg.decode.enrichment.table import METHODS, enrich

__all__ = ["COLLECTIONS", "METHODS", "GeneSets", "enrich", "genes_in_store", "read_gene_sets"]
