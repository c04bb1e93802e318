"""Where motifs occur in sequences (FIMO, Grant et al. 2011), by memelite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.decode.sequence.functions import Codes
from kgreg.decode.sequence.matching import Counts, benjamini_hochberg, probabilities
from kgreg.errors import DataError
from kgreg.fit.threads import own_threads
from kgreg.optional import need
from kgreg.progress import Progress, no_progress

#: Columns of :func:`scan`, called as in FIMO's table.
SCAN_COLUMNS = (
    "motif_id", "motif_alt_id", "sequence_name", "start", "stop", "strand", "score", "p-value", "q-value",
    "matched_sequence",
)  # fmt: skip

#: Letters that are scanned at a time.
_PIECE = 1 << 22

_LETTERS = np.frombuffer(b"ACGTN", dtype="S1")


@dataclass
class _Batch:
    """Stretches of sequences, scanned as one long sequence with an unknown letter between any two.

    ``offset``: position of a stretch in its sequence; ``own``: windows that begin from here on belong to the next
    stretch of the sequence, which overlaps.
    """

    names: list[str] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    own: list[int] = field(default_factory=list)
    codes: list[Codes] = field(default_factory=list)

    def letters(self) -> int:
        return sum(len(codes) for codes in self.codes)


def scan(
    sequences: Iterable[tuple[str, Codes]],
    motifs: Mapping[str, Counts],
    labels: Mapping[str, str] | None = None,
    *,
    threshold: float = 1e-4,
    pseudocount: float = 0.1,
    progress: Progress = no_progress,
) -> pd.DataFrame:
    """Find the windows of both strands that score as high as few windows of random letters do.

    Scores are log2 odds against equal letters, summed over the positions; an unknown letter adds 0. p values are those
    of the score in independent letters with equal probabilities.

    Parameters
    ----------
    sequences
        Names and codes ``[length]``, one at a time; they need not be of one length.
    motifs
        Id -> counts ``[width, 4]``.
    labels
        Id -> name, for ``motif_alt_id``.
    threshold
        Largest p value of a hit.
    pseudocount
        Added to every column of a motif, spread over the letters (FIMO's default).

    Returns
    -------
    DataFrame
        :data:`SCAN_COLUMNS`, by p value: ``start`` and ``stop`` count from 1 and are both included; the matched
        sequence is that of the strand. q is Benjamini-Hochberg over all windows of a motif, on both strands.

    Raises
    ------
    DataError
        If there are no motifs or no sequences, or the threshold is no probability.
    MissingPackageError
        If memelite is not installed.
    """
    if not motifs:
        raise DataError("There are no motifs to scan with.", "Load JASPAR into the store, or give a motif file.")
    if not 0 < threshold <= 1:
        raise DataError(f"{threshold} is no p value.", "Give one above 0, such as 1e-4.")
    matrices = {name: probabilities(counts, pseudocount).T for name, counts in motifs.items()}
    widths = {name: matrix.shape[1] for name, matrix in matrices.items()}
    found, windows, names = [], dict.fromkeys(matrices, 0), set()
    for batch in _batches(sequences, max(widths.values())):
        names |= set(batch.names)
        found.append(_hits(batch, matrices, widths, threshold))
        for own, codes in zip(batch.own, batch.codes, strict=True):
            for name, width in widths.items():
                windows[name] += 2 * max(0, min(own, len(codes) - width + 1))
        progress(f"scanned {len(names):,} sequences", 0.5)
    if not found:
        raise DataError("There are no sequences to scan.")
    hits = pd.concat([table for table in found if len(table)] or found[:1], ignore_index=True)
    hits["q-value"] = 1.0
    for motif, rows in hits.groupby("motif_id", sort=False).groups.items():
        p = hits.loc[rows, "p-value"].to_numpy()
        hits.loc[rows, "q-value"] = benjamini_hochberg(p, windows[str(motif)])
    hits["motif_alt_id"] = hits["motif_id"].map(labels or {}).fillna("")
    return hits.sort_values(["p-value", "motif_id", "sequence_name", "start"], ignore_index=True)[list(SCAN_COLUMNS)]


def _batches(sequences: Iterable[tuple[str, Codes]], widest: int) -> Iterator[_Batch]:
    batch = _Batch()
    for name, codes in sequences:
        for start in range(0, max(len(codes), 1), _PIECE):
            end = min(start + _PIECE + widest - 1, len(codes))
            batch.names.append(name)
            batch.offsets.append(start)
            batch.own.append(_PIECE if end < len(codes) else end - start)
            batch.codes.append(np.asarray(codes[start:end], dtype=np.uint8))
            if batch.letters() >= _PIECE:
                yield batch
                batch = _Batch()
    if batch.names:
        yield batch


def _hits(
    batch: _Batch, matrices: Mapping[str, NDArray[np.float64]], widths: Mapping[str, int], threshold: float
) -> pd.DataFrame:
    lengths = np.array([len(codes) for codes in batch.codes])
    begin = np.concatenate([[0], np.cumsum(lengths + 1)[:-1]])
    gap = np.full(1, 4, dtype=np.uint8)
    line = np.concatenate([part for codes in batch.codes for part in (codes, gap)])
    encoded = (line[None] == np.arange(4, dtype=np.uint8)[:, None]).astype(np.int8)[None]
    if encoded.shape[2] < max(widths.values()):  # a window has to fit for the scanner to start
        encoded = np.pad(encoded, ((0, 0), (0, 0), (0, max(widths.values()))))
    with own_threads():
        tables = need("memelite", "seq").fimo(dict(matrices), encoded, threshold=threshold)
    filled = [table for table in tables if len(table)]
    if not filled:
        return pd.DataFrame(columns=[name for name in SCAN_COLUMNS if name not in ("motif_alt_id", "q-value")])
    table = pd.concat(filled, ignore_index=True)
    width = table["motif_name"].map(widths).to_numpy()
    start = table["start"].to_numpy().astype(np.int64)
    part = np.searchsorted(begin, start, side="right") - 1
    at = start - begin[part]
    # No window is rarer than a single word of its width; the scanner's rounded scores can lie beyond its table, at 0.
    p = np.maximum(table["p-value"].to_numpy(), 0.25**width)
    kept = (at + width <= lengths[part]) & (at < np.array(batch.own)[part]) & (p <= threshold)
    table, width, start, part, at, p = (values[kept] for values in (table, width, start, part, at, p))
    where = at + np.array(batch.offsets)[part]
    return pd.DataFrame(
        {
            "motif_id": table["motif_name"].to_numpy(),
            "sequence_name": np.array(batch.names, dtype=object)[part],
            "start": where + 1,
            "stop": where + width,
            "strand": table["strand"].to_numpy(),
            "score": table["score"].to_numpy(),
            "p-value": p,
            "matched_sequence": [
                _word(line[s : s + w], strand) for s, w, strand in zip(start, width, table["strand"], strict=True)
            ],
        }
    )


def _word(codes: Codes, strand: str) -> str:
    if strand == "-":
        codes = np.where(codes < 4, 3 - codes, codes)[::-1]
    return _LETTERS[codes].tobytes().decode()
