"""How much each letter of a sequence moves an output: gradients and differences from references.

Each function takes a module from one-hot ``[batch, 4, length]`` to outputs, codes ``[n, length]`` and the number of an
output, and returns ``[n, 4, length]``. Mutagenesis is in :mod:`kgreg.decode.sequence.substitutions`.
"""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kgreg.decode.sequence.functions import Codes, IsStack, SequenceFunction, device_of, encode, evaluating, read
from kgreg.decode.sequence.receptive_field import flat_layers
from kgreg.errors import DataError, FitError
from kgreg.fit.threads import own_threads
from kgreg.nn.sequence.encoding import UNKNOWN
from kgreg.nn.sequence.layers.activation import Exponential
from kgreg.optional import need

#: Where integrated gradients start: no letters, a quarter of each, or the mean of dinucleotide-shuffled copies.
Baseline = Literal["zero", "quarter", "shuffled"]


def saliency(function: nn.Module, sequences: Codes, output: int = 0, *, batch_size: int = 64) -> NDArray[Any]:
    """Return the gradient of an output with respect to every letter, minus its mean over the four letters.

    The mean is taken off because one-hot sequences sum to 1 everywhere: what a gradient says beyond that plane
    is not learned from data (Majdandzic et al. 2023).
    """
    return _gradient(function, sequences, output, batch_size, hypothetical=True)


def gradient_x_input(function: nn.Module, sequences: Codes, output: int = 0, *, batch_size: int = 64) -> NDArray[Any]:
    """Return :func:`saliency` of the letters that are there, 0 elsewhere."""
    return _gradient(function, sequences, output, batch_size, hypothetical=False)


def _gradient(function: nn.Module, sequences: Codes, output: int, batch_size: int, hypothetical: bool) -> NDArray[Any]:
    encoded = _checked(function, sequences, output)
    found: NDArray[Any] = (
        need("tangermeme.saliency", "seq")
        .saliency(
            function,
            encoded,
            target=output,
            batch_size=batch_size,
            hypothetical=hypothetical,
            device=device_of(function),
        )
        .numpy()
    )
    return found


def integrated_gradients(
    function: nn.Module,
    sequences: Codes,
    output: int = 0,
    *,
    baseline: Baseline = "quarter",
    steps: int = 50,
    shuffles: int = 20,
    seed: int = 0,
    batch_size: int = 64,
) -> NDArray[Any]:
    """Integrate gradients along the line from a baseline to the sequence (Sundararajan et al. 2017).

    They sum to the difference of the outputs of sequence and baseline, up to the error of ``steps`` points.

    Parameters
    ----------
    baseline
        See :data:`Baseline`; ``shuffles`` and ``seed`` are those of "shuffled".
    """
    method = need("captum.attr", "seq").IntegratedGradients(function)
    encoded = _checked(function, sequences, output)
    if baseline == "shuffled":
        start = shuffled(sequences, shuffles, seed).to(encoded.dtype).mean(dim=1)
    else:
        start = torch.full_like(encoded, 0.0 if baseline == "zero" else 0.25)
    with evaluating(function):
        found = method.attribute(
            encoded, start, target=output, n_steps=steps, internal_batch_size=max(batch_size, len(encoded))
        )
    values: NDArray[Any] = found.detach().numpy()
    return values


def deeplift(
    function: nn.Module,
    sequences: Codes,
    output: int = 0,
    *,
    shuffles: int = 20,
    seed: int = 0,
    hypothetical: bool = False,
    batch_size: int = 64,
) -> NDArray[Any]:
    """Attribute the difference to dinucleotide-shuffled references by DeepLIFT's rescale rule, mean over these.

    tangermeme's ``deep_lift_shap``. Attributions of a sequence sum to its output minus the mean output of its
    references. Of a network that reads both strands by the same layers it is the mean of the attributions to the
    logits of either strand.

    Parameters
    ----------
    shuffles, seed
        References a sequence, and what they are drawn with: the same on every call.
    hypothetical
        Return what each letter would get if it were there, instead of the letters that are.

    Raises
    ------
    FitError
        If the attributions do not sum to the difference: the network has an operation without a rule.
    """
    encoded = _checked(function, sequences, output)
    references = shuffled(sequences, shuffles, seed)
    chain, both = _chain(function, encoded)
    one = _rescale(chain, encoded, references, output, hypothetical, batch_size)
    if not both:
        return one
    turned = _rescale(chain, encoded.flip(1, 2), references.flip(2, 3), output, hypothetical, batch_size)
    mean: NDArray[Any] = (one + turned[:, ::-1, ::-1]) / 2
    return mean


