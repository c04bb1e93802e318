"""The CP decomposition of a stack of sparse networks, and the one network that it leaves of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kgreg.errors import DataError
from kgreg.progress import Progress, no_progress

_ROWS = 512  # of the rebuilt network at a time


@dataclass(frozen=True)
class Decomposition:
    """``T[i, j, n] ~ sum_r scales_r rows_ir columns_jr networks_nr``.

    Attributes
    ----------
    scales
        ``[rank]``.
    rows, columns, networks
        ``[n_genes, rank]``, ``[n_genes, rank]`` and ``[n_networks, rank]``; columns sum to 1 in absolute value.
    error
        Norm of what is left, as a share of the norm of the stack.
    iterations, converged
        Rounds of alternating least squares, and whether the last changed the error by less than the tolerance.
    """

    scales: NDArray[np.float64]
    rows: NDArray[np.float64]
    columns: NDArray[np.float64]
    networks: NDArray[np.float64]
    error: float
    iterations: int
    converged: bool


def decompose(
    stack: Sequence[sparse.csr_matrix],
    rank: int = 3,
    *,
    tolerance: float = 1e-5,
    most: int = 1000,
    seed: int = 0,
    progress: Progress = no_progress,
) -> Decomposition:
    """Fit a CP decomposition by alternating least squares (Kolda & Bader 2009), from random normal factors.

    Every step needs the stack only in products with ``rank`` vectors, so that no dense network is ever made: a round
    costs ``O(rank x links)``.

    Parameters
    ----------
    stack
        Networks ``[n_genes, n_genes]``.
    tolerance
        Of the change of the error in a round, as a share of the norm of the stack.
    most
        Rounds.
    seed
        Of the first factors.

    Raises
    ------
    DataError
        If the networks have no links.
    """
    count, genes = len(stack), stack[0].shape[0]
    by_row = sparse.vstack(stack, format="csr")  # [networks x genes, genes]
    by_column = sparse.vstack([network.T for network in stack], format="csr")
    norm = float(np.sqrt(by_row.data @ by_row.data))
    if norm == 0:
        raise DataError("The networks have no links: no gene explains another one.", "Give more cells or genes.")
    rng = np.random.default_rng(seed)
    rows, columns = rng.normal(size=(genes, rank)), rng.normal(size=(genes, rank))
    weights = rng.normal(size=(count, rank))
    before = np.inf
    scales = np.ones(rank)
    error, done, converged = 1.0, 0, False
    for done in range(1, most + 1):
        inner = (by_row @ columns).reshape(count, genes, rank)
        rows, _ = _solve(np.einsum("ngr,nr->gr", inner, weights), columns, weights)
        inner = (by_column @ rows).reshape(count, genes, rank)
        columns, _ = _solve(np.einsum("ngr,nr->gr", inner, weights), rows, weights)
        # With the new columns, the products of rows and columns say how much of each part a network has.
        products = np.einsum("ngr,gr->nr", inner, columns)
        weights, scales = _solve(products, rows, columns)
        scaled = weights * scales
        overlap = float((products * scaled).sum())
        own = float(((rows.T @ rows) * (columns.T @ columns) * (scaled.T @ scaled)).sum())
        error = float(np.sqrt(max(norm**2 - 2 * overlap + own, 0.0))) / norm
        if abs(before - error) < tolerance:
            converged = True
            break
        before = error
        if done % 20 == 0:
            progress(f"tensor decomposition, round {done}", min(done / 200, 0.99))
    return Decomposition(scales, rows, columns, weights, error, done, converged)


def _solve(
    products: NDArray[np.float64], one: NDArray[np.float64], two: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least squares factor with columns of unit size (sum of absolute values), and the sizes."""
    gram = (one.T @ one) * (two.T @ two)
    factor = np.linalg.lstsq(gram, products.T, rcond=None)[0].T
    sizes = np.abs(factor).sum(axis=0)
    sizes = np.where(sizes > 0, sizes, 1.0)
    return factor / sizes, sizes


def denoised(decomposition: Decomposition, decimals: int = 3) -> sparse.csr_matrix:
    """Return the mean of the rebuilt networks, scaled by its largest entry and rounded.

    Returns
    -------
    csr_matrix
        ``[n_genes, n_genes]``, rows and columns as those of the stack, entries between -1 and 1.
    """
    left = decomposition.rows * (decomposition.scales * decomposition.networks.mean(axis=0))
    starts = range(0, len(left), _ROWS)
    largest = max(float(np.abs(left[i : i + _ROWS] @ decomposition.columns.T).max()) for i in starts)
    if largest == 0:
        raise DataError("Nothing is left of the networks after their decomposition.", "Give more cells.")
    blocks = [
        sparse.csr_matrix(np.round(left[i : i + _ROWS] @ decomposition.columns.T / largest, decimals)) for i in starts
    ]
    return sparse.vstack(blocks, format="csr")
