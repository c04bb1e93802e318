"""What every output and every subsystem of one network does when genes fall silent, sample by sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from kgreg.decode.knockout.settings import Manipulation
from kgreg.fit.fitted import FittedModel
from kgreg.fit.readings import Readings, as_readings
from kgreg.nn.knockouts import KnockedOut

#: Parts of the samples, and what a knockout changes in each.
Changes = list[tuple[NDArray[np.int64], KnockedOut]]


@dataclass(frozen=True)
class KnockoutEffect:
    """Effect on single samples.

    ``outputs [n, n_outputs]``: change of probability, value or log hazard. ``subsystems [n_terms, n]``: root mean
    square change of the term's neurons, in standard deviations of each neuron over the samples.
    """

    outputs: NDArray[np.float32]
    subsystems: NDArray[np.float32]


@dataclass(frozen=True)
class Unchanged:
    """A network on its samples as they are.

    ``outputs [n, n_outputs]`` of the network itself; ``hidden [N, n]``.
    """

    model: FittedModel
    readings: Readings
    outputs: torch.Tensor
    hidden: NDArray[np.float32]

    @classmethod
    def of(cls, model: FittedModel, x: Readings | NDArray[np.float32]) -> Unchanged:
        """Pass samples through a network; ``x`` unscaled."""
        readings = as_readings(x)
        with torch.inference_mode():
            passed = model.network(model.preprocessing.apply(readings).everything())
        return cls(model, readings, passed.outputs, passed.hidden.numpy())

    @cached_property
    def predicted(self) -> NDArray[np.float32]:
        """What the outputs predict, ``[n, n_outputs]``."""
        return self.model.predicted(self.outputs)

    @cached_property
    def inverse_spread(self) -> NDArray[np.float64]:
        """``[N]`` 1 / standard deviation of every neuron over the samples; 0 for one that stays the same."""
        spread = self.hidden.astype(np.float64).std(axis=1)
        inverse: NDArray[np.float64] = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
        return inverse

    def changes(self, knockouts: Sequence[Sequence[int] | NDArray[np.int64]], how: Manipulation) -> Iterator[Changes]:
        """Yield for every knockout what it changes: parts of the samples, and the change in each.

        What a sample lacks stays as it is, so that samples with the same modalities are computed together.
        """
        factors, values = how.scaled(self.model.preprocessing.scaler)
        presence = self.readings.presence
        groups = [(np.arange(len(self.readings)), factors, values)]
        if presence is not None:
            patterns, which = np.unique(presence.present, axis=0, return_inverse=True)
            groups = []
            for p, pattern in enumerate(patterns):
                there = pattern[presence.modality_of] > 0
                rows = np.flatnonzero(which.reshape(-1) == p)
                groups.append((rows, factors, np.where(there, values, np.float32(0))))
        sweeps = [
            self.model.network.knock_out(
                self.model.preprocessing.apply(self.readings.rows(rows)).everything(),
                knockouts,
                torch.from_numpy(own),
                torch.from_numpy(kept),
            )
            for rows, kept, own in groups
        ]
        for changed in zip(*sweeps, strict=True):
            yield [(rows, one) for (rows, _, _), one in zip(groups, changed, strict=True)]

    def outputs_after(self, changes: Changes) -> torch.Tensor:
        """Return what the network puts out after a knockout, ``[n, n_outputs]``."""
        after = self.outputs.clone()
        for rows, changed in changes:
            if len(changed.samples):
                after[torch.from_numpy(rows[changed.samples])] = changed.outputs
        return after


def knock_out(
    model: FittedModel,
    x: Readings | NDArray[np.float32],
    genes: Sequence[int],
    silent: NDArray[np.float32] | float = 0.0,
    dose: float = 0.0,
) -> KnockoutEffect:
    """Set input genes to ``silent``, or to a dose of what they are, and compare with the network's own prediction.

    Parameters
    ----------
    x
        Samples, unscaled (``[n, n_inputs]`` if the network reads nothing else).
    genes
        Positions among the inputs.
    silent
        The value of a gene that is not expressed, in the units of ``x``; one for all, or ``[len(genes)]``.
    dose
        0: silent; 0.5: half of the distance from silence is left; 2: twice that distance.
    """
    values = np.zeros(model.network.n_inputs, dtype=np.float32)
    values[list(genes)] = silent
    how = Manipulation(np.full_like(values, dose), np.float32(1 - dose) * values, dose, "")
    return next(knock_out_each(model, x, [genes], how))


def knock_out_each(
    model: FittedModel,
    x: Readings | NDArray[np.float32],
    knockouts: Sequence[Sequence[int] | NDArray[np.int64]],
    how: Manipulation,
) -> Iterator[KnockoutEffect]:
    """As :func:`knock_out`, for one set of inputs after the other.

    Of the network only what reads a changed input is computed again, and only in samples where it changes. A modality
    that a sample lacks stays missing there.
    """
    unchanged = Unchanged.of(model, x)
    before, inverse = unchanged.hidden, unchanged.inverse_spread
    widths = model.network.term_widths
    for changes in unchanged.changes(knockouts, how):
        outputs = np.zeros_like(unchanged.predicted)
        squares = np.zeros(before.shape)
        for rows, changed in changes:
            members = rows[changed.samples]
            if len(members):
                outputs[members] = model.predicted(changed.outputs) - unchanged.predicted[members]
            at = np.ix_(changed.neurons, rows[changed.rows])
            moved = changed.hidden.numpy().astype(np.float64) - before[at]
            squares[at] = (moved * inverse[changed.neurons, None]) ** 2
        subsystems = squares[:0]
        if len(widths):
            subsystems = np.add.reduceat(squares, np.cumsum(widths) - widths, axis=0) / widths[:, None]
        yield KnockoutEffect(outputs, np.sqrt(subsystems).astype(np.float32))
