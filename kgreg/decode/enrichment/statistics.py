"""Tests of gene sets against a ranking of genes, all sets at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

#: Random gene sets of every size that the running sum is normalised by.
DRAWS = 200

#: Sizes that random sets are drawn of; what lies between is interpolated.
_SIZES = 32


class Overlap(NamedTuple):
    """Sets against the best genes: ``overlap`` (genes in both), ``expected`` (by chance), ``p``; ``[..., n_sets]``."""

    overlap: NDArray[np.int64]
    expected: NDArray[np.float64]
    p: NDArray[np.float64]


class RankSum(NamedTuple):
    """Sets against all genes: ``auc`` (chance that a gene in the set ranks above one outside it), ``z``, ``p``."""

    auc: NDArray[np.float64]
    z: NDArray[np.float64]
    p: NDArray[np.float64]


class RunningSum(NamedTuple):
    """``score``: where the running sum lies farthest from 0, ``[n_sets]``; ``peak``: at which place of the order."""

    score: NDArray[np.float64]
    peak: NDArray[np.int64]


def hypergeometric(members: sparse.csr_array, chosen: NDArray[np.bool_]) -> Overlap:
    """Return how likely at least so many genes of a set are among the chosen by chance.

    The p-value is the upper tail of the hypergeometric distribution: Fisher's exact test, one-sided.

    Parameters
    ----------
    members
        ``[n_sets, n_genes]``, 1 where a gene is in a set; the genes are the background.
    chosen
        ``[n_genes]`` or ``[..., n_genes]``: which genes are the best.
    """
    total = chosen.shape[-1]
    picked = chosen.sum(axis=-1, keepdims=True)
    sizes = _sizes(members)
    flat = chosen.reshape(-1, total).astype(np.int64)
    overlap = np.asarray((members @ flat.T).T).reshape(*chosen.shape[:-1], len(sizes)).astype(np.int64)
    p = stats.hypergeom.sf(overlap - 1, total, sizes, picked)
    return Overlap(overlap, sizes * picked / total, p)


def rank_sum(members: sparse.csr_array, values: NDArray[np.float64]) -> RankSum:
    """Return the rank-sum test of Wilcoxon (1945), Mann and Whitney (1947) for every set, one-sided.

    Normal approximation with ties and the continuity correction. In the tail it errs on the safe side for small sets.

    Parameters
    ----------
    members
        ``[n_sets, n_genes]``.
    values
        ``[n_genes]`` or ``[..., n_genes]``, larger is better. Where all are the same, and for sets of none or all
        genes, nothing can be said: p is 1 and z 0.
    """
    total = values.shape[-1]
    sizes = _sizes(members)
    flat = values.reshape(-1, total)
    ranks = stats.rankdata(flat, axis=1)
    above = np.asarray((members @ ranks.T).T) - sizes * (sizes + 1) / 2
    pairs = sizes * (total - sizes)
    ties = np.array([_ties(row) for row in flat])[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt(pairs / 12 * (total + 1 - ties / (total * (total - 1))))
        z = np.where(spread > 0, (above - pairs / 2 - 0.5) / spread, 0.0)
        auc = np.where(pairs > 0, above / pairs, np.nan)
    p = np.where(spread > 0, stats.norm.sf(z), 1.0)
    shape = (*values.shape[:-1], len(sizes))
    return RankSum(auc.reshape(shape), z.reshape(shape), p.reshape(shape))


def running_sum(members: sparse.csr_array, values: NDArray[np.float64]) -> RunningSum:
    """Return the enrichment score of Subramanian et al. (2005) for every set.

    Down the genes, the largest value first, the sum rises at a gene of the set by its share of the set's values (their
    sizes) and falls at every other by one over their number.

    Parameters
    ----------
    members
        ``[n_sets, n_genes]``.
    values
        ``[n_genes]``; ties are taken in the order of the genes.

    Returns
    -------
    RunningSum
        0 for sets of none or all genes. ``peak`` is the number of genes down to the peak, where it lies above 0, and
        before the trough, where that is farther from 0.
    """
    order = np.argsort(-values, kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    rows = sparse.csr_array(members)
    sizes = np.diff(rows.indptr).astype(np.int64)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    placed = place[rows.indices]
    by_place = np.lexsort((placed, owner))
    placed = placed[by_place]
    weight = np.abs(values)[order][placed]
    return _running_sums(placed, weight, sizes, len(values))


def normalised(
    score: NDArray[np.float64], sizes: NDArray[np.int64], values: NDArray[np.float64], seed: int = 0
) -> NDArray[np.float64]:
    """Return enrichment scores over the mean of random gene sets of the same size and sign.

    Parameters
    ----------
    score, sizes
        ``[n_sets]``, see :func:`running_sum`.
    values
        ``[n_genes]``, which the scores were made of.
    seed
        Of the :data:`DRAWS` random sets of each of some sizes; between these the mean is interpolated.
    """
    total = len(values)
    usable = sizes[(sizes > 0) & (sizes < total)]
    if not len(usable):
        return np.zeros(len(score))
    grid = np.unique(usable)
    if len(grid) > _SIZES:
        grid = np.unique(np.geomspace(grid[0], grid[-1], _SIZES).round().astype(np.int64))
    rng = np.random.default_rng(seed)
    places = rng.permuted(np.tile(np.arange(total), (DRAWS, 1)), axis=1)
    weight = np.abs(np.sort(values)[::-1])
    means = np.zeros((2, len(grid)))
    for i, size in enumerate(grid):
        placed = np.sort(places[:, :size], axis=1).ravel()
        drawn = _running_sums(placed, weight[placed], np.full(DRAWS, size), total).score
        for side, mine in enumerate((drawn > 0, drawn < 0)):
            means[side, i] = np.abs(drawn[mine]).mean() if mine.any() else np.nan
    each = [np.interp(np.log(np.maximum(sizes, 1)), np.log(grid), row) for row in means]
    with np.errstate(invalid="ignore", divide="ignore"):
        found: NDArray[np.float64] = score / np.where(score >= 0, *each)
    return found


def _running_sums(
    placed: NDArray[np.int64], weight: NDArray[np.float64], sizes: NDArray[np.int64], total: int
) -> RunningSum:
    """Return the running sums of sets whose genes lie at ``placed`` (rising within a set, one set after the other)."""
    start = np.concatenate([[0], np.cumsum(sizes)])
    owner = np.repeat(np.arange(len(sizes)), sizes)
    whole = np.bincount(owner, weight, len(sizes))
    # Genes that all have the value 0 weigh alike.
    share = np.where(whole[owner] > 0, weight / np.where(whole > 0, whole, 1.0)[owner], 1 / sizes[owner])
    risen = np.cumsum(share)
    risen -= np.concatenate([[0.0], risen])[start[:-1]][owner]
    nth = np.arange(len(placed)) - start[:-1][owner]
    missed = (placed - nth) / np.maximum(total - sizes, 1)[owner]
    after, before = risen - missed, risen - share - missed
    score, peak = np.zeros(len(sizes)), np.zeros(len(sizes), dtype=np.int64)
    mine = np.flatnonzero((sizes > 0) & (sizes < total))
    if len(mine):
        # Every set that has genes begins where the one before it, if that has any, ends.
        filled = np.flatnonzero(sizes > 0)
        top, low = np.zeros(len(sizes)), np.zeros(len(sizes))
        top[filled] = np.maximum.reduceat(after, start[:-1][filled])
        low[filled] = np.minimum.reduceat(before, start[:-1][filled])
        upward = top >= -low
        score[mine] = np.where(upward, top, low)[mine]
        at = np.where(upward[owner], after == top[owner], before == low[owner])
        first = np.flatnonzero(at)[::-1]
        peak[owner[first]] = placed[first] + upward[owner[first]]
    return RunningSum(score, peak)


def _sizes(members: sparse.csr_array) -> NDArray[np.int64]:
    return np.asarray(members.sum(axis=1)).astype(np.int64)


def _ties(values: NDArray[np.float64]) -> float:
    """Return the sum of ``t^3 - t`` over groups of ``t`` equal values."""
    counts = np.unique(values, return_counts=True)[1].astype(float)
    return float((counts**3 - counts).sum())
