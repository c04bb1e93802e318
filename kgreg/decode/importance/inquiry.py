"""One trained network, the samples that it is asked about, and what these are held against."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from kgreg.decode.holders import Holders
from kgreg.fit.fitted import FittedModel
from kgreg.fit.readings import Readings
from kgreg.nn.inputs import Inputs, Value

#: What of an output is explained: "logit" (of a class the logit minus the mean logit, of a label the logit, else the
#: value or log hazard in the units of the network) or "prediction" (of a class or label its probability).
Scale = Literal["logit", "prediction"]


class Pairs(NamedTuple):
    """Samples and outputs, ``[P]`` positions each: which output is to be explained in which sample."""

    samples: NDArray[np.int64]
    outputs: NDArray[np.int64]


class Found(NamedTuple):
    """Attributions ``[n_nodes, P]``, float32: all of them, and what is shown of an output.

    The two differ for motifs alone, of which only what supports an output by being there is shown.
    """

    every: NDArray[np.float32]
    shown: NDArray[np.float32]


class Means(NamedTuple):
    """Of the reference samples: mean activations ``[n_neurons]`` and mean scaled inputs ``[n_inputs]``."""

    neurons: Tensor
    inputs: Tensor


@dataclass(frozen=True)
class Inquiry:
    """A network and samples, with what all methods need of them.

    Attributes
    ----------
    model
        The trained network.
    readings
        The samples, unscaled.
    reference
        What they are held against: the training samples, unscaled.
    batch_size
        Samples that are computed at a time.
    seed
        Of what is drawn.
    """

    model: FittedModel
    readings: Readings
    reference: Readings
    batch_size: int = 512
    seed: int = 0

    @cached_property
    def holders(self) -> Holders:
        """What stands above motifs."""
        return Holders.of(self.model.blueprint, self.model.network.term_ids)

    @cached_property
    def _genes(self) -> tuple[NDArray[np.intp], list[str]]:
        number, genes = pd.factorize(self.model.blueprint.inputs["node"])
        return number, list(genes)

    @property
    def genes(self) -> list[str]:
        """Ids of the genes that are read."""
        return self._genes[1]

    @property
    def nodes(self) -> list[str]:
        """Ids of all that is scored: genes, inner nodes, and what holds motifs."""
        return [*self.genes, *self.model.network.term_ids, *self.holders.ids]

    @cached_property
    def columns(self) -> list[NDArray[np.intp]]:
        """Positions of every gene among the inputs: one a modality."""
        number, genes = self._genes
        order = np.argsort(number, kind="stable")
        return np.split(order, np.cumsum(np.bincount(number, minlength=len(genes)))[:-1]) if genes else []

    @property
    def spans(self) -> list[slice]:
        """The neurons of every inner node."""
        stops = np.cumsum(self.model.network.term_widths).tolist()
        return [slice(stop - int(n), stop) for stop, n in zip(stops, self.model.network.term_widths, strict=True)]

    @property
    def reads_dna(self) -> bool:
        """Whether the network reads sequences, between which there is no path."""
        return self.readings.sequences is not None

    @cached_property
    def means(self) -> Means:
        """See :class:`Means`; those of an input are over the samples that have it."""
        return _means(self.model, self.reference, self.batch_size)

    def inputs(self, samples: NDArray[np.int64]) -> Inputs:
        """Return samples as the network takes them, genes as a dense tensor ``[1, n, n_inputs]``."""
        return self.model.inputs_of(self.readings.rows(samples))

    def measured(self, samples: NDArray[np.int64]) -> Tensor | None:
        """Return which inputs were measured, ``[n, n_inputs]``; None: all."""
        presence = self.readings.presence
        return None if presence is None else torch.from_numpy(presence.rows(samples).mask).bool()

    def baseline(self, samples: NDArray[np.int64], x: Tensor) -> Tensor:
        """Return the mean inputs of the reference, ``[n, n_inputs]``; ``x`` itself where nothing was measured."""
        measured = self.measured(samples)
        centre = self.means.inputs.to(x.dtype).expand_as(x)
        return centre if measured is None else torch.where(measured, centre, x)

    def value(self, outputs: NDArray[np.int64] | int, scale: Scale) -> Value:
        """Return what takes the outputs of samples to the number that is explained, one output a sample."""
        task = self.model.task

        def chosen(values: Tensor) -> Tensor:
            if isinstance(outputs, int):
                return values[:, outputs]
            return values.gather(1, torch.from_numpy(outputs)[:, None])[:, 0]

        def value(values: Tensor) -> Tensor:
            if scale == "logit":
                return chosen(values) - values.mean(dim=1) if task == "classification" else chosen(values)
            if task == "classification":
                return chosen(values.softmax(dim=1))
            return chosen(values).sigmoid() if task == "multilabel" else chosen(values)

        return value

    def by_node(self, samples: NDArray[np.int64], inputs: Tensor, neurons: Tensor) -> NDArray[np.float32]:
        """Return sums over the inputs of every gene and the neurons of every inner node, ``[n_nodes, P]``.

        ``inputs [P, n_inputs]``, ``neurons [n_neurons, P]``. What was not measured counts 0.
        """
        rows = inputs.detach().t().numpy()
        if self.readings.presence is not None:
            rows = rows * self.readings.presence.rows(samples).mask.T
        number, genes = self._genes
        if len(genes) < len(number):
            ones = np.ones(len(number), dtype=rows.dtype)
            rows = sparse.csr_matrix((ones, (number, np.arange(len(number))))) @ rows
        inner = neurons.detach().numpy()
        widths = self.model.network.term_widths
        if len(widths) < len(inner):
            inner = np.add.reduceat(inner, np.cumsum(widths) - widths, axis=0)
        return self.with_holders(np.concatenate([rows, inner]).astype(np.float32, copy=False))

    def with_holders(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return scores ``[n_genes + n_inner, P]`` with those of what holds the motifs."""
        return self.holders.extend(scores).astype(np.float32, copy=False)

    def found(self, pairs: Pairs, inputs: Tensor, neurons: Tensor, slopes: Tensor) -> Found:
        """Return attributions by node; of motifs only those with ``slopes [n_neurons, P]`` above 0 are shown."""
        every = self.by_node(pairs.samples, inputs, neurons)
        if not len(self.model.blueprint.motifs):
            return Found(every, every)
        return Found(every, self.by_node(pairs.samples, inputs, neurons * (slopes > 0)))

    def batches(self, pairs: Pairs) -> Iterator[Pairs]:
        """Yield the pairs of a few samples at a time."""
        numbers, place = np.unique(pairs.samples, return_inverse=True)
        for start in range(0, len(numbers), self.batch_size):
            own = np.flatnonzero((place >= start) & (place < start + self.batch_size))
            yield Pairs(pairs.samples[own], pairs.outputs[own])

    def precise(self) -> Inquiry:
        """Return the same with a network in double precision, for small differences."""
        return replace(self, model=replace(self.model, network=copy.deepcopy(self.model.network).double()))


def _means(model: FittedModel, reference: Readings, batch_size: int) -> Means:
    hidden = torch.zeros(int(model.network.term_widths.sum()), dtype=torch.float64)
    for start in range(0, len(reference), batch_size):
        rows = np.arange(start, min(start + batch_size, len(reference)))
        _, activations = model.respond(reference.rows(rows))
        hidden += torch.from_numpy(activations).sum(dim=1, dtype=torch.float64)
    scaler = model.preprocessing.scaler
    values = reference.x
    if reference.presence is None:
        mean = values.mean(axis=0)
    else:
        mask = reference.presence.mask
        mean = (values * mask).sum(axis=0) / np.maximum(mask.sum(axis=0), 1)
    centre = (mean - scaler.mean) / scaler.sd
    # An input that was centred has the mean 0, which rounding would blur.
    centre = np.where((scaler.mean != 0) & (np.abs(centre) < 1e-3), 0.0, centre)
    return Means((hidden / len(reference)).float(), torch.from_numpy(centre.astype(np.float32)))
