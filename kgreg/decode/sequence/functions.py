"""Networks that read DNA, as functions of one-hot sequences: what every way of decoding them takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kgreg.errors import DataError, FitError
from kgreg.fit.fitted import FittedModel
from kgreg.nn.guided import GuidedNetwork
from kgreg.nn.inputs import Inputs
from kgreg.nn.readout import Link
from kgreg.nn.sequence.encoding import UnknownRule, one_hot, reverse_complement

#: Outputs as the network computes them (logits, values in units of the training), the same minus their mean over the
#: outputs (which a shift common to all classes does not move), or as it predicts them.
Scale = Literal["logit", "centred", "prediction"]

#: Codes of sequences, ``[n, length]``: A 0, C 1, G 2, T 3, 4 for anything else.
Codes = NDArray[np.uint8]


@runtime_checkable
class ReadsOneHot(Protocol):
    """A network that computes its outputs from one-hot sequences too, differentiably."""

    def from_one_hot(self, x: Tensor) -> Tensor:
        """Return outputs ``[batch, n_outputs]`` of ``[batch, 4, length]``."""
        ...


@runtime_checkable
class IsStack(Protocol):
    """A network that is a chain of layers on each strand; ``link`` makes predictions of outputs.

    ``strands``: "one", or "both", where predictions are the mean of those of the strands.
    """

    strands: str
    link: Link

    def stack(self) -> nn.Sequential | None:
        """Return the layers of one strand, from one-hot to outputs; None if it is no chain."""
        ...


class SequenceFunction(nn.Module):
    """A trained network as a function of one-hot sequences ``[batch, 4, length]`` to outputs ``[batch, n_outputs]``.

    Parameters
    ----------
    model
        A trained sequence network.
    scale
        "logit": what the network computes; "centred": minus its mean over the outputs; "prediction": probabilities, or
        values in the units of the data.

    Raises
    ------
    FitError
        If the network does not read sequences, or reads covariates besides.
    """

    def __init__(self, model: FittedModel, scale: Scale = "logit") -> None:
        super().__init__()
        network = model.network
        if not isinstance(network, GuidedNetwork) or not isinstance(network, ReadsOneHot):
            raise FitError(
                f"A network of kind {type(network).__name__} reads no sequences.", "Decode a network trained on DNA."
            )
        if network.n_covariates:
            raise FitError(
                "Sequences alone do not tell what a network predicts that reads covariates besides.",
                "Train one without [data] covariates to decode sequences.",
            )
        self.network: nn.Module = network
        self._from_one_hot = network.from_one_hot
        self.task, self.scale = model.task, scale
        self.target_scale = model.target_scale
        self.train(network.training)

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs ``[batch, n_outputs]``."""
        return self.scaled(self._from_one_hot(x))

    def from_codes(self, codes: Tensor) -> Tensor:
        """Return outputs of codes ``[batch, length]``: those of their one-hot form, which some networks do not need."""
        inputs = Inputs(torch.zeros(1, len(codes), 0), sequences=codes[None])
        return self.scaled(self.network(inputs).outputs)

    def scaled(self, outputs: Tensor) -> Tensor:
        """Return what the network computes, ``[..., n_outputs]``, in the scale of this function."""
        if self.scale == "logit":
            return outputs
        if self.scale == "centred":
            return outputs - outputs.mean(dim=-1, keepdim=True)
        if self.task == "classification":
            return outputs.softmax(dim=-1)
        if self.task == "multilabel":
            return outputs.sigmoid()
        return outputs * self.target_scale[1] + self.target_scale[0]

    @property
    def length(self) -> int | None:
        """How many letters the network reads; None: as many as there are."""
        length: int | None = getattr(getattr(self.network, "design", None), "length", None)
        return length

    @property
    def unknown(self) -> UnknownRule:
        """What the network makes of letters that are not known."""
        rule: UnknownRule = getattr(getattr(self.network, "design", None), "unknown", "zero")
        return rule


def sequence_function(model: FittedModel | nn.Module, scale: Scale = "logit") -> nn.Module:
    """Return a trained model as a module that takes one-hot sequences; any other module as it is."""
    return SequenceFunction(model, scale) if isinstance(model, FittedModel) else model


def encode(sequences: Codes, unknown: UnknownRule = "zero") -> Tensor:
    """Return codes as one-hot ``[n, 4, length]``, float32; ``unknown`` says what is made of what is no letter.

    Raises
    ------
    DataError
        If they are no two-dimensional array of codes from 0 to 4.
    """
    codes = np.asarray(sequences)
    if codes.ndim != 2 or codes.dtype.kind not in "ui" or (codes.size and not 0 <= codes.min() <= codes.max() <= 4):
        raise DataError(
            f"Sequences are an array [n, length] of codes from 0 to 4, not {codes.dtype} of shape {codes.shape}.",
            "A is 0, C 1, G 2, T 3, anything else 4.",
        )
    return one_hot(torch.from_numpy(codes.astype(np.int64)), unknown)


def read(function: nn.Module, sequences: Codes) -> Tensor:
    """Return codes as a function takes them: one-hot, in the type of its parameters and by its rule for unknowns.

    Raises
    ------
    DataError
        As :func:`encode`, and if there are no sequences.
    """
    if not len(sequences):
        raise DataError("There are no sequences.")
    return encode(sequences, unknown_rule(function)).to(dtype_of(function))


def unknown_rule(function: nn.Module) -> UnknownRule:
    """Return what a function makes of letters that are not known."""
    return function.unknown if isinstance(function, SequenceFunction) else "zero"


def window(function: nn.Module, sequences: Codes) -> tuple[Codes, int]:
    """Return what a function reads of longer sequences, the middle, and how many letters come before it.

    Raises
    ------
    DataError
        If the sequences are too short.
    """
    codes = np.asarray(sequences)
    length = function.length if isinstance(function, SequenceFunction) else None
    if length is None:
        return codes, 0
    start = (codes.shape[1] - length) // 2
    if start < 0:
        raise DataError(f"The network reads {length} letters, the sequences have {codes.shape[1]}.")
    return codes[:, start : start + length], start


def other_strand(sequences: Codes) -> Codes:
    """Return the reverse complements of codes."""
    return reverse_complement(torch.from_numpy(np.asarray(sequences, dtype=np.uint8))).numpy()


def respond(function: nn.Module, sequences: Codes, batch_size: int = 256) -> NDArray[np.float32]:
    """Return what a function makes of sequences, ``[n, n_outputs]``; in evaluation mode."""
    if not len(sequences):
        raise DataError("There are no sequences.")
    pieces = (sequences[start : start + batch_size] for start in range(0, len(sequences), batch_size))
    with evaluating(function), torch.no_grad():
        if isinstance(function, SequenceFunction):
            found = [function.from_codes(torch.from_numpy(np.array(piece, dtype=np.uint8))) for piece in pieces]
        else:
            found = [function(read(function, piece)) for piece in pieces]
    return torch.cat(found).float().numpy()


def dtype_of(function: nn.Module) -> torch.dtype:
    """Return the type of the parameters; float32 of what has none."""
    return next((p.dtype for p in function.parameters()), torch.float32)


def device_of(function: nn.Module) -> str:
    """Return where the parameters are; the CPU for what has none."""
    return str(next((p.device for p in function.parameters()), "cpu"))


@contextmanager
def evaluating(function: nn.Module) -> Iterator[None]:
    """Hold a module, with all its parts, in evaluation mode."""
    were = [(module, module.training) for module in function.modules()]
    function.eval()
    try:
        yield
    finally:
        for module, was in were:
            module.training = was
