"""From the counts of a motif to the filter of a convolution, by the conventions found in published code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kgreg.errors import FitError, some

#: See :func:`motif_filter`.
Encoding = Literal["log-odds", "information", "centred"]

#: As many A, C, G and T.
UNIFORM = (0.25, 0.25, 0.25, 0.25)


def base_probabilities(
    counts: NDArray[Any], pseudocount: float = 1.0, background: Sequence[float] = UNIFORM, name: str = "a motif"
) -> NDArray[np.float64]:
    """Return the probability of every base at every position, ``[width, 4]``.

    ``(count + pseudocount * background) / (counts of the position + pseudocount)``. Counts that are probabilities
    (positions that sum to at most 1.5) are taken as those of 100 sites, for 1 would count as much as the pseudocount.

    Parameters
    ----------
    counts
        ``[width, 4]``, columns A, C, G, T.
    pseudocount
        Shared out over the four bases of a position by the background.
    background
        Probabilities of A, C, G, T where nothing is bound.
    name
        Of the motif, for messages.

    Raises
    ------
    FitError
        If the matrix is not ``[width, 4]``, is empty, holds negative numbers or what is no number, has a position
        without counts, or a base gets the probability 0 where its logarithm is needed.
    """
    counts = np.asarray(counts, dtype=np.float64)
    bases = _background(background)
    if counts.ndim != 2 or counts.shape[1] != 4 or not len(counts):
        raise FitError(f"The matrix of {name} has the shape {counts.shape}, not (width, 4).", "Columns are A, C, G, T.")
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise FitError(f"The matrix of {name} holds what is no count.", "Counts are numbers from 0 on.")
    totals = counts.sum(axis=1)
    if (totals == 0).any():
        raise FitError(
            f"The motif {name} has no counts at position {some(np.flatnonzero(totals == 0) + 1)}.",
            "Leave the motif out, or trim the position.",
        )
    if pseudocount < 0:
        raise FitError(f"The pseudocount is {pseudocount:g}.", "It is 0 or more.")
    if (totals <= 1.5).all():
        counts, totals = counts / totals[:, None] * 100, np.full(len(counts), 100.0)
    probabilities: NDArray[np.float64] = (counts + pseudocount * bases) / (totals + pseudocount)[:, None]
    return probabilities


def motif_filter(
    counts: NDArray[Any],
    encoding: Encoding = "log-odds",
    pseudocount: float = 1.0,
    background: Sequence[float] = UNIFORM,
    name: str = "a motif",
) -> NDArray[np.float64]:
    """Return the filter of a motif, ``[width, 4]``.

    With p the probabilities of :func:`base_probabilities` and b the background:

    - "log-odds": ``log2(p / b)``. The score of a window is its log-likelihood ratio in bits (Stormo 2000).
    - "information": ``p * max(sum p log2(p / b), 0)``, never negative, at most 2 bits a base for a uniform background.
    - "centred": ``p - 1/4``, as DanQ starts the filters of its JASPAR variant (Quang & Xie 2016).

    Raises
    ------
    FitError
        As :func:`base_probabilities`, and if "log-odds" meets a base with the probability 0.
    """
    p, bases = base_probabilities(counts, pseudocount, background, name), _background(background)
    values: NDArray[np.float64]
    if encoding == "centred":
        values = p - 0.25
    elif encoding == "log-odds":
        if (p == 0).any():
            raise FitError(
                f"A base of {name} has the count 0, whose log-odds are minus infinity.", "Give a pseudocount above 0."
            )
        values = np.log2(p / bases)
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(p > 0, p * np.log2(p / bases), 0.0)
        values = p * np.maximum(terms.sum(axis=1, keepdims=True), 0.0)
    return values


def _background(background: Sequence[float]) -> NDArray[np.float64]:
    bases = np.asarray(background, dtype=np.float64)
    if bases.shape != (4,) or not (bases > 0).all() or abs(bases.sum() - 1) > 1e-3:
        raise FitError(
            f"The background {[float(b) for b in bases.ravel()]} is no set of four probabilities.",
            "Give those of A, C, G and T; they sum to 1.",
        )
    normalised: NDArray[np.float64] = bases / bases.sum()
    return normalised


def implied_probabilities(weight: Tensor, encoding: Encoding, background: Sequence[float] = UNIFORM) -> Tensor:
    """Return the probability of every base that a filter ``[positions, 4]`` stands for.

    The inverse of :func:`motif_filter`: exact for filters that it made, and for others what comes nearest: rows of
    "log-odds" are brought to the sum 1, and of the others what is negative counts 0.
    """
    if encoding == "log-odds":
        bases = torch.tensor(background, dtype=weight.dtype, device=weight.device)
        return torch.softmax(weight * np.log(2) + bases.log(), dim=1)
    positive = (weight + 0.25 if encoding == "centred" else weight).clamp(min=0) + 1e-9
    return positive / positive.sum(dim=1, keepdim=True)


def implied_information(weight: Tensor, encoding: Encoding, background: Sequence[float] = UNIFORM) -> Tensor:
    """Return the information content ``[positions]``, in bits, of the probabilities that a filter stands for."""
    p = implied_probabilities(weight, encoding, background)
    bases = torch.tensor(background, dtype=weight.dtype, device=weight.device)
    return (p * (p / bases).clamp(min=1e-12).log2()).sum(dim=1)
