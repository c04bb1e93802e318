"""Autoencoders that decode (or encode) along a hierarchy of terms: OntoVAE, COBRA, GONNECT."""

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
from kgreg.nn.ontology.adversary import Adversary, categories
from kgreg.nn.ontology.cascade import Cascade, TermActivation, links_down, links_up
from kgreg.nn.ontology.latent import GaussianEncoder, divergence, perceptron
from kgreg.nn.ontology.likelihood import Presence, per_sample
from kgreg.nn.readout import Link

Width = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Weight = Annotated[float, Field(ge=0)]


class OntologyAutoencoderDesign(Design):
    """An autoencoder whose decoder, encoder or both follow the hierarchy.

    With ``encoder = "dense"`` and ``decoder = "ontology"`` it is OntoVAE (Doncevic & Herrmann 2023): the latent
    variables are the neurons of the roots, and every other term and then every gene reads the terms above it. With
    covariates and ``adversary`` it is COBRA. With both along the hierarchy, ``variational = false`` and
    ``soft_links`` it is GONNECT; its proxy terms, which carry a link over a level, are not needed here, because links
    skip levels as they are.

    Attributes
    ----------
    encoder, decoder
        "ontology" (a link where the hierarchy has one) or "dense" (layers of ``hidden``, with ``norm``, ReLU and
        ``dropout``; a dense decoder has them in reverse). One at least is "ontology".
    width
        Neurons a term. The activity of a term is their mean.
    latent_dropout
        Share of the outputs of a dense encoder that are set to 0 in training.
    variational, kl
        Whether a dense encoder returns a normal distribution, and the weight of its divergence.
    activation
        Of all terms but the roots; the roots and the reconstruction are linear.
    non_negative
        Whether links of the decoder are set to at least 0 after every step.
    reconstruction
        Squared error, "sum" or "mean" over the inputs; the mean over samples of either.
    soft_links, soft_penalty
        Links beside those of the hierarchy, from each group of terms to the next, and the weight of the mean of their
        absolute values.
    adversary, gradient_penalty, adversary_hidden, adversary_dropout
        See :class:`kgreg.nn.ontology.adversary.Adversary`; 0: none.
    head, task_weight
        "probe": trained without the task, then a linear head is fitted to the activities. "joint": the loss of the
        task is added with this weight.
    """

    model: Literal["ontology-autoencoder"] = "ontology-autoencoder"
    encoder: Literal["dense", "ontology"] = "dense"
    decoder: Literal["dense", "ontology"] = "ontology"
    width: Width = 3
    hidden: tuple[Width, ...] = (512,)
    norm: Literal["batch", "layer", "none"] = "batch"
    dropout: Share = 0.0
    latent_dropout: Share = 0.5
    variational: bool = True
    kl: Weight = 1e-4
    activation: TermActivation = "identity"
    non_negative: bool = False
    reconstruction: Literal["sum", "mean"] = "sum"
    soft_links: bool = False
    soft_penalty: Weight = 100.0
    adversary: Weight = 0.0
    gradient_penalty: Weight = 2.0
    adversary_hidden: tuple[Width, ...] = (64, 64)
    adversary_dropout: Share = 0.2
    head: Literal["probe", "joint"] = "probe"
    task_weight: Weight = 1.0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.encoder == self.decoder == "dense":
            raise ValueError('encoder or decoder must be "ontology"')
        if self.encoder == "ontology" and self.variational:
            raise ValueError('variational = true needs encoder = "dense"; set variational = false')
        if self.non_negative and self.decoder == "dense":
            raise ValueError('non_negative = true needs decoder = "ontology"')
        return self

    def build(
        self, blueprint: Blueprint, n_outputs: int, *, covariates: Sequence[str] = (), link: Link = "identity"
    ) -> OntologyAutoencoder:
        """See :meth:`kgreg.nn.design.Design.build`."""
        return OntologyAutoencoder(self, blueprint, n_outputs, covariates)

    def size(self, blueprint: Blueprint, n_outputs: int) -> tuple[int, int]:
        """See :meth:`kgreg.nn.design.Design.size`."""
        n_inputs, n_terms = len(blueprint.inputs), len(blueprint.terms)
        n_latent = len(blueprint.roots) * self.width
        parameters = activations = 0
        for part, links in ((self.encoder, links_up), (self.decoder, links_down)):
            if part == "ontology":
                cascade = links(blueprint, self.width)
                parameters += len(cascade.rows) + sum(cascade.sizes[1:])
                if self.soft_links:
                    parameters += int(np.dot(cascade.sizes[1:], cascade.sizes[:-1]))
                # What a group reads is joined anew for every group.
                activations += int(np.cumsum(cascade.sizes).sum())
            else:
                sizes = np.array([n_inputs, *self.hidden, n_latent])
                parameters += int(((sizes[:-1] + 1) * sizes[1:]).sum())
                activations += 3 * int(sizes.sum())
        return parameters + n_outputs * (n_terms + 1), activations


class Reconstructed(NamedTuple):
    """``reconstruction [batch, n_inputs]``; ``mean``, ``log_variance`` and ``latent`` ``[batch, n_latent]``, the latter
    without the embeddings of covariates; ``covariates`` as they were given."""

    reconstruction: Tensor
    mean: Tensor
    log_variance: Tensor | None
    latent: Tensor
    covariates: Tensor | None


