"""Subsystems that are nearly the same set of genes: one of them stands for the others in a list."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from kgreg.blueprint.model import Blueprint
from kgreg.errors import DataError

#: From this Jaccard index on two terms count as near copies, unless another is asked for.
JACCARD = 0.5

#: Nodes that are sets of genes. A protein of a signalling network is not, though genes lie below it.
_SETS = "term"

#: Pairs of sets are compared in blocks of this many rows, which bounds the memory.
_BLOCK = 512


def gene_membership(blueprint: Blueprint) -> tuple[list[str], sparse.csr_array]:
    """Return the terms of a blueprint and the genes at and below each.

    Returns
    -------
    terms
        Ids, in the order of the blueprint's nodes.
    members
        ``[n_terms, n_genes]``, 1 where a gene (in the order of ``blueprint.genes``) is in the term.
    """
    chosen = set(blueprint.nodes.loc[blueprint.nodes["kind"] == _SETS, "id"])
    sets = {node: genes for node, genes in blueprint.gene_sets().items() if node in chosen} if chosen else {}
    place = {gene: i for i, gene in enumerate(blueprint.genes["id"])}
    columns = [np.sort([place[gene] for gene in genes]) for genes in sets.values()]
    return list(sets), _matrix(columns, len(place))


def alike_sets(members: sparse.csr_array, threshold: float) -> sparse.csr_array:
    """Return which sets have a Jaccard index of at least ``threshold``.

    Parameters
    ----------
    members
        ``[n_sets, n_genes]``, 1 where a gene is in a set.
    threshold
        In (0, 1]. The Jaccard index of two sets is the size of their intersection over that of their union.

    Returns
    -------
    csr_array
        ``[n_sets, n_sets]`` of booleans, symmetric. An empty set is like no other.

    Raises
    ------
    DataError
        If the threshold is not in (0, 1].
    """
    if not 0 < threshold <= 1:
        raise DataError(f"A Jaccard index lies in (0, 1]; the threshold is {threshold}.", "Set [decode] jaccard.")
    counted = sparse.csr_array(members, dtype=np.int32)
    sizes = np.asarray(counted.sum(axis=1))
    flipped = counted.T.tocsr()
    blocks = []
    for start in range(0, counted.shape[0], _BLOCK):
        shared = (counted[start : start + _BLOCK] @ flipped).tocoo()
        union = sizes[start + shared.row] + sizes[shared.col] - shared.data
        # |A and B| >= t |A or B|, without a division that would round 1/2 of large sets away.
        kept = shared.data >= threshold * union - 1e-9
        place = (shared.row[kept], shared.col[kept])
        blocks.append(sparse.coo_array((np.ones(int(kept.sum()), dtype=bool), place), shape=shared.shape))
    if not blocks:
        return sparse.csr_array((0, 0), dtype=bool)
    return sparse.vstack(blocks, format="csr")


def representatives(alike: sparse.csr_array, order: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return for every set the one that stands for it.

    Going down ``order``, a set joins the best set before it that it is like and that stands for itself; if there is
    none, it stands for itself. So no two representatives are alike, and every set is like its own.

    Parameters
    ----------
    alike
        From :func:`alike_sets`.
    order
        Positions of the sets, best first.

    Returns
    -------
    ndarray
        ``[n_sets]`` positions; of sets that ``order`` leaves out, their own.
    """
    lead = np.arange(alike.shape[0])
    place = np.full(alike.shape[0], alike.shape[0])
    place[order] = np.arange(len(order))
    leads = np.zeros(alike.shape[0], dtype=bool)
    for one in order:
        like = alike.indices[alike.indptr[one] : alike.indptr[one + 1]]
        like = like[leads[like]]
        if len(like):
            lead[one] = like[np.argmin(place[like])]
        else:
            leads[one] = True
    return lead


def with_leads(ranking: pd.DataFrame, blueprint: Blueprint, threshold: float) -> pd.DataFrame:
    """Return a ranking with the column ``lead``: the node that stands for a node among near copies of it.

    Parameters
    ----------
    ranking
        With the columns ``node, output, rank``; see :func:`kgreg.decode.explain`.
    blueprint
        The network; its terms are compared by the genes at and below them. Other nodes (genes, motifs, proteins of
        signalling networks) stand for themselves.
    threshold
        Jaccard index from which two terms count as alike, see :func:`alike_sets`.
    """
    lead = ranking["node"].to_numpy(dtype=object, copy=True)
    terms, members = gene_membership(blueprint)
    if terms:
        alike = alike_sets(members, threshold)
        ids = np.array(terms, dtype=object)
        position = pd.Index(terms)
        for rows in ranking.groupby("output", sort=False).indices.values():
            places = position.get_indexer(pd.Index(ranking["node"].iloc[rows]))
            mine = rows[places >= 0]
            own = places[places >= 0]
            rank = ranking["rank"].iloc[mine].to_numpy(dtype=float, na_value=np.inf)
            stands = representatives(alike, own[np.argsort(rank, kind="stable")])
            lead[mine] = ids[stands[own]]
    return ranking.assign(lead=lead)


def _matrix(columns: list[NDArray[np.intp]], n_genes: int) -> sparse.csr_array:
    start = np.concatenate([[0], np.cumsum([len(column) for column in columns])]).astype(np.int64)
    index = np.concatenate(columns).astype(np.int64) if columns else np.zeros(0, dtype=np.int64)
    return sparse.csr_array((np.ones(len(index), dtype=np.int32), index, start), shape=(len(columns), n_genes))
