"""Views of different samples side by side."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from kgreg.data.multiomics.views import Matrix, View
from kgreg.data.presence import Missing, settle
from kgreg.errors import some

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Joined:
    """Modalities side by side.

    Attributes
    ----------
    x
        ``[n, n_columns]``, one modality after the other; 0 where a sample lacks it.
    features, modalities
        Gene and modality of every column.
    present
        ``[n, n_modalities]`` bool, in the order of the modalities; None: every sample has all.
    rows
        Position of every sample among those that were asked for.
    left_out
        Reason -> samples that were left out.
    """

    x: Matrix
    features: list[str]
    modalities: list[str]
    present: NDArray[np.bool_] | None
    rows: NDArray[np.int64]
    left_out: dict[str, int]


def join_views(views: Sequence[View], names: Sequence[str], samples: Missing | None, origin: str) -> Joined:
    """Put views side by side, in the order of the samples ``names``, which are those of the table of samples.

    Samples of a view that are not in that table have nothing to learn and are left out; how many is recorded.

    Raises
    ------
    DataError
        See :func:`kgreg.data.presence.settle`.
    """
    place = pd.Series(np.arange(len(names)), index=list(names))
    where = [place.reindex(view.samples).to_numpy(dtype=float) for view in views]
    present = np.zeros((len(names), len(views)), dtype=np.bool_)
    left_out = {}
    for m, (view, at) in enumerate(zip(views, where, strict=True)):
        present[at[~np.isnan(at)].astype(int), m] = True
        unknown = [name for name, i in zip(view.samples, at, strict=True) if np.isnan(i)]
        if unknown:
            log.warning("%d samples of %s are not in %s: %s.", len(unknown), view.name, origin, some(unknown))
            left_out[f"of {view.name} are not in the table of samples"] = len(unknown)
    rows, gone = settle(present, [view.name for view in views], samples, origin)
    new = np.full(len(names), -1)
    new[rows] = np.arange(len(rows))
    parts: list[Matrix] = []
    for view, at in zip(views, where, strict=True):
        target = np.where(np.isnan(at), -1, new[np.nan_to_num(at).astype(int)])
        parts.append(_spread(view.x, target, len(rows)))
    if all(sparse.issparse(part) for part in parts):
        x: Matrix = sparse.csr_matrix(sparse.hstack(parts, format="csr"))
    else:
        x = np.hstack([part if isinstance(part, np.ndarray) else part.toarray() for part in parts])
    kept = present[rows]
    return Joined(
        x,
        [gene for view in views for gene in view.genes],
        [view.name for view in views for _ in view.genes],
        None if kept.all() else kept,
        rows,
        {**left_out, **gone},
    )


def _spread(x: Matrix, target: NDArray[np.int64], n: int) -> Matrix:
    """Return ``[n, n_columns]`` with row i of ``x`` in row ``target[i]`` (-1: nowhere), the others 0."""
    used = np.flatnonzero(target >= 0)
    if isinstance(x, np.ndarray):
        spread = np.zeros((n, x.shape[1]), dtype=np.float32)
        spread[target[used]] = x[used]
        return spread
    move = sparse.csr_matrix((np.ones(len(used), dtype=np.float32), (target[used], used)), shape=(n, x.shape[0]))
    return sparse.csr_matrix(move @ x)
