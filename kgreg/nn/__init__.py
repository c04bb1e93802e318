"""Torch modules that execute a blueprint."""

from kgreg.nn.architecture import Architecture
from kgreg.nn.hierarchy import Backend, Hierarchy, Node, SparseRows
from kgreg.nn.inputs import Inputs, NetworkOutput
from kgreg.nn.knockouts import KnockedOut
from kgreg.nn.sparse import SparseLinear
from kgreg.nn.visible import VisibleNetwork

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
