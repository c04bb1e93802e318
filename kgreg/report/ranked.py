"""What several sections ask of a ranking: its leads, what is alike to them, and the draws of the null of every node."""

from __future__ import annotations

import pandas as pd


def leads(ranking: pd.DataFrame, kind: str, output: str) -> pd.DataFrame:
    """Return the nodes of a kind for an output, best first, of near-identical gene sets only the best.

    Without a column ``lead`` (id of the node that stands for the others) every node stands for itself.
    """
    mine = ranking[(ranking["kind"] == kind) & (ranking["output"] == output)].sort_values("rank")
    if "lead" not in mine:
        return mine
    return mine[mine["lead"].isna() | (mine["lead"] == mine["node"])]


def alike(ranking: pd.DataFrame, kind: str, output: str) -> dict[str, pd.DataFrame]:
    """Return for every lead the nodes that it stands for, best first; leads that stand for themselves are left out."""
    if "lead" not in ranking:
        return {}
    mine = ranking[(ranking["kind"] == kind) & (ranking["output"] == output)].sort_values("rank")
    others = mine[mine["lead"].notna() & (mine["lead"] != mine["node"])]
    return {str(lead): rows for lead, rows in others.groupby("lead", sort=False)}


def null_draws(node_scores: pd.DataFrame, null: str) -> pd.DataFrame:
    """Return the mean score of every node in every draw of a null.

    Parameters
    ----------
    node_scores
        ``node, output, arm, fold, replicate, score``.
    null
        "rewired" or "labels".

    Returns
    -------
    DataFrame
        Index ``(output, node)``, a column a draw (``rewired-0``, ...); means over folds and replicates.
    """
    if node_scores.empty:
        return pd.DataFrame(index=pd.MultiIndex.from_arrays([[], []], names=["output", "node"]))
    names = node_scores["arm"].astype("category")
    chosen = [name for name in names.cat.categories if str(name).startswith(f"{null}-")]
    mine = node_scores[names.isin(chosen)]
    means = mine.groupby(["output", "node", "arm"], observed=True, sort=False)["score"].mean()
    table = means.unstack("arm")
    return table[[name for name in chosen if name in table]]
