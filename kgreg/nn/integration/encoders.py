"""Encoders of single modalities, which samples may lack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from kgreg.blueprint.model import Blueprint
from kgreg.errors import FitError
from kgreg.nn.dense import Activation, dense_layers
from kgreg.nn.guided import Given
from kgreg.nn.modalities import modalities_of
from kgreg.nn.sparse import SparseLinear

#: What the first layer of an encoder reads: all genes, or, with one neuron a term, the genes of that term.
First = Literal["dense", "terms"]

#: :meth:`kgreg.nn.guided.GuidedNetwork.changed`.
Changed = Callable[[list[Tensor]], list[Tensor]]


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation that falls back on its running statistics where a batch has a single sample or none."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``[batch, features]``."""
        if self.training and len(x) < 2:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        normalised: Tensor = super().forward(x)
        return normalised


class Encoder(nn.Module):
    """Layers of linear map, batch normalisation, activation, dropout; samples without the modality give 0.

    Statistics of a batch are those of the samples that have it.

    Shapes
    ------
    ``[batch, n_inputs]`` and ``present [batch]`` (None: all have it) to ``[batch, widths[-1]]``; without widths the
    input.
    """

    def __init__(
        self, n_inputs: int, widths: Sequence[int], activation: Activation, norm: bool, dropout: float
    ) -> None:
        super().__init__()
        self.layers = dense_layers(n_inputs, widths, activation, dropout, BatchNorm if norm else None)
        self.width = [n_inputs, *widths][-1]

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """Return the embedding."""
        if present is None:
            embedded: Tensor = self.layers(x)
            return embedded
        rows = torch.nonzero(present > 0).flatten()
        return x.new_zeros(len(x), self.width).index_copy(0, rows, self.layers(x.index_select(0, rows)))


class Views(nn.Module):
    """The inputs of every modality, or neurons for the terms of the graph that read them.

    With ``first = "terms"`` every modality has a neuron for every term, which reads the genes at or below that term,
    as that modality measured them (and 0 where there are none): linear map, batch normalisation, tanh, which hands on
    both signs of the one number that a term has. A term's neurons stand together, so that a term has one score.

    Attributes
    ----------
    names
        The modalities, in the order of ``Given.present``.
    sizes
        How many numbers a modality has for a sample.
    terms
        Ids of the terms; empty for "dense".
    """

    read: Tensor

    def __init__(self, blueprint: Blueprint, first: First, norm: bool) -> None:
        super().__init__()
        columns = modalities_of(blueprint)
        self.names = list(columns)
        self.terms: list[str] = blueprint.terms["id"].tolist() if first == "terms" else []
        if first == "terms" and not self.terms:
            raise FitError(
                'first = "terms" needs terms, and the knowledge has none.',
                'Choose a guide with a hierarchy, or set first = "dense".',
            )
        self.sizes = [len(self.terms) if self.terms else len(own) for own in columns.values()]
        for m, own in enumerate(columns.values()):
            self.register_buffer(f"columns_{m}", torch.from_numpy(own), persistent=False)
        if self.terms:
            rows, cols = _links(blueprint, columns, self.terms)
            n_neurons = len(self.terms) * len(self.names)
            self.links = SparseLinear(rows, cols, n_neurons, len(blueprint.inputs))
            read = np.bincount(rows, minlength=n_neurons) > 0
            self.register_buffer("read", torch.from_numpy(read.astype(np.float32)), persistent=False)
            self.bias = nn.Parameter(torch.zeros(n_neurons))
            self.norms = nn.ModuleList(BatchNorm(len(self.terms)) for _ in self.names) if norm else None

    def forward(self, given: Given, changed: Changed = list) -> tuple[list[Tensor], Tensor | None]:
        """Return what stands for every modality, ``[batch, size]``, and the neurons of the terms if there are any.

        The latter are ``[batch, terms * modalities]``, and the former are computed from them, as ``changed`` left them.
        """
        if not self.terms:
            return [given.x.index_select(1, getattr(self, f"columns_{m}")) for m in range(len(self.names))], None
        shape = len(given.x), len(self.terms), len(self.names)
        x = (self.links(given.x.t()).t() + self.bias).reshape(shape)
        each = []
        for m, own in enumerate(x.unbind(dim=2)):
            present = presence_of(given, m)
            rows = (
                torch.arange(len(own), device=own.device) if present is None else torch.nonzero(present > 0).flatten()
            )
            there = own.index_select(0, rows)
            if self.norms is not None:
                there = self.norms[m](there)
            each.append(torch.zeros_like(own).index_copy(0, rows, torch.tanh(there)))
        (level,) = changed([torch.stack(each, dim=2).flatten(1) * self.read])
        return list(level.reshape(shape).unbind(dim=2)), level


def _links(
    blueprint: Blueprint, columns: dict[str, NDArray[np.int64]], terms: list[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return neuron and input of every link: neuron ``t * n_modalities + m`` reads the genes of term t in m."""
    below = blueprint.gene_sets()
    node = blueprint.inputs["node"].to_numpy()
    rows, cols = [], []
    for m, own in enumerate(columns.values()):
        place: dict[str, int] = {str(node[i]): int(i) for i in own}
        for t, term in enumerate(terms):
            members = sorted(place[gene] for gene in below[term] if gene in place)
            rows.append(np.full(len(members), t * len(columns) + m))
            cols.append(np.array(members, dtype=np.int64))
    return np.concatenate(rows).astype(np.int64), np.concatenate(cols)


def presence_of(given: Given, m: int) -> Tensor | None:
    """Return ``[batch]`` which samples have a modality; None: all."""
    return None if given.present is None else given.present[:, m]


def count_views(blueprint: Blueprint, first: First) -> tuple[list[int], int]:
    """Return how many numbers every modality has, and the parameters that compute them."""
    columns = modalities_of(blueprint)
    if first == "dense":
        return [len(own) for own in columns.values()], 0
    links = sum(len(genes) for genes in blueprint.gene_sets().values()) * len(columns)
    return [len(blueprint.terms)] * len(columns), links
