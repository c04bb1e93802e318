"""From motifs in promoters to a regulatory graph: factor -> target gene, and gene x factor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from kgreg.blueprint.model import Blueprint
from kgreg.errors import DataError, some
from kgreg.sources.named_columns import read_named_columns

#: Columns of a table of regulations, as ``[knowledge]`` reads it from a file.
TARGET_COLUMNS = ("tf", "target", "sign", "weight")

#: p values below this count as this, so that weights stay finite.
_LEAST_P = 1e-300


def read_scan(path: Path) -> pd.DataFrame:
    """Read the hits of a motif scan, FIMO's table: ``motif_id, sequence_name, score, p-value``, other columns unread.

    Raises
    ------
    DataError
        If a score or a p value is none; the message names file and line.
    SourceError
        If the file cannot be read or lacks one of these columns. Lines without a hit's columns (comments at the end of
        FIMO's files) begin with ``#`` and are passed over.
    """
    rows = []
    for line, (motif, sequence, score, p) in read_named_columns(
        path, ("motif_id", "sequence_name", "score", ("p-value", "p_value"))
    ):
        try:
            numbers = float(score), float(p)
        except ValueError:
            numbers = np.nan, np.nan
        if not np.isfinite(numbers).all() or not 0 <= numbers[1] <= 1:
            raise DataError(f"{path}, line {line}: '{score}' with p '{p}' is no score of a hit.", "Correct the line.")
        rows.append((motif, sequence, *numbers))
    return pd.DataFrame(rows, columns=["motif_id", "sequence_name", "score", "p-value"])


def factors_of(blueprint: Blueprint) -> pd.DataFrame:
    """Return which factors bind the motifs of a blueprint: ``motif, tf`` (the label of the factor)."""
    label = blueprint.nodes.set_index("id")["label"]
    kind = blueprint.nodes.set_index("id")["kind"]
    edges = blueprint.edges
    own = (kind.reindex(edges["source"]).to_numpy() == "motif") & (kind.reindex(edges["target"]).to_numpy() == "tf")
    return pd.DataFrame(
        {
            "motif": edges.loc[own, "source"].to_numpy(),
            "tf": label.reindex(edges.loc[own, "target"]).to_numpy(),
        }
    )


def targets_from_scan(
    hits: pd.DataFrame,
    promoters: Mapping[str, str] | None = None,
    factors: pd.DataFrame | None = None,
    *,
    max_p: float = 1e-4,
    min_hits: int = 1,
) -> pd.DataFrame:
    """Return the genes in whose promoters the motifs of a factor lie: a regulatory graph.

    Parameters
    ----------
    hits
        ``motif_id, sequence_name, p-value``, one row a hit: a scan by kgreg, or :func:`read_scan`.
    promoters
        Sequence -> gene; several promoters may be of one gene, sequences that are not named are no promoters. Default:
        sequences are called as their genes.
    factors
        ``motif, tf``: several motifs may be of one factor and the reverse. Default: motifs stand for themselves.
    max_p, min_hits
        A gene is a target with so many hits at least of a p value of at most this.

    Returns
    -------
    DataFrame
        :data:`TARGET_COLUMNS` and ``hits``, sorted: ``sign`` is 0 (a site does not say which way), ``weight`` the
        largest ``-log10 p``.

    Raises
    ------
    DataError
        If no promoter has such hits, or no motif has a factor.
    """
    strong = hits[hits["p-value"] <= max_p]
    gene = strong["sequence_name"] if promoters is None else strong["sequence_name"].map(dict(promoters))
    table = pd.DataFrame({"motif": strong["motif_id"], "target": gene, "p": strong["p-value"]}).dropna()
    if table.empty:
        raise DataError(
            f"None of the {len(hits)} hits has p <= {max_p:g} and lies in a promoter.",
            "Raise max_p, or check that promoters are named as the sequences of the scan are.",
        )
    named = table.assign(tf=table["motif"]) if factors is None else table.merge(factors, on="motif")
    if named.empty:
        raise DataError(
            f"None of the motifs of the scan has a factor: {some(table['motif'])}.", "Check that ids agree."
        )
    groups = named.groupby(["tf", "target"], as_index=False).agg(p=("p", "min"), hits=("p", "size"))
    groups = groups[groups["hits"] >= min_hits]
    if groups.empty:
        raise DataError(f"No factor has {min_hits} hits in one promoter.", "Lower min_hits.")
    weight = -np.log10(np.maximum(groups["p"], _LEAST_P))
    return groups.assign(sign=0, weight=weight)[[*TARGET_COLUMNS, "hits"]].reset_index(drop=True)


def pool_factors(
    scores: pd.DataFrame, factors: pd.DataFrame, how: Literal["max", "mean", "sum"] = "max"
) -> pd.DataFrame:
    """Return scores of genes and factors, from those of genes and motifs.

    Parameters
    ----------
    scores
        Genes x motifs: best scores of a scan, activations of a network that reads promoters, peaks of ChIP-seq.
    factors
        ``motif, tf``.
    how
        What becomes of the several motifs of a factor.

    Returns
    -------
    DataFrame
        Genes x factors, by name; motifs without a factor are left out.

    Raises
    ------
    DataError
        If no motif has a factor.
    """
    known = factors[factors["motif"].isin(scores.columns)].drop_duplicates(["motif", "tf"])
    if known.empty:
        raise DataError(f"None of the motifs has a factor: {some(scores.columns)}.", "Check that ids agree.")
    wide = scores[known["motif"].tolist()].T.set_axis(pd.Index(known["tf"], name=None))
    return wide.groupby(level=0).agg(how).T


def targets_from_scores(scores: pd.DataFrame, share: float = 0.05) -> pd.DataFrame:
    """Return for every factor the genes with the highest scores: a regulatory graph.

    Parameters
    ----------
    scores
        Genes x factors (or motifs), such as :func:`pool_factors` returns.
    share
        Of the genes that are targets of each factor; at least one. Ties go to the first gene. A factor whose score is
        the same for all genes has none.

    Returns
    -------
    DataFrame
        :data:`TARGET_COLUMNS`; ``weight`` is the score in standard deviations of the factor above its mean.

    Raises
    ------
    DataError
        If the share is not above 0 and at most 1, a score is missing, or no factor varies.
    """
    if not 0 < share <= 1 or scores.empty:
        raise DataError(f"A share of {share:g} of {len(scores)} genes are no targets.", "Give a share such as 0.05.")
    values = scores.to_numpy(dtype=float)
    if not np.isfinite(values).all():
        gene, factor = np.argwhere(~np.isfinite(values))[0]
        raise DataError(
            f"The score of {scores.columns[factor]} at {scores.index[gene]} is missing or infinite.",
            "Give every gene a score.",
        )
    spread = values.std(axis=0)
    z = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    many = max(1, round(share * len(scores)))
    best = np.argsort(-z, axis=0, kind="stable")[:many]
    factor = np.broadcast_to(np.arange(z.shape[1]), best.shape)
    kept = (z[best, factor] > 0) & (spread > 0)[factor]
    if not kept.any():
        raise DataError("No factor scores higher at some genes than at others.", "Give scores that vary.")
    table = pd.DataFrame(
        {
            "tf": scores.columns.to_numpy()[factor[kept]],
            "target": scores.index.to_numpy()[best[kept]],
            "sign": 0,
            "weight": z[best[kept], factor[kept]],
        }
    )
    return table.sort_values(["tf", "target"], ignore_index=True)
