"""The batches of one or more fits that run side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from kgreg.data.sequence import SequenceRows
from kgreg.fit.readings import Scaled
from kgreg.nn.hierarchy import SparseRows
from kgreg.nn.inputs import Inputs

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Inputs and targets ``[R, B, ...]``; network r has ``sizes[r]`` samples, the rest only fills up."""

    inputs: Inputs
    target: Tensor
    sizes: tuple[int, ...]

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        given = self.inputs

        def move(x: Any) -> Any:
            return x.to(device) if isinstance(x, (Tensor, SparseRows)) else x

        moved = Inputs(
            move(given.genes),
            {name: move(block) for name, block in given.blocks.items()},
            move(given.covariates),
            {name: move(rows) for name, rows in given.rows.items()},
            move(given.counts),
            move(given.present),
            move(given.sequences),
        )
        return replace(self, inputs=moved, target=self.target.to(device))


class Feed(Dataset[Batch]):
    """The samples of R fits: ``scaled`` and ``targets`` of each, all of the same columns.

    Indexed with one array of row numbers a fit.
    """

    def __init__(self, scaled: Sequence[Scaled], targets: Sequence[NDArray[Any]]) -> None:
        self.sizes = [len(one) for one in scaled]
        self._offset = np.cumsum([0, *self.sizes[:-1]])
        self._scaled = scaled[0] if len(scaled) == 1 else _stack(scaled)
        self._target = np.concatenate(targets)

    def __getitem__(self, rows: Sequence[Rows]) -> Batch:
        sizes = tuple(len(own) for own in rows)
        most = max(sizes)
        index = np.stack(
            [
                np.pad(own + start, (0, most - len(own)), constant_values=start)
                for own, start in zip(rows, self._offset, strict=True)
            ]
        )
        counts = None
        if min(sizes) < most:
            counts = (np.arange(most) < np.array(sizes)[:, None]).astype(np.float32)
        return Batch(self._scaled.take(index, counts), torch.from_numpy(self._target[index]), sizes)


def _stack(parts: Sequence[Scaled]) -> Scaled:
    """Return the tables of several fits one below the other."""

    def join(tables: list[Any]) -> Any:
        if all(sparse.issparse(table) for table in tables):
            return sparse.csr_matrix(sparse.vstack(tables, format="csr"))
        return np.concatenate([t if isinstance(t, np.ndarray) else t.toarray() for t in tables])

    covariates = None
    if parts[0].covariates is not None:
        covariates = np.concatenate([part.covariates for part in parts if part.covariates is not None])
    present = None
    if parts[0].present is not None:
        present = np.concatenate([part.present for part in parts if part.present is not None])
    sequences = None
    if parts[0].sequences is not None:
        index = np.concatenate([part.sequences.index for part in parts if part.sequences is not None])
        sequences = SequenceRows(parts[0].sequences.codes, index)
    joined = Scaled(
        join([part.x for part in parts]),
        covariates,
        {name: join([part.blocks[name] for part in parts]) for name in parts[0].blocks},
        present=present,
        sequences=sequences,
    )
    return joined.with_shared_rows() if any(part.ids for part in parts) else joined


class ShuffledBatches(Sampler[list[Rows]]):
    """Row numbers of every fit for the steps of an epoch, shuffled by (seed of the fit, epoch).

    The samples of a fit are dealt evenly to the steps, so that fits of slightly different size stay in step and no
    batch is left with a single sample.
    """

    def __init__(self, sizes: Sequence[int], steps: int, seeds: Sequence[int]) -> None:
        self.sizes, self.steps, self.seeds, self.epoch = sizes, steps, seeds, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before every epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[Rows]]:
        orders = [
            np.random.default_rng([seed, self.epoch]).permutation(size)
            for size, seed in zip(self.sizes, self.seeds, strict=True)
        ]
        for step in range(self.steps):
            yield [_deal(order, step, self.steps) for order in orders]


class WholeInPieces(Sampler[list[Rows]]):
    """All rows of every fit in order, in pieces of at most ``size``."""

    def __init__(self, sizes: Sequence[int], size: int) -> None:
        self.sizes, self.steps = sizes, -(-max(sizes) // size)

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[list[Rows]]:
        for step in range(self.steps):
            yield [_deal(np.arange(size), step, self.steps) for size in self.sizes]


def _deal(order: Rows, step: int, steps: int) -> Rows:
    return order[len(order) * step // steps : len(order) * (step + 1) // steps]


def count_steps(sizes: Sequence[int], batch_size: int) -> int:
    """Return the steps of an epoch for fits with so many samples.

    As many as batches of this size need for the largest, but so few that the smallest has two samples in each.
    """
    return max(1, min(-(-max(sizes) // batch_size), min(sizes) // 2))


def loader(feed: Feed, sampler: Sampler[list[Rows]]) -> DataLoader[Batch]:
    """Return the batches of a feed."""
    return DataLoader(feed, batch_size=None, sampler=sampler)
