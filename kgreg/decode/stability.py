"""How far networks that were trained on the same question agree: Kendall's W, rank correlation, overlap of the best."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from kgreg.blueprint.kinds import RANKED_KINDS

#: A node is counted as found by a network when it is among this many of its kind.
TOP = 20

#: Columns of :func:`agreement_table`.
AGREEMENT_COLUMNS = ("kind", "output", "networks", "kendall_w", "p", "rank_correlation", "top_overlap", "top")


def kendall_w(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return Kendall's coefficient of concordance W of several rankings, and its p.

    With the ranks ``r_ij`` (1 to n, ties share their mean) that ranking i of m gives to item j of n, and ``T_i = sum
    (t^3 - t)`` over the groups of t items that tie in it,
    ``W = 12 sum_j (sum_i r_ij - m (n + 1) / 2)^2 / (m^2 (n^3 - n) - m sum_i T_i)``. It is 1 where all agree and 0 where
    the sums of the ranks are all the same. p is that of ``m (n - 1) W`` under chi-square with n - 1 degrees of freedom:
    of a W at least as large if every ranking were drawn at random. (Kendall & Babington Smith 1939; Siegel & Castellan
    1988, 9.4)

    Parameters
    ----------
    values
        ``[m, n]`` scores of n items by m rankings, larger is better; no NaN.

    Returns
    -------
    W and p; NaN with fewer than two rankings or two items, or where every ranking ties all items.
    """
    m, n = values.shape
    if m < 2 or n < 2:
        return float("nan"), float("nan")
    ranks = stats.rankdata(-values, axis=1)
    tied = sum(float(((t := np.unique(row, return_counts=True)[1].astype(float)) ** 3 - t).sum()) for row in ranks)
    largest = m**2 * (float(n) ** 3 - n) - m * tied
    if largest <= 0:
        return float("nan"), float("nan")
    w = 12 * float(((ranks.sum(axis=0) - m * (n + 1) / 2) ** 2).sum()) / largest
    return w, float(stats.chi2.sf(m * (n - 1) * w, n - 1))


def agreement(values: NDArray[np.float64], top: int = TOP) -> dict[str, float]:
    """Return how far networks agree about nodes.

    Networks without any score (of a class that their test part lacks) are left out, then nodes that not all have.

    Parameters
    ----------
    values
        ``[n_networks, n_nodes]`` scores.
    top
        How many nodes are the best.

    Returns
    -------
    dict
        ``rank_correlation``: Spearman's rho, ``top_overlap``: Jaccard index of the ``top`` best (NaN where there are no
        more nodes than these), both means over the pairs of networks; ``kendall_w`` and its ``p``, see
        :func:`kendall_w`; ``networks``: n. NaN with fewer than two networks or three nodes.
    """
    values = values[np.isfinite(values).any(axis=1)]
    values = values[:, np.isfinite(values).all(axis=0)]
    n, n_nodes = values.shape
    if n < 2 or n_nodes < 3:
        unknown = dict.fromkeys(("rank_correlation", "top_overlap", "kendall_w", "p"), float("nan"))
        return {**unknown, "networks": n}
    ranks = stats.rankdata(-values, axis=1)
    pairs = np.triu_indices(n, 1)
    varied = ranks.std(axis=1) > 0
    rho = np.full((n, n), np.nan)  # a network that ties all nodes correlates with none
    if varied.sum() > 1:
        rho[np.ix_(varied, varied)] = np.corrcoef(ranks[varied])
    known = rho[pairs][np.isfinite(rho[pairs])]
    best = np.zeros(values.shape, dtype=np.float32)
    size = min(top, n_nodes)
    np.put_along_axis(best, np.argsort(-values, axis=1, kind="stable")[:, :size], 1.0, axis=1)
    shared = (best @ best.T)[pairs].astype(float)
    w, p = kendall_w(values)
    return {
        "rank_correlation": float(known.mean()) if len(known) else float("nan"),
        # Where all nodes are among the best, that they are says nothing.
        "top_overlap": float(np.mean(shared / (2 * size - shared))) if size < n_nodes else float("nan"),
        "networks": n,
        "kendall_w": w,
        "p": p,
    }


def agreement_table(
    values: NDArray[np.float64], kinds: NDArray[Any], outputs: list[str], top: int = TOP
) -> pd.DataFrame:
    """Return :func:`agreement` for every kind of node and output.

    Parameters
    ----------
    values
        ``[n_networks, n_nodes, n_outputs]`` scores in the networks of the graph.
    kinds
        ``[n_nodes]``, of ``RANKED_KINDS``.

    Returns
    -------
    DataFrame
        ``kind, output, networks, kendall_w, p, rank_correlation, top_overlap, top``.
    """
    rows = [
        {"kind": kind, "output": output, "top": top, **agreement(values[:, kinds == kind, o], top)}
        for o, output in enumerate(outputs)
        for kind in RANKED_KINDS
        if (kinds == kind).any()
    ]
    return pd.DataFrame(rows, columns=list(AGREEMENT_COLUMNS))


def found_share(values: NDArray[np.float64], kinds: NDArray[Any], top: int = TOP) -> NDArray[np.float64]:
    """Return the share of networks, ``values [n_networks, n_nodes]``, that have a node among the best of its kind."""
    share = np.zeros(values.shape[1])
    for kind in np.unique(kinds):
        mine = np.flatnonzero(kinds == kind)
        ranks = stats.rankdata(-values[:, mine], axis=1, nan_policy="omit")
        share[mine] = np.mean(ranks <= top, axis=0)
    return share


def node_scores(
    arms: dict[str, NDArray[np.float64]],
    folds: dict[str, list[tuple[int, int]]],
    nodes: list[str],
    outputs: list[str],
) -> pd.DataFrame:
    """Return the scores of every network as a long table.

    Parameters
    ----------
    arms
        Arm -> ``[n_networks, n_nodes, n_outputs]``.
    folds
        Arm -> fold and replicate of its networks.

    Returns
    -------
    DataFrame
        ``node, output, arm, fold, replicate, score``: names as categories, score float32.
    """
    shape = sum(len(folds[name]) for name in arms), len(nodes), len(outputs)
    names, order = list(arms), [(name, *place) for name in arms for place in folds[name]]
    arm = np.array([names.index(name) for name, _, _ in order], dtype=np.int16)

    def spread(values: NDArray[Any], axis: int) -> NDArray[Any]:
        index = [None] * 3
        index[axis] = slice(None)  # type: ignore[call-overload]
        return np.broadcast_to(values[tuple(index)], shape).ravel()

    return pd.DataFrame(
        {
            "node": pd.Categorical.from_codes(spread(np.arange(len(nodes)), 1), categories=pd.Index(nodes)),
            "output": pd.Categorical.from_codes(spread(np.arange(len(outputs)), 2), categories=pd.Index(outputs)),
            "arm": pd.Categorical.from_codes(spread(arm, 0), categories=pd.Index(names)),
            "fold": spread(np.array([fold for _, fold, _ in order], dtype=np.int16), 0),
            "replicate": spread(np.array([replicate for _, _, replicate in order], dtype=np.int16), 0),
            "score": np.concatenate([arms[name].reshape(-1) for name in names]).astype(np.float32),
        }
    )
