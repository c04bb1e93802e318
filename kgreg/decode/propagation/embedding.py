"""Where cells would go on an embedding: changes of expression against the differences to neighbouring cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kgreg.errors import DataError

#: Of the kernel that turns correlations into probabilities, as in velocyto (La Manno et al. 2018) and CellOracle.
SIGMA = 0.05


def embedding_shift(
    x: NDArray[np.float64],
    change: NDArray[np.float64],
    embedding: NDArray[np.float32],
    *,
    neighbours: int | None = None,
    sigma: float = SIGMA,
) -> NDArray[np.float32]:
    """Return the direction in which every cell moves on an embedding.

    A cell goes to a neighbour j with a probability in proportion to ``exp(r_j / sigma)``, r being the correlation over
    genes of its change with what j has more of. The shift is the mean of the unit vectors to the neighbours under these
    probabilities, minus their plain mean, so that the density of cells does not count.

    Parameters
    ----------
    x, change
        ``[n_cells, n_genes]`` expression and its change.
    embedding
        ``[n_cells, d]``.
    neighbours
        Nearest on the embedding; by default a fifth of the cells, at most 200.

    Returns
    -------
    array
        ``[n_cells, d]``; 0 for cells in which nothing changes.

    Raises
    ------
    DataError
        If there are not more cells than neighbours.
    """
    from sklearn.neighbors import NearestNeighbors

    many = neighbours if neighbours is not None else min(200, max(len(x) // 5, 5))
    if not 1 <= many < len(x):
        raise DataError(f"{many} neighbours cannot be found among {len(x)} cells.", "Ask for fewer.")
    places = np.asarray(embedding, dtype=float)
    near = NearestNeighbors(n_neighbors=many).fit(places).kneighbors(return_distance=False)
    centred = change - change.mean(axis=1, keepdims=True)
    sizes = np.linalg.norm(centred, axis=1)
    shift = np.zeros(places.shape, dtype=np.float32)
    for i in np.flatnonzero(sizes > 0):
        others = near[i]
        difference = x[others] - x[i]
        difference -= difference.mean(axis=1, keepdims=True)
        length = np.linalg.norm(difference, axis=1)
        r = np.divide(difference @ centred[i], length * sizes[i], out=np.zeros(many), where=length > 0)
        probability = np.exp((r - r.max()) / sigma)
        probability /= probability.sum()
        way = places[others] - places[i]
        distance = np.linalg.norm(way, axis=1, keepdims=True)
        way = np.divide(way, distance, out=np.zeros_like(way), where=distance > 0)
        shift[i] = (probability - 1 / many) @ way
    return shift


def permuted(change: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Return changes dealt to other genes and with random signs in every cell: the control of a shift."""
    rng = np.random.default_rng(seed)
    return np.asarray(rng.permuted(change, axis=1) * rng.choice([-1.0, 1.0], change.shape))
