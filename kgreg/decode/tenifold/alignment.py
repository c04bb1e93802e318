"""Where the genes of a network and of its knocked-out twin come to lie in one space: manifold alignment.

scTenifoldNet joins two networks X and Y (rows regulate, between -1 and 1, diagonal 0) to one graph over twice the
genes::

    W = [[X + 1,  c I], [c I,  Y + 1]],   c = 0.9 (sum(X + 1) + sum(Y + 1)) / (2 n),   its diagonal set to 0,

and places the genes by the eigenvectors of its Laplacian ``L = diag(column sums of W) - W`` with the smallest real
parts above 0 (constants as in scTenifoldNet 1.2, which scTenifoldKnk calls).

For a knockout, half the sum and half the difference of the two places of a gene separate: with ``A_X = diag(column
sums of X) - X``, ``M = (A_X + A_Y) / 2`` and ``E = (A_X - A_Y) / 2``, ``s = x + y`` and ``d = x - y``,

    M s + E d = mu s,    E s + (2 c + M) d = mu d,    mu = eigenvalue - n,

for eigenvectors of eigenvalues above 0, whose entries sum to 0. ``2 c`` is about 1.8 n and far above M and E, so that d
follows from s by a series that converges at once, ``R = (2 c + M - mu)^-1``, ``d = -R E s``, and what is left is an
eigenvalue problem of one network, ``(M - E R E) s = mu s``, without the crowd of eigenvalues about ``n + 2 c``. The
distances, which are ``|d|``, are not differences of two near equal numbers then. R depends on mu; it is taken to first
order about a guess, which leaves a relative error below 1e-6 (tests hold it to the whole Laplacian).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs

from kgreg.errors import DataError

#: Of the links between a gene and itself in the other network, relative to the mean links of a gene.
COUPLING = 0.9

_SMALL = 200  # genes; up to here the whole Laplacian is decomposed


class Alignment:
    """Aligns a network with knockouts of it.

    Parameters
    ----------
    network
        ``[n_genes, n_genes]``: rows regulate columns; entries between -1 and 1, the diagonal 0.
    dimensions
        Of the common space.
    """

    def __init__(self, network: sparse.csr_matrix, dimensions: int = 2) -> None:
        self.network = sparse.csr_matrix(network, dtype=np.float64)
        self.dimensions = dimensions
        self.genes = self.network.shape[0]
        if self.genes < dimensions + 3:
            raise DataError(f"{self.genes} genes are too few for {dimensions} dimensions.", "Give more genes.")
        self._received = np.asarray(self.network.sum(axis=0)).ravel()
        self._start = np.random.default_rng(0).normal(size=self.genes)
        self._guess = 0.0

    def distances(self, knocked: Sequence[int]) -> tuple[NDArray[np.float64], float]:
        """Return how far every gene lies from itself in the network where the rows of ``knocked`` are 0.

        Returns
        -------
        distances
            ``[n_genes]``; eigenvectors have length 1 over the genes of both networks.
        noise
            Distances up to here are rounding.
        """
        if self.genes <= _SMALL:
            coordinates = aligned_dense(self.network.toarray(), list(knocked), self.dimensions)
            apart = coordinates[: self.genes] - coordinates[self.genes :]
            largest = np.abs(coordinates).max()
            return np.linalg.norm(apart, axis=1), float(np.sqrt(np.finfo(float).eps) * largest)
        sums, differences = self._pairs(np.asarray(knocked))
        apart = np.sqrt(2) * np.linalg.norm(differences, axis=1)
        largest = np.abs(sums).max() / np.sqrt(2)
        return apart, float(np.sqrt(np.finfo(float).eps) * largest)

    def _pairs(self, knocked: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return s and d, ``[n_genes, dimensions]``; ``|s|^2 + |d|^2 = 1`` in every dimension."""
        n, network = self.genes, self.network
        lost = network[knocked]
        given = np.asarray(lost.sum(axis=0)).ravel()
        middle = self._received - 0.5 * given
        twice = 2 * coupling(n, 2 * float(self._received.sum()) - float(given.sum()))
        guess = self._guess
        pivot = 1 / (twice + middle - guess)

        def half_difference(v: NDArray[Any]) -> NDArray[Any]:
            made = 0.5 * given * v
            made[knocked] -= 0.5 * (lost @ v)
            return np.asarray(made)

        def without_own(v: NDArray[Any]) -> NDArray[Any]:
            """Return minus M v, but for the diagonal."""
            made = network @ v
            made[knocked] -= 0.5 * (lost @ v)
            return np.asarray(made)

        def difference(s: NDArray[Any], mu: complex, accuracy: float) -> NDArray[Any]:
            """Solve ``(2 c + M - mu) d = -E s`` by Jacobi's iteration."""
            own = twice + middle - mu
            term = -half_difference(s) / own
            d = term
            for _ in range(100):
                if np.abs(term).max() <= accuracy:
                    break
                term = without_own(term) / own
                d = d + term
            return np.asarray(d)

        # The eigenvalue that belongs to the sum of all genes is moved out of the way; the others keep their vectors.
        away = 4.0 * (float(np.abs(middle).max()) + float(abs(network).sum(axis=1).max()) + 1.0)

        def apply(v: NDArray[np.float64]) -> NDArray[np.float64]:
            v = np.asarray(v).ravel()
            made = middle * v - without_own(v)
            made += half_difference(difference(v, guess, 1e-9 * float(np.abs(made).max())))
            made += away * v.mean()
            # The first order of R in mu, with 2 c and the diagonal of M in its place.
            made += guess * half_difference(pivot**2 * half_difference(v))
            return np.asarray(made - half_difference(pivot**2 * half_difference(made)))

        values, vectors = _leftmost(apply, n, self.dimensions, self._start)
        self._guess, self._start = float(values.real.mean()), vectors.real.sum(axis=1)
        parts = []
        for value, s in zip(values, vectors.T, strict=True):
            d = difference(s, value, 1e-15)
            both = np.concatenate([s, d])
            parts.append(both / np.linalg.norm(both))
        joint = real_coordinates(values, np.array(parts).T)
        return joint[:n], joint[n:]


