"""What happens to the outputs when motifs are put into sequences, taken out, or moved apart.

All return tables with one row an output: mean over the sequences, with its 95 % interval (Student's t) and n. The
sequences are one network's input: the interval says how the effect varies with them, not with the training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from kgreg.decode.intervals import mean_interval
from kgreg.decode.sequence.attribution import shuffled
from kgreg.decode.sequence.functions import Codes, device_of, read
from kgreg.errors import DataError
from kgreg.optional import need

#: Columns of every table, after those that name the intervention.
EFFECT_COLUMNS = ("output", "before", "after", "difference", "low", "high", "n")

_LETTERS = frozenset("ACGTN")


def backgrounds(sequences: Codes, n: int, seed: int = 0) -> Codes:
    """Return ``n`` sequences without sites: dinucleotide-shuffled copies of ones drawn from ``sequences``."""
    rows = np.random.default_rng(seed).integers(len(sequences), size=n)
    drawn = shuffled(np.asarray(sequences)[rows], 1, seed)[:, 0]
    known = drawn.sum(dim=1) > 0
    return torch.where(known, drawn.argmax(dim=1), 4).to(torch.uint8).numpy()


def marginalise(
    function: nn.Module,
    sequences: Codes,
    motif: str,
    *,
    start: int | None = None,
    outputs: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Put a site into sequences and compare the outputs with those before.

    Parameters
    ----------
    function
        One-hot ``[batch, 4, length]`` to ``[batch, n_outputs]``.
    sequences
        Codes ``[n, length]``, best of :func:`backgrounds`.
    motif
        Letters of the site; an N leaves what is there.
    start
        Where it begins; by default in the middle.
    outputs
        Names of the outputs; by default their numbers.

    Returns
    -------
    DataFrame
        ``motif, start`` and :data:`EFFECT_COLUMNS`.

    Raises
    ------
    DataError
        If the motif holds other letters or does not fit.
    """
    at = _place(motif, sequences, start)
    before, after = _substituted(function, sequences, motif, at)
    return _effects(before, after, outputs, motif=motif, start=at)


def ablate(
    function: nn.Module,
    sequences: Codes,
    start: int,
    end: int,
    *,
    shuffles: int = 20,
    seed: int = 0,
    outputs: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Shuffle the letters from ``start`` to ``end`` (not included) and compare the outputs with those before.

    Returns
    -------
    DataFrame
        ``start, end, shuffles, seed`` and :data:`EFFECT_COLUMNS`; the outputs after are means over the shuffles.

    Raises
    ------
    DataError
        If the span is empty or does not lie in the sequences.
    """
    length = np.asarray(sequences).shape[1]
    if not 0 <= start < end <= length:
        raise DataError(f"From {start} to {end} is no span of sequences of {length} letters.")
    found = need("tangermeme.ablate", "seq").ablate(
        function,
        read(function, sequences),
        start,
        end,
        n=shuffles,
        random_state=seed,
        device=device_of(function),
    )
    before, after = found.y_before.numpy(), found.y_after.mean(dim=1).numpy()
    return _effects(before, after, outputs, start=start, end=end, shuffles=shuffles, seed=seed)


def space(
    function: nn.Module,
    sequences: Codes,
    motifs: tuple[str, str],
    distances: Sequence[int],
    *,
    outputs: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Put two sites into sequences at several distances, and each alone at the same places.

    Parameters
    ----------
    motifs
        Letters of the two sites, in the order from left to right; the pair stands in the middle.
    distances
        Letters between the end of the first and the beginning of the second.

    Returns
    -------
    DataFrame
        ``motif, partner, distance``, :data:`EFFECT_COLUMNS` for both together, and ``interaction, interaction_low,
        interaction_high``: the difference that both make minus the differences that each makes alone.
    """
    first, second = motifs
    rows = []
    for distance in distances:
        if distance < 0:
            raise DataError(f"Two sites cannot stand {distance} letters apart.", "Distances are 0 or more.")
        pair = first + "N" * distance + second
        at = _place(pair, sequences, None)
        before, both = _substituted(function, sequences, pair, at)
        alone = [
            _substituted(function, sequences, site, at + offset)[1]
            for site, offset in ((first, 0), (second, len(first) + distance))
        ]
        more = both - before - sum(one - before for one in alone)
        mean, low, high, _ = mean_interval(more)
        effects = _effects(before, both, outputs, motif=first, partner=second, distance=distance)
        rows.append(effects.assign(interaction=mean, interaction_low=low, interaction_high=high))
    return pd.concat(rows, ignore_index=True)


def _substituted(
    function: nn.Module, sequences: Codes, motif: str, start: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return outputs before and after a motif was put in, ``[n, n_outputs]``."""
    found = need("tangermeme.marginalize", "seq").marginalize(
        function, read(function, sequences), motif.upper(), start=start, device=device_of(function)
    )
    return found.y_before.double().numpy(), found.y_after.double().numpy()


def _place(motif: str, sequences: Codes, start: int | None) -> int:
    length = np.asarray(sequences).shape[1]
    strange = sorted(set(motif.upper()) - _LETTERS)
    if strange or not motif:
        raise DataError(
            f"The motif '{motif}' holds {', '.join(strange)}." if strange else "A motif needs at least one letter.",
            "Write it in A, C, G, T and N.",
        )
    at = (length - len(motif)) // 2 if start is None else start
    if not 0 <= at <= length - len(motif):
        raise DataError(f"{motif} at {at} does not fit into sequences of {length} letters.")
    return at


def _effects(before: NDArray[Any], after: NDArray[Any], outputs: Sequence[str] | None, **about: Any) -> pd.DataFrame:
    """Return one row an output of ``[n, n_outputs]`` before and after."""
    names = [str(i) for i in range(before.shape[1])] if outputs is None else list(outputs)
    if len(names) != before.shape[1]:
        raise DataError(f"{len(names)} names for {before.shape[1]} outputs.")
    mean, low, high, n = mean_interval((after - before).astype(np.float64))
    effects = {
        "output": names,
        "before": before.mean(axis=0),
        "after": after.mean(axis=0),
        "difference": mean,
        "low": low,
        "high": high,
        "n": n,
    }
    return pd.DataFrame({**{name: [value] * len(names) for name, value in about.items()}, **effects})
