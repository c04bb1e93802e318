"""From features that are no genes (CpG sites, microRNAs, probes) to genes, by a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from kgreg.data.multiomics.tables import ENDINGS
from kgreg.errors import DataError, some

#: How the features of a gene become one number.
How = Literal["mean", "weighted", "sum", "max"]


@dataclass(frozen=True)
class GeneMap:
    """Which features stand for which genes; many to many.

    Attributes
    ----------
    table
        ``feature, gene, weight``, no pair twice; weights are positive (1 where the table gives none).
    origin
        Name of the file.
    weighted
        Whether the table has a column of weights.
    repeated
        Rows that were there already.
    """

    table: pd.DataFrame
    origin: str
    weighted: bool
    repeated: int = 0

    def apply(
        self, x: NDArray[np.float32] | sparse.csr_matrix, features: Sequence[str], how: How
    ) -> tuple[NDArray[np.float32], list[str], list[str]]:
        """Bring features to genes.

        Parameters
        ----------
        x
            ``[n_samples, n_features]``.
        how
            "mean", "sum" or "max" over the features of a gene; "weighted": ``sum(w x) / sum(w)``. Only "weighted" looks
            at the weights.

        Returns
        -------
        values, genes, unmapped
            ``[n_samples, n_genes]``; names of the genes, in the order of their first feature; features without a gene.

        Raises
        ------
        DataError
            If not one feature has a gene, or weights are asked for that are not there.
        """
        if how == "weighted" and not self.weighted:
            raise DataError(
                f'{self.origin} has no column weight, which how = "weighted" needs.', 'Add it, or set how = "mean".'
            )
        place = pd.Series(np.arange(len(features)), index=list(features))
        known = self.table[self.table["feature"].isin(place.index)]
        if known.empty:
            raise DataError(
                f"None of the {len(features)} features is in {self.origin}; the first are {some(features, 3)}, those "
                f"of the table {some(self.table['feature'], 3)}.",
                "Name features the same way in both.",
            )
        source = place.reindex(known["feature"]).to_numpy(dtype=np.int64)
        known = known.iloc[np.argsort(source, kind="stable")]
        source = np.sort(source, kind="stable")
        target, genes = pd.factorize(known["gene"])
        weight = known["weight"].to_numpy(dtype=np.float64) if how == "weighted" else np.ones(len(known))
        unmapped = [name for name in features if name not in set(known["feature"])]
        if how == "max":
            order = np.argsort(target, kind="stable")
            starts = np.searchsorted(target[order], np.arange(len(genes)))
            dense = x if isinstance(x, np.ndarray) else x.toarray()
            largest = np.maximum.reduceat(dense[:, source[order]], starts, axis=1)
            return largest.astype(np.float32), [str(gene) for gene in genes], unmapped
        links = sparse.csr_matrix((weight, (source, target)), shape=(len(features), len(genes)))
        values = np.asarray((x if isinstance(x, np.ndarray) else x.toarray()) @ links)
        if how != "sum":
            values = values / np.asarray(links.sum(axis=0))
        return values.astype(np.float32), [str(gene) for gene in genes], unmapped


def read_gene_map(source: Path | str | pd.DataFrame) -> GeneMap:
    """Read a table with the columns ``feature``, ``gene`` and, optionally, ``weight``; other columns do not matter.

    Several rows of one pair count once, with their largest weight. Rows without a gene are those of features that have
    none.

    Raises
    ------
    DataError
        If a column is missing, the table is empty, or a weight is not a positive number (with its line).
    """
    if isinstance(source, pd.DataFrame):
        table, origin = source.copy(), "the table of genes"
    else:
        table, origin = _read_rows(Path(source)), str(source)
    table.columns = pd.Index([str(name).strip().lower() for name in table.columns])
    missing = [name for name in ("feature", "gene") if name not in table]
    if missing:
        raise DataError(
            f"{origin} has no column '{missing[0]}', but: {some(table.columns)}.",
            "A table of genes has the columns feature, gene and, optionally, weight.",
        )
    weighted = "weight" in table
    weight = pd.to_numeric(table["weight"], errors="coerce") if weighted else pd.Series(1.0, index=table.index)
    named = table["feature"].notna() & table["gene"].notna() & (table["gene"].astype(str).str.strip() != "")
    wrong = np.flatnonzero(named.to_numpy() & ~(np.isfinite(weight) & (weight > 0)).to_numpy())
    if len(wrong):
        raise DataError(
            f"{origin}, line {wrong[0] + 2}: the weight {table['weight'].iloc[wrong[0]]} is not a positive number.",
            "Weights say how much a feature counts for a gene.",
        )
    pairs = pd.DataFrame(
        {
            "feature": table.loc[named, "feature"].astype(str).str.strip(),
            "gene": table.loc[named, "gene"].astype(str).str.strip(),
            "weight": weight[named].astype(float),
        }
    )
    if pairs.empty:
        raise DataError(f"{origin} names no gene.", "Every row names a feature and its gene.")
    once: pd.DataFrame = pairs.groupby(["feature", "gene"], sort=False)["weight"].max().reset_index()
    return GeneMap(once, origin, weighted, len(pairs) - len(once))


def _read_rows(path: Path) -> pd.DataFrame:
    """Read a table whose rows have no names: the first column may hold a value many times."""
    if not path.is_file():
        raise DataError(
            f"{path} is not a file.", f"Give the path of a table with the columns feature, gene: {ENDINGS}."
        )
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        separator = "," if path.name.removesuffix(".gz").endswith(".csv") else "\t"
        return pd.read_csv(path, sep=separator, dtype=str, encoding="utf-8-sig", skip_blank_lines=False)
    except Exception as error:  # pandas and pyarrow raise many kinds
        raise DataError(f"{path} cannot be read: {error}", "Write the table again.") from error
