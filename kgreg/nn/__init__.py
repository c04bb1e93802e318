"""Torch modules that execute a blueprint."""

from kgreg.nn.architecture import Architecture
from kgreg.nn.design import Design
from kgreg.nn.guided import Given, GuidedNetwork, Passed
from kgreg.nn.hierarchy import Backend, Hierarchy, Node, SparseRows
from kgreg.nn.inputs import Inputs, NetworkOutput
from kgreg.nn.knockouts import KnockedOut
from kgreg.nn.laplacian import LaplacianPenalty
from kgreg.nn.sparse import SparseLinear
from kgreg.nn.visible import VisibleNetwork

__all__ = [
    "Architecture",
    "Backend",
    "Design",
    "Given",
    "GuidedNetwork",
    "Hierarchy",
    "Inputs",
    "KnockedOut",
    "LaplacianPenalty",
    "NetworkOutput",
    "Node",
    "Passed",
    "SparseLinear",
    "SparseRows",
    "VisibleNetwork",
]