def _chain(function: nn.Module, encoded: Tensor) -> tuple[nn.Module, bool]:
    """Return a function with layers that DeepLIFT has rules for, and whether it is that of one strand of two.

    No layer may be used twice in a pass, as a network on both strands does; and the maximum over all positions has no
    rule, but that over a window of all positions has.
    """
    network = function.network if isinstance(function, SequenceFunction) else function
    layers: nn.Module | None = network
    if isinstance(network, IsStack):
        layers = network.stack() if network.strands != "max" else None
    if isinstance(function, SequenceFunction) and function.scale != "logit":
        layers = None
    if not isinstance(layers, nn.Sequential):
        return function, False
    plain: list[nn.Module] = []
    x = encoded[:1]
    with evaluating(layers), torch.no_grad():
        for layer in flat_layers(layers):
            known = layer
            if isinstance(layer, nn.AdaptiveMaxPool1d) and layer.output_size in (1, (1,)):
                known = nn.MaxPool1d(x.shape[2])
            x = known(x)
            plain.append(known)
    return nn.Sequential(*plain).eval(), isinstance(network, IsStack) and network.strands == "both"


def _rescale(
    function: nn.Module, encoded: Tensor, references: Tensor, output: int, hypothetical: bool, batch_size: int
) -> NDArray[Any]:
    nonlinear = need("tangermeme._deep_lift_utils", "seq")._nonlinear
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = need("tangermeme.deep_lift_shap", "seq").deep_lift_shap(
            function,
            encoded,
            target=output,
            references=references,
            hypothetical=hypothetical,
            batch_size=batch_size,
            device=device_of(function),
            additional_nonlinear_ops={Exponential: nonlinear},
            only_warn=True,  # unknown letters are four zeros here
        )
    values: NDArray[Any] = found.numpy()
    if not hypothetical:
        _refuse_incomplete(function, encoded, references, output, values, said)
    return values


def _refuse_incomplete(
    function: nn.Module,
    encoded: Tensor,
    references: Tensor,
    output: int,
    values: NDArray[Any],
    said: list[warnings.WarningMessage],
) -> None:
    """Check that attributions sum to the difference, where tangermeme had doubts."""
    if not any("onvergence" in str(warning.message) for warning in said):
        return
    with evaluating(function), torch.no_grad():
        own = function(encoded)[:, output]
        n, shuffles = references.shape[:2]
        others = function(references.flatten(0, 1).to(encoded.dtype))[:, output].view(n, shuffles)
    difference = (own - others.mean(dim=1)).numpy()
    worst = float(np.abs(values.sum(axis=(1, 2)) - difference).max())
    if worst > 0.01 * max(float(np.abs(difference).max()), 1e-6):
        raise FitError(
            f"DeepLIFT attributions miss the difference of outputs by up to {worst:.3g}.",
            "The network holds an operation for which DeepLIFT has no rule; use mutagenesis or integrated gradients.",
        )


def shuffled(sequences: Codes, copies: int, seed: int = 0) -> Tensor:
    """Return copies with the same dinucleotides in random order, one-hot ``[n, copies, 4, length]``, int8.

    Unknown letters at both ends (padding) stay where they are; elsewhere they are shuffled as a letter of their own.
    """
    ersatz = need("tangermeme.ersatz", "seq")
    encoded = encode(sequences).to(torch.int8)
    out = encoded[:, None].repeat(1, copies, 1, 1)
    with warnings.catch_warnings(), own_threads():
        warnings.simplefilter("ignore")  # that a short or monotonous sequence has few shuffles
        for (start, end), rows in _stretches(np.asarray(sequences)).items():
            if end - start > 1:
                part = encoded[rows, :, start:end]
                drawn = ersatz.dinucleotide_shuffle(part, n=copies, random_state=seed, allow_N=True)
                out[rows, :, :, start:end] = drawn
    return out


def _stretches(sequences: Codes) -> dict[tuple[int, int], list[int]]:
    """Return where known letters begin and end -> the sequences of which that is so."""
    found: dict[tuple[int, int], list[int]] = {}
    for row, codes in enumerate(sequences):
        known = np.flatnonzero(codes < UNKNOWN)
        ends = (int(known[0]), int(known[-1]) + 1) if len(known) else (0, 0)
        found.setdefault(ends, []).append(row)
    return found


def _checked(function: nn.Module, sequences: Codes, output: int) -> Tensor:
    """Return sequences one-hot, in the type of the function's parameters.

    Raises
    ------
    DataError
        If there are none, or there is no such output.
    """
    encoded = read(function, sequences)
    with evaluating(function), torch.no_grad():
        n_outputs = function(encoded[:1]).shape[1]
    if not 0 <= output < n_outputs:
        raise DataError(f"There is no output {output}.", f"Outputs are numbered from 0 to {n_outputs - 1}.")
    return encoded
