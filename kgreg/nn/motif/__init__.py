"""Convolutions that start from known binding motifs."""

from kgreg.nn.motif.bank import MotifBank
from kgreg.nn.motif.filters import base_probabilities, motif_filter
from kgreg.nn.motif.thresholds import score_distribution, score_thresholds

__all__ = ["MotifBank", "base_probabilities", "motif_filter", "score_distribution", "score_thresholds"]
