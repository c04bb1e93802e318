"""One modality of some samples, from a table, MuData or AnnData, its features brought to genes."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from kgreg.data.anndata_files import open_h5ad
from kgreg.data.layers import read_matrix, refuse_not_finite
from kgreg.data.multiomics.genes import How, read_gene_map
from kgreg.data.multiomics.tables import as_float32, checksum, read_any_table, read_numbers
from kgreg.errors import DataError, some

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

Matrix: TypeAlias = NDArray[np.float32] | sparse.csr_matrix


@dataclass(frozen=True)
class Modality:
    """Where a modality comes from, and how its features become genes.

    Attributes
    ----------
    data
        A table of numbers (a DataFrame, or the path of a .csv, .tsv or .parquet file), or an AnnData object or .h5ad
        file.
    orient
        Whether the rows of a table are "samples" or "features".
    layer
        Of AnnData: "X", "raw" or the name of a layer.
    gene_map
        Table ``feature, gene[, weight]``; None: the features are genes.
    how
        See :meth:`kgreg.data.multiomics.GeneMap.apply`.
    """

    data: Path | str | pd.DataFrame | AnnData
    orient: Literal["samples", "features"] = "samples"
    layer: str = "X"
    gene_map: Path | str | pd.DataFrame | None = None
    how: How = "mean"


@dataclass(frozen=True)
class View:
    """A modality as it was read.

    Attributes
    ----------
    x
        ``[n, n_genes]``, without NaN.
    samples, genes
        Names of rows and columns.
    unmapped
        ``feature, note``: features that are of no gene.
    sha256
        Of the files.
    """

    name: str
    x: Matrix
    samples: list[str]
    genes: list[str]
    origin: str
    unmapped: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["feature", "note"], dtype=str))
    sha256: tuple[str, ...] = ()


def read_view(name: str, modality: Modality) -> View:
    """Read one modality. A sample whose every value is missing does not have it.

    Raises
    ------
    DataError
        If a file cannot be read, a name comes twice, a sample that has the modality lacks single values, values are
        infinite, or no feature has a gene.
    """
    x, samples, features, origin, sums = _read(name, modality)
    twice = pd.Index(samples)[pd.Index(samples).duplicated()]
    if len(twice):
        raise DataError(
            f"{origin} names samples of {name} more than once: {some(twice)}.", "Give every sample one row."
        )
    if not samples or not features:
        raise DataError(f"{origin} holds {len(samples)} samples and {len(features)} features of {name}.")
    x, samples = _measured(x, samples, name, origin)
    refuse_not_finite(x, features, origin, name)
    if modality.gene_map is None:
        return View(name, x, samples, features, origin, sha256=sums)
    genes = read_gene_map(modality.gene_map)
    if isinstance(modality.gene_map, (str, Path)):
        sums = (*sums, checksum(Path(modality.gene_map)))
    values, names, unmapped = genes.apply(x, features, modality.how)
    notes = pd.DataFrame({"feature": unmapped, "note": f"no gene in {Path(genes.origin).name}"}, dtype=str)
    return View(name, values, samples, names, origin, notes, sums)


def _read(name: str, modality: Modality) -> tuple[Matrix, list[str], list[str], str, tuple[str, ...]]:
    """Return values, samples, features, origin and checksums."""
    data: Any = modality.data
    origin, sums = f"the modality {name}", tuple[str, ...]()
    if isinstance(data, (str, Path)):
        path = Path(data)
        if path.suffix == ".h5ad":
            data, origin, digest = open_h5ad(path)
            sums = (digest,)
        else:
            data, origin = read_numbers(path), str(path)
            sums = (checksum(path),)
    if isinstance(data, pd.DataFrame):
        table = data if modality.orient == "samples" else data.T
        samples, features = ([str(n) for n in names] for names in (table.index, table.columns))
        twice = pd.Index(features)[pd.Index(features).duplicated()]
        if len(twice):
            raise DataError(f"{origin} names features more than once: {some(twice)}.", "Sum or drop them.")
        return as_float32(table), samples, features, origin, sums
    x, features = read_matrix(data, modality.layer, origin)
    return x, [str(n) for n in data.obs_names], features, origin, sums


def _measured(x: Matrix, samples: list[str], name: str, origin: str) -> tuple[Matrix, list[str]]:
    """Return the rows that hold anything but NaN."""
    if not isinstance(x, np.ndarray):
        return x, samples
    empty: NDArray[np.bool_] = np.asarray(np.isnan(x).all(axis=1))
    if empty.all():
        raise DataError(f"All values of {name} in {origin} are missing.", "Leave the modality out.")
    return x[~empty], [sample for sample, gone in zip(samples, empty, strict=True) if not gone]


def open_mudata(data: Path | str | MuData) -> tuple[MuData, str, str]:
    """Return a MuData object, its name for messages, and the SHA-256 of its file.

    Raises
    ------
    DataError
        If it is no readable .h5mu file, or the package mudata is not installed.
    """
    if not isinstance(data, (str, Path)):
        return data, "a MuData object", ""
    path = Path(data)
    if not path.is_file():
        raise DataError(f"{path} is not a file.", "Give the path of an .h5mu file.")
    try:
        import mudata
    except ImportError:
        raise DataError(f"Reading {path} needs the package mudata.", "pip install mudata") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # announcements of how later versions will behave
            return mudata.read_h5mu(path), str(path), checksum(path)
    except Exception as error:  # h5py, anndata and mudata raise many kinds
        raise DataError(f"{path} cannot be read as h5mu: {error}", "Write it with `mdata.write(...)`.") from error


def obs_of_mudata(mdata: MuData) -> pd.DataFrame:
    """Return the table of all samples, the columns of modalities under ``modality:column`` where they are not there."""
    obs = pd.DataFrame(mdata.obs).copy()
    for name, part in mdata.mod.items():
        for column in part.obs:
            if f"{name}:{column}" not in obs and column not in obs:
                obs[f"{name}:{column}"] = part.obs[column].reindex(obs.index)
    return obs


def read_obs(source: Path | str | pd.DataFrame) -> tuple[pd.DataFrame, str, str]:
    """Return the table of samples (labels, covariates), its name for messages, and the SHA-256 of its file.

    Raises
    ------
    DataError
        If it cannot be read, or names a sample twice.
    """
    if isinstance(source, pd.DataFrame):
        table, origin, digest = source.copy(), "the table of samples", ""
        table.index = pd.Index([str(name) for name in table.index], dtype=object)
        twice = table.index[table.index.duplicated()]
        if len(twice):
            raise DataError(f"{origin} names samples more than once: {some(twice)}.", "Give every sample one row.")
        return table, origin, digest
    path = Path(source)
    return read_any_table(path), str(path), checksum(path)
