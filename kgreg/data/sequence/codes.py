"""Letters of nucleotides as codes: A 0, C 1, G 2, T 3, and 4 for a letter that is not known."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from kgreg.errors import DataError

#: Code of an unknown letter: N, or another of the IUPAC codes that stand for several nucleotides.
UNKNOWN = 4
#: Marks a byte that is no letter of a nucleotide sequence.
NO_LETTER = 255

#: What :func:`count_letters` counts.
LOWER_CASE = "letters in lower case (soft-masked), read as upper case"
IUPAC = "letters of IUPAC codes other than N, read as unknown"
URACIL = "letters U, read as T"
NOT_KNOWN = "letters N"

_SEVERAL = b"RYSWKMBDHV"
_TABLE = np.full(256, NO_LETTER, dtype=np.uint8)
for _letters, _code in ((b"A", 0), (b"C", 1), (b"G", 2), (b"TU", 3), (b"N" + _SEVERAL, UNKNOWN)):
    for _letter in (_letters, _letters.lower()):
        _TABLE[list(_letter)] = _code
_COMPLEMENT = np.array([3, 2, 1, 0, UNKNOWN], dtype=np.uint8)
_LETTERS = np.frombuffer(b"ACGTN", dtype=np.uint8)


def encode(letters: bytes) -> NDArray[np.uint8]:
    """Return the codes of letters, upper or lower case; ``NO_LETTER`` where a byte is no letter of a nucleotide."""
    codes: NDArray[np.uint8] = _TABLE[np.frombuffer(letters, dtype=np.uint8)]
    return codes


def encode_text(text: str) -> NDArray[np.uint8]:
    """Return the codes of a sequence that is written out.

    Raises
    ------
    DataError
        If it holds anything but letters of nucleotides (IUPAC); the message has letter and position.
    """
    codes = encode(text.encode("utf-8"))
    wrong = np.flatnonzero(codes == NO_LETTER)
    if len(wrong):
        raise DataError(
            f"The sequence has {text.encode('utf-8')[wrong[0] : wrong[0] + 1]!r} at position {wrong[0] + 1}.",
            "Use A, C, G, T and N, or other IUPAC codes.",
        )
    return codes


def decode(codes: NDArray[np.uint8]) -> str:
    """Return the letters of codes ``[L]``: A, C, G, T and N."""
    return _LETTERS[codes].tobytes().decode("ascii")


def reverse_complement(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the other strand of codes ``[..., L]``."""
    other: NDArray[np.uint8] = _COMPLEMENT[codes[..., ::-1]]
    return other


def count_letters(letters: bytes, counts: Counter[str]) -> None:
    """Add to ``counts`` what :func:`encode` does not keep: lower case, codes of several nucleotides, U; and the N."""
    seen = np.bincount(np.frombuffer(letters, dtype=np.uint8), minlength=256)
    upper = seen[65:91] + seen[97:123]
    for what, count in (
        (LOWER_CASE, seen[97:123].sum()),
        (IUPAC, sum(upper[letter - 65] for letter in _SEVERAL)),
        (URACIL, upper[ord("U") - 65]),
        (NOT_KNOWN, upper[ord("N") - 65]),
    ):
        if count:
            counts[what] += int(count)


def fit_length(codes: NDArray[np.uint8], length: int) -> NDArray[np.uint8]:
    """Return codes ``[n]`` as ``[length]``: cut at both ends, or padded with ``UNKNOWN`` there.

    The middle stays the middle: the letter ``n // 2`` becomes the letter ``length // 2``.
    """
    first = len(codes) // 2 - length // 2
    fitted = np.full(length, UNKNOWN, dtype=np.uint8)
    kept = codes[max(first, 0) : first + length]
    fitted[max(-first, 0) : max(-first, 0) + len(kept)] = kept
    return fitted
