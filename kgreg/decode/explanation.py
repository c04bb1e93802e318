"""What is read out of the networks of a cross-validation: ranked nodes, and how far the networks agree."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from kgreg.decode.importance import ALL


@dataclass(frozen=True)
class Explanation:
    """Ranked nodes, and how far the networks agree.

    ``ranking``: one row a node and output, see :func:`explain`. ``stability``: for terms and genes the mean rank
    correlation between two networks and the mean overlap of their top 20, with n. ``controls``: real against control
    inputs, see :func:`kgreg.decode.controls.compare_with_controls`; empty where there are none. ``agreement`` and
    ``node_scores``: see :func:`kgreg.decode.stability.agreement_table` and :func:`kgreg.decode.stability.node_scores`.
    """

    ranking: pd.DataFrame
    stability: dict[str, dict[str, float]]
    controls: pd.DataFrame = field(default_factory=pd.DataFrame)
    agreement: pd.DataFrame = field(default_factory=pd.DataFrame)
    node_scores: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)

    def top(self, kind: str, output: str = ALL, n: int = 10, *, redundant: bool = True) -> pd.DataFrame:
        """Return the ``n`` best genes or terms of an output.

        With ``redundant=False`` only those that stand for themselves (see :mod:`kgreg.decode.redundancy`), with a
        further column ``alike``: how many near copies each stands for. A ranking without ``lead`` has no near copies.
        """
        chosen = self.ranking[(self.ranking["kind"] == kind) & (self.ranking["output"] == output)]
        if not redundant:
            lead = chosen["lead"] if "lead" in chosen else chosen["node"]
            alike = chosen["node"].map(lead.value_counts() - 1)
            chosen = chosen.assign(alike=alike)[(lead == chosen["node"]).to_numpy()].astype({"alike": int})
        return chosen.nsmallest(n, "rank")

    def leading_genes(self, n: int) -> list[str]:
        """Return the labels of the best genes of different outputs, those with the largest scores first."""
        genes = self.ranking[self.ranking["kind"] == "gene"]
        if genes["output"].nunique() > 1:
            genes = genes[(genes["output"] != ALL) & (genes["rank"] == 1)]
        ordered = genes.sort_values(["rank", "score"], ascending=[True, False])
        return list(dict.fromkeys(ordered["label"]))[:n]
