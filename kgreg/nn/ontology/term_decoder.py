"""One linear map from latent variables, one a term, to genes: with membership fixed or soft, and terms switched off."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from kgreg.blueprint.model import Blueprint
from kgreg.nn.sparse import SparseLinear


class TermDecoder(nn.Module):
    """Decode ``[batch, n_terms]`` to ``[batch, n_inputs]`` with weights from a term to the genes at or below it.

    Parameters
    ----------
    soft
        Whether a term may also have weights to other genes. There are as many weights as pairs then; those outside
        the annotation start at 0.
    non_negative
        Whether weights start at 0 or above and are kept there by :meth:`restrain`.
    """

    def __init__(self, blueprint: Blueprint, soft: bool, non_negative: bool) -> None:
        super().__init__()
        self.n_terms, self.soft, self.non_negative = len(blueprint.terms), soft, non_negative
        inputs_of: dict[str, list[int]] = {}
        for i, node in enumerate(blueprint.inputs["node"]):
            inputs_of.setdefault(node, []).append(i)
        sets = blueprint.gene_sets()
        columns = [
            np.sort([i for gene in sets[term] for i in inputs_of.get(gene, [])]).astype(np.int64)
            for term in blueprint.terms["id"]
        ]
        rows = np.concatenate([*columns, np.zeros(0, dtype=np.int64)])
        cols = np.repeat(np.arange(self.n_terms), [len(own) for own in columns])
        links = SparseLinear(rows, cols, len(blueprint.inputs), self.n_terms)
        self.links = None if soft else links
        self.dense = nn.Parameter(links.to_dense().detach()) if soft else None
        if soft:
            member = torch.zeros(len(blueprint.inputs), self.n_terms, dtype=torch.bool)
            member[torch.from_numpy(rows), torch.from_numpy(cols)] = True
            self.register_buffer("member", member, persistent=False)
        with torch.no_grad():
            self.restrain(0.0, 0.0, 0.0)

    def forward(self, latent: Tensor) -> Tensor:
        """Return what the terms add up to."""
        decoded: Tensor = latent @ self._weight().t() if self.links is None else self.links(latent.t()).t()
        return decoded

    def norms(self) -> Tensor:
        """Return the Euclidean length of the weights of every term, ``[n_terms]``."""
        weight = self._weight()
        if self.links is None:
            return weight.square().sum(dim=0).sqrt()
        return weight.new_zeros(self.n_terms).index_add(0, self.links.col, weight.square()).sqrt()

    def restrain(self, learning_rate: float, lasso: float, soft_penalty: float) -> None:
        """Take the proximal step of the penalties, in place: soft membership, then terms, then signs.

        With step size s, a weight w outside the annotation becomes ``sign(w) max(|w| - s soft_penalty, 0)``, and the
        weights W of a term ``max(1 - s lasso / |W|, 0) W``; one operator after the other is the proximal operator of
        both penalties together (Simon et al. 2013).
        """
        weight = self._weight()
        if self.links is None and soft_penalty:
            member: Tensor = self.member  # type: ignore[assignment]
            shrunk = torch.sign(weight) * (weight.abs() - learning_rate * soft_penalty).clamp(min=0)
            weight.copy_(torch.where(member, weight, shrunk))
        if lasso:
            norms = self.norms()
            factor = (1 - learning_rate * lasso / norms.clamp(min=1e-30)).clamp(min=0)
            weight.mul_(factor if self.links is None else factor[self.links.col])
        if self.non_negative:
            weight.clamp_(min=0)

    def _weight(self) -> Tensor:
        """Return ``[n_links]``, or ``[n_inputs, n_terms]`` with soft membership."""
        if self.links is not None:
            weight: Tensor = self.links.weight
            return weight
        assert self.dense is not None
        return self.dense
