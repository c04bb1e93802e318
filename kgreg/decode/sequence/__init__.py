"""Decoding networks that read DNA: letters, sites, filters, variants."""

from kgreg.decode.sequence.attribution import deeplift, gradient_x_input, integrated_gradients, saliency, shuffled
from kgreg.decode.sequence.filters import FilterPattern, filter_patterns
from kgreg.decode.sequence.functions import SequenceFunction, respond, sequence_function
from kgreg.decode.sequence.interventions import ablate, backgrounds, marginalise, space
from kgreg.decode.sequence.matching import match_filters, match_patterns
from kgreg.decode.sequence.seqlets import annotate_seqlets, find_seqlets
from kgreg.decode.sequence.sites import scan
from kgreg.decode.sequence.substitutions import letter_importance, mutagenesis
from kgreg.decode.sequence.summary import SequenceSummary, sequence_summary
from kgreg.decode.sequence.variants import variant_effects

__all__ = [
    "FilterPattern",
    "SequenceFunction",
    "SequenceSummary",
    "ablate",
    "annotate_seqlets",
    "backgrounds",
    "deeplift",
    "filter_patterns",
    "find_seqlets",
    "gradient_x_input",
    "integrated_gradients",
    "letter_importance",
    "marginalise",
    "match_filters",
    "match_patterns",
    "mutagenesis",
    "respond",
    "saliency",
    "scan",
    "sequence_function",
    "sequence_summary",
    "shuffled",
    "space",
    "variant_effects",
]
