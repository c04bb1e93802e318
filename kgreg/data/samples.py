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

from kgreg.errors import DataError, some

if TYPE_CHECKING:
    from anndata import AnnData

Task = Literal["classification", "regression"]
ConstantGenes = Literal["error", "drop"]

#: Fewer distinct numbers than this, all of them whole, are read as classes when the task is not given.
MOST_NUMERIC_CLASSES = 20

#: Columns of the results that stand beside one column a class, and the output "all".
RESERVED_CLASSES = frozenset({"all", "arm", "fold", "replicate", "sample", "target"})


@dataclass(frozen=True)
class Samples:
    """Features and target of every sample.

    Attributes
    ----------
    x
        ``[n_samples, n_columns]`` float32 (dense) or CSR, as it lies in the file.
    features, names
        Names of the columns and of the rows. With several layers a feature names one column a layer.
    target
        ``[n_samples]``: class index (int64) or value (float32).
    classes
        Names of the classes, in index order; empty for regression.
    groups
        ``[n_samples]`` group of every sample (donor, plate, ...), or None.
    task, label, layer, origin, sha256
        What was read, from where; ``sha256`` is empty for an object in memory.
    modalities
        ``[n_columns]``: the layer that a column comes from, beside its feature; "" when there is one layer. Filled
        in with "" when it is not given.
    parts
        ``[n_samples]`` "train" or "test", where the data fix the split, or None.
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
    modalities: list[str] = field(default_factory=list)
    parts: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        if not self.modalities:
            object.__setattr__(self, "modalities", [""] * len(self.features))

    def __len__(self) -> int:
        return len(self.names)

    @property
    def genes(self) -> list[str]:
        """The features, each once, in the order of their first columns."""
        return list(dict.fromkeys(self.features))

    def columns(
        self, features: Sequence[str] | pd.DataFrame, modalities: Sequence[str] | None = None
    ) -> NDArray[np.float32]:
        """Return the dense matrix ``[n_samples, len(features)]`` of the named columns, in that order.

        Parameters
        ----------
        features
            Names of features, or a table with the columns ``feature`` and ``modality``, such as ``Blueprint.inputs``.
        modalities
            Of every feature. Needed where the data have several; data of one layer are that layer whatever the
            blueprint calls it.

        Raises
        ------
        DataError
            If a column is not there, or the data have one layer and several modalities are asked for.
        """
        picked = self.select(features, modalities)
        dense = picked if isinstance(picked, np.ndarray) else picked.toarray()
        return np.ascontiguousarray(dense, dtype=np.float32)

    def select(
        self, features: Sequence[str] | pd.DataFrame, modalities: Sequence[str] | None = None
    ) -> NDArray[np.float32] | sparse.csr_matrix:
        """Return what :meth:`columns` returns, but CSR where the data are."""
        if isinstance(features, pd.DataFrame):
            table: pd.DataFrame = features
            return self.x[:, self._positions(table["feature"].tolist(), table["modality"].tolist())]
        return self.x[:, self._positions(list(features), modalities)]

    def _positions(self, features: list[str], modalities: Sequence[str] | None) -> list[int]:
        one_layer = not any(self.modalities)
        if one_layer:
            asked = sorted(set(modalities or ()))
            if len(asked) > 1:
                raise DataError(
                    f"{self.origin} was read as one layer ({self.layer}), but {', '.join(asked)} are asked for.",
                    'Name them in [data]: layers = ["...", "..."].',
                )
            modalities = [""] * len(features)
        elif modalities is None:
            raise DataError(
                f"{self.origin} has several values a feature ({', '.join(dict.fromkeys(self.modalities))}).",
                "Say of which modality each feature is wanted.",
            )
        place = {column: i for i, column in enumerate(zip(self.features, self.modalities, strict=True))}
        wanted = list(zip(features, modalities, strict=True))
        missing = [feature if one_layer else f"{feature} ({m})" for feature, m in wanted if (feature, m) not in place]
        if missing:
            raise DataError(
                f"{self.origin} lacks {len(missing)} of {len(features)} features: {some(missing, 10)}.",
                "Give the data that the blueprint was compiled for.",
            )
        return [place[column] for column in wanted]

    def summary(self) -> dict[str, Any]:
        """Return what a report says of the data (JSON values)."""
        counts = np.bincount(self.target, minlength=len(self.classes)).tolist() if self.classes else []
        return {
            "origin": self.origin,
            "sha256": self.sha256,
            "layer": self.layer,
            "label": self.label,
            "task": self.task,
            "samples": len(self),
            "features": len(self.genes),
            "modalities": [name for name in dict.fromkeys(self.modalities) if name],
            "classes": dict(zip(self.classes, counts, strict=True)),
            "groups": None if self.groups is None else len(np.unique(self.groups)),
        }


def read_samples(
    data: Path | str | AnnData,
    label: str,
    *,
    layer: str | Sequence[str] = "X",
    group: str | None = None,
    task: Task | None = None,
    split: str | None = None,
) -> Samples:
    """Read samples from an h5ad file or an AnnData object.

    Parameters
    ----------
    data
        Path of an ``.h5ad`` file, or the object.
    label
        Column of ``obs`` to learn.
    layer
        ``"X"``, ``"raw"`` (``adata.raw.X``) or the name of a layer. Values are taken as they are: give log-normalised
        expression, not counts. Of several layers (mutation, deletion, amplification) the columns stand side by side,
        one layer after the other, and stay sparse if all of them are.
    group
        Column of ``obs`` whose samples stay together in every split.
    task
        Default: regression if the column holds numbers with a fraction or more than 20 different ones.
    split
        Column of ``obs`` that says of every sample whether it is to "train" or to "test".

    Raises
    ------
    DataError
        If the file, a column or a layer is missing, labels are missing, gene names repeat, there is one class only, or
        the matrix holds NaN or infinite values, or ``split`` holds anything but "train" and "test", both.
    """
    adata, origin, sha256 = _open(data)
    matrix, features, modalities = _read_layers(adata, layer, origin)
    obs = adata.obs
    values = _column(obs, label, origin)
    groups = None if group is None else _column(obs, group, origin).astype(str).to_numpy()
    task = task or _guess_task(values)
    target, classes = _target(values, task, label, origin)
    return Samples(
        x=matrix,
        features=features,
        names=[str(name) for name in adata.obs_names],
        target=target,
        classes=classes,
        groups=groups,
        task=task,
        label=label,
        layer=layer if isinstance(layer, str) else ", ".join(layer),
        origin=origin,
        sha256=sha256,
        modalities=modalities,
        parts=None if split is None else _parts(obs, split, origin),
    )


def usable_features(samples: Samples, features: list[str], constant: ConstantGenes = "error") -> list[str]:
    """Return the features that vary over the samples, in at least one of their modalities.

    Raises
    ------
    DataError
        If some do not vary (an all-zero column, say) and ``constant="error"``; the message names them.
    """
    varied = _varying(samples.x)
    varying = {feature for feature, varies in zip(samples.features, varied, strict=True) if varies}
    flat = [feature for feature in features if feature not in varying]
    if flat and constant == "error":
        raise DataError(
            f"{len(flat)} genes have the same value in all {len(samples)} samples of {samples.origin} "
            f"(layer {samples.layer}): {some(flat, 10)}.",
            'Remove them, or set constant_genes = "drop" to leave them out (they are then listed in the report).',
        )
    return [feature for feature in features if feature in varying]


def input_table(samples: Samples, matched: pd.DataFrame) -> pd.DataFrame:
    """Return the inputs of a network over matched genes: ``matched`` with one row a modality.

    Parameters
    ----------
    matched
        ``feature, gene, label``, one row a gene.

    Returns
    -------
    DataFrame
        ``matched`` itself for data of one layer. Otherwise ``feature, gene, label, modality``: the modalities of a
        gene stand together, in the order of the layers.
    """
    modalities = [name for name in dict.fromkeys(samples.modalities) if name]
    if not modalities:
        return matched
    return matched.merge(pd.DataFrame({"modality": modalities}), how="cross")


def _varying(x: NDArray[np.float32] | sparse.csr_matrix) -> NDArray[np.bool_]:
    """Return which columns hold more than one value."""
    if isinstance(x, np.ndarray):
        dense: NDArray[np.bool_] = np.ptp(x, axis=0) != 0
        return dense
    least, most = x.min(axis=0).toarray(), x.max(axis=0).toarray()
    varies: NDArray[np.bool_] = (least != most)[0]
    return varies


def _read_layers(
    adata: AnnData, layer: str | Sequence[str], origin: str
) -> tuple[NDArray[np.float32] | sparse.csr_matrix, list[str], list[str]]:
    """Return the matrix, its features, and the modalities ("" for one layer)."""
    layers = [layer] if isinstance(layer, str) else list(layer)
    if not layers or len(set(layers)) < len(layers):
        raise DataError(f"The layers are {', '.join(layers) or 'none'}.", "Name one layer or more, each once.")
    parts = []
    for name in layers:
        matrix, features = _matrix(adata, name, origin)
        _refuse_duplicates(features, origin)
        _refuse_not_finite(matrix, features, origin, name)
        parts.append((matrix, features))
    if isinstance(layer, str):
        return *parts[0], [""] * len(parts[0][1])
    features = [feature for _, names in parts for feature in names]
    modalities = [name for name, (_, names) in zip(layers, parts, strict=True) for _ in names]
    matrices = [matrix for matrix, _ in parts]
    if all(sparse.issparse(matrix) for matrix in matrices):
        return sparse.csr_matrix(sparse.hstack(matrices, format="csr")), features, modalities
    dense = [matrix if isinstance(matrix, np.ndarray) else matrix.toarray() for matrix in matrices]
    return np.hstack(dense), features, modalities


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


def _column(obs: pd.DataFrame, name: str, origin: str) -> pd.Series[Any]:
    if name not in obs:
        raise DataError(
            f"{origin} has no column '{name}' in obs.", f"Choose one of: {', '.join(map(str, obs)) or '-'}."
        )
    column: pd.Series[Any] = obs[name]
    missing = int(column.isna().sum())
    if missing:
        raise DataError(
            f"The column '{name}' of {origin} is missing in {missing} of {len(column)} samples.",
            "Remove those samples or fill the column in.",
        )
    return column


def _parts(obs: pd.DataFrame, split: str, origin: str) -> NDArray[Any]:
    parts = _column(obs, split, origin).astype(str)
    counts = parts.value_counts()
    other = [f"'{part}' ({n})" for part, n in counts.items() if part not in ("train", "test")]
    if other:
        raise DataError(
            f"The column '{split}' of {origin} holds {some(other)}; it must say train or test of every sample.",
            "Samples to validate with belong to train: a part of it is set aside to decide when to stop.",
        )
    if len(counts) < 2:
        raise DataError(
            f"The column '{split}' of {origin} says {counts.index[0] if len(counts) else 'nothing'} of all samples.",
            "Both train and test are needed; for cross-validation leave out the key 'split'.",
        )
    return parts.to_numpy()


def _guess_task(values: pd.Series[Any]) -> Task:
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return "classification"
    whole = bool((values == values.round()).all())
    return "classification" if whole and values.nunique() <= MOST_NUMERIC_CLASSES else "regression"


def _target(values: pd.Series[Any], task: Task, label: str, origin: str) -> tuple[NDArray[Any], list[str]]:
    if values.nunique() < 2:
        only = values.iloc[0] if len(values) else "nothing"
        raise DataError(
            f"The column '{label}' of {origin} holds one value only ({only}).", "There is nothing to tell apart."
        )
    if task == "classification":
        codes, classes = pd.factorize(values.astype(str), sort=True)
        taken = sorted(RESERVED_CLASSES.intersection(classes))
        if taken:
            raise DataError(
                f"The column '{label}' of {origin} has classes named {', '.join(taken)}, which name something else in "
                "the results.",
                "Rename these classes.",
            )
        return codes.astype(np.int64), [str(name) for name in classes]
    if not pd.api.types.is_numeric_dtype(values):
        raise DataError(f"The column '{label}' of {origin} holds no numbers.", 'Set task = "classification".')
    target = values.to_numpy(dtype=np.float32)
    if not np.isfinite(target).all():
        raise DataError(f"The column '{label}' of {origin} holds infinite values.", "Remove those samples.")
    return target, []
