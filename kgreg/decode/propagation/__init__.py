"""Knockouts propagated over a fitted network of factors and targets, in the manner of CellOracle."""

from kgreg.decode.propagation.embedding import embedding_shift
from kgreg.decode.propagation.knockout import PropagationResult, PropagationSettings, propagate_knockouts
from kgreg.decode.propagation.regression import BaseNetwork, base_network, choose_links, fit_links, rewired_network
from kgreg.decode.propagation.signal import propagate

__all__ = [
    "BaseNetwork",
    "PropagationResult",
    "PropagationSettings",
    "base_network",
    "choose_links",
    "embedding_shift",
    "fit_links",
    "propagate",
    "propagate_knockouts",
    "rewired_network",
]
