"""Counts of k-mers and GC content: what a linear model can know of a sequence."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from kgreg.errors import DataError

#: A table of more columns than 4 ** 10 is refused: it would outgrow the memory long before it says anything.
LONGEST_KMER = 10

# Positions that are worked on at a time, so that a memory-mapped matrix is never copied whole.
_BLOCK = 2**22


def kmer_names(k: int, canonical: bool = True) -> list[str]:
    """Return the k-mers that :func:`kmer_counts` counts, in the order of its columns (alphabetical).

    Raises
    ------
    DataError
        If ``k`` is not between 1 and ``LONGEST_KMER``.
    """
    _refuse_length(k)
    names = ["".join(letters) for letters in product("ACGT", repeat=k)]
    if not canonical:
        return names
    return [name for name, column in zip(names, _canonical(k), strict=True) if names[column] == name]


def kmer_counts(codes: NDArray[np.uint8], k: int = 5, canonical: bool = True) -> NDArray[np.float32]:
    """Count the k-mers of every sequence, overlapping ones too.

    Parameters
    ----------
    codes
        ``[n, L]`` 0 to 3 for A, C, G, T; 4 for an unknown letter. A window that holds one is not counted.
    k
        Length of the k-mers.
    canonical
        Count a k-mer and its reverse complement as one, under the name of the first of them in the alphabet: the
        counts of a sequence and of its reverse complement are then the same.

    Returns
    -------
    ``[n, m]`` float32 with the columns :func:`kmer_names`: 4 ** k, or of canonical k-mers half of that (k odd) or a few
    more, for palindromes stand alone (k even).

    Raises
    ------
    DataError
        If ``codes`` is no matrix, or ``k`` is not between 1 and ``LONGEST_KMER``.
    """
    _refuse_shape(codes)
    _refuse_length(k)
    columns = _canonical(k) if canonical else np.arange(4**k)
    kept, place = np.unique(columns, return_inverse=True)
    counts = np.zeros((len(codes), len(kept)), dtype=np.float32)
    # The last column takes the windows that are not counted.
    place = np.append(place, len(kept))
    for rows in _blocks(codes, len(kept)):
        found = place[_numbers(codes[rows], k)]
        found += np.arange(len(found))[:, None] * (len(kept) + 1)
        total = np.bincount(found.ravel(), minlength=len(found) * (len(kept) + 1))
        counts[rows] = total.reshape(len(found), -1)[:, :-1]
    return counts


def gc_content(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the share of G and C among the known letters of every sequence, ``[n]`` float32; 0.5 if none is known.

    Raises
    ------
    DataError
        If ``codes`` is no matrix ``[n, L]``.
    """
    _refuse_shape(codes)
    share = np.full(len(codes), 0.5, dtype=np.float32)
    for rows in _blocks(codes, 1):
        block = codes[rows]
        known = (block < 4).sum(axis=1)
        strong = ((block == 1) | (block == 2)).sum(axis=1)
        np.divide(strong, known, out=share[rows], where=known > 0, casting="unsafe")
    return share


def _numbers(codes: NDArray[np.uint8], k: int) -> NDArray[np.int64]:
    """Return the number in base 4 of the k-mer at every position, ``[n, L - k + 1]``; 4 ** k where it is not known."""
    windows = max(codes.shape[1] - k + 1, 0)
    numbers = np.zeros((len(codes), windows), dtype=np.int64)
    unknown = np.zeros((len(codes), windows), dtype=np.bool_)
    for offset in range(k):
        letters = codes[:, offset : offset + windows]
        numbers *= 4
        numbers += letters
        unknown |= letters > 3
    numbers[unknown] = 4**k
    return numbers


def _canonical(k: int) -> NDArray[np.int64]:
    """Return for every k-mer the number of the smaller of itself and its reverse complement."""
    numbers = np.arange(4**k)
    reverse, rest = np.zeros_like(numbers), numbers.copy()
    for _ in range(k):
        reverse = reverse * 4 + (3 - rest % 4)
        rest //= 4
    return np.minimum(numbers, reverse)


def _blocks(codes: NDArray[np.uint8], columns: int) -> Iterator[slice]:
    size = max(1, _BLOCK // max(1, codes.shape[1], columns))
    return (slice(start, min(start + size, len(codes))) for start in range(0, len(codes), size))


def _refuse_length(k: int) -> None:
    if not 1 <= k <= LONGEST_KMER:
        raise DataError(f"k-mers of length {k} cannot be counted.", f"Choose a length from 1 to {LONGEST_KMER}.")


def _refuse_shape(codes: NDArray[np.uint8]) -> None:
    if codes.ndim != 2:
        raise DataError(f"Codes of sequences are a matrix [n, L], not of shape {list(codes.shape)}.")
