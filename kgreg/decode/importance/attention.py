"""Scores of nodes from the attention that goes to them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kgreg.decode.importance.inquiry import Inquiry
from kgreg.errors import DataError
from kgreg.nn.guided import GuidedNetwork


def has_attention(inquiry: Inquiry) -> bool:
    """Say whether the network pays attention along interactions."""
    network = inquiry.model.network
    if not isinstance(network, GuidedNetwork) or not len(inquiry.readings):
        return False
    return network.edge_attention(inquiry.inputs(np.arange(1))) is not None


def node_attention(inquiry: Inquiry, members: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the attention along the interactions of every node, their mean, ``[n_nodes]``; NaN for nodes without any.

    In units of uniform attention, mean over the samples ``members``; see :func:`kgreg.decode.edge_scores`, which has
    the interactions one by one.
    """
    network = inquiry.model.network
    if not isinstance(network, GuidedNetwork):
        raise DataError("The network pays no attention along interactions.")
    total: NDArray[np.float64] | float = 0.0
    for start in range(0, len(members), inquiry.batch_size):
        rows = members[start : start + inquiry.batch_size]
        found = network.edge_attention(inquiry.inputs(rows))
        if found is None:
            raise DataError("The network pays no attention along interactions.")
        total = total + found.double().numpy() * len(rows)
    place = {node: number for number, node in enumerate(inquiry.nodes)}
    attention = np.asarray(total / len(members) if len(members) else np.nan, dtype=np.float64)
    edges = inquiry.model.blueprint.interactions
    attention = np.broadcast_to(attention, len(edges))
    sums, counts = np.zeros(len(place)), np.zeros(len(place))
    for end in ("source", "target"):
        at = edges[end].map(place).fillna(-1).to_numpy(dtype=np.int64)
        known = (at >= 0) & np.isfinite(attention)
        np.add.at(sums, at[known], attention[known])
        np.add.at(counts, at[known], 1)
    with np.errstate(invalid="ignore"):
        return sums / np.where(counts > 0, counts, np.nan)
