"""Graph networks: every sample is a graph of genes, with its measurements at the nodes and interactions as edges.

:class:`GraphDesign` says what there is to choose, :class:`GraphNetwork` computes it. All samples have one
graph, so that a convolution is one sparse product over ``[genes, samples x features]``; nothing is copied for each.
"""

from kgreg.nn.graphs.design import GraphDesign
from kgreg.nn.graphs.network import GraphNetwork

__all__ = ["GraphDesign", "GraphNetwork"]
