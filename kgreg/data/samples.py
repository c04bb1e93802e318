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

from kgreg.data.covariates import read_covariates
from kgreg.data.layers import read_block, read_layers
from kgreg.errors import DataError, some

if TYPE_CHECKING:
    from anndata import AnnData

Task = Literal["classification", "regression"]

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
    covariates
        ``[n_samples, k]`` categories and numbers beside the genes (data set, tissue, age), or None.
    blocks
        Name -> ``[n_samples, m]`` float32: further inputs as they lie in ``obsm``, such as fingerprints of drugs.
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
    covariates: pd.DataFrame | None = None
    blocks: dict[str, NDArray[np.float32]] = field(default_factory=dict)

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
            "covariates": [] if self.covariates is None else list(self.covariates),
            "blocks": {name: block.shape[1] for name, block in self.blocks.items()},
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
    covariates: Sequence[str] = (),
    blocks: Sequence[str] = (),
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
    covariates
        Columns of ``obs`` that are inputs beside the genes.
    blocks
        Matrices of ``obsm`` that are.

    Raises
    ------
    DataError
        If the file, a column or a layer is missing, labels are missing, gene names repeat, there is one class only, or
        the matrix holds NaN or infinite values, or ``split`` holds anything but "train" and "test", both; if a
        covariate is the label.
    """
    adata, origin, sha256 = _open(data)
    matrix, features, modalities = read_layers(adata, layer, origin)
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
        covariates=read_covariates(obs, covariates, values, origin) if covariates else None,
        blocks={name: read_block(adata, name, origin) for name in blocks},
    )


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