def coupling(genes: int, links: float) -> float:
    """Return c, the weight between a gene and itself, of two networks whose links sum to ``links``."""
    return COUPLING * (2.0 * genes * genes + links) / (2.0 * genes)


def _leftmost(
    apply: Callable[[NDArray[np.float64]], NDArray[np.float64]], n: int, count: int, start: NDArray[np.float64]
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Return the eigenvalues with the smallest real parts and their vectors ``[n, count]``, in ascending order.

    Raises
    ------
    DataError
        If they cannot be told apart.
    """
    operator = LinearOperator((n, n), matvec=apply, dtype=np.float64)
    for space in (max(20, 4 * count), 80, 160):
        try:
            values, vectors = eigs(
                operator, k=count + 1, which="SR", v0=start, ncv=min(space, n), tol=1e-12, maxiter=300
            )
        except ArpackNoConvergence:
            continue
        order = np.lexsort((values.imag, values.real))[:count]
        return values[order], vectors[:, order]
    raise DataError(
        "The places of the genes cannot be told apart: too many of them are linked alike.",
        "Give more cells, or fewer genes that are hardly expressed.",
    )


def real_coordinates(values: NDArray[np.complex128], vectors: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return real coordinates of eigenvectors in ascending order of their eigenvalues.

    Of a complex pair, the real and the imaginary part are the coordinates, turned so that they are at right angles, the
    longer first. (scTenifoldNet takes the real part of either, which is the same twice, and depends on how the solver
    happened to turn it.)
    """
    real = np.zeros(vectors.shape)
    i = 0
    while i < len(values):
        v = vectors[:, i]
        if abs(values[i].imag) <= 1e-10 * max(abs(values[i]), 1.0):
            largest = v[np.abs(v).argmax()]
            real[:, i] = (v * (abs(largest) / largest)).real
            i += 1
            continue
        square = np.sum(v * v)
        turned = v if square == 0 else v * np.sqrt(np.conj(square) / abs(square))
        real[:, i] = turned.real
        if i + 1 < len(values):
            real[:, i + 1] = turned.imag
        i += 2
    return real


def aligned_dense(network: NDArray[np.float64], knocked: Sequence[int], dimensions: int) -> NDArray[np.float64]:
    """Return the coordinates ``[2 n_genes, dimensions]`` of the genes, from the whole Laplacian as it is written."""
    n = len(network)
    other = network.copy()
    other[list(knocked)] = 0.0
    c = coupling(n, float(network.sum() + other.sum()))
    graph = np.block([[network + 1, c * np.eye(n)], [c * np.eye(n), other + 1]])
    np.fill_diagonal(graph, 0.0)
    values, vectors = np.linalg.eig(np.diag(graph.sum(axis=0)) - graph)
    kept = np.flatnonzero(values.real > 1e-8 * n)
    order = kept[np.lexsort((values[kept].imag, values[kept].real))][:dimensions]
    return real_coordinates(values[order] - n, vectors[:, order].astype(np.complex128))
