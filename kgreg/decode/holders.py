"""Nodes that stand above what a network computes: transcription factors and families above motifs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kgreg.blueprint.model import Blueprint


@dataclass(frozen=True)
class Holders:
    """Nodes above the motifs of a network, with what they hold.

    A transcription factor may have several motifs, and a family many factors whose motifs are alike: which of them a
    fit puts its weight on is chance, what they say together is not. The attribution of a sample to such a node is
    the sum of those to the motifs at or below it.

    Attributes
    ----------
    ids
        Their ids, in the order of the blueprint.
    members
        ``[n_holders, n_terms]``: 1 where a holder holds a node of the network.
    """

    ids: list[str]
    members: sparse.csr_matrix

    @classmethod
    def of(cls, blueprint: Blueprint, term_ids: Sequence[str]) -> Self:
        """Return the holders of the motifs among ``term_ids``; none if the blueprint has no motifs."""
        place = {node: i for i, node in enumerate(term_ids)}
        held: dict[str, set[int]] = {}
        if len(blueprint.motifs):
            level = blueprint.nodes.set_index("id")["level"]
            edges = blueprint.edges.assign(rank=level.reindex(blueprint.edges["target"]).to_numpy()).sort_values("rank")
            for source, target in zip(edges["source"], edges["target"], strict=True):
                own = {place[source]} if source in place else held.get(source, set())
                if own and target not in place:
                    held.setdefault(target, set()).update(own)
        ids = [node for node in blueprint.nodes["id"] if node in held]
        rows = np.repeat(np.arange(len(ids)), [len(held[node]) for node in ids])
        columns = np.array([column for node in ids for column in sorted(held[node])], dtype=np.int64)
        shape = (len(ids), len(term_ids))
        return cls(ids, sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape))

    def extend(self, scores: NDArray[Any]) -> NDArray[Any]:
        """Return scores ``[n_genes + n_terms, batch]`` with the sums of the holders below them."""
        if not self.ids:
            return scores
        terms = scores[len(scores) - self.members.shape[1] :]
        return np.concatenate([scores, self.members @ terms])
