"""Networks of genes by principal component regression on resampled cells (scTenifoldNet: Osorio et al. 2020)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from kgreg.decode.tenifold.secular import leave_one_out_weights
from kgreg.errors import DataError
from kgreg.nn.threads import use_threads
from kgreg.progress import Progress, no_progress


def component_regression(x: NDArray[np.float64], components: int = 3) -> NDArray[np.float64]:
    """Regress every gene on the leading principal components of all other genes.

    With Z the standardised expression (mean 0, sd 1) and V the first right singular vectors of Z without gene k, the
    scores ``S = Z V`` explain gene k by ``b = (S.T S)^-1 S.T z_k``, and the coefficients of other genes are ``V b``.
    All genes share one singular value decomposition: leaving one out takes ``z_k z_k.T`` from ``Z Z.T``, whose
    eigenvalues are then roots of a rational function (:mod:`kgreg.decode.tenifold.secular`). The result is that of one
    decomposition a gene, up to rounding.

    Parameters
    ----------
    x
        ``[n_cells, n_genes]`` expression.
    components
        Principal components.

    Returns
    -------
    array
        ``[n_genes, n_genes]``: the coefficient of the column in the regression of the row; the diagonal is 0, and so
        are rows and columns of genes that do not vary.

    Raises
    ------
    DataError
        If there are too few cells or varying genes for as many components.
    """
    spread = x.std(axis=0, ddof=1)
    # What is left of a constant after its mean is taken off is rounding.
    varies = spread > 1e-10 * np.maximum(np.abs(x).max(axis=0), 1e-300)
    many = int(varies.sum())
    if min(len(x) - 1, many - 1) < components + 1:
        raise DataError(
            f"{len(x)} cells with {many} genes that vary are too few for {components} principal components.",
            "Give more cells or genes, or ask for fewer components.",
        )
    z = (x[:, varies] - x[:, varies].mean(axis=0)) / spread[varies]
    # The smaller side of the matrix decides what is decomposed.
    if len(z) <= many:
        values, vectors = linalg.eigh(z @ z.T)
        order = np.argsort(values)[::-1]
        values, vectors = np.maximum(values[order], 0.0), vectors[:, order]
        projected = np.ascontiguousarray(z.T @ vectors)
    else:
        values, right = linalg.eigh(z.T @ z)
        order = np.argsort(values)[::-1]
        values, right = np.maximum(values[order], 0.0), right[:, order]
        projected = np.ascontiguousarray(right * np.sqrt(values))
    use_threads()
    weights = leave_one_out_weights(values, projected, components)
    coefficients = np.zeros((x.shape[1], x.shape[1]))
    inner = weights @ projected.T
    np.fill_diagonal(inner, 0.0)
    coefficients[np.ix_(varies, varies)] = inner
    return coefficients


def component_network(x: NDArray[np.float64], components: int = 3, quantile: float = 0.9) -> sparse.csr_matrix:
    """Return the network of :func:`component_regression`: scaled by its largest coefficient, the weak ones cut.

    Entries below the quantile of all absolute values, the diagonal included, become 0.

    Returns
    -------
    csr_matrix
        ``[n_genes, n_genes]``; rows are regulated, columns regulate.
    """
    coefficients = component_regression(x, components)
    size = np.abs(coefficients)
    largest = size.max()
    if largest > 0:
        coefficients /= largest
        size /= largest
    coefficients[size < np.quantile(size, quantile)] = 0.0
    return sparse.csr_matrix(coefficients)


def resampled_networks(
    x: NDArray[Any] | sparse.csr_matrix,
    *,
    networks: int = 10,
    cells: int = 500,
    components: int = 3,
    quantile: float = 0.9,
    seed: int = 0,
    progress: Progress = no_progress,
) -> list[sparse.csr_matrix]:
    """Return networks of cells that are drawn with replacement, see :func:`component_network`.

    Parameters
    ----------
    x
        ``[n_cells, n_genes]`` expression, normalised.
    networks, cells
        How many networks, of how many cells each.
    seed
        Of the draws.
    """
    rng = np.random.default_rng(seed)
    made = []
    for i in range(networks):
        progress(f"network {i + 1} of {networks}", i / networks)
        drawn: Any = x[rng.integers(x.shape[0], size=cells)]
        dense = drawn.toarray() if sparse.issparse(drawn) else np.asarray(drawn)
        made.append(component_network(dense.astype(np.float64), components, quantile))
    return made
