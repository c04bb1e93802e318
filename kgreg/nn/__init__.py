"""Torch modules that execute a blueprint."""

from kgreg.nn.sparse import SparseLinear
from kgreg.nn.visible import NetworkOutput, VisibleNetwork

__all__ = ["NetworkOutput", "SparseLinear", "VisibleNetwork"]
