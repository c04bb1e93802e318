"""Enrichment of terms in a hierarchy by goatools, which knows that a term holds what is below it."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse import csgraph

from kgreg.decode.enrichment.gene_sets import GeneSets
from kgreg.errors import DataError, some
from kgreg.optional import need


def go_study(sets: GeneSets, genes: list[str], top: int, *, eliminate: bool = False) -> dict[str, float]:
    """Return p of every term by ``GOEnrichmentStudy`` of goatools, one-sided.

    Parameters
    ----------
    sets
        With a hierarchy.
    genes
        All genes that were ranked, best first: the population.
    top
        How many of them are the study.
    eliminate
        Use its algorithm "elim" (Alexa, Rahnenfuehrer and Lengauer 2006): the genes of a term with p <= 0.01 are
        taken out of the terms above it. Such p-values are not independent; adjusting them errs on the safe side.

    Raises
    ------
    DataError
        If the sets have no hierarchy, or it has a cycle, in which goatools would recurse without end.
    MissingPackageError
        If goatools is not installed.
    """
    if sets.hierarchy.empty:
        raise DataError(
            f"The gene sets '{sets.collection}' have no hierarchy, which goatools needs.",
            "Use the method hypergeometric, or rank.",
        )
    need("goatools", "enrich")
    from goatools.go_enrichment import GOEnrichmentStudy

    terms = _terms(sets)
    members = sets.over(genes)
    names = sets.sets["set"].to_numpy()
    of_gene = sparse.csc_array(members)
    annotated = {
        gene: set(names[of_gene.indices[of_gene.indptr[i] : of_gene.indptr[i + 1]]])
        for i, gene in enumerate(genes)
        if of_gene.indptr[i] < of_gene.indptr[i + 1]
    }
    # It would print its progress, and warn of adjusted p-values, on standard output.
    log = logging.getLogger("goatools")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        study = GOEnrichmentStudy(
            genes, annotated, terms, propagate_counts=True, methods=["fdr_bh"], log=None, alternative="greater",
            **({"algorithm": "elim"} if eliminate else {}),
        )  # fmt: skip
        found = study.run_study(genes[:top], prt=None)
    finally:
        log.setLevel(level)
    return {record.GO: float(record.p_uncorrected) for record in found}


def _terms(sets: GeneSets) -> dict[str, Any]:
    """Return the terms as objects of goatools; every link of the hierarchy leads from a term to a parent."""
    from goatools.obo_parser import GOTerm

    _refuse_cycles(sets)
    terms = {}
    for name, label in zip(sets.sets["set"], sets.sets["label"], strict=True):
        term = GOTerm()
        term.id = term.item_id = name
        term.name = label
        terms[name] = term
    for child, parent in zip(sets.hierarchy["child"], sets.hierarchy["parent"], strict=True):
        terms[child].parents.add(terms[parent])
        terms[parent].children.add(terms[child])
    return terms


def _refuse_cycles(sets: GeneSets) -> None:
    ids = pd.Index(sets.sets["set"])
    ends = [ids.get_indexer(pd.Index(sets.hierarchy[end])) for end in ("child", "parent")]
    links = sparse.coo_array((np.ones(len(ends[0])), (ends[0], ends[1])), shape=(len(ids), len(ids)))
    count, component = csgraph.connected_components(links.tocsr(), directed=True, connection="strong")
    itself = ends[0] == ends[1]
    if count < len(ids) or itself.any():
        shared = np.flatnonzero(np.bincount(component)[component] > 1)
        through = some(ids[shared] if len(shared) else ids[ends[0][itself]])
        raise DataError(
            f"The hierarchy of '{sets.collection}' has a cycle through {through}.",
            "Correct the source, or use the method hypergeometric.",
        )