class OntologyAutoencoder(GuidedNetwork):
    """See :class:`OntologyAutoencoderDesign`.

    Equations, with x the inputs, C the embeddings of covariates, T the terms::

        z = mean + sd * e        mean, log sd^2 = encoder(x)    (draws e in training only; dense)
        z = h_roots              h_t = a(sum over children and genes of t)    (ontology)
        h_t = a(sum over parents of t + b_t),  x' = sum over terms of a gene + b    from z + C
        loss = |x - x'|^2 + kl KL + soft_penalty mean |S| + adversary + task_weight task

    The activities that are decoded and read by the head are those of the encoder if it follows the hierarchy; else
    those that the decoder computes from z alone, without the embeddings of covariates: what is left when what they
    say is taken away.
    """

    def __init__(
        self, design: OntologyAutoencoderDesign, blueprint: Blueprint, n_outputs: int, covariates: Sequence[str]
    ) -> None:
        terms = blueprint.terms["id"].tolist()
        super().__init__(blueprint, n_outputs, terms, np.ones(len(terms), dtype=np.int64), len(covariates))
        if not terms:
            raise FitError(
                "An ontology autoencoder needs terms, and the knowledge has none.",
                'Choose a guide with a hierarchy, such as "go" or "tables".',
            )
        self.design = design
        self.supervised = design.head == "joint"
        n_latent = len(blueprint.roots) * design.width
        root = blueprint.terms["id"].isin(set(blueprint.roots)).to_numpy()
        self.up = self.down = self.dense_encoder = self.dense_decoder = None
        if design.encoder == "ontology":
            self.up = Cascade(links_up(blueprint, design.width), design.activation, design.soft_links)
            starts = self.up.links.term_start[root]
            self.root_rows = (starts[:, None] + np.arange(design.width)).reshape(-1)
        else:
            self.dense_encoder = GaussianEncoder(
                self.n_inputs,
                design.hidden,
                n_latent,
                design.norm,
                design.dropout,
                design.latent_dropout,
                design.variational,
            )
        if design.decoder == "ontology":
            links = links_down(blueprint, design.width)
            self.down = Cascade(links, design.activation, design.soft_links, design.non_negative)
        else:
            hidden = design.hidden[::-1]
            self.dense_decoder = nn.Sequential(
                perceptron(n_latent, hidden, design.norm, design.dropout),
                nn.Linear([n_latent, *hidden][-1], self.n_inputs),
            )
        self.shift = nn.Linear(len(covariates), n_latent, bias=False) if covariates else None
        columns = categories(covariates)
        if design.adversary and not columns:
            raise FitError(
                "adversary asks for a categorical covariate, and the data have none.",
                "Name one in [data] covariates (a batch, say), or set adversary = 0.",
            )
        self.adversary = (
            Adversary(n_latent, columns, design.adversary_hidden, design.adversary_dropout)
            if design.adversary
            else None
        )
        self.presence = Presence(blueprint)
        self.head = nn.Linear(len(terms) + len(covariates), n_outputs)

    def compute(self, given: Given) -> Passed:
        """See :meth:`kgreg.nn.guided.GuidedNetwork.compute`; ``extra`` is a :class:`Reconstructed`."""
        width, activities = self.design.width, None
        log_variance: Tensor | None = None
        if self.up is not None:
            groups = self.up(given.x.t())
            activities = self.up.activities(groups, width)
            latent = mean = torch.cat(groups)[self.root_rows].t()
        else:
            assert self.dense_encoder is not None
            mean, log_variance = self.dense_encoder(given.x)
            latent = self.dense_encoder.draw(mean, log_variance)
        shifted = latent
        if self.shift is not None and given.covariates is not None:
            shifted = latent + self.shift(given.covariates)
        if self.down is not None:
            groups = self.down(shifted.t())
            reconstruction = groups[-1].t()
            if activities is None:
                basal = groups if self.shift is None else self.down(latent.t())
                activities = self.down.activities(basal, width)
        else:
            assert self.dense_decoder is not None
            reconstruction = self.dense_decoder(shifted)
        assert activities is not None  # one of the two follows the hierarchy
        (activities,) = self.changed([activities])
        extra = Reconstructed(reconstruction, mean, log_variance, latent, given.covariates)
        passed = Passed(activities, [activities], extra)
        return passed._replace(outputs=self.head(self.read(passed)))

    def read(self, passed: Passed) -> Tensor:
        """Return the activities, and the covariates beside them."""
        covariates = passed.extra.covariates
        return torch.cat([*passed.levels, *([] if covariates is None else [covariates])], dim=1)

    def loss(self, passed: Passed, given: Given, target: Tensor, task_loss: TaskLoss) -> Tensor:
        """Return the mean over samples of error and divergence, plus penalties, adversary and the joint task.

        The adversary counts in training alone: its classifiers say nothing of how good the autoencoder is.
        """
        design, found = self.design, passed.extra
        error = (given.x - found.reconstruction).square()
        total = per_sample(error, self.presence(given), design.reconstruction == "mean").mean()
        if found.log_variance is not None:
            total = total + design.kl * divergence(found.mean, found.log_variance).mean()
        if design.soft_links:
            sums, numbers = zip(*(c.soft_sum() for c in (self.up, self.down) if c is not None), strict=True)
            total = total + design.soft_penalty * sum(sums) / max(sum(numbers), 1)
        if self.adversary is not None and self.training and given.covariates is not None:
            total = total + self.adversary.loss(
                found.latent, given.covariates, design.adversary, design.gradient_penalty
            )
        if self.supervised:
            total = total + design.task_weight * task_loss(passed.outputs.t(), target)
        return total

    def after_step(self, learning_rate: float) -> None:
        """Keep the links of the decoder at 0 or above, if that is asked for."""
        if self.down is not None:
            self.down.clamp()
