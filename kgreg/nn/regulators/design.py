"""What there is to choose about a network of regulators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from kgreg.blueprint.model import Blueprint
from kgreg.nn.dense import Activation, Share, Width, count_dense
from kgreg.nn.design import Design
from kgreg.nn.readout import Link

if TYPE_CHECKING:
    from kgreg.nn.regulators.network import RegulatorNetwork


class RegulatorDesign(Design):
    """Attention over transcription factors, each with its binding sites at a gene and its expression.

    That precomputed sites and expression are joined by attention is all that the review's sentence on Kang et al.
    says; no text of their layers could be found. This is the plain form of the idea, and every constant is ours.

    Attributes
    ----------
    features
        Of a factor, made of its two numbers and their product.
    heads
        Of attention; each pools the factors by itself.
    attention
        "softmax": the heads are means over factors that share one unit of attention. "sigmoid": every factor is
        attended to or not, whatever the others are; pooled as ``sum a v / (1 + sum a)`` (as in GraphReg, Karbalayghareh
        et al. 2022).
    hidden
        Dense layers above what is pooled.
    dropout
        Of what the dense layers read and of their neurons.
    factor_dropout
        Share of the factors that are left out in training, whole.
    """

    model: Literal["regulators"] = "regulators"
    features: Width = 8
    heads: Annotated[int, Field(ge=1)] = 4
    attention: Literal["softmax", "sigmoid"] = "softmax"
    hidden: tuple[Width, ...] = (16,)
    activation: Activation = "relu"
    dropout: Share = 0.1
    factor_dropout: Share = 0.0

    def build(
        self, blueprint: Blueprint, n_outputs: int, *, covariates: Sequence[str] = (), link: Link = "identity"
    ) -> RegulatorNetwork:
        """See :meth:`kgreg.nn.design.Design.build`."""
        from kgreg.nn.regulators.network import RegulatorNetwork

        return RegulatorNetwork(self, blueprint, n_outputs, len(covariates))

    def size(self, blueprint: Blueprint, n_outputs: int) -> tuple[int, int]:
        """See :meth:`kgreg.nn.design.Design.size`."""
        n, width = len(blueprint.inputs) // 2, self.heads * self.features
        own = n * 4 * self.features + self.heads * self.features + width * self.features
        return own + count_dense(width, [*self.hidden, n_outputs]), n * (6 * self.features + 3 * width)
