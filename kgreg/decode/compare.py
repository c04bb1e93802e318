"""Two rankings beside each other: do they agree, and which nodes differ by more than networks do?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from kgreg.decode.explanation import Explanation
from kgreg.decode.stability import TOP
from kgreg.decode.tables import of_output
from kgreg.errors import DataError, some

#: Columns of :attr:`Comparison.agreement`.
AGREEMENT = (
    "kind", "output", "shared", "only_first", "only_second", "rank_correlation", "score_correlation", "top",
    "overlap", "expected", "p",
)  # fmt: skip

#: Columns of :attr:`Comparison.nodes`.
NODES = (
    "kind", "output", "node", "label", "first", "second", "difference", "low", "high", "p", "q", "n_first", "n_second",
    "rank_first", "rank_second",
)  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """What two rankings have in common.

    Attributes
    ----------
    agreement
        A row a kind of node and output: nodes that are ``shared``, or ``only_first``, ``only_second``; over the shared
        ones Spearman's ``rank_correlation`` of the ranks and ``score_correlation`` of the scores, the ``overlap`` of
        the ``top`` best, what of it is ``expected`` by chance, and its one-sided ``p`` (hypergeometric).
    nodes
        A row a shared node and output: ``first, second`` (mean scores, in units of the median size of a score over the
        shared nodes of the kind in the same network: how large they are in all depends on how long a network was
        trained, and on what), ``difference`` (first - second) with ``low, high`` (95 %) and ``p`` of Welch's t-test
        over the means of the folds (over the networks, where there is one fold), ``q`` (Benjamini and Hochberg's
        within kind and output), ``n_first, n_second`` (networks), ``rank_first, rank_second`` (among the shared); the
        smallest p first. The intervals are NaN where either side has one network. Of one fold, p speaks of seeds, not
        of other samples.
    """

    agreement: pd.DataFrame
    nodes: pd.DataFrame


def compare_explanations(
    first: Explanation,
    second: Explanation,
    *,
    kind: str | None = None,
    output: str | None = None,
    top: int = TOP,
    overlaps: Mapping[str, tuple[float, float]] | None = None,
) -> Comparison:
    """Compare two rankings over the nodes that both have.

    Parameters
    ----------
    first, second
        With ``node_scores`` for differences with intervals; their scores must be of the same measure.
    kind, output
        One kind of node ("gene", "term"), one output. Default: all that both have.
    top
        How many nodes count as the best; half of the shared ones where there are fewer than twice as many.
    overlaps
        Output -> how much the folds of either share, see :func:`kgreg.decode.intervals.network_interval`. Default: 0.

    Raises
    ------
    DataError
        If one of them lacks the output or the kind, or they share no output or node.
    """
    tables = [_chosen(one.ranking, kind, output) for one in (first, second)]
    shared = [name for name in dict.fromkeys(tables[0]["output"]) if name in set(tables[1]["output"])]
    if not shared:
        raise DataError(
            f"The runs share no output: one has {some(tables[0]['output'])}, the other {some(tables[1]['output'])}.",
            "Compare runs that learned the same.",
        )
    kinds = [name for name in dict.fromkeys(tables[0]["kind"]) if name in set(tables[1]["kind"])]
    agreement, nodes = [], []
    for name in shared:
        networks = [_networks(one, name) for one in (first, second)]
        for own in kinds:
            sides = [t[(t["kind"] == own) & (t["output"] == name)].set_index("node") for t in tables]
            both = sides[0].index[sides[0].index.isin(sides[1].index)]
            if not len(both):
                continue
            a, b = (side.loc[both] for side in sides)
            ranks = [side["rank"].rank(method="first").astype(int) for side in (a, b)]
            counts = {
                "shared": len(both),
                "only_first": len(sides[0]) - len(both),
                "only_second": len(sides[1]) - len(both),
            }
            agreement.append({"kind": own, "output": name, **counts, **_agreement(a, b, ranks, top)})
            table = _differences(a, b, networks, (overlaps or {}).get(name, (0.0, 0.0)))
            nodes.append(table.assign(kind=own, output=name, rank_first=ranks[0], rank_second=ranks[1]))
    if not agreement:
        raise DataError(
            f"The runs share no node: one ranks {some(tables[0]['node'])}, the other {some(tables[1]['node'])}.",
            "Compare runs over the same knowledge.",
        )
    found = pd.concat(nodes).reset_index()
    return Comparison(pd.DataFrame(agreement)[list(AGREEMENT)], found[list(NODES)])


def _chosen(ranking: pd.DataFrame, kind: str | None, output: str | None) -> pd.DataFrame:
    chosen = ranking if output is None else of_output(ranking, output)
    if kind is None:
        return chosen
    own = chosen[chosen["kind"] == kind]
    if own.empty:
        raise DataError(f"No node of kind '{kind}' was ranked.", f"The kinds are: {some(chosen['kind'])}.")
    return own


def _agreement(a: pd.DataFrame, b: pd.DataFrame, ranks: list[pd.Series[int]], top: int) -> dict[str, float]:
    n = len(a)
    best = min(top, max(1, n // 2))
    overlap = int(((ranks[0] <= best) & (ranks[1] <= best)).sum())
    return {
        "rank_correlation": _spearman(*ranks),
        "score_correlation": _spearman(a["score"], b["score"]),
        "top": best,
        "overlap": overlap,
        "expected": best * best / n,
        "p": float(stats.hypergeom.sf(overlap - 1, n, best, best)),
    }


def _spearman(a: pd.Series[Any], b: pd.Series[Any]) -> float:
    known = a.notna() & b.notna()
    if known.sum() < 3 or a[known].nunique() == 1 or b[known].nunique() == 1:
        return float("nan")
    return float(stats.spearmanr(a[known], b[known]).statistic)


def _networks(explanation: Explanation, output: str) -> pd.DataFrame | None:
    """Return the scores of the graph's networks, a row a network and a column a node; None if they were not kept."""
    table = explanation.node_scores
    if table.empty:
        return None
    own = table[(table["arm"] == "graph") & (table["output"] == output)]
    return own.pivot_table(index=["fold", "replicate"], columns="node", values="score", observed=True)


