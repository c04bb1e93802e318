"""Binding motifs in a blueprint: one row a position, with the counts of the four letters."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.errors import BlueprintError, some

LETTERS = ("A", "C", "G", "T")
MOTIF_COLUMNS = ("node", "position", *LETTERS)


def no_motifs() -> pd.DataFrame:
    """Return an empty table of motifs."""
    return pd.DataFrame(columns=list(MOTIF_COLUMNS), dtype=float).astype({"node": str, "position": np.int64})


def motif_rows(matrices: dict[str, NDArray[np.float64]]) -> pd.DataFrame:
    """Return the table of motifs given as counts ``[width, 4]``."""
    if not matrices:
        return no_motifs()
    widths = [len(counts) for counts in matrices.values()]
    table = pd.DataFrame(np.concatenate(list(matrices.values())), columns=list(LETTERS), dtype=float)
    table.insert(0, "node", np.repeat(list(matrices), widths))
    table.insert(1, "position", np.concatenate([np.arange(width) for width in widths]))
    return table


def motif_matrices(table: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
    """Return the counts ``[width, 4]`` of every motif, in the order of the table."""
    counts = table[list(LETTERS)].to_numpy(dtype=np.float64)
    starts = np.flatnonzero(table["position"].to_numpy() == 0)
    names = table["node"].to_numpy()[starts]
    return dict(zip(names.tolist(), np.split(counts, starts[1:]), strict=True)) if len(starts) else {}


def permute_columns(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return the motifs with the positions of each in another order.

    Width, composition and information content stay; what the motif binds does not. An order other than the own one is
    drawn wherever the motif has two different positions.
    """
    shuffled = {}
    for node, counts in motif_matrices(table).items():
        order = rng.permutation(len(counts))
        while (counts != counts[0]).any() and (counts[order] == counts).all():
            order = rng.permutation(len(counts))
        shuffled[node] = counts[order]
    return motif_rows(shuffled)


def check_motifs(table: pd.DataFrame, ids: pd.Index) -> None:
    """Refuse motifs whose positions are out of order, or that have a position without counts.

    Raises
    ------
    BlueprintError
        See there; the message names the motifs.
    """
    if table.empty:
        return
    counts = table[list(LETTERS)].to_numpy(dtype=np.float64)
    bad = ~np.isfinite(counts).all(axis=1) | (counts < 0).any(axis=1) | (counts.sum(axis=1) <= 0)
    if bad.any():
        raise BlueprintError(
            f"Motifs have positions without counts, or with counts below 0: {some(table.loc[bad, 'node'].unique())}.",
            "Correct the matrices, or leave these motifs out.",
        )
    starts = (table["position"] == 0).to_numpy()
    node, position = table["node"].to_numpy(), table["position"].to_numpy()
    follows = (node[1:] == node[:-1]) & (position[1:] == position[:-1] + 1)
    if (
        not starts[0]
        or not (follows | (starts[1:] & (node[1:] != node[:-1]))).all()
        or len(set(node[starts])) < int(starts.sum())
    ):
        raise BlueprintError("The positions of a motif are not 0, 1, 2, ... in one piece.")
    places = ids.get_indexer(pd.Index(node[starts]))
    if (np.diff(places) < 0).any():
        raise BlueprintError("The motifs do not stand in the order of their nodes.")
