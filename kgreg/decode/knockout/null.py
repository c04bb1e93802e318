"""Random genes that are expressed alike: what a knockout is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kgreg.decode.knockout.genes import InputGenes
from kgreg.fit.crossval import CrossValidation

Index = NDArray[np.int64]
Floats = NDArray[np.float64]

_MOST_BINS = 10


@dataclass(frozen=True)
class MatchedSets:
    """Random sets of genes, and which of them a knockout is compared with.

    ``sets``: genes by number, each set once; ``of[k]``: positions in ``sets``, for knockout k.
    """

    sets: list[tuple[int, ...]]
    of: list[Index]


def expression_bins(result: CrossValidation, genes: InputGenes, least: int) -> Index:
    """Number the bins of genes that are expressed alike in the training samples, ``[G]``.

    Genes are cut into up to 10 bins of equal size by their mean value, and a bin into two halves by the share of
    samples in which they are not 0, as long as a bin holds ``least`` genes. Of a gene with several inputs both are
    means over these.
    """
    train = np.unique(np.concatenate([split.train for split in result.splits]))
    x = result.samples.columns(result.blueprint.inputs)[train]
    of_input, share = x.mean(axis=0, dtype=np.float64), (x != 0).mean(axis=0)
    mean = np.array([of_input[at].mean() for at in genes.positions])
    detected = np.array([share[at].mean() for at in genes.positions])
    bins = np.empty(len(genes), dtype=np.int64)
    number = 0
    n_bins = int(np.clip(len(genes) // max(least, 1), 1, _MOST_BINS))
    for members in np.array_split(np.lexsort((detected, mean)), n_bins):
        halves = 2 if len(members) >= 2 * least else 1
        for half in np.array_split(members[np.argsort(detected[members], kind="stable")], halves):
            bins[half] = number
            number += 1
    return bins


def draw_matched(knockouts: Sequence[Sequence[int]], bins: Index, n: int, seed: int) -> MatchedSets:
    """Draw for every knockout up to ``n`` sets of other genes, each from the bins of the knockout's own genes.

    Single genes of a bin share one draw. No set holds a gene twice or a gene of the knockout; where the bins have too
    few other genes for a set, fewer sets are drawn, or none.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 6]))
    members = [np.flatnonzero(bins == b) for b in range(int(bins.max(initial=-1)) + 1)]
    pools = [rng.permutation(own)[: n + 1] for own in members]
    place: dict[tuple[int, ...], int] = {}
    found: list[Index] = []
    for knockout in knockouts:
        own = _draw_sets(knockout, bins, members, n, seed)
        if len(knockout) == 1:
            own += [(int(g),) for g in pools[bins[knockout[0]]] if g != knockout[0]][:n]
        found.append(np.array([place.setdefault(one, len(place)) for one in own], dtype=np.int64))
    return MatchedSets(list(place), found)


def _draw_sets(knockout: Sequence[int], bins: Index, members: list[Index], n: int, seed: int) -> list[tuple[int, ...]]:
    if len(knockout) < 2:
        return []
    wanted = np.bincount(bins[list(knockout)], minlength=len(members))
    others = [np.setdiff1d(own, knockout) for own in members]
    if any(len(own) < count for own, count in zip(others, wanted, strict=True)):
        return []
    rng = np.random.default_rng(np.random.SeedSequence([seed, 7, *sorted(knockout)]))  # whatever else is asked for
    sets: dict[tuple[int, ...], None] = {}
    for _ in range(n):
        parts = [rng.choice(own, count, replace=False) for own, count in zip(others, wanted, strict=True) if count]
        sets[tuple(sorted(int(g) for g in np.concatenate(parts)))] = None
    return list(sets)


def empirical_p(effect: Floats, null: Floats) -> Floats:
    """Return ``(1 + number of null effects as large) / (1 + n)`` of effects ``[...]`` and ``null [n, ...]``, two-sided.

    NaN where there is no null, or no effect.
    """
    if not len(null):
        return np.full(effect.shape, np.nan)
    larger = (np.abs(null) >= np.abs(effect)[None]).sum(axis=0)
    p: Floats = np.where(np.isfinite(effect), (1 + larger) / (1 + len(null)), np.nan)
    return p


def q_values(p: Floats) -> Floats:
    """Return Benjamini-Hochberg q over the first axis of ``p [K, m]``, every column by itself; NaN stays NaN."""
    known = np.isfinite(p)
    n = known.sum(axis=0)
    order = np.argsort(np.where(known, p, np.inf), axis=0, kind="stable")
    ordered = np.take_along_axis(np.where(known, p, np.inf), order, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = ordered * n / np.arange(1, len(p) + 1)[:, None]
    smallest = np.minimum.accumulate(scaled[::-1], axis=0)[::-1]
    q = np.empty_like(p)
    np.put_along_axis(q, order, np.minimum(smallest, 1.0), axis=0)
    return np.where(known, q, np.nan)