def _differences(
    a: pd.DataFrame, b: pd.DataFrame, networks: list[pd.DataFrame | None], overlaps: tuple[float, float]
) -> pd.DataFrame:
    """Return the table of the nodes of one kind and output; ``a, b``: their rows in the rankings."""
    scores = [
        side["score"].to_numpy(dtype=float)[None] if own is None else own.reindex(columns=side.index).to_numpy()
        for side, own in zip((a, b), networks, strict=True)
    ]
    values = [_relative(side) for side in scores]
    one, two = (side.mean(axis=0) for side in values)
    table = pd.DataFrame({"label": a["label"], "first": one, "second": two, "difference": one - two})
    table = table.assign(n_first=a["n"].astype(int), n_second=b["n"].astype(int), low=np.nan, high=np.nan, p=np.nan)
    units = [_units(side, own) for side, own in zip(values, networks, strict=True)]
    if min(map(len, units)) > 1:
        table["low"], table["high"], table["p"] = _welch(units[0], units[1], table["difference"].to_numpy(), overlaps)
    table["q"] = np.nan
    known = table["p"].notna()
    if known.any():
        table.loc[known, "q"] = stats.false_discovery_control(table.loc[known, "p"])
    return table.rename_axis("node").sort_values("p", kind="stable")


def _relative(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return scores ``[n_networks, n_nodes]`` in units of the median size in the same network, unless that is 0."""
    sizes = [np.abs(row[np.isfinite(row)]) for row in values]
    median = np.array([np.median(row) if len(row) else 0.0 for row in sizes])
    relative: NDArray[np.float64] = values / np.where(median > 0, median, 1.0)[:, None]
    return relative


def _units(values: NDArray[np.float64], networks: pd.DataFrame | None) -> NDArray[np.float64]:
    """Return the means of the folds, whose networks share their samples; of a single fold, its networks."""
    if networks is None or networks.index.get_level_values("fold").nunique() == 1:
        return values
    fold = networks.index.get_level_values("fold").to_numpy()
    return np.stack([values[fold == k].mean(axis=0) for k in np.unique(fold)])


def _welch(
    one: NDArray[np.float64], two: NDArray[np.float64], difference: NDArray[np.float64], overlaps: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return 95 % interval and two-sided p of every difference of means; NaN where no score varies."""
    parts = [
        side.var(axis=0, ddof=1) * (1 / len(side) + overlap) for side, overlap in zip((one, two), overlaps, strict=True)
    ]
    error = parts[0] + parts[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = error**2 / (parts[0] ** 2 / (len(one) - 1) + parts[1] ** 2 / (len(two) - 1))
        half = stats.t.ppf(0.975, freedom) * np.sqrt(error)
        p = 2 * stats.t.sf(np.abs(difference) / np.sqrt(error), freedom)
    return difference - half, difference + half, np.where(error > 0, p, np.nan)
