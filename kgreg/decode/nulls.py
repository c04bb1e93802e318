"""Scores of nodes against networks that know nothing: z, empirical p, Benjamini-Hochberg q."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from kgreg.blueprint.kinds import RANKED_KINDS
from kgreg.decode.importance import ALL

#: Which null a kind of node is ranked against. A gene carries its information into a rewired graph too, so rewiring
#: cannot say whether the gene matters; permuted labels can. A term is its genes: rewiring gives it others.
MAIN_NULL = {kind: "labels" if kind == "gene" else "rewired" for kind in RANKED_KINDS}

#: Weight, in degrees of freedom, of the variance common to a kind of node when a node's own is known from a few values.
PRIOR_FREEDOM = 4.0

#: From how many nodes of a kind on the median of their sizes is a measure of the network they stand in.
LEAST_NODES = 5


def relative_sizes(values: NDArray[np.float64], kinds: NDArray[Any]) -> NDArray[np.float64]:
    """Return sizes ``[..., n_nodes]`` in units of the median of their kind in the same network.

    How large attributions are in all depends on how far a network was trained and on how sure its predictions are, and
    that is another matter than which node they belong to: without it, a network that fits its labels would lift every
    node above networks on permuted labels, and genes that drive nothing with them. Kinds of fewer than
    :data:`LEAST_NODES` nodes, and networks whose median is 0, are left as they are.
    """
    scaled = values.copy()
    for kind in np.unique(kinds):
        mine = (kinds == kind) & ~np.isnan(values).all(axis=tuple(range(values.ndim - 1)))
        if mine.sum() >= LEAST_NODES:
            median = np.nanmedian(values[..., mine], axis=-1, keepdims=True)
            scaled[..., mine] /= np.where(median > 0, median, 1.0)
    return scaled


def against_null(
    real: NDArray[np.float64], draws: NDArray[np.float64], kinds: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return z and one-sided empirical p of every node.

    ``real`` is ``[n_networks, n_nodes]``, ``draws`` ``[n_draws, n_networks, n_nodes]``.

    z compares the mean of a node with its means in the null networks, where it has the same number of genes, children
    and readers: its connectivity is corrected for. The difference is divided by what it may vary by: the standard error
    of the mean over networks and the spread of the draws, each shrunk towards that of the node's kind. p is the share
    of null z at least as large, over all nodes of the kind and draws; a draw's z leaves the draw itself out.
    """
    n_nodes, n_draws = real.shape[1], len(draws)
    z, p = np.full(n_nodes, np.nan), np.full(n_nodes, np.nan)
    if n_draws < 2:
        return z, p
    mean, error = _mean_and_error(real, kinds)
    each = [_mean_and_error(draw, kinds) for draw in draws]
    means, errors = np.stack([m for m, _ in each]), np.stack([e for _, e in each])
    z = _z(mean, error, means, kinds)
    null = np.stack([_z(means[d], errors[d], np.delete(means, d, axis=0), kinds) for d in range(n_draws)])
    for kind in np.unique(kinds):
        mine = kinds == kind
        drawn = np.sort(null[:, mine][np.isfinite(null[:, mine])])
        above = len(drawn) - np.searchsorted(drawn, z[mine], side="left")
        p[mine] = np.where(np.isfinite(z[mine]) & (len(drawn) > 0), (1 + above) / (1 + len(drawn)), np.nan)
    return z, p


def null_unit(real: NDArray[np.float64], draws: NDArray[np.float64], kinds: NDArray[Any]) -> NDArray[np.float64]:
    """Return what the z of :func:`against_null` counts in, ``[n_nodes]``: a score larger by it has a z larger by 1."""
    means = np.stack([_mean_and_error(draw, kinds)[0] for draw in draws])
    return _unit(*_mean_and_error(real, kinds), means, kinds)


def as_sizes(output: str, real: NDArray[np.float64], nulls: dict[str, NDArray[np.float64]]) -> bool:
    """Say whether scores are compared with nulls as :func:`relative_sizes`: those of ``all``, where they are sizes."""
    return output == ALL and all(np.nanmin(one, initial=0.0) >= 0 for one in (real, *nulls.values()))


def _mean_and_error(values: NDArray[np.float64], kinds: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the mean over networks ``[nodes]`` and the shrunk squared standard error of that mean."""
    n = np.isfinite(values).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(values, axis=0) / n
        variance = np.nansum((values - mean) ** 2, axis=0) / (n - 1)
        error = _shrink(np.where(n > 1, variance, np.nan), np.maximum(n - 1, 0), kinds) / n
    # With one network an arm there is no such error to be had; the spread of the draws holds it.
    return mean, np.nan_to_num(error, nan=0.0)


def _z(
    mean: NDArray[np.float64], error: NDArray[np.float64], draws: NDArray[np.float64], kinds: NDArray[Any]
) -> NDArray[np.float64]:
    """Return how far ``mean`` (squared standard error ``error``) lies above the null ``draws [n_draws, nodes]``."""
    with np.errstate(invalid="ignore", divide="ignore"):
        z: NDArray[np.float64] = (mean - draws.mean(axis=0)) / _unit(mean, error, draws, kinds)
    return z


def _unit(
    mean: NDArray[np.float64], error: NDArray[np.float64], draws: NDArray[np.float64], kinds: NDArray[Any]
) -> NDArray[np.float64]:
    """Return by how much the difference of ``mean`` and the mean of the null ``draws`` may vary: what z counts in."""
    n = len(draws)
    # Two draws from one null differ by twice its variance: where leaving one out leaves one, the kind's mean stands in.
    variance = draws.var(axis=0, ddof=1) if n > 1 else (mean - draws[0]) ** 2 / 2
    spread = _shrink(variance, np.full(len(mean), n - 1), kinds)
    unit: NDArray[np.float64] = np.sqrt(error + spread * (1 + 1 / n))
    return unit


def _shrink(variance: NDArray[np.float64], freedom: NDArray[Any], kinds: NDArray[Any]) -> NDArray[np.float64]:
    """Return variances averaged with the mean of their kind, which weighs ``PRIOR_FREEDOM`` degrees of freedom."""
    result = np.full(len(variance), np.nan)
    known = np.isfinite(variance)
    for kind in np.unique(kinds):
        mine = kinds == kind
        if not (mine & known).any():
            continue
        pooled = variance[mine & known].mean()
        weight = np.where(known, freedom, 0)[mine]
        own = np.where(known, variance, 0.0)[mine]
        result[mine] = (PRIOR_FREEDOM * pooled + weight * own) / (PRIOR_FREEDOM + weight)
    return result


def adjust(p: NDArray[np.float64], kinds: NDArray[Any]) -> NDArray[np.float64]:
    """Return Benjamini-Hochberg q within each kind; NaN stays NaN."""
    q = np.full(len(p), np.nan)
    for kind in np.unique(kinds):
        mine = np.flatnonzero((kinds == kind) & np.isfinite(p))
        if len(mine):
            q[mine] = stats.false_discovery_control(p[mine])
    return q
