"""Autoencoders whose layers are the terms of a hierarchy."""

from kgreg.nn.ontology.autoencoder import OntologyAutoencoder, OntologyAutoencoderDesign
from kgreg.nn.ontology.term_autoencoder import TermAutoencoder, TermAutoencoderDesign

__all__ = ["OntologyAutoencoder", "OntologyAutoencoderDesign", "TermAutoencoder", "TermAutoencoderDesign"]
