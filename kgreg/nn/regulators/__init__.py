"""Transcription factors as tokens: binding sites and expression, joined by attention."""

from kgreg.nn.regulators.design import RegulatorDesign
from kgreg.nn.regulators.network import RegulatorNetwork

__all__ = ["RegulatorDesign", "RegulatorNetwork"]
