"""Hierarchies of nodes: laid out once, executed by kernels on the CPU or level by level anywhere."""

from kgreg.nn.hierarchy.fused import Parameters
from kgreg.nn.hierarchy.inputs import SparseRows
from kgreg.nn.hierarchy.knockouts import Knockout, Sweep
from kgreg.nn.hierarchy.module import Backend, Hierarchy
from kgreg.nn.hierarchy.program import Activation, Node, Norm, Program

__all__ = [
    "Activation",
    "Backend",
    "Hierarchy",
    "Knockout",
    "Node",
    "Norm",
    "Parameters",
    "Program",
    "SparseRows",
    "Sweep",
]
