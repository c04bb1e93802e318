"""In silico mutagenesis: what every single substitution does to the outputs."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kgreg.decode.sequence.functions import (
    Codes,
    IsStack,
    SequenceFunction,
    encode,
    evaluating,
    other_strand,
    read,
    unknown_rule,
)
from kgreg.decode.sequence.receptive_field import NoReceptiveFieldError, ReceptiveField
from kgreg.nn.motif.network import MotifNetwork
from kgreg.nn.readout import Link, average
from kgreg.optional import need
from kgreg.progress import Progress, no_progress

_log = logging.getLogger(__name__)


def mutagenesis(
    function: nn.Module, sequences: Codes, *, batch_size: int = 128, progress: Progress = no_progress
) -> NDArray[np.floating[Any]]:
    """Compute outputs with every single substitution minus the outputs without.

    A chain of convolutions, pooling and dense layers recomputes only what a substitution reaches (see
    :class:`kgreg.decode.sequence.receptive_field.ReceptiveField`): the same numbers but for rounding. A motif network
    scores all mutated sequences by its tables. Any other network is given to tangermeme's ``saturation_mutagenesis``,
    which finds finite receptive fields where it can and computes every mutated sequence where it cannot.

    Parameters
    ----------
    function
        One-hot ``[batch, 4, length]`` to ``[batch, n_outputs]``; see
        :func:`kgreg.decode.sequence.functions.sequence_function`.
    sequences
        Codes ``[n, length]``.
    batch_size
        Mutated sequences at a time, for networks that are no chain.

    Returns
    -------
    ndarray
        ``[n, 4, length, n_outputs]``; 0 for the letter that is there. Where a letter is unknown (4), all four differ
        from not knowing it.

    Raises
    ------
    DataError
        If there are no sequences, or they are no codes.
    MissingPackageError
        If tangermeme is needed and not installed.
    """
    encoded = read(function, sequences)
    with evaluating(function), torch.no_grad():
        field = _chain(function)
        if field is None and isinstance(function, SequenceFunction) and isinstance(function.network, MotifNetwork):
            return np.stack([_by_codes(function, codes) for codes in np.asarray(sequences)])
        if field is None:
            return _by_tangermeme(function, encoded, batch_size)
        out = []
        for i, codes in enumerate(np.asarray(sequences)):
            progress("mutating sequences", i / len(encoded))
            mutated, base = _on_all_strands(function, field, codes)
            out.append((mutated - base).numpy())
    return np.stack(out)


def letter_importance(differences: NDArray[np.floating[Any]], sequences: Codes) -> NDArray[np.floating[Any]]:
    """Return how much the letters that are there hold the outputs up: minus the mean change by the three others.

    Parameters
    ----------
    differences
        Of :func:`mutagenesis`.

    Returns
    -------
    ndarray
        ``[n, 4, length, n_outputs]``, not 0 only at the letters of the sequences.
    """
    there = encode(sequences).numpy()[..., None]
    lost: NDArray[np.floating[Any]] = -differences.sum(axis=1, keepdims=True) / 3 * there
    return lost


def is_fast(function: nn.Module) -> bool:
    """Say whether mutagenesis of a function costs about as little as a few passes, not one for every substitution."""
    motifs = isinstance(function, SequenceFunction) and isinstance(function.network, MotifNetwork)
    with evaluating(function):
        return motifs or _chain(function) is not None


def _chain(function: nn.Module) -> ReceptiveField | None:
    """Return the layers of a function as a chain, if it is one."""
    layers: Any = function
    network = _network(function)
    if network is not None:
        layers = network.stack() if network.strands in ("one", "both") else None
    if not isinstance(layers, nn.Sequential):
        return None
    try:
        return ReceptiveField(layers, unknown_rule(function))
    except NoReceptiveFieldError as reason:
        _log.info("Every mutated sequence is computed: %s.", reason)
        return None


def _network(function: nn.Module) -> IsStack | None:
    """Return the network that says of what layers it is made."""
    network = function.network if isinstance(function, SequenceFunction) else function
    return network if isinstance(network, IsStack) else None


def _on_all_strands(function: nn.Module, field: ReceptiveField, codes: Codes) -> tuple[Tensor, Tensor]:
    """Return outputs of every substitution, and without, in the scale of the function, mean over its strands."""
    mutated, base = field.outputs(codes)
    network = _network(function)
    if network is not None and network.strands == "both":
        turned, turned_base = field.outputs(other_strand(codes[None])[0])
        # The other strand's substitutions are complements, in reverse.
        mutated = _mean(mutated, turned.flip(0, 1), network.link)
        base = _mean(base, turned_base, network.link)
    if isinstance(function, SequenceFunction):
        mutated, base = function.scaled(mutated), function.scaled(base)
    return mutated, base


def _mean(one: Tensor, other: Tensor, link: Link) -> Tensor:
    """Return outputs of which the prediction is the mean of the two strands'."""
    heads = torch.stack([strand.reshape(-1, one.shape[-1]).t() for strand in (one, other)])
    return average(heads[None], link)[0].t().reshape(one.shape)


def _by_codes(function: SequenceFunction, codes: Codes) -> NDArray[np.floating[Any]]:
    """Compute every mutated sequence, as codes."""
    length = len(codes)
    mutated = np.tile(codes, (4, length, 1))
    place = np.arange(length)
    for letter in range(4):
        mutated[letter, place, place] = letter
    outputs = function.from_codes(torch.from_numpy(np.concatenate([mutated.reshape(-1, length), codes[None]])))
    difference: NDArray[np.floating[Any]] = (outputs[:-1] - outputs[-1]).reshape(4, length, -1).numpy()
    return difference


def _by_tangermeme(function: nn.Module, encoded: torch.Tensor, batch_size: int) -> NDArray[np.floating[Any]]:
    module = need("tangermeme.saturation_mutagenesis", "seq")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # why it computed every sequence is no news to the user
        found = module.saturation_mutagenesis(
            function, encoded, batch_size=batch_size, raw_outputs=True, device=str(encoded.device)
        )
    difference: NDArray[np.floating[Any]] = (found.y_hat - found.y0[:, None, None]).numpy()
    return difference
