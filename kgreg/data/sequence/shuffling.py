"""Sequences with the dinucleotides of others, as a background (tangermeme)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kgreg.data.sequence.codes import UNKNOWN
from kgreg.optional import need

# Sequences that are shuffled at a time.
_BLOCK = 512


def dinucleotide_shuffle(codes: NDArray[np.uint8], seed: int = 0, first: int = 0) -> NDArray[np.uint8]:
    """Return every sequence shuffled, with the same first and last letter and the same number of every dinucleotide.

    A random Eulerian walk over the letters (Altschul and Erickson 1985), by tangermeme. Padding, which is unknown
    letters at both ends, stays where it is; unknown letters between known ones are shuffled as a letter of their own.
    The result for a row depends on ``seed``, the row's number and its letters, and on no other row.

    Parameters
    ----------
    codes
        ``[n, L]`` uint8.
    first
        Number of the first row, where the matrix is shuffled in blocks.

    Raises
    ------
    MissingPackageError
        If tangermeme is not installed.
    """
    shuffled = np.array(codes, dtype=np.uint8)
    known = codes != UNKNOWN
    begin = known.argmax(axis=1)
    end = codes.shape[1] - known[:, ::-1].argmax(axis=1)
    # Fewer than four letters leave nothing to shuffle between the first and the last.
    rows = np.flatnonzero(known.any(axis=1) & (end - begin > 3))
    for bounds in np.unique(np.stack([begin[rows], end[rows]], axis=1), axis=0):
        alike = rows[(begin[rows] == bounds[0]) & (end[rows] == bounds[1])]
        for start in range(0, len(alike), _BLOCK):
            block = alike[start : start + _BLOCK]
            shuffled[block, bounds[0] : bounds[1]] = _shuffled(codes[block, bounds[0] : bounds[1]], seed, first + block)
    return shuffled


def _shuffled(codes: NDArray[np.uint8], seed: int, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    import torch

    ersatz = need("tangermeme.ersatz", "seq")
    one_hot = torch.from_numpy((codes[:, None] == np.arange(UNKNOWN)[:, None]).astype(np.int8))
    # A seed a row, so that neither blocks nor other rows change what becomes of it.
    seeds = [int(np.random.default_rng([seed, row]).integers(2**31)) for row in rows]
    drawn = ersatz.dinucleotide_shuffle(one_hot, n=1, random_state=seeds, allow_N=True)[:, 0].numpy()
    return np.where(drawn.any(axis=1), drawn.argmax(axis=1), UNKNOWN).astype(np.uint8)
