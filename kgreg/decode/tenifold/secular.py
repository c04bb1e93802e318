"""Leave one gene out of a principal component analysis, for every gene at once.

The eigenvalues of ``K - z z^T``, with K diagonal, are the roots of ``1 = sum_j z_j^2 / (k_j - mu)``, one between every
two neighbours of the diagonal (Golub 1973). The kernel calls nothing of other files: what numba has cached of it
follows from this one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

_OPTIONS: dict[str, Any] = {"fastmath": {"contract"}, "error_model": "numpy", "cache": True}


@njit(parallel=True, **_OPTIONS)
def component_weights(values: Any, projected: Any, components: int, weights: Any) -> None:
    """Fill ``weights [n_genes, r]`` with ``sum_c u_c (u_c . z) / mu_c`` over the leading components of ``K - z z^T``.

    ``values [r]`` are the eigenvalues of K, descending; ``projected [n_genes, r]`` has z of every gene in the basis of
    its eigenvectors. Every root is found by bisection, as its distance from the nearer pole, until the interval is as
    small as a double tells apart.
    """
    r = values.size
    for gene in prange(projected.shape[0]):
        z = projected[gene]
        for j in range(r):
            weights[gene, j] = 0.0
        for c in range(components):
            gap = values[c] - values[c + 1]
            if gap <= 1e-14 * values[0]:
                continue  # one of two equal components stands at right angles to z, and says nothing of the gene
            total = 1.0
            for j in range(r):
                total -= z[j] * z[j] / ((values[j] - values[c]) + 0.5 * gap)
            # The sum falls from plus to minus infinity on the way up: the root is near the lower pole if it is negative
            # half way already.
            pole = c if total > 0 else c + 1
            side = 1.0 if total > 0 else -1.0
            low, high = 0.0, 0.5 * gap
            for _ in range(200):
                middle = 0.5 * (low + high)
                if high - low <= 2e-16 * high or middle in (low, high):
                    break
                total = 1.0
                for j in range(r):
                    total -= z[j] * z[j] / ((values[j] - values[pole]) + side * middle)
                if (total > 0) == (side > 0):
                    high = middle
                else:
                    low = middle
            offset = 0.5 * (low + high)
            root = values[pole] - side * offset
            if offset == 0.0 or root <= 1e-12 * values[0]:
                continue
            norm = 0.0
            for j in range(r):
                u = z[j] / ((values[j] - values[pole]) + side * offset)
                norm += u * u
            for j in range(r):
                u = z[j] / ((values[j] - values[pole]) + side * offset)
                weights[gene, j] += u / (norm * root)


def leave_one_out_weights(values: Any, projected: Any, components: int) -> Any:
    """Return what :func:`component_weights` fills, ``[n_genes, r]``."""
    weights = np.empty_like(projected)
    component_weights(values, projected, components, weights)
    return weights
