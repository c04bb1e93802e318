"""Cells x genes for methods that read expression alone, without a network that is trained."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kgreg.data.anndata_files import open_h5ad
from kgreg.data.bundled import bundled_file
from kgreg.data.layers import read_block, read_matrix, refuse_not_finite
from kgreg.errors import DataError, some

if TYPE_CHECKING:
    from anndata import AnnData

#: Fewer cells than this say too little of how genes go together.
LEAST_CELLS = 50


@dataclass(frozen=True)
class Cells:
    """Expression of genes in cells.

    Attributes
    ----------
    x
        ``[n_cells, n_genes]`` float32, dense or CSR, 0 or above.
    genes, names
        Of columns and rows.
    groups
        ``[n_cells]`` group of every cell, such as its type, or None.
    embedding
        ``[n_cells, 2 or more]`` coordinates, or None.
    layer, origin, sha256
        What was read, from where.
    """

    x: NDArray[np.float32] | sparse.csr_matrix
    genes: list[str]
    names: list[str]
    groups: NDArray[Any] | None
    embedding: NDArray[np.float32] | None
    layer: str
    origin: str
    sha256: str = ""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def are_counts(self) -> bool:
        """Whether all values are whole numbers."""
        values = np.asarray(self.x.data if sparse.issparse(self.x) else self.x)
        return bool(np.all(values == np.round(values)))

    def with_x(self, x: NDArray[Any] | sparse.csr_matrix, genes: Sequence[str] | None = None) -> Cells:
        """Return the same cells with other values."""
        return Cells(
            x, list(genes or self.genes), self.names, self.groups, self.embedding, self.layer, self.origin, self.sha256
        )

    def choose_genes(self, keep: NDArray[np.bool_]) -> Cells:
        """Return the cells with some of their genes."""
        return self.with_x(self.x[:, keep], [gene for gene, kept in zip(self.genes, keep, strict=True) if kept])

    def shares(self) -> NDArray[np.float64]:
        """Return the share of the cells that express each gene, ``[n_genes]``."""
        return np.asarray((self.x > 0).sum(axis=0)).ravel() / max(len(self), 1)

    def means(self) -> NDArray[np.float64]:
        """Return the mean of each gene, ``[n_genes]``."""
        return np.asarray(self.x.mean(axis=0, dtype=np.float64)).ravel()


def read_cells(
    data: Path | str | AnnData,
    *,
    layer: str | None = None,
    group: str | None = None,
    only: Sequence[str] = (),
    embedding: str | None = None,
) -> Cells:
    """Read cells from an ``.h5ad`` file, a bundled one (``scanpy:pbmc68k_reduced``) or an object.

    Parameters
    ----------
    layer
        "X", "raw" or one of ``layers``. Default: "raw" where there is one, else "X".
    group
        Column of ``obs`` that names the group of a cell.
    only
        Groups to keep; all by default.
    embedding
        Matrix of ``obsm`` with coordinates of the cells.

    Raises
    ------
    DataError
        If what is asked for is not there; if values are missing, infinite or negative; if there are fewer than 50
        cells.
    """
    located = bundled_file(data) if isinstance(data, str) and data.startswith("scanpy:") else data
    adata, origin, sha256 = open_h5ad(located)
    chosen = layer or ("raw" if adata.raw is not None else "X")
    x, genes = read_matrix(adata, chosen, origin)
    names = [str(name) for name in adata.obs_names]
    groups = None
    keep = np.ones(len(names), dtype=np.bool_)
    if group is not None:
        groups = _read_groups(adata, group, origin)
        if only:
            absent = [name for name in only if name not in set(groups)]
            if absent:
                raise DataError(
                    f"The column '{group}' of {origin} has no group {some(absent)}.",
                    f"Choose among: {some(sorted(set(groups)), 20)}.",
                )
            keep = np.isin(groups, list(only))
    elif only:
        raise DataError("Groups were chosen, but no column that names them.", "Name the column of obs as well.")
    places = None if embedding is None else read_block(adata, embedding, origin)
    if int(keep.sum()) < LEAST_CELLS:
        raise DataError(
            f"{origin} has {int(keep.sum())} such cells; networks of genes need at least {LEAST_CELLS}.",
            "Take cells of several samples, or of a broader type.",
        )
    x = x[keep]
    refuse_not_finite(x, genes, origin, chosen)
    _refuse_negative(x, genes, origin, chosen)
    return Cells(
        x=x,
        genes=genes,
        names=[name for name, kept in zip(names, keep, strict=True) if kept],
        groups=None if groups is None else groups[keep],
        embedding=None if places is None else places[keep],
        layer=chosen,
        origin=origin,
        sha256=sha256,
    )


def counts_per_million(x: NDArray[Any] | sparse.csr_matrix) -> NDArray[np.float64] | sparse.csr_matrix:
    """Return values that sum to a million in every cell; cells without counts stay 0."""
    total = np.asarray(x.sum(axis=1, dtype=np.float64)).ravel()
    factor = np.divide(1e6, total, out=np.zeros_like(total), where=total > 0)
    if sparse.issparse(x):
        return sparse.csr_matrix(sparse.diags(factor) @ x.astype(np.float64))
    return np.asarray(x, dtype=np.float64) * factor[:, None]


def find_genes(asked: Iterable[str], genes: Sequence[str], where: str) -> list[int]:
    """Return the positions of genes by their names.

    Raises
    ------
    DataError
        If one is not there; the nearest names are offered.
    """
    place = {gene: i for i, gene in enumerate(genes)}
    found = []
    for gene in dict.fromkeys(asked):
        if gene not in place:
            raise DataError(f"The gene '{gene}' is not in {where}.", offer(gene, genes))
        found.append(place[gene])
    if not found:
        raise DataError("No gene is named.", "Name at least one gene.")
    return found


def offer(gene: str, genes: Sequence[str]) -> str:
    """Return a hint with the names that are most like one that was not found."""
    lowered = {known.lower(): known for known in genes}
    close = [lowered[name] for name in difflib.get_close_matches(gene.lower(), list(lowered), n=5, cutoff=0.6)]
    return f"Did you mean {' or '.join(close)}?" if close else f"The genes are called such as {', '.join(genes[:5])}."


def _read_groups(adata: AnnData, column: str, origin: str) -> NDArray[Any]:
    if column not in adata.obs:
        raise DataError(
            f"{origin} has no column '{column}' in obs.", f"Choose one of: {', '.join(adata.obs) or 'none there'}."
        )
    values = adata.obs[column]
    if values.isna().any():
        raise DataError(
            f"{int(values.isna().sum())} cells of {origin} have no '{column}'.", "Name their group or remove them."
        )
    return np.asarray(values.astype(str), dtype=object)


def _refuse_negative(x: NDArray[np.float32] | sparse.csr_matrix, genes: list[str], origin: str, layer: str) -> None:
    coo = sparse.coo_matrix(x) if sparse.issparse(x) else None
    columns = coo.col[coo.data < 0] if coo is not None else np.nonzero(np.asarray(x) < 0)[1]
    if len(columns):
        names = [genes[i] for i in np.unique(columns)]
        raise DataError(
            f"{len(columns):,} values of {origin} (layer {layer}) are negative, in {len(names)} genes: {some(names)}.",
            "Give counts or log counts, not scaled values: another layer, such as raw.",
        )
