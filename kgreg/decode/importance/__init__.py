"""Importance of nodes: one interface over all networks and methods."""

from kgreg.decode.importance.methods import MEASURES, Measure
from kgreg.decode.importance.nodes import (
    ALL,
    SampleScores,
    attribute,
    group_importance,
    importance_nodes,
    node_importance,
    sample_scores,
    samples_of_outputs,
)

__all__ = [
    "ALL",
    "MEASURES",
    "Measure",
    "SampleScores",
    "attribute",
    "group_importance",
    "importance_nodes",
    "node_importance",
    "sample_scores",
    "samples_of_outputs",
]
