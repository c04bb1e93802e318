"""From trained networks back to biology: importance, ranking, attention, knockouts."""

from kgreg.decode.edges import edge_scores
from kgreg.decode.explanation import Explanation
from kgreg.decode.importance import node_importance
from kgreg.decode.knockout import KnockoutEffect, knock_out, knockout_table
from kgreg.decode.rank import explain, rank_scores
from kgreg.decode.tables import genes, subsystems

__all__ = [
    "Explanation",
    "KnockoutEffect",
    "edge_scores",
    "explain",
    "genes",
    "knock_out",
    "knockout_table",
    "node_importance",
    "rank_scores",
    "subsystems",
]
