"""Importance of nodes: one interface over all networks and methods."""

from kgreg.decode.importance.methods import MEASURES, PER_SAMPLE, Measure, is_signed
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
    "PER_SAMPLE",
    "Measure",
    "SampleScores",
    "attribute",
    "group_importance",
    "importance_nodes",
    "is_signed",
    "node_importance",
    "sample_scores",
    "samples_of_outputs",
]
