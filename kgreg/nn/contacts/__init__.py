"""Networks over windows of a genome that contacts join: ChromeGCN (Lanchantin & Qi 2020)."""

from kgreg.nn.contacts.classifier import WindowClassifier
from kgreg.nn.contacts.encoder import split_at_features
from kgreg.nn.contacts.network import ContactNetwork, GatedGraphConvolution

__all__ = ["ContactNetwork", "GatedGraphConvolution", "WindowClassifier", "split_at_features"]
