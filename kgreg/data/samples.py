"""Samples from AnnData: the chosen matrix, the column to learn, the groups that must not be split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from kgreg.data.anndata_files import open_h5ad
from kgreg.data.covariates import read_covariates
from kgreg.data.layers import read_block, read_layers
from kgreg.data.presence import Missing, settle
from kgreg.data.targets import RISK, complete_column, read_target
from kgreg.data.targets import Task as Task
from kgreg.errors import DataError, some

if TYPE_CHECKING:
    from anndata import AnnData


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
    modalities
        ``[n_columns]``: the layer that a column comes from, beside its feature; "" when there is one layer. Filled
        in with "" when it is not given.
    parts
        ``[n_samples]`` "train" or "test", where the data fix the split, or None.
    covariates
        ``[n_samples, k]`` categories and numbers beside the genes (data set, tissue, age), or None.
    blocks
        Name -> ``[n_samples, m]`` float32: further inputs as they lie in ``obsm``, such as fingerprints of drugs.
    present
        ``[n_samples, n_modalities]`` 1 where a sample has a modality, else 0, in the order in which ``modalities``
        names them; the columns of ``x`` that a sample lacks are 0. None: every sample has all.
    unmapped
        ``feature, modality, note``: features (CpG sites, microRNAs) that are of no gene, or None.
    left_out
        Reason -> number of samples that were left out.
    sequences
        ``[n_samples, length]`` codes of DNA (A 0, C 1, G 2, T 3, unknown 4), which may lie in a memory-mapped file, or
        None.
    intervals
        ``chrom, start, end, strand`` of every sequence, one row a sample ("" and -1 where unknown), or None.
    repairs
        What reading the sequences repaired -> how often.
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
    modalities: list[str] = field(default_factory=list)
    parts: NDArray[Any] | None = None
    covariates: pd.DataFrame | None = None
    blocks: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    present: NDArray[np.float32] | None = None
    unmapped: pd.DataFrame | None = None
    left_out: dict[str, int] = field(default_factory=dict)
    sequences: NDArray[np.uint8] | None = None
    intervals: pd.DataFrame | None = None
    repairs: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.modalities:
            object.__setattr__(self, "modalities", [""] * len(self.features))

    @property
    def outputs(self) -> list[str]:
        """Names of what a network puts out: classes, labels, "risk", or the label of a regression."""
        return self.classes or self.labels or [RISK if self.task == "survival" else self.label]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def clusters(self) -> NDArray[Any] | None:
        """Groups that an interval over test samples draws whole, or None: it draws single samples.

        Chromosomes keep similar sequences on one side of a split; sites on one of them are as good as independent, and
        a test part of two or three chromosomes has no interval over chromosomes.
        """
        if self.groups is None or self.intervals is None:
            return self.groups
        return None if (self.groups == self.intervals["chrom"].to_numpy()).all() else self.groups

    @property
    def modality_names(self) -> list[str]:
        """The modalities, in the order of their first columns; empty for data of one layer."""
        return [name for name in dict.fromkeys(self.modalities) if name]

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
        more: dict[str, Any] = {}
        if self.task == "multilabel":
            parts = {"positive": self.target == 1, "negative": self.target == 0, "unknown": np.isnan(self.target)}
            more["labels"] = {
                name: {part: int(found[:, i].sum()) for part, found in parts.items()}
                for i, name in enumerate(self.labels)
            }
        if self.task == "survival":
            more["events"] = int(self.target[:, 1].sum())
        if self.present is not None:
            more["lacking"] = self._lacking(self.present)
        if self.left_out:
            more["left_out"] = self.left_out
        if self.sequences is not None:
            more["sequences"] = {"length": int(self.sequences.shape[1]), "repairs": self.repairs}
        return {
            "origin": self.origin,
            "sha256": self.sha256,
            "layer": self.layer,
            "label": self.label,
            "task": self.task,
            "samples": len(self),
            "features": len(self.genes),
            "modalities": self.modality_names,
            "covariates": [] if self.covariates is None else list(self.covariates),
            "blocks": {name: block.shape[1] for name, block in self.blocks.items()},
            "classes": dict(zip(self.classes, counts, strict=True)),
            "groups": None if self.groups is None else len(np.unique(self.groups)),
            **more,
        }

    def _lacking(self, present: NDArray[np.float32]) -> dict[str, int]:
        """Return for every modality how many samples lack it."""
        counts = (present == 0).sum(axis=0)
        return {name: int(count) for name, count in zip(self.modality_names, counts, strict=True)}


def read_samples(
    data: Path | str | AnnData,
    label: str | Sequence[str] | None = None,
    *,
    time: str | None = None,
    event: str | None = None,
    layer: str | Sequence[str] = "X",
    group: str | None = None,
    task: Task | None = None,
    split: str | None = None,
    covariates: Sequence[str] = (),
    blocks: Sequence[str] = (),
    samples: Missing | None = None,
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
        expression, not counts. Of several layers (mutation, deletion, amplification) the columns stand side by side,
        one layer after the other, and stay sparse if all of them are.
    group
        Column of ``obs`` whose samples stay together in every split.
    task
        Default: by the columns; a single one is regressed if it holds numbers with a fraction or more than 20
        different ones.
    split
        Column of ``obs`` that says of every sample whether it is to "train" or to "test".
    covariates
        Columns of ``obs`` that are inputs beside the genes.
    blocks
        Matrices of ``obsm`` that are.
    samples
        What to do with samples that lack one of several layers, which is NaN in all genes there: keep "all" that have
        at least one, or the "complete" ones. Default: such samples are an error.

    Raises
    ------
    DataError
        If the file, a column or a layer is missing, gene names repeat, the matrix holds NaN or infinite values, the
        target cannot be learned (see :func:`kgreg.data.targets.read_target`), ``split`` holds anything but "train" and
        "test", both, or a covariate is what is to be learned.
    """
    adata, origin, sha256 = open_h5ad(data)
    read = read_layers(adata, layer, origin)
    rows, left_out = np.arange(adata.n_obs), dict[str, int]()
    if read.present is not None:
        rows, left_out = settle(read.present, list(dict.fromkeys(read.modalities)), samples, origin)
    return label_samples(
        read.x[rows] if len(rows) < adata.n_obs else read.x,
        read.features,
        read.modalities,
        adata.obs.iloc[rows],
        origin,
        Columns(label, time, event, group, task, split, tuple(covariates)),
        layer=layer if isinstance(layer, str) else ", ".join(layer),
        sha256=sha256,
        present=None if read.present is None else read.present[rows],
        left_out=left_out,
        blocks={name: read_block(adata, name, origin)[rows] for name in blocks},
    )


