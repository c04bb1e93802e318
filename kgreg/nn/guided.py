"""What networks have in common that are not hierarchies: inner nodes with names, a loss of their own, knockouts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kgreg.blueprint.model import Blueprint
from kgreg.errors import FitError
from kgreg.nn.derivatives import change_of, derive
from kgreg.nn.hierarchy import SparseRows
from kgreg.nn.inputs import Change, Derivatives, Inputs, NetworkOutput, Value
from kgreg.nn.knockouts import KnockedOut

#: Takes outputs ``[n_outputs, batch]`` and a target; returns the loss of the task.
TaskLoss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Given:
    """Samples as a network reads them.

    Attributes
    ----------
    x
        ``[batch, n_inputs]`` in the order of ``blueprint.inputs``, scaled; 0 where a modality is missing.
    covariates
        ``[batch, n_covariates]``, or None.
    present
        ``[batch, n_modalities]`` 1 where a sample has the modality, else 0, in the order in which modalities appear
        in ``blueprint.inputs``; None: all are there.
    sequences
        ``[batch, length]`` codes of DNA (see :mod:`kgreg.nn.sequence.encoding`), or None.
    """

    x: Tensor
    covariates: Tensor | None = None
    present: Tensor | None = None
    sequences: Tensor | None = None

    def rows(self, rows: slice) -> Given:
        """Return some of the samples."""
        return Given(
            self.x[rows],
            None if self.covariates is None else self.covariates[rows],
            None if self.present is None else self.present[rows],
            None if self.sequences is None else self.sequences[rows],
        )


class Passed(NamedTuple):
    """What one pass computes.

    Attributes
    ----------
    outputs
        ``[batch, n_outputs]`` logits, values or log hazards.
    levels
        Activations of the named nodes, ``[batch, neurons]`` each, together in the order of ``term_ids``. They lie on
        the way from the inputs to the outputs: the outputs are computed from these very tensors, so that derivatives
        with respect to them exist. A level of nodes that the outputs do not read has no derivative and scores 0.
    extra
        What the loss of the network needs besides: reconstructions, moments, penalties.
    """

    outputs: Tensor
    levels: list[Tensor]
    extra: Any = None


class GuidedNetwork(nn.Module, ABC):
    """A network with named inner nodes that kgreg can train, decode, knock out and report.

    Attributes
    ----------
    term_ids, term_widths
        Names of the inner nodes (ids of ``blueprint.terms``, or factors of the network's own), and neurons of each.
    supervised
        Whether the training loss has the task in it. If not, the network is trained by ``loss`` alone, and then a
        linear head (``self.head``, an ``nn.Linear``) is fitted to what :meth:`read` returns of the training samples.
    judges
        Whether :meth:`judge` is to see the stopping part after every epoch.
    probe_p
        Of a network that is not supervised: the p value below which a unit of the named nodes must tell something of
        the outcome by itself for the head to read it. None: the head reads all.
    piece
        Samples that are computed at a time where no gradient is needed.
    """

    supervised: bool = True
    judges: bool = False
    probe_p: float | None = None
    piece: int = 4096
    head: nn.Linear
    _change: Change | None = None

    def __init__(
        self,
        blueprint: Blueprint,
        n_outputs: int,
        term_ids: Sequence[str],
        term_widths: Sequence[int] | NDArray[np.int64],
        n_covariates: int = 0,
    ) -> None:
        super().__init__()
        if n_outputs < 1:
            raise FitError(f"A network needs at least one output, not {n_outputs}.")
        if blueprint.inputs.empty and not (blueprint.nodes["kind"] == "sequence").any():
            raise FitError("A network needs at least one input.", "Check that data and knowledge share genes.")
        self.n_inputs, self.n_outputs, self.n_covariates = len(blueprint.inputs), n_outputs, n_covariates
        self.term_ids = list(term_ids)
        self.term_widths = np.asarray(term_widths, dtype=np.int64)

    # ---- what a kind of network brings along -----------------------------------------------------------------------

    @abstractmethod
    def compute(self, given: Given) -> Passed:
        """Do one pass. Draws (dropout, latent variables) come from torch's generator, and only in training."""

    def loss(self, passed: Passed, given: Given, target: Tensor, task_loss: TaskLoss) -> Tensor:
        """Return the training loss of a batch: by default that of the task alone."""
        return task_loss(passed.outputs.t(), target)

    def begin(self, given: Given, target: Tensor) -> None:
        """Look at all training samples once, before the first step: for statistics in buffers, and first weights.

        ``target`` is what the loss of the task takes; a network that is not supervised leaves it alone.
        """

    def at_epoch(self, epoch: int) -> None:
        """Be told that an epoch begins, counted from 0: for weights of the loss that change."""

    def judge(self, passed: list[Passed], target: Tensor, task_loss: TaskLoss) -> None:
        """Look at the stopping part after an epoch, in evaluation mode: its passes, piece by piece, and its target.

        Called where ``judges`` is set, and the training loss has the task in it.
        """

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Return the groups of parameters for the optimiser; each may set its own ``lr`` and ``weight_decay``."""
        return [{"params": [parameter for parameter in self.parameters() if parameter.requires_grad]}]

    def after_step(self, learning_rate: float) -> None:
        """Bring parameters back to where they must be, after a step of the optimiser: clamps, proximal operators."""

    def read(self, passed: Passed) -> Tensor:
        """Return what the head reads, ``[batch, head.in_features]``: by default all levels."""
        return torch.cat(passed.levels, dim=1)

    def edge_attention(self, x: Tensor | Inputs) -> Tensor | None:
        """Return how much attention goes along each interaction, mean over the samples; None without attention.

        In units of uniform attention, ``[n_interactions]`` in the order of ``blueprint.interactions``; NaN for one that
        the network does not use.
        """
        return None

    # ---- what all of them offer --------------------------------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

    def forward(self, x: Tensor | Inputs, seeds: NDArray[np.int64] | None = None) -> NetworkOutput:
        """Compute outputs ``[batch, n_outputs]`` and activations ``[neurons, batch]``, in pieces without gradients."""
        given = self.given(x)
        if torch.is_grad_enabled():
            return _as_output(self.compute(given))
        starts = range(0, max(len(given.x), 1), self.piece)
        pieces = [_as_output(self.compute(given.rows(slice(start, start + self.piece)))) for start in starts]
        outputs = torch.cat([piece.outputs for piece in pieces])
        return NetworkOutput(outputs, None, torch.cat([piece.hidden for piece in pieces], dim=1))

    def predict(self, x: Tensor | Inputs) -> Tensor:
        """Return the outputs alone, ``[batch, n_outputs]``."""
        return self(x).outputs  # type: ignore[no-any-return]

    def trace(self, x: Tensor | Inputs) -> tuple[NetworkOutput, list[Tensor]]:
        """Compute outputs, and the activations of the inner nodes, for gradients with respect to these."""
        passed = self.compute(self.given(x))
        return _as_output(passed), passed.levels

    def through(self, gradients: Sequence[Tensor]) -> Tensor:
        """Return derivatives with respect to what :meth:`trace` gave, as ``[neurons, batch]``."""
        return torch.cat([gradient.t() for gradient in gradients]) if gradients else torch.zeros(0, 1)

    def derivatives(self, x: Tensor | Inputs, values: Sequence[Value]) -> tuple[NetworkOutput, list[Derivatives]]:
        """Compute one pass, and derivatives of each of ``values`` by all inputs and inner nodes."""
        given = self.given(x)
        genes = given.x.detach()[None].requires_grad_(True)
        out, levels = self.trace(_inputs(replace(given, x=genes[0])))
        return out, derive(out.outputs, values, genes, levels, self.through)

    def intervene(self, x: Tensor | Inputs, change: Change) -> NetworkOutput:
        """Compute one pass in which ``change`` sets activations of inner nodes, level by level.

        What it returns is what the rest of the network reads; derivatives exist with respect to that.
        """
        self._change = change
        try:
            return _as_output(self.compute(self.given(x)))
        finally:
            self._change = None

    def set_terms(self, x: Tensor | Inputs, times: float, plus: Tensor) -> Iterator[Tensor]:
        """Set every inner node by itself to ``times * h + plus`` and yield the outputs then, ``[batch, n_outputs]``.

        ``plus [neurons]`` in the order of ``NetworkOutput.hidden``. A full pass each.
        """
        stops = np.cumsum(self.term_widths).tolist()
        for width, stop in zip(self.term_widths.tolist(), stops, strict=True):
            yield self.intervene(x, change_of(slice(stop - width, stop), times, plus)).outputs

    def changed(self, levels: list[Tensor]) -> list[Tensor]:
        """Return the levels, ``[batch, neurons]`` each, as the rest of a pass is to read them: see :meth:`intervene`.

        Every network passes its levels through this in :meth:`compute`, all at once, before it reads them.
        """
        if self._change is None:
            return levels
        found, start = [], 0
        for level in levels:
            stop = start + level.shape[1]
            found.append(self._change(slice(start, stop), level.t()).t())
            start = stop
        return found

    def knock_out(
        self,
        x: Tensor | Inputs,
        columns: Sequence[Sequence[int] | NDArray[np.int64]],
        values: Tensor | float = 0.0,
        factors: Tensor | float = 0.0,
    ) -> Iterator[KnockedOut]:
        """Set inputs to other values, once for each entry of ``columns``, by a full pass each; in evaluation mode.

        ``columns`` are positions in ``blueprint.inputs``; an input x becomes ``factors * x + values``, either one
        number or ``[n_inputs]``.
        """
        if self.training:
            raise FitError("Knockouts are computed in evaluation mode.", "Call eval() first.")
        given = self.given(x)
        silent, kept = (
            torch.as_tensor(one, dtype=given.x.dtype, device=given.x.device).reshape(-1).expand(self.n_inputs)
            for one in (values, factors)
        )
        neurons, rows = np.arange(int(self.term_widths.sum())), np.arange(len(given.x))
        for knocked in columns:
            which = torch.as_tensor(np.asarray(knocked, dtype=np.int64), device=given.x.device)
            changed = given.x.clone()
            changed[:, which] = kept[which] * given.x[:, which] + silent[which]
            with torch.no_grad():
                out = self(_inputs(replace(given, x=changed)))
            yield KnockedOut(rows, out.outputs, neurons, rows, out.hidden)

    def given(self, x: Tensor | Inputs) -> Given:
        """Return the samples in the form that :meth:`compute` takes.

        Raises
        ------
        FitError
            If they do not fit the network.
        """
        inputs = x if isinstance(x, Inputs) else Inputs(x[None] if x.dim() == 2 else x)
        genes = inputs.genes
        if isinstance(genes, SparseRows):
            parameter = next(self.parameters())
            genes = genes.dense(parameter.dtype, parameter.device)
        if genes.shape[0] != 1 or genes.shape[2] != self.n_inputs:
            raise FitError(f"The network reads {self.n_inputs} features, the data have {genes.shape[2]}.")
        columns = 0 if inputs.covariates is None else inputs.covariates.shape[2]
        if columns != self.n_covariates:
            raise FitError(f"The network reads {self.n_covariates} columns of covariates, the data have {columns}.")
        if inputs.blocks:
            raise FitError(
                f"This network has no place for the blocks {', '.join(inputs.blocks)}.", "Leave out [data] blocks."
            )
        return Given(
            genes[0],
            None if inputs.covariates is None else inputs.covariates[0],
            None if inputs.present is None else inputs.present[0],
            None if inputs.sequences is None else inputs.sequences[0],
        )

    def n_parameters(self) -> int:
        """Return the number of trainable parameters."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)


def _inputs(given: Given) -> Inputs:
    """Return samples as :meth:`GuidedNetwork.forward` takes them."""
    covariates = None if given.covariates is None else given.covariates[None]
    present = None if given.present is None else given.present[None]
    sequences = None if given.sequences is None else given.sequences[None]
    return Inputs(given.x[None], covariates=covariates, present=present, sequences=sequences)


def _as_output(passed: Passed) -> NetworkOutput:
    levels = [level.detach().t() for level in passed.levels]
    hidden = torch.cat(levels) if levels else passed.outputs.new_zeros(0, len(passed.outputs))
    return NetworkOutput(passed.outputs, None, hidden)
