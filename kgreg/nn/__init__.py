"""Torch modules that execute a blueprint."""

from kgreg.nn.architecture import Architecture
from kgreg.nn.hierarchy import Backend, Hierarchy, Node, SparseRows
from kgreg.nn.knockouts import KnockedOut
from kgreg.nn.sparse import SparseLinear
from kgreg.nn.visible import Inputs, NetworkOutput, VisibleNetwork

__all__ = [
    "Architecture",
    "Backend",
    "Hierarchy",
    "Inputs",
    "KnockedOut",
    "NetworkOutput",
    "Node",
    "SparseLinear",
    "SparseRows",
    "VisibleNetwork",
]
