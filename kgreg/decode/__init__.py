"""From trained networks back to biology: importance, ranking, attention, knockouts."""

from kgreg.decode.edges import edge_scores
from kgreg.decode.explanation import Explanation
from kgreg.decode.importance import node_importance
from kgreg.decode.knockout import (
    KnockoutEffect,
    KnockoutOptions,
    epistasis_table,
    knock_out,
    knockout_samples,
    knockout_table,
    sweep_table,
)
from kgreg.decode.rank import explain, rank_scores
from kgreg.decode.tables import genes, subsystems

__all__ = [
    "Explanation",
    "KnockoutEffect",
    "KnockoutOptions",
    "edge_scores",
    "epistasis_table",
    "explain",
    "genes",
    "knock_out",
    "knockout_samples",
    "knockout_table",
    "node_importance",
    "rank_scores",
    "subsystems",
    "sweep_table",
]
