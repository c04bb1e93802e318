"""The matrices of an AnnData object: one layer, or several side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from kgreg.errors import DataError, some

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class Layers:
    """One layer, or several side by side.

    Attributes
    ----------
    x
        ``[n_samples, n_columns]``; 0 where a sample lacks a layer.
    features, modalities
        Of every column: its feature, and its layer ("" for one layer).
    present
        ``[n_samples, n_layers]``: whether a sample has the layer; None: every sample has all.
    """

    x: NDArray[np.float32] | sparse.csr_matrix
    features: list[str]
    modalities: list[str]
    present: NDArray[np.bool_] | None = None


def read_layers(adata: AnnData, layer: str | Sequence[str], origin: str) -> Layers:
    """Return one layer, or several side by side; of several, a sample lacks one that is NaN in all its genes.

    Raises
    ------
    DataError
        If a layer is missing, is named twice, or holds anything but finite numbers; if gene names repeat.
    """
    layers = [layer] if isinstance(layer, str) else list(layer)
    if not layers or len(set(layers)) < len(layers):
        raise DataError(f"The layers are {', '.join(layers) or 'none'}.", "Name one layer or more, each once.")
    parts = [read_matrix(adata, name, origin) for name in layers]
    if isinstance(layer, str):
        matrix, features = parts[0]
        refuse_not_finite(matrix, features, origin, layer)
        return Layers(matrix, features, [""] * len(features))
    present = np.ones((adata.n_obs, len(layers)), dtype=np.bool_)
    matrices = []
    for m, (name, (matrix, features)) in enumerate(zip(layers, parts, strict=True)):
        if isinstance(matrix, np.ndarray):
            present[:, m] = ~np.isnan(matrix).all(axis=1)
            matrix[~present[:, m]] = 0
        refuse_not_finite(matrix, features, origin, name)
        matrices.append(matrix)
    features = [feature for _, names in parts for feature in names]
    modalities = [name for name, (_, names) in zip(layers, parts, strict=True) for _ in names]
    if all(sparse.issparse(matrix) for matrix in matrices):
        x: NDArray[np.float32] | sparse.csr_matrix = sparse.csr_matrix(sparse.hstack(matrices, format="csr"))
    else:
        x = np.hstack([matrix if isinstance(matrix, np.ndarray) else matrix.toarray() for matrix in matrices])
    return Layers(x, features, modalities, None if present.all() else present)


def read_block(adata: AnnData, name: str, origin: str) -> NDArray[np.float32]:
    """Return a matrix of ``obsm``, ``[n_samples, m]`` dense.

    Raises
    ------
    DataError
        If there is none of that name, or it holds anything but finite numbers.
    """
    if name not in adata.obsm:
        raise DataError(
            f"{origin} has no matrix '{name}' in obsm.", f"Choose one of: {', '.join(adata.obsm) or 'none there'}."
        )
    block = adata.obsm[name]
    dense = block.toarray() if sparse.issparse(block) else np.asarray(block)
    if dense.ndim != 2 or not (np.issubdtype(dense.dtype, np.number) or dense.dtype == bool):
        raise DataError(
            f"The matrix '{name}' of {origin} holds {dense.dtype} {list(dense.shape)}, not a table of numbers."
        )
    result: NDArray[np.float32] = dense.astype(np.float32)
    bad = int((~np.isfinite(result)).sum())
    if bad:
        raise DataError(f"{bad} values of the matrix '{name}' of {origin} are NaN or infinite.", "Fill them in.")
    return result


def read_matrix(adata: AnnData, layer: str, origin: str) -> tuple[NDArray[np.float32] | sparse.csr_matrix, list[str]]:
    """Return a copy of one layer and the names of its columns.

    Raises
    ------
    DataError
        If it is missing or holds no numbers, or gene names repeat.
    """
    available = [
        *(["X"] if adata.X is not None else []),
        *(["raw"] if adata.raw is not None else []),
        *adata.layers,
    ]
    if layer not in available:
        raise DataError(f"{origin} has no layer '{layer}'.", f"Choose one of: {', '.join(available) or 'none there'}.")
    holder = adata.raw if layer == "raw" else adata
    matrix = holder.X if layer in ("X", "raw") else adata.layers[layer]
    matrix = sparse.csr_matrix(matrix) if sparse.issparse(matrix) else np.asarray(matrix)
    if not np.issubdtype(matrix.dtype, np.number) and matrix.dtype != bool:
        raise DataError(f"The layer '{layer}' of {origin} holds {matrix.dtype}, not numbers.", "Choose another layer.")
    features = [str(name) for name in holder.var_names]
    _refuse_duplicates(features, origin)
    return matrix.astype(np.float32), features


def _refuse_duplicates(features: list[str], origin: str) -> None:
    index = pd.Index(features)
    if not index.is_unique:
        twice = index[index.duplicated()].unique().tolist()
        raise DataError(
            f"{origin} names {len(twice)} genes more than once: {some(twice, 10)}.",
            "Sum or drop the repeated columns; `adata.var_names_make_unique()` only hides them from the graph.",
        )


def refuse_not_finite(
    matrix: NDArray[np.float32] | sparse.csr_matrix, features: list[str], origin: str, layer: str
) -> None:
    """Refuse values that are NaN or infinite."""
    if isinstance(matrix, np.ndarray):
        bad = ~np.isfinite(matrix)
        columns = np.nonzero(bad)[1]
    else:
        bad = ~np.isfinite(matrix.data)
        columns = matrix.indices[bad]
    if not len(columns):
        return
    names = [features[i] for i in np.unique(columns)]
    raise DataError(
        f"{int(bad.sum())} values of {origin} (layer {layer}) are NaN or infinite, in {len(names)} genes: "
        f"{some(names, 10)}.",
        "Impute them on the training part only, or remove the genes or samples.",
    )
