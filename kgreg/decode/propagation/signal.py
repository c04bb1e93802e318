"""A knockout that spreads over a fitted network, step by step, as CellOracle does (Kamimoto et al., Nature 2023)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


def propagate(
    x: NDArray[np.float64],
    links: sparse.csr_matrix,
    genes: Sequence[int],
    *,
    dose: float = 0.0,
    steps: int = 3,
    low: NDArray[np.float64] | None = None,
    high: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return how the expression of every cell changes.

    The genes are set to ``dose`` times what they are; in every step a gene changes by the sum over its regulators of
    coefficient times change, and no expression falls below 0; at the end expression stays within the observed range.
    The genes themselves stay as they were set. (CellOracle lets them move in cells where the change they were given is
    0.)

    Parameters
    ----------
    x
        ``[n_cells, n_genes]`` expression, 0 or above.
    links
        ``[n_genes, n_genes]`` coefficients; rows regulate columns.
    genes
        Positions.
    dose
        0: silent, 1: as measured, 2: double.
    steps
        How far the signal spreads; 1 are the direct targets.
    low, high
        ``[n_genes]`` observed range; by default that of ``x``.

    Returns
    -------
    array
        ``[n_cells, n_genes]``.
    """
    chosen = list(genes)
    given = (dose - 1.0) * x[:, chosen]
    change = np.zeros_like(x)
    change[:, chosen] = given
    spread = links.T.tocsr()
    for _ in range(steps):
        change = np.asarray((spread @ change.T).T)
        change = np.maximum(change, -x)
        change[:, chosen] = given
    least = x.min(axis=0) if low is None else low
    most = x.max(axis=0) if high is None else high
    held = np.clip(x + change, least, most) - x
    held[:, chosen] = given
    return np.asarray(held)
