"""Attention over transcription factors."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from kgreg.blueprint.model import Blueprint
from kgreg.blueprint.regulators import FACTOR
from kgreg.errors import FitError, some
from kgreg.nn.dense import ACTIVATIONS, dense_layers
from kgreg.nn.guided import Given, GuidedNetwork, Passed
from kgreg.nn.inputs import Inputs
from kgreg.nn.regulators.design import RegulatorDesign


class RegulatorNetwork(GuidedNetwork):
    """See :class:`~kgreg.nn.regulators.design.RegulatorDesign`.

    With ``b`` and ``e`` the binding and the expression of factor ``t`` in a sample:

    - features ``h_t = act([b, e, b e] M_t + c_t)``; every factor has a map ``M_t`` of its own, which begins as one that
      all share, with a little of its own;
    - attention of head k: ``a_kt = softmax_t(h_t . q_k / sqrt(features))``, or the sigmoid of it;
    - contributions ``a_kt V_k h_t``, of all heads side by side: the inner nodes ``tf:...``;
    - their sum over the factors goes through dense layers to the outputs.

    Raises
    ------
    FitError
        If the blueprint is not one of :func:`kgreg.blueprint.regulators.compile_regulators`.
    """

    columns: Tensor

    def __init__(self, design: RegulatorDesign, blueprint: Blueprint, n_outputs: int, n_covariates: int) -> None:
        self.design = design
        factors, columns = _factors(blueprint)
        width = design.heads * design.features
        super().__init__(blueprint, n_outputs, factors, [width] * len(factors), n_covariates)
        self.register_buffer("columns", torch.from_numpy(columns), persistent=False)
        n, features = len(factors), design.features
        shared = nn.init.xavier_uniform_(torch.empty(3, features))
        self.weight = nn.Parameter(shared + 0.1 * torch.randn(n, 3, features))
        self.bias = nn.Parameter(torch.zeros(n, features))
        self.query = nn.Parameter(torch.randn(design.heads, features))
        self.value = nn.Parameter(torch.empty(design.heads, features, features))
        for matrix in self.value:
            nn.init.xavier_uniform_(matrix)
        self.hidden = dense_layers(width + n_covariates, design.hidden, design.activation, design.dropout)
        self.head = nn.Linear(design.hidden[-1] if design.hidden else width + n_covariates, n_outputs)
        self._activation = ACTIVATIONS[design.activation]()
        place = {node: i for i, node in enumerate(factors)}
        ends = (blueprint.interactions[end].map(place) for end in ("source", "target"))
        self._attended = [end.fillna(-1).to_numpy(dtype=np.int64) for end in ends]

    def compute(self, given: Given) -> Passed:
        """Do one pass."""
        h = self._features(given.x)
        attention = self._attention(h)
        if self.training and self.design.factor_dropout:
            kept = torch.rand(attention.shape[0], 1, attention.shape[2], device=h.device) >= self.design.factor_dropout
            attention = attention * kept / (1 - self.design.factor_dropout)
        values = torch.einsum("btf,kfv->btkv", h, self.value)
        contributions = (attention.transpose(1, 2)[..., None] * values).flatten(2)
        (level,) = self.changed([contributions.flatten(1)])
        pooled = level.view_as(contributions).sum(dim=1)
        read = pooled if given.covariates is None else torch.cat([pooled, given.covariates], dim=1)
        read = nn.functional.dropout(read, self.design.dropout, self.training)
        return Passed(self.head(self.hidden(read)), [level])

    def edge_attention(self, x: Tensor | Inputs) -> Tensor | None:
        """Return the attention to every factor, along its interaction with the target; mean over samples and heads.

        In units of the mean over factors, which is uniform attention where it is a softmax.

        Returns
        -------
        Tensor
            ``[n_interactions]`` in the order of ``blueprint.interactions``.
        """
        with torch.no_grad():
            attention = self.attention(self.given(x).x)
        mean = (attention / attention.mean(dim=2, keepdim=True)).mean(dim=(0, 1))
        factor = np.maximum(*self._attended)
        found = mean.new_full((len(factor),), torch.nan)
        known = torch.from_numpy(factor >= 0)
        found[known] = mean[torch.from_numpy(factor)[known]]
        return found

    def attention(self, x: Tensor) -> Tensor:
        """Return the attention of every head to every factor, ``[batch, heads, factors]``, of scaled inputs ``x``.

        Factors are in the order of ``term_ids``.
        """
        return self._attention(self._features(x))

    def _features(self, x: Tensor) -> Tensor:
        """Return ``[batch, factors, features]``."""
        both = x[:, self.columns]
        each = torch.cat([both, both.prod(dim=2, keepdim=True)], dim=2)
        h: Tensor = self._activation(torch.einsum("btc,tcf->btf", each, self.weight) + self.bias)
        return h

    def _attention(self, h: Tensor) -> Tensor:
        scores: Tensor = torch.einsum("btf,kf->bkt", h, self.query) / self.design.features**0.5
        if self.design.attention == "softmax":
            return torch.softmax(scores, dim=2)
        attended = torch.sigmoid(scores)
        return attended / (1 + attended.sum(dim=2, keepdim=True))


def _factors(blueprint: Blueprint) -> tuple[list[str], np.ndarray]:
    """Return the ids of the factors, and the columns of the two inputs of each, ``[n_factors, 2]``."""
    ids = blueprint.nodes.loc[blueprint.nodes["kind"] == FACTOR, "id"].tolist()
    edges = blueprint.edges[blueprint.edges["target"].isin(ids)]
    gene_of = dict(zip(edges["target"], edges["source"], strict=True))
    modalities = list(dict.fromkeys(blueprint.inputs["modality"]))
    ends = zip(blueprint.inputs["node"], blueprint.inputs["modality"], strict=True)
    place = {end: column for column, end in enumerate(ends)}
    if not ids or len(modalities) != 2:
        raise FitError(
            "The blueprint has no factors with binding and expression.", 'Set [knowledge] guide = "regulators".'
        )
    wanted = [(gene_of.get(node), modality) for node in ids for modality in modalities]
    missing = [f"{gene} ({modality})" for gene, modality in wanted if (gene, modality) not in place]
    if missing:
        raise FitError(f"Inputs of factors are missing: {some(missing)}.", 'Set [knowledge] guide = "regulators".')
    return ids, np.array([place[end] for end in wanted], dtype=np.int64).reshape(-1, 2)
