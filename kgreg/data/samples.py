"""Samples from AnnData: the chosen matrix, the column to learn, the groups that must not be split."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from kgreg.data.targets import RISK, complete_column, read_target
from kgreg.data.targets import Task as Task
from kgreg.errors import DataError, some

if TYPE_CHECKING:
    from anndata import AnnData

ConstantGenes = Literal["error", "drop"]


@dataclass(frozen=True)
class Samples:
    """Expression and target of every sample.

    Attributes
    ----------
    x
        ``[n_samples, n_features]`` float32 (dense) or CSR, as it lies in the file.
    features, names
        Names of the columns and of the rows.
    target
        ``[n_samples]`` class index (int64) or value (float32); multilabel: ``[n_samples, n_labels]`` 0, 1 or NaN where
        the label is unknown; survival: ``[n_samples, 2]`` time and event (1) or censored (0).
    classes
        Names of the classes, in index order; empty for other tasks.
    groups
        ``[n_samples]`` group of every sample (donor, plate, ...), or None.
    task, label, layer, origin, sha256
        What was read, from where; ``sha256`` is empty for an object in memory.
    labels
        Names of the labels of a multilabel task; empty for other tasks.
    """

    x: NDArray[np.float32] | sparse.csr_matrix
    features: list[str]
    names: list[str]
    target: NDArray[Any]
    classes: list[str]
    groups: NDArray[Any] | None
    task: Task
    label: str
    layer: str
    origin: str
    sha256: str = ""
    labels: list[str] = field(default_factory=list)

    @property
    def outputs(self) -> list[str]:
        """Names of what a network puts out: classes, labels, "risk", or the label of a regression."""
        return self.classes or self.labels or [RISK if self.task == "survival" else self.label]

    def __len__(self) -> int:
        return len(self.names)

    def columns(self, features: list[str]) -> NDArray[np.float32]:
        """Return the dense matrix ``[n_samples, len(features)]`` of the named features, in that order.

        Raises
        ------
        DataError
            If a feature is not there.
        """
        position = {feature: i for i, feature in enumerate(self.features)}
        missing = [feature for feature in features if feature not in position]
        if missing:
            raise DataError(
                f"{self.origin} lacks {len(missing)} of {len(features)} features: {some(missing, 10)}.",
                "Give the data that the blueprint was compiled for.",
            )
        picked = self.x[:, [position[feature] for feature in features]]
        dense = picked if isinstance(picked, np.ndarray) else picked.toarray()
        return np.ascontiguousarray(dense, dtype=np.float32)

    def summary(self) -> dict[str, Any]:
        """Return what a report says of the data (JSON values)."""
        counts = np.bincount(self.target, minlength=len(self.classes)).tolist() if self.classes else []
        more: dict[str, Any] = {}
        if self.task == "multilabel":
            parts = {"positive": self.target == 1, "negative": self.target == 0, "unknown": np.isnan(self.target)}
            more["labels"] = {
                name: {part: int(found[:, i].sum()) for part, found in parts.items()}
                for i, name in enumerate(self.labels)
            }
        if self.task == "survival":
            more["events"] = int(self.target[:, 1].sum())
        return {
            "origin": self.origin,
            "sha256": self.sha256,
            "layer": self.layer,
            "label": self.label,
            "task": self.task,
            "samples": len(self),
            "features": len(self.features),
            "classes": dict(zip(self.classes, counts, strict=True)),
            "groups": None if self.groups is None else len(np.unique(self.groups)),
            **more,
        }


def read_samples(
    data: Path | str | AnnData,
    label: str | Sequence[str] | None = None,
    *,
    time: str | None = None,
    event: str | None = None,
    layer: str = "X",
    group: str | None = None,
    task: Task | None = None,
) -> Samples:
    """Read samples from an h5ad file or an AnnData object.

    Parameters
    ----------
    data
        Path of an ``.h5ad`` file, or the object.
    label
        Column of ``obs`` to learn; several columns of 0, 1, booleans or missing values are labels, each of which a
        sample may carry or not.
    time, event
        Columns of ``obs`` to learn instead of a label: time to an event (positive), and whether it happened (1) or the
        sample was censored (0).
    layer
        ``"X"``, ``"raw"`` (``adata.raw.X``) or the name of a layer. Values are taken as they are: give log-normalised
        expression, not counts.
    group
        Column of ``obs`` whose samples stay together in every split.
    task
        Default: by the columns; a single one is regressed if it holds numbers with a fraction or more than 20
        different ones.

    Raises
    ------
    DataError
        If the file, a column or a layer is missing, gene names repeat, the matrix holds NaN or infinite values, or the
        target cannot be learned (see :func:`kgreg.data.targets.read_target`).
    """
    adata, origin, sha256 = _open(data)
    matrix, features = _matrix(adata, layer, origin)
    _refuse_duplicates(features, origin)
    obs = adata.obs
    target = read_target(obs, label, time, event, task, origin)
    groups = None if group is None else complete_column(obs, group, origin).astype(str).to_numpy()
    _refuse_not_finite(matrix, features, origin, layer)
    return Samples(
        x=matrix,
        features=features,
        names=[str(name) for name in adata.obs_names],
        target=target.values,
        classes=target.classes,
        groups=groups,
        task=target.task,
        label=target.label,
        layer=layer,
        origin=origin,
        sha256=sha256,
        labels=target.labels,
    )


def usable_features(samples: Samples, features: list[str], constant: ConstantGenes = "error") -> list[str]:
    """Return the features that vary over the samples.

    Raises
    ------
    DataError
        If some do not vary (an all-zero column, say) and ``constant="error"``; the message names them.
    """
    x = samples.columns(features)
    flat = [feature for feature, spread in zip(features, np.ptp(x, axis=0), strict=True) if spread == 0]
    if flat and constant == "error":
        raise DataError(
            f"{len(flat)} genes have the same value in all {len(samples)} samples of {samples.origin} "
            f"(layer {samples.layer}): {some(flat, 10)}.",
            'Remove them, or set constant_genes = "drop" to leave them out (they are then listed in the report).',
        )
    gone = set(flat)
    return [feature for feature in features if feature not in gone]


def _open(data: Path | str | AnnData) -> tuple[AnnData, str, str]:
    if not isinstance(data, (str, Path)):
        return data, "an AnnData object", ""
    import anndata

    path = Path(data)
    if not path.is_file():
        raise DataError(f"{path} is not a file.", "Give the path of an .h5ad file.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # notes about files written by older versions of anndata
            adata = anndata.read_h5ad(path)
    except Exception as error:  # h5py and anndata raise many kinds for a file that is not what it says
        raise DataError(f"{path} cannot be read as h5ad: {error}", "Write it with `adata.write_h5ad(...)`.") from error
    with path.open("rb") as file:
        return adata, str(path), hashlib.file_digest(file, "sha256").hexdigest()


def _matrix(adata: AnnData, layer: str, origin: str) -> tuple[NDArray[np.float32] | sparse.csr_matrix, list[str]]:
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
    return matrix.astype(np.float32), [str(name) for name in holder.var_names]


def _refuse_duplicates(features: list[str], origin: str) -> None:
    index = pd.Index(features)
    if not index.is_unique:
        twice = index[index.duplicated()].unique().tolist()
        raise DataError(
            f"{origin} names {len(twice)} genes more than once: {some(twice, 10)}.",
            "Sum or drop the repeated columns; `adata.var_names_make_unique()` only hides them from the graph.",
        )


def _refuse_not_finite(
    matrix: NDArray[np.float32] | sparse.csr_matrix, features: list[str], origin: str, layer: str
) -> None:
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
