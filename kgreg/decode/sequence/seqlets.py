"""Seqlets: stretches of sequences in which attributions are high, and the motifs that they look like."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from kgreg.decode.sequence.functions import Codes, encode
from kgreg.decode.sequence.matching import Counts, match_patterns
from kgreg.errors import DataError
from kgreg.fit.threads import own_threads
from kgreg.optional import need

#: Columns of :func:`find_seqlets`.
SEQLET_COLUMNS = ("sequence", "start", "end", "attribution", "p")

_TYPES = {"sequence": int, "start": int, "end": int, "attribution": float, "p": float}


def find_seqlets(
    attributions: NDArray[Any],
    *,
    control: NDArray[Any] | None = None,
    threshold: float = 0.01,
    fdr: float = 0.1,
    flanks: int = 0,
) -> pd.DataFrame:
    """Find stretches of 4 to 25 letters with high attributions, by tangermeme's recursive seqlets.

    Parameters
    ----------
    attributions
        Of the letters that are there, ``[n, 4, length]`` (0 elsewhere) or ``[n, length]``. Stretches that push the
        output down are found in the negated attributions.
    control
        The same of dinucleotide-shuffled sequences: the threshold is then chosen for a false discovery rate of
        ``fdr``.
    threshold
        p value of every stretch within a seqlet; it ranks, it is no error rate.
    flanks
        Letters to add at either end.

    Returns
    -------
    DataFrame
        ``sequence`` (row), ``start``, ``end`` (from 0, not included), ``attribution`` (sum) and ``p``, by p.

    Raises
    ------
    DataError
        If attributions are not of that shape.
    """
    values, module = _by_position(attributions), need("tangermeme.seqlet", "seq")
    if bool(values.max() == values.min()):
        return pd.DataFrame(columns=list(SEQLET_COLUMNS))
    with warnings.catch_warnings(), own_threads():
        warnings.simplefilter("ignore")  # that no threshold reaches the rate: the table is empty then
        found = module.recursive_seqlets(
            values,
            threshold=threshold,
            additional_flanks=flanks,
            X_control=None if control is None else _by_position(control),
            target_fdr=fdr,
        )
    return pd.DataFrame(found.iloc[:, :5].to_numpy(), columns=list(SEQLET_COLUMNS)).astype(_TYPES)


def annotate_seqlets(
    seqlets: pd.DataFrame,
    sequences: Codes,
    motifs: Mapping[str, Counts],
    labels: Mapping[str, str] | None = None,
    *,
    names: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Name the motif that the letters of each seqlet resemble most.

    Returns
    -------
    DataFrame
        ``seqlets`` with ``word`` (its letters), ``motif``, ``label``, ``motif_p``, ``motif_q`` (Benjamini-Hochberg over
        seqlets and motifs) and ``orientation``; ``sequence`` is the name where ``names`` are given.
    """
    if seqlets.empty:
        return seqlets.assign(word=[], motif=[], label=[], motif_p=[], motif_q=[], orientation=[])
    words = {}
    letters = np.array(list("ACGTN"))
    spans = []
    for row, (i, start, end) in enumerate(seqlets[["sequence", "start", "end"]].to_numpy()):
        codes = np.asarray(sequences[int(i)])[max(int(start), 0) : int(end)]
        words[str(row)] = encode(codes[None])[0].t().numpy()
        spans.append("".join(letters[codes]))
    matched = match_patterns(words, motifs, pseudocount=0.01, top=1).set_index("filter")
    matched.index = matched.index.astype(int)
    table = seqlets.reset_index(drop=True).assign(
        word=spans,
        motif=matched["motif"],
        label=matched["motif"].map(labels or {}).fillna(""),
        motif_p=matched["p"],
        motif_q=matched["q"],
        orientation=matched["orientation"],
    )
    return table if names is None else table.assign(sequence=[names[int(i)] for i in table["sequence"]])


def _by_position(attributions: NDArray[Any]) -> torch.Tensor:
    values = np.asarray(attributions, dtype=np.float64)
    if values.ndim == 3 and values.shape[1] == 4:
        values = values.sum(axis=1)
    if values.ndim != 2:
        raise DataError(
            f"Attributions have the shape {values.shape}.", "Give [n, 4, length], 0 at letters that are not there."
        )
    return torch.from_numpy(values)