@dataclass(frozen=True)
class Columns:
    """Columns of a table of samples, by what they are for; see :func:`read_samples`."""

    label: str | Sequence[str] | None = None
    time: str | None = None
    event: str | None = None
    group: str | None = None
    task: Task | None = None
    split: str | None = None
    covariates: tuple[str, ...] = ()


def label_samples(
    x: NDArray[np.float32] | sparse.csr_matrix,
    features: list[str],
    modalities: list[str],
    obs: pd.DataFrame,
    origin: str,
    columns: Columns,
    *,
    present: NDArray[np.bool_] | None = None,
    **more: Any,
) -> Samples:
    """Return a matrix together with what its samples are to teach, from their table ``obs`` (n rows).

    Raises
    ------
    DataError
        See :func:`read_samples`.
    """
    label, time, event = columns.label, columns.time, columns.event
    target = read_target(obs, label, time, event, columns.task, origin)
    learned = [name for name in ([label] if isinstance(label, str) else [*(label or [])]) + [time, event] if name]
    groups = None if columns.group is None else complete_column(obs, columns.group, origin).astype(str).to_numpy()
    covariates = columns.covariates
    return Samples(
        x=x,
        features=features,
        names=[str(name) for name in obs.index],
        target=target.values,
        classes=target.classes,
        groups=groups,
        task=target.task,
        label=target.label,
        origin=origin,
        labels=target.labels,
        modalities=modalities,
        parts=None if columns.split is None else _parts(obs, columns.split, origin),
        covariates=read_covariates(obs, covariates, learned, origin) if covariates else None,
        present=None if present is None or present.all() else present.astype(np.float32),
        **more,
    )


def _parts(obs: pd.DataFrame, split: str, origin: str) -> NDArray[Any]:
    parts = complete_column(obs, split, origin).astype(str)
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
