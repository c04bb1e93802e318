"""What there is to choose about a network that reads DNA."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from pydantic import Field, SerializeAsAny, field_validator, model_validator

from kgreg.blueprint.model import Blueprint
from kgreg.errors import FitError
from kgreg.nn.design import Design
from kgreg.nn.readout import Link
from kgreg.nn.sequence.encoding import UnknownRule
from kgreg.nn.sequence.layers.layer import Context, Layer, Shape
from kgreg.nn.sequence.layers.motifs import Motifs
from kgreg.nn.sequence.layers.reading import read_layers
from kgreg.nn.sequence.layers.stack import Stack, shapes

if TYPE_CHECKING:
    from kgreg.nn.sequence.network import SequenceNetwork

_Weight = Annotated[float, Field(ge=0)]

#: Positions that are assumed where only an estimate is asked for.
_GUESSED_LENGTH = 1000


class SequenceDesign(Design):
    """Layers over one-hot DNA, and a linear head on what they give.

    Attributes
    ----------
    length
        Positions that the network reads: the middle of longer sequences. Needed if what is read is flattened; else by
        default the length of the sequences.
    layers
        The layers before the head, each a table with a ``kind``, see :mod:`kgreg.nn.sequence.layers`. They end in one
        vector a sample. Covariates that no layer "join" reads stand beside it.
    strands
        "one": what is given. "both": predictions (probabilities, values) are the mean of those for the sequence and for
        its reverse complement; in training one strand is read. "max": the larger of what the last layer gives for
        either strand, in training too.
    unknown
        What a letter that is not A, C, G or T is: "zero" or "quarter", see :func:`kgreg.nn.sequence.encoding.one_hot`.
    pad
        Unknown letters that are put at either end, so that filters also see the ends in full.
    jitter
        In training, windows begin up to so many positions away.
    turned
        Share of the training sequences that are read on the other strand, drawn anew in every step.
    max_norm
        After every step, the weights of a filter or neuron are shrunk to at most this norm (not those of recurrent
        layers).
    l2, activity_l1
        Penalties: ``l2`` times the sum of all squared weights but the biases and the parameters of normalisations;
        ``activity_l1`` times the mean over samples of the sum of the sizes of what the head reads.
    """

    model: Literal["sequence"] = "sequence"
    length: Annotated[int, Field(ge=1)] | None = None
    layers: tuple[SerializeAsAny[Layer], ...] = Field(min_length=1)
    strands: Literal["one", "both", "max"] = "both"
    unknown: UnknownRule = "zero"
    pad: Annotated[int, Field(ge=0)] = 0
    jitter: Annotated[int, Field(ge=0)] = 0
    turned: Annotated[float, Field(ge=0, le=1)] = 0.5
    max_norm: Annotated[float, Field(gt=0)] | None = None
    l2: _Weight = 0.0
    activity_l1: _Weight = 0.0

    @field_validator("layers", mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        return read_layers(value)

    @model_validator(mode="after")
    def _fits(self) -> SequenceDesign:
        for number, layer in enumerate(self.layers[1:], start=2):
            if isinstance(layer, Motifs):
                raise ValueError(
                    f"layer {number} (motifs): motifs are matched with DNA, so this must be the first layer"
                )
        if not isinstance(self.layers[0], Motifs):  # those need the guide
            try:
                self.check(Context(n_covariates=1))
            except FitError as error:
                raise ValueError(f"{error.message[:1].lower()}{error.message[1:].rstrip('.')}") from None
        return self

    @property
    def reads(self) -> Shape:
        """What the first layer reads."""
        return Shape(4, None if self.length is None else self.length + 2 * self.pad)

    def check(self, context: Context) -> list[Shape]:
        """Return what goes into the first layer and what each gives; the last is one vector.

        Raises
        ------
        FitError
            If a layer cannot read what the one before gives, or the last one gives no vector.
        """
        found = shapes(self.layers, self.reads, context)
        if not found[-1].vector:
            raise FitError(
                f"The last layer gives {found[-1]}, but the outputs are read from one vector.",
                'Add a layer "pool" without a width, or "flatten".',
            )
        return found

    def build(
        self, blueprint: Blueprint, n_outputs: int, *, covariates: Sequence[str] = (), link: Link = "identity"
    ) -> SequenceNetwork:
        """See :meth:`kgreg.nn.design.Design.build`."""
        from kgreg.nn.sequence.network import SequenceNetwork

        return SequenceNetwork(self, blueprint, n_outputs, len(covariates), link)

    def size(self, blueprint: Blueprint, n_outputs: int) -> tuple[int, int]:
        """See :meth:`kgreg.nn.design.Design.size`; sequences of unknown length are taken to have 1,000 positions."""
        context = self.context(blueprint, 0)
        with torch.device("meta"):
            stack = Stack(self.layers, self.reads, context)
            parameters = sum(parameter.numel() for parameter in stack.parameters())
        return parameters + (stack.gives.channels + 1) * n_outputs, self.activations(_GUESSED_LENGTH, context)

    def context(self, blueprint: Blueprint, n_covariates: int) -> Context:
        """Return what the layers need to know of a blueprint; motifs only if a layer wants them."""
        wanted = isinstance(self.layers[0], Motifs)
        return Context(blueprint.motif_matrices() if wanted else {}, n_covariates)

    def activations(self, length: int, context: Context) -> int:
        """Return how many numbers the layers make of one sequence, which has ``length`` positions if any may come."""
        reads = self.reads if self.length is not None else Shape(4, length + 2 * self.pad)
        return sum(shape.numbers for shape in shapes(self.layers, reads, context))
