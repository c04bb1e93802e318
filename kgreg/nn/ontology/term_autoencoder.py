"""Autoencoders with one latent variable a term and one linear layer of decoding: expiMap, VEGA."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from kgreg.blueprint.model import Blueprint
from kgreg.errors import FitError
from kgreg.nn.design import Design
from kgreg.nn.guided import Given, GuidedNetwork, Passed, TaskLoss
from kgreg.nn.ontology.latent import GaussianEncoder, divergence
from kgreg.nn.ontology.likelihood import Presence, negative_binomial, per_sample
from kgreg.nn.ontology.term_decoder import TermDecoder
from kgreg.nn.readout import Link

Width = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Weight = Annotated[float, Field(ge=0)]


class TermAutoencoderDesign(Design):
    """A variational autoencoder with a dense encoder and a latent variable a term, which reaches the term's genes.

    expiMap (Lotfollahi et al. 2023) with ``likelihood = "nb"`` and ``lasso``; VEGA (Seninge et al. 2021) with
    ``"gaussian"``, ``non_negative`` and ``free = 1``.

    Attributes
    ----------
    hidden, norm, dropout, latent_dropout
        Of the encoder, which reads the inputs (log(1 + counts) with "nb") and the covariates.
    likelihood
        "nb": negative binomial, of counts (``[data] scale = "none"``, a layer of counts); the mean is the sample's
        total count times the softmax over genes of what the terms add up to. "gaussian": squared error.
    kl, kl_epochs
        Weight of the divergence, and over how many epochs it grows from 0 to there.
    lasso
        Group lasso: switches terms off that explain too little.
    soft_membership, soft_penalty
        Whether terms may take in genes that they are not annotated with, and the L1 penalty on these weights.
    non_negative
        Whether weights of the decoder are at least 0.
    free
        Latent variables that reach all genes and stand for no term.
    head, task_weight
        See :class:`kgreg.nn.ontology.autoencoder.OntologyAutoencoderDesign`.
    """

    model: Literal["term-autoencoder"] = "term-autoencoder"
    hidden: Annotated[tuple[Width, ...], Field(min_length=1)] = (256, 256)
    norm: Literal["batch", "layer", "none"] = "layer"
    dropout: Share = 0.0
    latent_dropout: Share = 0.0
    likelihood: Literal["gaussian", "nb"] = "gaussian"
    kl: Weight = 0.35
    kl_epochs: Annotated[int, Field(ge=0)] = 0
    lasso: Weight = 0.0
    soft_membership: bool = False
    soft_penalty: Weight = 1.0
    non_negative: bool = False
    free: Annotated[int, Field(ge=0)] = 0
    head: Literal["probe", "joint"] = "probe"
    task_weight: Weight = 1.0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.soft_membership and not self.soft_penalty:
            raise ValueError("soft_membership without a soft_penalty joins every gene to every term")
        return self

    def build(
        self, blueprint: Blueprint, n_outputs: int, *, covariates: Sequence[str] = (), link: Link = "identity"
    ) -> TermAutoencoder:
        """See :meth:`kgreg.nn.design.Design.build`."""
        return TermAutoencoder(self, blueprint, n_outputs, len(covariates))

    def size(self, blueprint: Blueprint, n_outputs: int) -> tuple[int, int]:
        """See :meth:`kgreg.nn.design.Design.size`."""
        n_inputs, n_terms = len(blueprint.inputs), len(blueprint.terms)
        sizes = np.array([n_inputs, *self.hidden, 2 * (n_terms + self.free)])
        if self.soft_membership:
            members = n_inputs * n_terms
        else:
            members = sum(len(genes) for genes in blueprint.gene_sets().values())
        parameters = int(((sizes[:-1] + 1) * sizes[1:]).sum()) + members + n_inputs * (2 + self.free)
        return parameters + n_outputs * (n_terms + 1), 3 * int(sizes.sum()) + 4 * n_inputs


class Decoded(NamedTuple):
    """``decoded [batch, n_inputs]`` (a reconstruction, or logarithms of the means of counts); ``mean``,
    ``log_variance`` ``[batch, n_latent]``; ``covariates`` as they were given."""

    decoded: Tensor
    mean: Tensor
    log_variance: Tensor
    covariates: Tensor | None


class TermAutoencoder(GuidedNetwork):
    """See :class:`TermAutoencoderDesign`.

    The activity of a term is its latent variable (the mean of the posterior in evaluation); that of a term that is
    switched off is 0, so that nothing reads it.
    """

    def __init__(self, design: TermAutoencoderDesign, blueprint: Blueprint, n_outputs: int, n_covariates: int) -> None:
        terms = blueprint.terms["id"].tolist()
        super().__init__(blueprint, n_outputs, terms, np.ones(len(terms), dtype=np.int64), n_covariates)
        if not terms:
            raise FitError(
                "A term autoencoder needs terms, and the knowledge has none.",
                'Choose a guide with a hierarchy, such as "go" or "tables".',
            )
        self.design = design
        self.supervised = design.head == "joint"
        self.encoder = GaussianEncoder(
            self.n_inputs + n_covariates,
            design.hidden,
            len(terms) + design.free,
            design.norm,
            design.dropout,
            design.latent_dropout,
        )
        self.decoder = TermDecoder(blueprint, design.soft_membership, design.non_negative)
        self.free = nn.Linear(design.free, self.n_inputs, bias=False) if design.free else None
        self.shift = nn.Linear(n_covariates, self.n_inputs, bias=False) if n_covariates else None
        self.bias = nn.Parameter(torch.zeros(self.n_inputs))
        self.log_dispersion = nn.Parameter(torch.zeros(self.n_inputs)) if design.likelihood == "nb" else None
        self.presence = Presence(blueprint)
        self.head = nn.Linear(len(terms) + n_covariates, n_outputs)
        self._grown = 1.0

    def begin(self, given: Given, target: Tensor) -> None:
        """Start the reconstruction at the mean of the training samples.

        Raises
        ------
        FitError
            If the likelihood is that of counts and the inputs are not counts.
        """
        if self.design.likelihood == "gaussian":
            self.bias.copy_(given.x.mean(dim=0))
            return
        x = given.x
        if bool((x < 0).any()) or bool((x != x.round()).any()):
            raise FitError(
                'likelihood = "nb" needs counts, and the inputs hold negative numbers or fractions.',
                'Give a layer of raw counts with [data] scale = "none", or set likelihood = "gaussian".',
            )
        self.bias.copy_(torch.log((x.sum(dim=0) + 1) / (x.sum() + x.shape[1])))

    def at_epoch(self, epoch: int) -> None:
        """Let the weight of the divergence grow."""
        self._grown = min(1.0, epoch / self.design.kl_epochs) if self.design.kl_epochs else 1.0

    def compute(self, given: Given) -> Passed:
        """See :meth:`kgreg.nn.guided.GuidedNetwork.compute`; ``extra`` is :class:`Decoded`."""
        counts = self.design.likelihood == "nb"
        read = torch.log1p(given.x) if counts else given.x
        if given.covariates is not None:
            read = torch.cat([read, given.covariates], dim=1)
        mean, log_variance = self.encoder(read)
        assert log_variance is not None
        latent = self.encoder.draw(mean, log_variance)
        of_terms = latent[:, : len(self.term_ids)]
        activities = of_terms * (self.decoder.norms().detach() > 0)
        decoded = self.decoder(of_terms) + self.bias
        if self.free is not None:
            decoded = decoded + self.free(latent[:, len(self.term_ids) :])
        if self.shift is not None and given.covariates is not None:
            decoded = decoded + self.shift(given.covariates)
        if counts:
            # A sample without any count has a total of 1: the logarithm of 0 is none.
            total = given.x.sum(dim=1, keepdim=True).clamp(min=1)
            decoded = torch.log_softmax(decoded, dim=1) + total.log()
        (activities,) = self.changed([activities])
        outputs = self.head(_beside(activities, given.covariates))
        return Passed(outputs, [activities], Decoded(decoded, mean, log_variance, given.covariates))

    def loss(self, passed: Passed, given: Given, target: Tensor, task_loss: TaskLoss) -> Tensor:
        """Return the mean over samples of minus the log likelihood (squared error) and the divergence."""
        found = passed.extra
        if self.log_dispersion is not None:
            error = negative_binomial(given.x, found.decoded, self.log_dispersion)
        else:
            error = (given.x - found.decoded).square()
        # In evaluation the whole divergence counts, so that epochs can be compared.
        kl = self.design.kl * (self._grown if self.training else 1.0)
        total = per_sample(error, self.presence(given), average=False).mean()
        total = total + kl * divergence(found.mean, found.log_variance).mean()
        if self.supervised:
            total = total + self.design.task_weight * task_loss(passed.outputs.t(), target)
        return total

    def read(self, passed: Passed) -> Tensor:
        """Return draws from the posterior of the activities, always the same, and covariates: for the head's fit.

        Means carry no noise: those of a latent variable that hardly reaches any gene vary by a small part of the
        posterior's width, and a head on standardised means would weigh it like any other.
        """
        (activities,), found = passed.levels, passed.extra
        n_terms = len(self.term_ids)
        noise = torch.randn(activities.shape, generator=torch.Generator().manual_seed(0), dtype=activities.dtype)
        spread = torch.exp(found.log_variance[:, :n_terms] / 2) * (self.decoder.norms().detach() > 0)
        return _beside(activities + spread * noise.to(activities.device), found.covariates)

    def after_step(self, learning_rate: float) -> None:
        """Take the proximal step of the penalties on the decoder."""
        self.decoder.restrain(learning_rate, self.design.lasso, self.design.soft_penalty)

    def switched_off(self) -> list[str]:
        """Return the terms whose weights are all 0."""
        off = (self.decoder.norms() == 0).tolist()
        return [term for term, is_off in zip(self.term_ids, off, strict=True) if is_off]


def _beside(activities: Tensor, covariates: Tensor | None) -> Tensor:
    """Return what the head reads."""
    return activities if covariates is None else torch.cat([activities, covariates], dim=1)
