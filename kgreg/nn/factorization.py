"""Autoencoders with a linear decoder whose weights are smooth over interactions: one view, or several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from kgreg.blueprint.model import Blueprint
from kgreg.errors import FitError
from kgreg.nn.dense import Activation, Share, Width
from kgreg.nn.design import Design
from kgreg.nn.encoder import Connections, Encoder, fan_in
from kgreg.nn.guided import Given, GuidedNetwork, Passed, TaskLoss
from kgreg.nn.laplacian import LaplacianKind, LaplacianPenalty, feature_interactions
from kgreg.nn.modalities import modalities_of
from kgreg.nn.readout import Link

Fusion = Literal["mean", "cat"]
_Weight = Annotated[float, Field(ge=0)]


class FactorizationDesign(Design):
    """What autoencoders with Laplacian penalties have in common.

    ``hidden`` are the neurons of the encoder's layers, of which the last are the factors. The loss is ``task`` times
    that of the task, ``reconstruction`` times the mean squared error, and ``laplacian`` times the penalty of the
    decoder's weights (see :class:`kgreg.nn.laplacian.LaplacianPenalty` for ``graph``, ``scaled_graph``, ``unit_rows``).
    """

    hidden: Annotated[tuple[Width, ...], Field(min_length=1)] = (100, 100)
    connections: Connections = "plain"
    activation: Activation = "relu"
    dropout: Share = 0.0
    task: _Weight = 1.0
    reconstruction: _Weight = 1.0
    laplacian: _Weight = 1.0
    graph: LaplacianKind = "combinatorial"
    scaled_graph: bool = True
    unit_rows: bool = True

    def views(self, blueprint: Blueprint) -> dict[str, NDArray[np.int64]]:
        """Return name -> positions in ``blueprint.inputs`` of every view."""
        raise NotImplementedError

    def size(self, blueprint: Blueprint, n_outputs: int) -> tuple[int, int]:
        """Return about how many parameters the network has, and how many activations a sample has in training."""
        parameters = 0
        views = self.views(blueprint)
        for columns in views.values():
            reads = fan_in(len(columns), self.hidden, self.connections)
            parameters += sum((n + 1) * width for n, width in zip(reads, self.hidden, strict=True))
            parameters += len(columns) * (self.hidden[-1] + 1)
        head = (len(views) * self.hidden[-1] + 1) * n_outputs
        return parameters + head, 3 * len(blueprint.inputs) + 2 * len(views) * sum(self.hidden)


class LaplacianAutoencoder(FactorizationDesign):
    """All inputs as one view. The linear head is fitted afterwards ("probe"), or trained with the rest ("joint")."""

    model: Literal["laplacian-autoencoder"] = "laplacian-autoencoder"
    hidden: Annotated[tuple[Width, ...], Field(min_length=1)] = (100, 20)
    supervision: Literal["probe", "joint"] = "probe"

    def views(self, blueprint: Blueprint) -> dict[str, NDArray[np.int64]]:
        """Return the one view of all inputs."""
        return {"": np.arange(len(blueprint.inputs))}

    def build(
        self, blueprint: Blueprint, n_outputs: int, *, covariates: Sequence[str] = (), link: Link = "identity"
    ) -> FactorizationNetwork:
        """Return the network; see :class:`FactorizationNetwork`."""
        return FactorizationNetwork(
            blueprint, n_outputs, self, n_covariates=len(covariates), supervised=self.supervision == "joint"
        )


class Multiview(FactorizationDesign):
    """Multi-view factorization autoencoder (Ma & Zhang 2019): every modality is a view with an autoencoder of its own.

    ``similarity`` weighs the agreement between views, see :func:`view_similarity`; ``fuse`` says whether the head
    reads the mean of the views' factors or all of them side by side.
    """

    model: Literal["multiview"] = "multiview"
    fuse: Fusion = "mean"
    similarity: _Weight = 1.0

    def views(self, blueprint: Blueprint) -> dict[str, NDArray[np.int64]]:
        """Return one view a modality."""
        return modalities_of(blueprint)

    def build(
        self, blueprint: Blueprint, n_outputs: int, *, covariates: Sequence[str] = (), link: Link = "identity"
    ) -> FactorizationNetwork:
        """Return the network; see :class:`FactorizationNetwork`."""
        return FactorizationNetwork(
            blueprint,
            n_outputs,
            self,
            n_covariates=len(covariates),
            fuse=self.fuse,
            similarity=self.similarity,
        )


class Factors(NamedTuple):
    """What the loss needs of a pass: the factors of every view ``[batch, k]``, which of them are there, covariates."""

    of_views: list[Tensor]
    present: Tensor | None
    covariates: Tensor | None


class FactorizationNetwork(GuidedNetwork):
    """One encoder and one linear decoder a view; a linear head that reads the factors.

    For view v with features ``x_v`` (p_v of them): ``h_v = encoder_v(x_v)`` and ``x'_v = W_v h_v + b_v``. The factors
    that the head reads are the mean of the ``h_v`` of the views that a sample has ("mean"), or all of them side by
    side, 0 for those that it lacks ("cat"); covariates stand beside them. The loss is::

        task L(outputs) + reconstruction sum_v mean (x_v - x'_v)^2
            + laplacian sum_v tr(W_v.T L_v W_v) + similarity S(h_1, h_2, ...)

    Means are over the samples that have the view, and over its features; L_v is the Laplacian of the interactions
    between the features of v, S :func:`view_similarity`. A network that is not ``supervised`` leaves the task out.

    The named nodes are ``factor 1``, ..., or ``<modality>: factor 1``, ... where they stand side by side.

    Raises
    ------
    FitError
        If the Laplacian has a weight but no view has interactions.
    """

    head: nn.Linear
    modality: Tensor

    def __init__(
        self,
        blueprint: Blueprint,
        n_outputs: int,
        design: FactorizationDesign,
        *,
        n_covariates: int = 0,
        fuse: Fusion = "mean",
        similarity: float = 0.0,
        supervised: bool = True,
    ) -> None:
        views = design.views(blueprint)
        n_factors = design.hidden[-1]
        names = [f"factor {i + 1}" for i in range(n_factors)]
        if fuse == "cat":
            names = [f"{view}: {name}" for view in views for name in names]
        super().__init__(blueprint, n_outputs, names, [1] * len(names), n_covariates)
        self.supervised, self.design, self.fuse, self.similarity = supervised, design, fuse, similarity
        self.encoders = nn.ModuleList(
            Encoder(len(columns), design.hidden, design.connections, design.activation, design.dropout)
            for columns in views.values()
        )
        self.decoders = nn.ModuleList(nn.Linear(n_factors, len(columns)) for columns in views.values())
        self.penalties = nn.ModuleList(_penalties(blueprint, views, design) if design.laplacian else [])
        self.head = nn.Linear(len(names) + n_covariates, n_outputs)
        for number, columns in enumerate(views.values()):
            self.register_buffer(f"columns_{number}", torch.from_numpy(columns), persistent=False)
        modality = pd.factorize(blueprint.inputs["modality"])[0].astype(np.int64)
        self.register_buffer("modality", torch.from_numpy(modality), persistent=False)

    def compute(self, given: Given) -> Passed:
        """Do one pass; views are decoded only where the loss asks for them."""
        found = [encoder(x) for encoder, x in zip(self.encoders, self._views(given.x), strict=True)]
        masks = [None if given.present is None else given.present[:, v, None] for v in range(len(found))]
        if self.fuse == "cat":
            levels = [h if mask is None else h * mask for h, mask in zip(found, masks, strict=True)]
        elif given.present is None or len(found) == 1:
            levels = [torch.stack(found).mean(dim=0)]
        else:
            total = torch.stack([h * mask for h, mask in zip(found, masks, strict=True)]).sum(dim=0)
            levels = [total / given.present.sum(dim=1, keepdim=True).clamp(min=1)]
        levels = self.changed(levels)
        passed = Passed(levels[0], levels, Factors(found, given.present, given.covariates))
        return passed._replace(outputs=self.head(self.read(passed)))

    def read(self, passed: Passed) -> Tensor:
        """Return the factors, and the covariates beside them."""
        covariates = passed.extra.covariates
        return torch.cat([*passed.levels, *([] if covariates is None else [covariates])], dim=1)

    def loss(self, passed: Passed, given: Given, target: Tensor, task_loss: TaskLoss) -> Tensor:
        """Return the loss of the class description."""
        design, factors = self.design, passed.extra
        loss = passed.outputs.new_zeros(())
        if self.supervised:
            loss = loss + design.task * task_loss(passed.outputs.t(), target)
        for v, (x, h) in enumerate(zip(self._views(given.x), factors.of_views, strict=True)):
            error = self.decoders[v](h) - x
            loss = loss + design.reconstruction * _mean_squares(error, self._there(v, factors.present))
        for decoder, penalty in zip(self.decoders, self.penalties, strict=bool(len(self.penalties))):
            loss = loss + design.laplacian * penalty(decoder.weight)
        if self.similarity and len(factors.of_views) > 1:
            loss = loss + self.similarity * view_similarity(factors.of_views, factors.present)
        return loss

    def _views(self, x: Tensor) -> list[Tensor]:
        """Return the features of every view."""
        if len(self.encoders) == 1:
            return [x]
        return [x.index_select(1, getattr(self, f"columns_{v}")) for v in range(len(self.encoders))]

    def _there(self, view: int, present: Tensor | None) -> Tensor | None:
        """Return 1 for what a sample has of a view, else 0: ``[batch, 1]``, or ``[batch, features]`` of one view."""
        if present is None:
            return None
        return present[:, view, None] if len(self.encoders) > 1 else present.index_select(1, self.modality)


def view_similarity(factors: Sequence[Tensor], present: Tensor | None = None) -> Tensor:
    """Return how little the views agree on which samples are alike: ``-mean |prod_v cos(h_v,i, h_v,j)|``.

    The mean is over all pairs (i, j) of samples of the batch, a sample with itself included; where views are missing,
    the product is over the views that both samples have, and pairs without one do not count.

    Parameters
    ----------
    factors
        ``[batch, k]`` of every view.
    present
        ``[batch, n_views]`` 1 or 0; None: all there.
    """
    product: Tensor | None = None
    for v, h in enumerate(factors):
        unit = nn.functional.normalize(h, dim=1)
        cosine = unit @ unit.t()
        if present is not None:
            cosine = torch.where((present[:, v, None] * present[None, :, v]) > 0, cosine, torch.ones_like(cosine))
        product = cosine if product is None else product * cosine
    assert product is not None
    if present is None:
        return -product.abs().mean()
    shared = (present @ present.t()) > 0
    return -(product.abs() * shared).sum() / shared.sum().clamp(min=1)


def _penalties(
    blueprint: Blueprint, views: dict[str, NDArray[np.int64]], design: FactorizationDesign
) -> list[LaplacianPenalty]:
    """Return the penalty of every view."""
    table = feature_interactions(blueprint)
    if table.empty:
        raise FitError(
            "The Laplacian penalty needs interactions between the genes of the data, and there are none.",
            'Set [knowledge] interactions (with guide = "interactions", or beside a hierarchy), or laplacian = 0.',
        )
    penalties = []
    for columns in views.values():
        place = np.full(len(blueprint.inputs), -1)
        place[columns] = np.arange(len(columns))
        ends = np.stack([place[table["source"]], place[table["target"]]])
        own = (ends >= 0).all(axis=0)
        penalties.append(
            LaplacianPenalty(
                ends[:, own],
                table["weight"].to_numpy()[own],
                len(columns),
                kind=design.graph,
                scaled=design.scaled_graph,
                unit_rows=design.unit_rows,
            )
        )
    return penalties


def _mean_squares(error: Tensor, there: Tensor | None) -> Tensor:
    """Return the mean of the squares of what is there."""
    if there is None:
        return error.square().mean()
    there = there.expand_as(error)
    return (error.square() * there).sum() / there.sum().clamp(min=1)
