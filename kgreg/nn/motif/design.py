"""``[network] model = "motif"``: the options of a network whose first layer is a bank of known motifs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from kgreg.blueprint.model import Blueprint
from kgreg.nn.dense import Activation, Share, Width, count_dense
from kgreg.nn.design import Design
from kgreg.nn.motif.bank import Pooling
from kgreg.nn.motif.filters import UNIFORM, Encoding
from kgreg.nn.motif.network import MotifNetwork
from kgreg.nn.readout import Link

_Weight = Annotated[float, Field(ge=0)]
_Probability = Annotated[float, Field(gt=0, lt=1)]


class MotifDesign(Design):
    """A convolution that starts from the motifs of the blueprint, both strands, pooled over the sequence, and a head.

    See :class:`kgreg.nn.motif.network.MotifNetwork` for the equations.

    Attributes
    ----------
    encoding, pseudocount, background
        How counts become filters, see :func:`kgreg.nn.motif.filters.motif_filter`.
    initial
        "motifs", or "random": filters of the same widths and norms without knowledge, the control.
    mode
        Whether filters stay as they are ("frozen"), are learned and drawn back to the motif they started from
        ("regularised"), or are learned ("free").
    strength
        Of "regularised": the weight of the squared distance from the motifs, summed over all filters.
    filter_rate
        Learning rate of the filters, as a factor of that of ``[training]``. Weight decay does not touch filters.
    information, filter_l1
        Weights of the mean information content of the filters that are learned (bits a motif), and of the mean sum of
        their sizes.
    pooling, n_top
        How the scores of all windows become one number, see :class:`kgreg.nn.motif.bank.MotifBank`.
    threshold
        p value of a window in random sequence; the score that so few windows reach is subtracted. None: 0.
    activation
        Of the pooled score above the threshold: "none", "relu", "exp" or "sigmoid".
    standardise
        Whether pooled activations are brought to mean 0 and standard deviation 1 of the training samples.
    head_start
        The linear head begins as a penalised fit to the training samples, its penalty chosen by cross-validation within
        them: "adaptive" (ridge with the scores scaled by how well each tells the outcome by itself) or "ridge"; or it
        begins "random" or at "zero", as it does for survival and for more than 32 labels. Weights of a fitted head are
        learned at a rate relative to the largest of them.
    head_l2, head_l1
        Penalties of the linear head's weights: of the sum of squares (None: that which the start chose, else 0) and of
        the sum of sizes, which leaves exact zeros.
    positive
        Whether a motif may only speak for a class (of two: the second), label or value.
    hidden, hidden_activation, dropout
        Neurons of the layers beside the linear head, whose last layer starts at 0; none: the head is linear. Dropout
        is that of the pooled activations and of the hidden layers.
    de_novo, de_novo_width
        Random filters beside the motifs, and their width. They are learned in every mode.
    round_epochs, tolerance, prune
        After so many epochs (0: never) filters are given up without which the loss on the stopping part rises by at
        most ``tolerance``: "de-novo" filters, drawn anew, or "all", motifs too, which stay silent from then on.
    jitter
        In training, a sequence is shifted by up to so many bases in either direction.
    """

    model: Literal["motif"] = "motif"
    encoding: Encoding = "log-odds"
    pseudocount: _Weight = 0.8
    background: tuple[_Probability, _Probability, _Probability, _Probability] = UNIFORM
    initial: Literal["motifs", "random"] = "motifs"
    mode: Literal["frozen", "regularised", "free"] = "regularised"
    strength: _Weight = 1e-3
    filter_rate: _Weight = 5.0
    information: _Weight = 0.0
    filter_l1: _Weight = 0.0
    pooling: Pooling = "max"
    n_top: Annotated[int, Field(ge=1)] = 3
    threshold: _Probability | None = None
    activation: Literal["none", "relu", "exp", "sigmoid"] = "none"
    standardise: bool = True
    head_start: Literal["adaptive", "ridge", "random", "zero"] = "adaptive"
    head_l2: _Weight | None = None
    head_l1: _Weight = 0.0
    positive: bool = False
    hidden: tuple[Width, ...] = ()
    hidden_activation: Activation = "relu"
    dropout: Share = 0.0
    de_novo: Annotated[int, Field(ge=0)] = 0
    de_novo_width: Annotated[int, Field(ge=1)] = 12
    round_epochs: Annotated[int, Field(ge=0)] = 0
    tolerance: _Weight = 0.0
    prune: Literal["de-novo", "all"] = "de-novo"
    jitter: Annotated[int, Field(ge=0)] = 0

    def build(
        self, blueprint: Blueprint, n_outputs: int, *, covariates: Sequence[str] = (), link: Link = "identity"
    ) -> MotifNetwork:
        """See :meth:`kgreg.nn.design.Design.build`."""
        return MotifNetwork(self, blueprint, n_outputs, len(covariates), link)

    def size(self, blueprint: Blueprint, n_outputs: int) -> tuple[int, int]:
        """See :meth:`kgreg.nn.design.Design.size`."""
        motifs = blueprint.motif_matrices()
        positions = sum(len(counts) for counts in motifs.values()) + self.de_novo * self.de_novo_width
        read = len(motifs) + self.de_novo
        hidden = count_dense(read, [*self.hidden, n_outputs]) if self.hidden else 0
        return 4 * positions + hidden + (read + 1) * n_outputs, 3 * read + sum(self.hidden)
