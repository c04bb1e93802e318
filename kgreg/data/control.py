"""Control inputs: samples in which every gene tells the classes apart equally well (Fortelny & Bock 2020)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.data.samples import Samples
from kgreg.errors import DataError

#: By how much the mean of a gene differs between two classes: as many genes go up as down, on average.
FOLDS = (0.5, 2.0)

#: Larger values are no logarithms of counts.
_LARGEST_LOG = 30.0


def control_inputs(samples: Samples, inputs: pd.DataFrame, seed: int) -> Samples:
    """Return the same samples, labels and depths with expression drawn anew, all genes equally predictive.

    A gene with the counts c over all samples is drawn in a sample of the first class from the binomial distribution
    with c trials, each of which falls on the sample with probability depth / total depth. For every other class (and
    for samples that have a label), c is multiplied by 0.5 or 2, at random for every gene. What a network then prefers
    to read, it prefers because of how it is built.

    Values that are not all whole are taken as ``log1p`` of something that is proportional to counts, which ``expm1``
    brings back; the result is ``log1p`` of the draws. Their noise is that of counts of this size: realistic
    where samples were normalised to about their depth, too small where they were scaled up (to a million, say).

    Parameters
    ----------
    samples
        Classes or labels, one layer of counts or of ``log1p`` values.
    inputs
        ``Blueprint.inputs``: the genes to draw; the others only count for the depth.
    seed
        Of the draw.

    Raises
    ------
    DataError
        If the samples have no classes or labels, several modalities, or values that are neither counts nor their
        logarithms.
    """
    if samples.task not in ("classification", "multilabel"):
        raise DataError(
            f"Control inputs are for classes and labels; the task is {samples.task}.", "Set [nulls] controls = 0."
        )
    if any(samples.modalities) or samples.present is not None:
        raise DataError("Control inputs are drawn for one layer of expression.", "Set [nulls] controls = 0.")
    depth, logarithms = _depth(samples)
    own = samples.columns(inputs).astype(np.float64)
    counts = (np.expm1(own) if logarithms else own).sum(axis=0)
    rng = np.random.default_rng(seed)
    groups, member = np.unique(_labels(samples), axis=0, return_inverse=True)
    folds = rng.choice(FOLDS, size=(groups.shape[1], len(counts)))
    drawn = np.zeros(own.shape, dtype=np.float32)
    elsewhere = depth.sum() - counts.sum()
    for number, group in enumerate(groups):
        factor = np.prod(np.where(group[:, None] > 0, folds, 1.0), axis=0)
        trials = np.rint(counts * factor).astype(np.int64)
        total = trials.sum() + elsewhere * factor.mean()
        rows = np.flatnonzero(member.reshape(-1) == number)
        share = np.minimum(depth[rows] / max(total, 1e-12), 1.0)
        drawn[rows] = rng.binomial(trials, share[:, None])
    return replace(
        samples,
        x=np.log1p(drawn) if logarithms else drawn,
        features=inputs["feature"].tolist(),
        modalities=[""] * len(inputs),
        origin=f"control inputs drawn from {samples.origin}",
    )


def _depth(samples: Samples) -> tuple[NDArray[np.float64], bool]:
    """Return the sum of the counts of every sample, and whether the values are logarithms of these."""
    x = samples.x
    values: NDArray[np.float32] = x if isinstance(x, np.ndarray) else x.data
    logarithms = bool((values != np.rint(values)).any())
    if (values < 0).any() or (logarithms and values.size and values.max() > _LARGEST_LOG):
        raise DataError(
            f"{samples.origin} ({samples.layer}) holds neither counts nor log1p of counts, from which control inputs "
            f"are drawn: its values lie between {values.min():g} and {values.max():g}.",
            "Name a layer of counts in [data] layer, or set [nulls] controls = 0.",
        )
    table: Any = np.expm1(x) if logarithms else x
    return np.asarray(table.sum(axis=1), dtype=np.float64).reshape(-1), logarithms


def _labels(samples: Samples) -> NDArray[np.int64]:
    """Return ``[n, k]``: which of the labels, or of the classes but the first, a sample has."""
    if samples.task == "multilabel":
        has: NDArray[np.bool_] = samples.target == 1
    else:
        has = samples.target[:, None] == np.arange(1, len(samples.classes))
    return has.astype(np.int64)
