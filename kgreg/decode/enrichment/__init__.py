"""Enrichment of the ranked genes in gene sets."""

from kgreg.decode.enrichment.gene_sets import GeneSets, genes_in_store, is_gmt, read_gene_sets
from kgreg.decode.enrichment.table import METHODS, enrich

__all__ = ["METHODS", "GeneSets", "enrich", "genes_in_store", "is_gmt", "read_gene_sets"]
