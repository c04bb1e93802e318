"""Interactions between genes (STRING, shared pathways, a table of one's own) -> :class:`Blueprint`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from kgreg.blueprint.compiler import one_feature_a_gene
from kgreg.blueprint.model import DROPPED_COLUMNS, EDGE_COLUMNS, OUTPUT_COLUMNS, Blueprint
from kgreg.errors import BlueprintError, some


def clean_interactions(table: pd.DataFrame, genes: pd.Index, min_weight: float = 0.0) -> tuple[pd.DataFrame, list[Any]]:
    """Return undirected interactions between ``genes``, every pair once, and what was left out.

    Pairs that are listed in both directions, or more than once, become one with the largest of their weights: tables
    of undirected links are often written with one direction for some pairs and both for others. Self-interactions,
    pairs with another gene and weights that are 0 or below ``min_weight`` are left out and counted.

    Parameters
    ----------
    table
        Columns ``source``, ``target`` and, optionally, ``weight`` (default 1) and ``relation``.
    genes
        Ids of the genes there are.

    Returns
    -------
    interactions, dropped
        ``source, target, relation, weight``, and rows ``step, kind, id, label, reason`` of ``Blueprint.dropped``.

    Raises
    ------
    BlueprintError
        If a weight is negative or not a number, or nothing is left.
    """
    table = table.reset_index(drop=True)
    weight = pd.to_numeric(table["weight"], errors="coerce") if "weight" in table else pd.Series(1.0, table.index)
    relation = table["relation"].astype(str) if "relation" in table else pd.Series("interacts_with", table.index)
    wrong = ~np.isfinite(weight.to_numpy(dtype=float)) | (weight < 0)
    if wrong.any():
        rows = [f"{r.source} - {r.target}, row {i + 1}" for i, r in table[wrong].head(4).iterrows()]  # type: ignore[operator]
        raise BlueprintError(
            f"{int(wrong.sum())} interactions have a weight that is negative or no number: {some(rows)}.",
            "A Laplacian needs weights of 0 or more. Leave such rows out, or take their absolute value.",
        )
    place = pd.Series(np.arange(len(genes)), index=genes)
    one, two = (place.reindex(table[end].astype(str)).to_numpy(dtype=float) for end in ("source", "target"))
    known = np.isfinite(one) & np.isfinite(two)
    itself = known & (one == two)
    weak = known & ~itself & ((weight.to_numpy() <= 0) | (weight.to_numpy() < min_weight))
    used = known & ~itself & ~weak
    low, high = np.minimum(one[used], two[used]).astype(int), np.maximum(one[used], two[used]).astype(int)
    found = pd.DataFrame(
        {"low": low, "high": high, "weight": weight[used].to_numpy(), "relation": relation[used].to_numpy()}
    )
    found = found.sort_values(["low", "high", "weight"], ascending=[True, True, False], kind="stable")
    pairs = found.drop_duplicates(["low", "high"])
    if pairs.empty:
        raise BlueprintError(
            f"None of the {len(table)} interactions joins two of the {len(genes)} genes of the data"
            + (f" with a weight of at least {min_weight}." if min_weight else "."),
            "Check that both name genes alike, or lower min_weight.",
        )
    reasons = {
        "another gene than those of the data": int((~known).sum()),
        "of a gene with itself": int(itself.sum()),
        f"weight 0 or below {min_weight:g}": int(weak.sum()),
        "listed again (the largest weight was kept)": len(found) - len(pairs),
    }
    dropped = [("interactions", "interactions", f"{n} rows", "", reason) for reason, n in reasons.items() if n]
    ids = genes.to_numpy()
    interactions = pd.DataFrame(
        {
            "source": ids[pairs["low"].to_numpy()],
            "target": ids[pairs["high"].to_numpy()],
            "relation": pairs["relation"].to_numpy(),
            "weight": pairs["weight"].to_numpy(dtype=float),
        }
    )
    return interactions, dropped


def compile_interactions(
    table: pd.DataFrame,
    features: pd.DataFrame,
    *,
    min_weight: float = 0.0,
    isolated: bool = True,
    source: str = "interactions",
    provenance: Mapping[str, Any] | None = None,
) -> Blueprint:
    """Compile interactions into a blueprint of genes without terms: what graph networks and Laplacians work on.

    Parameters
    ----------
    table
        See :func:`clean_interactions`.
    features
        ``feature``, ``gene`` and, optionally, ``label`` and ``modality``; see
        :func:`kgreg.blueprint.compile_hierarchy`.
    isolated
        Whether genes without an interaction stay.

    Raises
    ------
    BlueprintError
        See :func:`clean_interactions`.
    """
    inputs = one_feature_a_gene(features)
    genes = inputs.drop_duplicates("gene")
    interactions, dropped = clean_interactions(table, pd.Index(genes["gene"].astype(str)), min_weight)
    linked = genes["gene"].isin({*interactions["source"], *interactions["target"]})
    labels = genes["label" if "label" in genes else "feature"]
    if not isolated:
        dropped += [
            ("genes", "gene", gene, label, "no interaction with another gene of the data")
            for gene, label in zip(genes.loc[~linked, "gene"], labels[~linked], strict=True)
        ]
        genes, labels = genes[linked], labels[linked]
        inputs = inputs[inputs["gene"].isin(genes["gene"])]
    graph = {**_shape(interactions, genes["gene"].tolist()), "isolated_genes": int((~linked).sum()) if isolated else 0}
    options = {"min_weight": min_weight, "isolated": isolated}
    record = dict(provenance or {})
    record["compiled"] = [*record.get("compiled", []), {**options, "graph": graph}]
    return Blueprint(
        nodes=pd.DataFrame(
            {
                "id": genes["gene"].to_numpy(),
                "kind": "gene",
                "label": labels.to_numpy(),
                "level": 0,
                "width": 1,
                "source": source,
            }
        ),
        edges=pd.DataFrame(columns=list(EDGE_COLUMNS), dtype=str),
        inputs=inputs.rename(columns={"gene": "node"}),
        outputs=pd.DataFrame(columns=list(OUTPUT_COLUMNS), dtype=str),
        provenance=record,
        dropped=pd.DataFrame(dropped, columns=list(DROPPED_COLUMNS)),
        interactions=interactions,
    )


def shared_membership(members: pd.DataFrame, max_genes: int) -> pd.DataFrame:
    """Return the pairs of genes that stand in the same sets, with in how many as weight.

    Parameters
    ----------
    members
        Columns ``gene`` and ``term``.
    max_genes
        Sets with more genes are left out: they join everything with everything.

    Returns
    -------
    DataFrame
        ``source, target, weight``, every pair once.
    """
    distinct = members[["gene", "term"]].drop_duplicates()
    size = distinct.groupby("term")["gene"].transform("size")
    distinct = distinct[(size <= max_genes) & (size > 1)]
    gene, genes = pd.factorize(distinct["gene"], sort=True)
    term, _ = pd.factorize(distinct["term"])
    matrix = sparse.csr_matrix((np.ones(len(gene)), (gene, term)))
    pairs = sparse.triu(matrix @ matrix.T, k=1).tocoo()
    names = np.asarray(genes, dtype=object)
    return pd.DataFrame({"source": names[pairs.row], "target": names[pairs.col], "weight": pairs.data})


def _shape(interactions: pd.DataFrame, genes: list[str]) -> dict[str, int]:
    """Return what a report says of the graph: connected parts and the size of the largest."""
    place = {gene: i for i, gene in enumerate(genes)}
    ends = [interactions[end].map(place).to_numpy() for end in ("source", "target")]
    graph = sparse.csr_matrix((np.ones(len(interactions)), ends), shape=(len(genes), len(genes)))
    n, member = sparse.csgraph.connected_components(graph, directed=False)
    return {"connected_parts": int(n), "largest_part": int(np.bincount(member).max())}
