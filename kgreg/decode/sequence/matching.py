"""Which motifs of a database a pattern resembles (TOMTOM, Gupta et al. 2007), by memelite."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.decode.sequence.filters import FilterPattern
from kgreg.errors import DataError
from kgreg.fit.threads import own_threads
from kgreg.optional import need

#: Columns of :func:`match_patterns`.
MATCH_COLUMNS = ("filter", "motif", "rank", "p", "q", "overlap", "offset", "orientation")

#: Counts of a motif, ``[width, 4]``, columns A, C, G, T.
Counts = NDArray[Any]


def match_patterns(
    patterns: Mapping[str, Counts],
    motifs: Mapping[str, Counts],
    *,
    pseudocount: float = 1.0,
    top: int = 5,
    own: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Compare patterns with motifs, and return the best matches of each.

    Parameters
    ----------
    patterns, motifs
        Name -> counts.
    pseudocount
        Added to every column, spread over the letters.
    top
        Matches to return of each pattern.
    own
        Pattern -> a motif that is returned too, whatever its rank: the one that a filter was started with.

    Returns
    -------
    DataFrame
        ``filter, motif``; ``rank`` among all motifs; ``p`` of the best alignment on either strand; ``q``
        (Benjamini-Hochberg over all patterns and motifs); ``overlap`` (positions that lie on each other); ``offset``
        (of the pattern to the motif); ``orientation`` ("+" or "-").

    Raises
    ------
    DataError
        If there is nothing to match or to match with.
    MissingPackageError
        If memelite is not installed.
    """
    if not patterns:
        return pd.DataFrame(columns=list(MATCH_COLUMNS))
    if not motifs:
        raise DataError("There are no motifs to match with.", "Load JASPAR into the store, or give a motif file.")
    names = np.array(list(motifs))
    with warnings.catch_warnings(), own_threads():
        warnings.simplefilter("ignore")  # about fewer than 25 motifs; the table says how many there were
        p, _, offset, overlap, strand = need("memelite", "seq").tomtom(
            [probabilities(counts, pseudocount).T for counts in patterns.values()],
            [probabilities(counts, pseudocount).T for counts in motifs.values()],
            n_jobs=1,
        )[:5]
    q = benjamini_hochberg(p.ravel()).reshape(p.shape)
    rows = []
    for i, name in enumerate(patterns):
        order = np.argsort(p[i], kind="stable")
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(1, len(order) + 1)
        kept = [*order[:top], *(j for j in np.flatnonzero(names == (own or {}).get(name)) if rank[j] > top)]
        rows += [
            (name, names[j], rank[j], p[i, j], q[i, j], int(overlap[i, j]), int(offset[i, j]), "+-"[int(strand[i, j])])
            for j in kept
        ]
    return pd.DataFrame(rows, columns=list(MATCH_COLUMNS))


def match_filters(
    patterns: Sequence[FilterPattern],
    motifs: Mapping[str, Counts],
    *,
    least_sites: int = 10,
    least_bits: float = 4.0,
    top: int = 5,
) -> pd.DataFrame:
    """Match the patterns of filters with sites enough and information enough; see :func:`match_patterns`.

    A filter that is called like a motif was started with it: its match with that motif is returned too. TOMTOM finds
    small p values for wide patterns of next to no information, which resemble the flat positions of wide motifs; such
    patterns are not matched.

    Returns
    -------
    DataFrame
        As :func:`match_patterns`, with ``sites``, ``sequences``, ``threshold`` and ``bits`` (information content) of
        the filter, and ``own`` (whether the motif is the one it was started with). A filter that was not matched has
        one row, in which ``motif`` is empty.
    """
    about = pd.DataFrame(
        [(f.filter, f.sites, f.sequences, f.threshold, information(f.counts)) for f in patterns],
        columns=["filter", "sites", "sequences", "threshold", "bits"],
    )
    named = set(about.loc[(about["sites"] >= least_sites) & (about["bits"] >= least_bits), "filter"])
    used = [pattern for pattern in patterns if pattern.filter in named]
    table = match_patterns(
        {pattern.filter: pattern.counts for pattern in used},
        motifs,
        top=top,
        own={pattern.filter: pattern.filter for pattern in used if pattern.filter in motifs},
    )
    table = table.merge(about, on="filter", how="right")
    for column in ("motif", "orientation"):
        table[column] = table[column].fillna("")
    return table.assign(own=table["filter"] == table["motif"])


def probabilities(counts: Counts, pseudocount: float = 1.0) -> NDArray[np.float64]:
    """Return counts as probabilities ``[width, 4]``; the pseudocount is spread over the letters of a column."""
    values = np.asarray(counts, dtype=np.float64) + pseudocount / 4
    total = values.sum(axis=1, keepdims=True)
    share: NDArray[np.float64] = np.where(total > 0, values / np.where(total > 0, total, 1), 0.25)
    return share


def information(counts: Counts, pseudocount: float = 1.0) -> float:
    """Return the information content of a matrix in bits, against equal letters."""
    p = probabilities(counts, pseudocount)
    return float((p * np.log2(np.maximum(p, 1e-12) / 0.25)).sum())


def benjamini_hochberg(p: NDArray[np.float64], tests: int | None = None) -> NDArray[np.float64]:
    """Return q values; ``tests`` counts also those whose p is not given because it is larger than all that are."""
    n = len(p) if tests is None else tests
    order = np.argsort(p, kind="stable")
    raw = p[order] * n / np.arange(1, len(p) + 1)
    q = np.empty(len(p))
    q[order] = np.minimum.accumulate(raw[::-1])[::-1].clip(max=1.0) if len(p) else raw
    return q
