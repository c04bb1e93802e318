"""Gene sets of a run: which collections its ranked genes are held against, and where they are read."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack

import pandas as pd

from kgreg.blueprint import Blueprint
from kgreg.decode.enrichment import GeneSets, enrich, genes_in_store, is_gmt, read_gene_sets
from kgreg.errors import StoreError
from kgreg.experiment import Experiment
from kgreg.progress import Progress, no_progress
from kgreg.runs.knowledge import open_knowledge
from kgreg.store.queries import find_query

log = logging.getLogger(__name__)

#: Guide -> what its runs are enriched in unless ``[decode] enrichment`` says otherwise: other sets than guided them.
OTHER_SETS = {"go": "reactome", "reactome": "go"}


def read_collections(
    experiment: Experiment, blueprint: Blueprint, names: Sequence[str], progress: Progress = no_progress
) -> list[GeneSets]:
    """Read collections of gene sets over the genes of a network; the store is opened once, if any is in it.

    Raises
    ------
    KgregError
        See :func:`kgreg.decode.enrichment.read_gene_sets`; if the store cannot be opened.
    """
    found = []
    with ExitStack() as stack:
        store = genes = None
        for done, name in enumerate(names):
            progress(f"reading gene sets: {name}", done / len(names))
            if store is None and name != "network" and not is_gmt(name):
                store = stack.enter_context(open_knowledge(experiment))
                genes = genes_in_store(blueprint, store)
            found.append(read_gene_sets(name, blueprint, store, genes))
    return found


def default_collections(experiment: Experiment) -> list[str]:
    """Return what ``[decode] enrichment`` asks for, or what is other than the guide."""
    asked = experiment.decode.enrichment
    if asked is not None:
        return asked
    return [OTHER_SETS[experiment.knowledge.guide]] if experiment.knowledge.guide in OTHER_SETS else []


def check_gene_sets(experiment: Experiment, blueprint: Blueprint) -> None:
    """Read the files of gene sets that ``[decode] enrichment`` names, so that what is wrong with them is told at once.

    Raises
    ------
    KgregError
        If one is missing or malformed, or holds no gene of the network.
    """
    for name in experiment.decode.enrichment or []:
        if is_gmt(name):
            read_gene_sets(name, blueprint)
        elif name.endswith(".cypher"):
            find_query(name)


def enrichment_table(
    experiment: Experiment,
    blueprint: Blueprint,
    ranking: pd.DataFrame,
    node_scores: pd.DataFrame,
    progress: Progress = no_progress,
) -> pd.DataFrame:
    """Return the enrichment of a run in the collections that its experiment asks for; empty if it asks for none.

    A store that is asked only by default, and is not there, costs the table and not the run.
    """
    names = default_collections(experiment)
    if not names or not (ranking["kind"] == "gene").any():
        return pd.DataFrame()
    try:
        collections = read_collections(experiment, blueprint, names, lambda text, share: progress(text, 0.3 * share))
    except StoreError as error:
        if experiment.decode.enrichment is not None:
            raise
        log.warning("The ranked genes were not held against gene sets: %s", error.message)
        return pd.DataFrame()
    return enrich(
        ranking, collections, node_scores=node_scores, progress=lambda text, share: progress(text, 0.3 + 0.7 * share)
    )
