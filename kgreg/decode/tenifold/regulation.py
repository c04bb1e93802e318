"""Distances between a network and its knocked-out twin -> perturbed genes (scTenifoldKnk: Osorio et al. 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

#: Over which genes the mean squared distance is taken that fold changes are relative to. "others": the genes that were
#: not knocked out. "published": all but the largest distances, as many as genes were knocked out, which is what the
#: code of the paper did.
Expectation = Literal["others", "published"]


def fold_changes(
    distances: NDArray[np.float64], knocked: Sequence[int], expectation: Expectation = "others"
) -> NDArray[np.float64]:
    """Return the squared distance of every gene relative to its expectation, ``[n_genes]``; 0 where nothing moves."""
    squares = distances**2
    if expectation == "others":
        expected = np.delete(squares, list(knocked)).mean()
    else:
        expected = np.sort(squares)[: len(squares) - len(knocked)].mean()
    return np.asarray(squares / expected) if expected > 0 else np.zeros_like(squares)


def z_scores(distances: NDArray[np.float64], noise: float = 0.0) -> NDArray[np.float64]:
    """Return standardised distances after the Box-Cox transformation that makes them most like normal values.

    Its exponent is the most likely one between -2 and 2. Distances up to ``noise`` count as ``noise``. The code of the
    paper takes ``d^|exponent|`` of negative exponents; this is the transformation as Box and Cox define it.
    """
    floored = np.maximum(distances, noise)
    if floored.max() <= floored.min() or floored.min() <= 0:
        spread = floored.std(ddof=1)
        return (floored - floored.mean()) / spread if spread > 0 else np.zeros_like(floored)
    scaled = floored / stats.gmean(floored)  # the exponent does not depend on the unit
    best = optimize.minimize_scalar(
        lambda exponent: -float(stats.boxcox_llf(exponent, scaled)), bounds=(-2, 2), method="bounded"
    )
    transformed = stats.boxcox(scaled, lmbda=float(best.x))
    spread = transformed.std(ddof=1)
    return np.asarray((transformed - transformed.mean()) / spread) if spread > 0 else np.zeros_like(floored)


def upper_tail(fold_change: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the upper tail of the chi-square distribution with one degree of freedom."""
    return np.asarray(stats.chi2.sf(fold_change, df=1))
