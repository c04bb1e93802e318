"""The genes that a virtual knockout perturbs, held against gene sets."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd

from kgreg.blueprint.model import EDGE_COLUMNS, INPUT_COLUMNS, OUTPUT_COLUMNS, Blueprint
from kgreg.decode.enrichment import GeneSets, enrich, genes_in_store, is_gmt, read_gene_sets
from kgreg.decode.tenifold import TenifoldResult
from kgreg.progress import Progress, no_progress
from kgreg.store import open_store

#: How the null of an enrichment is called here: knockouts of random genes of like expression.
RANDOM = "random knockouts"


def read_sets(genes: Sequence[str], names: Sequence[str], store: Path | str | None = None) -> list[GeneSets]:
    """Read collections over the genes of some cells.

    Parameters
    ----------
    names
        See :func:`kgreg.decode.enrichment.read_gene_sets`; "network" is none here.
    store
        Where collections are asked for that are no GMT file.

    Raises
    ------
    KgregError
        If there is no such collection, or none of its sets holds one of the genes.
    """
    nodes = pd.DataFrame({"id": genes, "kind": "gene", "label": genes, "level": 0, "width": 1, "source": "cells"})
    blueprint = Blueprint(
        nodes,
        pd.DataFrame(columns=list(EDGE_COLUMNS)),
        pd.DataFrame(columns=list(INPUT_COLUMNS)),
        pd.DataFrame(columns=list(OUTPUT_COLUMNS)),
    )
    found = []
    with ExitStack() as stack:
        opened = known = None
        for name in names:
            if opened is None and not is_gmt(name):
                opened = stack.enter_context(open_store(store))
                known = genes_in_store(blueprint, opened)
            found.append(read_gene_sets(name, blueprint, opened, known))
    return found


def enrich_perturbed(
    result: TenifoldResult, collections: Sequence[GeneSets], progress: Progress = no_progress
) -> pd.DataFrame:
    """Test which gene sets hold more of the perturbed genes than chance gives them.

    The genes that were knocked out are left out; the background are the other genes of the network. ``p_null`` compares
    a set with what it is in knockouts of random genes in the same networks.

    Parameters
    ----------
    collections
        From :func:`read_sets`.

    Returns
    -------
    DataFrame
        See :func:`kgreg.decode.enrichment.enrich`; ``output`` is the knockout, ``null`` "random knockouts" or "none",
        and there is no ``p_rewired``.
    """
    frames = []
    for done, (name, rows) in enumerate(result.table.groupby("knockout", sort=False)):
        progress(f"gene sets, {name}", done / result.table["knockout"].nunique())
        own = rows[~rows["knocked"]]
        ranking = pd.DataFrame(
            {
                "node": own["gene"],
                "label": own["gene"],
                "kind": "gene",
                "output": name,
                "score": own["fold_change"],
                "z": np.nan,
                "null": "none",
                "rank": np.arange(1, len(own) + 1),
                "n": own["n"],
                "seed": own["seed"],
            }
        )
        scores = [_scores(result, "graph", r, values, name) for r, values in enumerate(result.replicates[str(name)])]
        scores += [_scores(result, f"rewired-{k}", 0, values, name) for k, values in enumerate(result.null[str(name)])]
        frames.append(enrich(ranking, collections, node_scores=pd.concat(scores, ignore_index=True)))
    table = pd.concat(frames, ignore_index=True).drop(columns="p_rewired")
    table["null"] = table["null"].replace("rewired", RANDOM)
    return table


def _scores(result: TenifoldResult, arm: str, replicate: int, values: np.ndarray, name: object) -> pd.DataFrame:
    return pd.DataFrame(
        {"node": result.genes, "output": name, "arm": arm, "fold": 0, "replicate": replicate, "score": values}
    )
