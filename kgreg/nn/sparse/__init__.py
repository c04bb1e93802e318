"""Linear maps that exist only where edges do, with interchangeable backends.

:class:`SparseLinear` is the layer; :func:`multiply` and :func:`sample` are the two products it is made of, for networks
that keep their weights themselves; :class:`SparsePattern` says which entries exist.
"""

from kgreg.nn.sparse.backend import Backend, choose_backend
from kgreg.nn.sparse.blocks import expand_blocks
from kgreg.nn.sparse.layer import SparseLinear, signed_weight
from kgreg.nn.sparse.pattern import SparsePattern
from kgreg.nn.sparse.products import multiply, sample

__all__ = [
    "Backend",
    "SparseLinear",
    "SparsePattern",
    "choose_backend",
    "expand_blocks",
    "multiply",
    "sample",
    "signed_weight",
]
