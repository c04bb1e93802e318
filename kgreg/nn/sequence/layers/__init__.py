"""The layers of sequence networks, one module a group of them."""

from kgreg.nn.sequence.layers.layer import Beside, Context, Layer, ReadsBeside, Shape
from kgreg.nn.sequence.layers.motifs import MotifConv, Motifs
from kgreg.nn.sequence.layers.reading import LAYERS, read_layers
from kgreg.nn.sequence.layers.stack import Stack, shapes

__all__ = [
    "LAYERS",
    "Beside",
    "Context",
    "Layer",
    "MotifConv",
    "Motifs",
    "ReadsBeside",
    "Shape",
    "Stack",
    "read_layers",
    "shapes",
]
