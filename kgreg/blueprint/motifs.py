"""Motifs -> the blueprint of a network that reads DNA: motifs, the factors that bind them, and their families."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.blueprint.model import DROPPED_COLUMNS, EDGE_COLUMNS, INPUT_COLUMNS, OUTPUT_COLUMNS, Blueprint
from kgreg.blueprint.motif_table import motif_rows
from kgreg.errors import BlueprintError

#: The node that a sequence is read into.
SEQUENCE = "sequence"


def compile_motifs(
    motifs: pd.DataFrame,
    matrices: Mapping[str, Sequence[float] | NDArray[np.float64]],
    factors: pd.DataFrame | None = None,
    *,
    longest: int | None = None,
    source: str = "jaspar",
    provenance: Mapping[str, Any] | None = None,
) -> Blueprint:
    """Compile motifs into a blueprint.

    A motif reads the sequence; a factor (kind "tf") holds the motifs that it binds, a family the factors that
    belong to it. A motif with several families (a dimer) has its factors in all of them.

    Parameters
    ----------
    motifs
        ``motif, name`` and, optionally, ``family`` (several joined by "; "), one row a motif.
    matrices
        Motif -> counts, ``[width, 4]`` or the same numbers position after position, A, C, G, T.
    factors
        ``motif, gene, symbol``: which genes encode what binds a motif. A motif without any is held by a factor of its
        own name.
    longest
        Length of the sequences; motifs that are wider cannot be scored, and are left out.

    Raises
    ------
    BlueprintError
        If motifs repeat, one has no matrix or one that is not 4 numbers a position, or none is left.
    """
    motifs = motifs.reset_index(drop=True).astype({"motif": str, "name": str})
    twice = motifs["motif"].duplicated()
    if twice.any():
        raise BlueprintError(f"The motif {motifs[twice]['motif'].iloc[0]} comes twice.", "Give each one row.")
    dropped: list[tuple[str, str, str, str, str]] = []
    kept: dict[str, NDArray[np.float64]] = {}
    names = dict(zip(motifs["motif"], motifs["name"], strict=True))
    for motif, name in names.items():
        counts = _matrix(motif, matrices)
        reason = _unusable(counts, longest)
        if reason:
            dropped.append(("motifs", "motif", motif, name, reason))
        else:
            kept[motif] = counts
    if not kept:
        reasons = "; ".join(sorted({row[4] for row in dropped})) or "none was selected"
        raise BlueprintError(f"No motif is left of {len(motifs)} ({reasons}).", "Select others.")
    holds = _factors_of(kept, names, factors)
    families = _families_of(motifs, kept)
    above = pd.merge(holds, families, on="motif")[["gene", "family"]].drop_duplicates()
    labels = holds.drop_duplicates("gene").set_index("gene")["symbol"]
    family_names = sorted(above["family"].unique())
    nodes = pd.concat(
        [
            _nodes([SEQUENCE], "sequence", ["DNA"], 0, source),
            _nodes(list(kept), "motif", [names[motif] for motif in kept], 1, source),
            _nodes(list(labels.index), "tf", labels.tolist(), 2, source),
            _nodes([_family_id(name) for name in family_names], "family", family_names, 3, source),
        ],
        ignore_index=True,
    )
    edges = pd.concat(
        [
            pd.DataFrame({"source": SEQUENCE, "target": list(kept), "relation": "scanned_by"}),
            pd.DataFrame({"source": holds["motif"], "target": holds["gene"], "relation": "motif_of"}),
            pd.DataFrame({"source": above["gene"], "target": above["family"].map(_family_id), "relation": "member_of"}),
        ],
        ignore_index=True,
    ).assign(weight=np.nan, sign=0, trainable=True)
    record = dict(provenance or {})
    options = {"motifs": len(kept), "factors": len(labels), "families": len(family_names), "longest": longest}
    record["compiled"] = [*record.get("compiled", []), options]
    return Blueprint(
        nodes=nodes,
        edges=edges[list(EDGE_COLUMNS)],
        inputs=pd.DataFrame(columns=list(INPUT_COLUMNS), dtype=str),
        outputs=pd.DataFrame(columns=list(OUTPUT_COLUMNS), dtype=str),
        provenance=record,
        dropped=pd.DataFrame(dropped, columns=list(DROPPED_COLUMNS)),
        motifs=motif_rows(kept),
    )


def sequence_blueprint(provenance: Mapping[str, Any] | None = None) -> Blueprint:
    """Return the blueprint of a network that reads DNA and knows nothing: one node, the sequence."""
    return Blueprint(
        nodes=_nodes([SEQUENCE], "sequence", ["DNA"], 0, "none"),
        edges=pd.DataFrame(columns=list(EDGE_COLUMNS), dtype=str),
        inputs=pd.DataFrame(columns=list(INPUT_COLUMNS), dtype=str),
        outputs=pd.DataFrame(columns=list(OUTPUT_COLUMNS), dtype=str),
        provenance=dict(provenance or {}),
    )


def _matrix(motif: str, matrices: Mapping[str, Sequence[float] | NDArray[np.float64]]) -> NDArray[np.float64]:
    if motif not in matrices:
        raise BlueprintError(f"The motif {motif} has no matrix.", "Load the source of the motifs anew.")
    counts = np.asarray(matrices[motif], dtype=np.float64)
    if counts.size % 4 or not counts.size or (counts.ndim == 2 and counts.shape[1] != 4) or counts.ndim > 2:
        raise BlueprintError(f"The matrix of the motif {motif} does not have 4 numbers a position.")
    return counts.reshape(-1, 4)


def _unusable(counts: NDArray[np.float64], longest: int | None) -> str:
    """Return why a motif cannot be used, or "" if it can."""
    if not np.isfinite(counts).all() or (counts < 0).any():
        return "counts that are negative or no numbers"
    if (counts.sum(axis=1) <= 0).any():
        return "a position without counts"
    if longest is not None and len(counts) > longest:
        return f"wider than the sequences ({longest} letters)"
    return ""


def _factors_of(
    kept: Mapping[str, NDArray[np.float64]], names: Mapping[str, str], factors: pd.DataFrame | None
) -> pd.DataFrame:
    """Return ``motif, gene, symbol``, at least one row a motif."""
    known = pd.DataFrame(columns=["motif", "gene", "symbol"], dtype=str) if factors is None else factors
    known = known.loc[known["motif"].isin(list(kept)), ["motif", "gene", "symbol"]].drop_duplicates(["motif", "gene"])
    own = [
        (motif, f"tf:{part}", part)
        for motif in kept
        if motif not in set(known["motif"])
        for part in dict.fromkeys(names[motif].upper().split("::"))
    ]
    return pd.concat([known, pd.DataFrame(own, columns=["motif", "gene", "symbol"])], ignore_index=True)


def _families_of(motifs: pd.DataFrame, kept: Mapping[str, NDArray[np.float64]]) -> pd.DataFrame:
    """Return ``motif, family``, one row a family of a motif; none where it is not known."""
    rows = motifs[motifs["motif"].isin(list(kept))]
    texts = rows["family"].fillna("") if "family" in rows else [""] * len(rows)
    pairs = [
        (motif, name.strip())
        for motif, text in zip(rows["motif"], texts, strict=True)
        for name in str(text).split(";")
        if name.strip()
    ]
    return pd.DataFrame(pairs, columns=["motif", "family"]).drop_duplicates()


def _family_id(name: str) -> str:
    return f"family:{name}"


def _nodes(ids: list[str], kind: str, labels: list[str], level: int, source: str) -> pd.DataFrame:
    return pd.DataFrame({"id": ids, "kind": kind, "label": labels, "level": level, "width": 1, "source": source})
