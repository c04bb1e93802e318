"""Kernels of :mod:`kgreg.nn.motif.bank` on the CPU: the best window of every motif in every sequence.

Bases are codes, so the score of a window is no product: the sum over three bases in a row is looked up in a table, and
a motif of width w costs ceil(w / 3) additions a window. The motifs of a *tile* (:data:`LANES` of them, ordered by
width) lie side by side in a row of the table, so that one addition serves many of them. The reverse strand is read as
the forward strand of the reverse complement: both orientations of a sequence therefore give the same numbers, bit by
bit.

Table ``[rows, LANES]``: tile t has ``blocks[t]`` blocks of :data:`WORDS` rows from row ``first[t]``; row
``first[t] + b * WORDS + word`` holds what the bases 3 b, 3 b + 1, 3 b + 2 of the motifs add where they read ``word``,
the number ``25 a + 5 b + c`` of three codes. Code 4 (no base) adds 0, and so does what lies behind the end of a
motif. The kernels call nothing of other files: what numba has cached of them follows from this one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

#: Motifs in a row of the table.
LANES = 64
#: Bases in a word, and words there are, of the four bases and "none".
WORD = 3
WORDS = 125

# Sums are not reordered: both strands must agree to the last bit.
_OPTIONS: dict[str, Any] = {"error_model": "numpy", "cache": True}


@njit(**_OPTIONS)
def read_words(codes: Any, tail: int) -> Any:
    """Return the word at every position of both strands, ``[n, 2, L + tail]``, of codes ``[n, L]``; no base outside."""
    n, length = codes.shape
    words = np.empty((n, 2, length + tail), np.int32)
    for i in range(n):
        for strand in range(2):
            word = WORDS - 1
            for p in range(length + tail - 1, -1, -1):
                code = 4
                if p < length:
                    code = codes[i, p] if strand == 0 else codes[i, length - 1 - p]
                    code = 4 if code > 3 else (code if strand == 0 else 3 - code)
                word = 25 * code + word // 5
                words[i, strand, p] = word
    return words


@njit(**_OPTIONS)
def fill_table(weight: Any, offset: Any, width: Any, first: Any, blocks: Any, table: Any) -> None:
    """Fill the table with filters ``weight [positions, 4]``; the motif at place m begins at row ``offset[m]``."""
    for t in range(blocks.size):
        here = table[first[t] : first[t] + blocks[t] * WORDS]
        base = np.zeros((WORD, 5, LANES), weight.dtype)
        for b in range(blocks[t]):
            base[:] = 0
            for j in range(min(LANES, offset.size - t * LANES)):
                m = t * LANES + j
                for i in range(WORD):
                    if b * WORD + i < width[m]:
                        for code in range(4):
                            base[i, code, j] = weight[offset[m] + b * WORD + i, code]
            for word in range(WORDS):
                row, one, two, three = here[b * WORDS + word], word // 25, word // 5 % 5, word % 5
                for j in range(LANES):
                    row[j] = base[0, one, j] + base[1, two, j] + base[2, three, j]


@njit(parallel=True, **_OPTIONS)
def best_windows(
    table: Any, words: Any, length: int, width: Any, first: Any, blocks: Any, best: Any, where: Any
) -> None:
    """Find the best window of every motif in every sequence.

    Into ``best [n, motifs]`` goes its score, into ``where`` its start along its strand, plus ``length`` on the reverse
    one. Of equal windows the first along the forward strand counts, then the first along the reverse strand.
    """
    for t in prange(blocks.size):
        begin = t * LANES
        count = min(LANES, width.size - begin)
        total = np.empty(LANES, table.dtype)
        highest = np.empty(LANES, table.dtype)
        place = np.empty(LANES, np.int32)
        for i in range(words.shape[0]):
            highest[:] = -np.inf
            place[:] = 0
            for strand in range(2):
                word = words[i, strand]
                for p in range(length - width[begin] + 1):
                    n = count
                    while width[begin + n - 1] > length - p:  # what no longer fits: the widest stand last
                        n -= 1
                    at = np.int32(strand * length + p)
                    r = first[t]
                    a, b = table[r + word[p]], table[r + WORDS + word[p + WORD]]
                    c, d = table[r + 2 * WORDS + word[p + 2 * WORD]], table[r + 3 * WORDS + word[p + 3 * WORD]]
                    if blocks[t] == 4:
                        for j in range(n):
                            s = a[j] + b[j] + c[j] + d[j]
                            better = s > highest[j]
                            highest[j] = s if better else highest[j]
                            place[j] = at if better else place[j]
                        continue
                    for j in range(n):
                        total[j] = a[j] + b[j] + c[j] + d[j]
                    for k in range(4, blocks[t], 2):
                        a = table[r + k * WORDS + word[p + k * WORD]]
                        b = table[r + (k + 1) * WORDS + word[p + (k + 1) * WORD]]
                        for j in range(n):
                            total[j] += a[j] + b[j]
                    for j in range(n):
                        s = total[j]
                        better = s > highest[j]
                        highest[j] = s if better else highest[j]
                        place[j] = at if better else place[j]
            best[i, begin : begin + count] = highest[:count]
            where[i, begin : begin + count] = place[:count]


@njit(**_OPTIONS)
def gather_windows(codes: Any, where: Any, slope: Any, offset: Any, width: Any, gradient: Any) -> None:
    """Add to ``gradient [positions, 4]`` what winning windows bring: ``slope [n, motifs]`` at every base they read."""
    n, length = codes.shape
    for m in range(offset.size):
        for i in range(n):
            g = slope[i, m]
            if g == 0:
                continue
            at = where[i, m]
            for j in range(width[m]):
                code = codes[i, at + j] if at < length else codes[i, 2 * length - 1 - at - j]
                if code < 4:
                    gradient[offset[m] + j, code if at < length else 3 - code] += g
