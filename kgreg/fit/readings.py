"""What a network reads of samples, before scaling and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import sparse

from kgreg.blueprint.model import Blueprint
from kgreg.data.covariates import CovariateEncoder
from kgreg.data.presence import Presence
from kgreg.data.samples import Samples
from kgreg.data.scaling import Scale, Scaler
from kgreg.data.sequence import SequenceRows
from kgreg.nn.hierarchy import SparseRows
from kgreg.nn.hierarchy.inputs import SPARSE_BELOW
from kgreg.nn.inputs import Inputs

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Readings:
    """The inputs of n samples, in the units of the data.

    ``x [n, n_inputs]`` in the order of ``blueprint.inputs``; ``covariates``: n rows, or None; ``blocks``: name ->
    ``[n, size]``; ``presence``: which samples have which modality, None if all have all; ``sequences``: n of them, or
    None.
    """

    x: NDArray[np.float32]
    covariates: pd.DataFrame | None = None
    blocks: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    presence: Presence | None = None
    sequences: SequenceRows | None = None

    @classmethod
    def of(cls, samples: Samples, blueprint: Blueprint) -> Readings:
        """Return what a network on ``blueprint`` reads of ``samples``."""
        presence = Presence.of(samples, blueprint.inputs["modality"].tolist())
        sequences = None if samples.sequences is None else SequenceRows.of(samples.sequences)
        return cls(samples.columns(blueprint.inputs), samples.covariates, samples.blocks, presence, sequences)

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, rows: Rows) -> Readings:
        """Return some of the samples."""
        covariates = None if self.covariates is None else self.covariates.iloc[rows]
        presence = None if self.presence is None else self.presence.rows(rows)
        blocks = {name: block[rows] for name, block in self.blocks.items()}
        sequences = None if self.sequences is None else self.sequences.rows(rows)
        return Readings(self.x[rows], covariates, blocks, presence, sequences)


def as_readings(x: Readings | NDArray[np.float32]) -> Readings:
    """Return samples as readings, from ``[n, n_inputs]`` where a network reads nothing else."""
    return x if isinstance(x, Readings) else Readings(x)


@dataclass(frozen=True)
class Preprocessing:
    """What was fitted on the training part to bring readings to the network."""

    scaler: Scaler
    encoder: CovariateEncoder | None

    @classmethod
    def fit(cls, readings: Readings, scale: Scale, everyone: pd.DataFrame | None = None) -> Preprocessing:
        """Fit on training samples; ``everyone``: the covariates of all samples, for their categories."""
        encoder = None if readings.covariates is None else CovariateEncoder.fit(readings.covariates, everyone)
        return cls(Scaler.fit(readings.x, scale, readings.presence), encoder)

    def apply(self, readings: Readings) -> Scaled:
        """Return the readings as the network takes them."""
        covariates = None
        if self.encoder is not None and readings.covariates is not None:
            covariates = self.encoder.transform(readings.covariates)
        blocks = {name: _sparse_if_few(block) for name, block in readings.blocks.items()}
        scaled = self.scaler.transform(readings.x, readings.presence)
        present = None if readings.presence is None else readings.presence.present
        return Scaled(_sparse_if_few(scaled), covariates, blocks, present=present, sequences=readings.sequences)


@dataclass(frozen=True)
class Scaled:
    """Inputs as the network takes them; what is mostly zero as CSR.

    ``ids``: "genes" or the name of a block -> ``[n]`` number of the different row that a sample has, where rows repeat;
    ``present [n, n_modalities]`` 1 where a sample has a modality, in the order of ``blueprint.inputs``, or None;
    ``sequences``: n of them, or None.
    """

    x: NDArray[np.float32] | sparse.csr_matrix
    covariates: NDArray[np.float32] | None = None
    blocks: Mapping[str, NDArray[np.float32] | sparse.csr_matrix] = field(default_factory=dict)
    ids: Mapping[str, Rows] = field(default_factory=dict)
    present: NDArray[np.float32] | None = None
    sequences: SequenceRows | None = None

    def __len__(self) -> int:
        return int(self.x.shape[0])

    def with_shared_rows(self) -> Scaled:
        """Return the same with the rows numbered that several samples have, so that a batch computes them once."""
        found = {name: number_rows(table) for name, table in {"genes": self.x, **self.blocks}.items()}
        return replace(self, ids={name: ids for name, ids in found.items() if ids.max() + 1 < SHARED_BELOW * len(ids)})

    def take(self, rows: Rows, counts: NDArray[np.float32] | None = None) -> Inputs:
        """Return the inputs of samples ``rows [R, B]``, of which those with ``counts [R, B]`` 0 only fill up."""
        covariates = None if self.covariates is None else torch.from_numpy(self.covariates[rows])
        tables, index = {}, {}
        for name, table in {"genes": self.x, **self.blocks}.items():
            if name in self.ids:
                first, place = _share(self.ids[name], rows)
                tables[name], index[name] = _take(table, first), torch.from_numpy(place)
            else:
                tables[name] = _take(table, rows)
        weight = None if counts is None else torch.from_numpy(counts)
        present = None if self.present is None else torch.from_numpy(self.present[rows])
        sequences = None if self.sequences is None else torch.from_numpy(self.sequences.take(rows))
        return Inputs(tables.pop("genes"), tables, covariates, index, weight, present, sequences)

    def everything(self) -> Inputs:
        """Return the inputs of all samples, for one network."""
        return self.take(np.arange(len(self))[None])


#: Rows are shared where there are fewer different ones than this share of the samples.
SHARED_BELOW = 0.8


def number_rows(table: NDArray[np.float32] | sparse.csr_matrix) -> Rows:
    """Number the different rows of a table: equal rows get equal numbers, in the order of their first appearance."""
    if isinstance(table, np.ndarray):
        keys = [row.tobytes() for row in np.ascontiguousarray(table)]
    else:
        matrix = table.sorted_indices()
        spans = zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True)
        keys = [matrix.indices[a:b].tobytes() + matrix.data[a:b].tobytes() for a, b in spans]
    numbers: dict[bytes, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def dense_rows(scaled: Scaled) -> torch.Tensor:
    """Return the inputs of the genes as a dense tensor ``[n, n_inputs]``."""
    x = scaled.x
    return torch.from_numpy(x if isinstance(x, np.ndarray) else x.toarray())


def _sparse_if_few(table: NDArray[np.float32]) -> NDArray[np.float32] | sparse.csr_matrix:
    """Return a table as CSR if few of its values are not 0."""
    return sparse.csr_matrix(table) if np.count_nonzero(table) < SPARSE_BELOW * table.size else table


def _share(ids: Rows, rows: Rows) -> tuple[Rows, Rows]:
    """Return the first sample of every different row ``[R, U]`` and which of them each sample has ``[R, B]``.

    Networks with fewer different rows than others have their last one repeated; no sample points to the repeats.
    """
    found = [np.unique(ids[own], return_index=True, return_inverse=True) for own in rows]
    most = max(len(numbers) for numbers, _, _ in found)
    first = np.stack(
        [own[np.pad(at, (0, most - len(at)), mode="edge")] for own, (_, at, _) in zip(rows, found, strict=True)]
    )
    return first, np.stack([place for _, _, place in found])


def _take(table: NDArray[np.float32] | sparse.csr_matrix, rows: Rows) -> torch.Tensor | SparseRows:
    if isinstance(table, np.ndarray):
        return torch.from_numpy(table[rows])
    return SparseRows.take(table, rows)
