"""The network of a :class:`kgreg.nn.sequence.design.SequenceDesign`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from kgreg.blueprint.model import Blueprint
from kgreg.errors import FitError
from kgreg.nn.guided import Given, GuidedNetwork, Passed, TaskLoss
from kgreg.nn.hierarchy import SparseRows
from kgreg.nn.inputs import Inputs, NetworkOutput
from kgreg.nn.readout import Link, average
from kgreg.nn.sequence.design import SequenceDesign
from kgreg.nn.sequence.encoding import one_hot
from kgreg.nn.sequence.layers.activation import ACTIVATIONS
from kgreg.nn.sequence.layers.joining import COVARIATES, Joined
from kgreg.nn.sequence.layers.layer import Beside
from kgreg.nn.sequence.layers.motifs import MotifConv
from kgreg.nn.sequence.layers.stack import Stack
from kgreg.nn.sequence.windows import augmented, windows

#: Numbers that a pass without gradients keeps at a time.
KEPT = 2**26

#: Modules of which :meth:`SequenceNetwork.stack` is made.
_PLAIN = (
    nn.Conv1d,
    nn.BatchNorm1d,
    nn.MaxPool1d,
    nn.AvgPool1d,
    nn.AdaptiveMaxPool1d,
    nn.AdaptiveAvgPool1d,
    nn.Dropout,
    nn.Dropout1d,
    nn.ConstantPad1d,
    nn.Flatten,
    nn.Linear,
)


@dataclass(frozen=True)
class GivenSequences(Given):
    """Sequences as codes, and what is read beside them: name of a block -> ``[batch, size]``."""

    blocks: Mapping[str, Tensor] = field(default_factory=dict)

    def rows(self, rows: slice) -> GivenSequences:
        """Return some of the samples."""
        some = super().rows(rows)
        blocks = {name: block[rows] for name, block in self.blocks.items()}
        return GivenSequences(some.x, some.covariates, some.present, some.sequences, blocks=blocks)


class SequenceNetwork(GuidedNetwork):
    """See :class:`SequenceDesign`.

    With a first layer of motifs, the named nodes are the motifs that have a filter. The activation of one is the
    largest of its filter over all positions (the mean of that over both strands with ``strands = "both"``, the larger
    with "max"). The layers above read where a filter answers, not this number alone; so the derivative that
    :meth:`trace` gives is that with respect to a common factor of all answers of the filter, at all positions and on
    both strands, in units of the largest: ``level * d output / d level = sum_p a_p d output / d a_p``. Other networks
    have no named nodes, and nothing is ranked.

    Attributes
    ----------
    layers, head
        From one-hot sequences to one vector, and from that to the outputs. What the head reads of each sample is
        ``Passed.extra``, ``[batch, head.in_features]`` (with both strands the mean of both).
    strands
        As the design has it.
    """

    def __init__(
        self, design: SequenceDesign, blueprint: Blueprint, n_outputs: int, n_covariates: int, link: Link
    ) -> None:
        context = design.context(blueprint, n_covariates)
        design.check(context)
        stack = Stack(design.layers, design.reads, context)
        nodes = stack.layers[0].nodes if isinstance(stack.layers[0], MotifConv) else []
        super().__init__(blueprint, n_outputs, nodes, [1] * len(nodes), n_covariates)
        self.design, self.link, self.strands = design, link, design.strands
        self._context = context
        self.layers = stack
        joined = any(isinstance(part, Joined) and part.of == COVARIATES for part in stack.modules())
        self._beside_head = n_covariates > 0 and not joined
        self.head = nn.Linear(stack.gives.channels + (n_covariates if self._beside_head else 0), n_outputs)

    # ---- passes ------------------------------------------------------------------------------------------------------

    def compute(self, given: Given) -> Passed:
        """See :meth:`kgreg.nn.guided.GuidedNetwork.compute`; without gradients in pieces that fit into memory."""
        pieces = self._pieces(given)
        if torch.is_grad_enabled() or self.training or len(pieces) == 1:
            return self._compute(given)
        parts = [self._compute(given.rows(piece)) for piece in pieces]
        levels = [torch.cat(same) for same in zip(*(part.levels for part in parts), strict=True)]
        return Passed(torch.cat([part.outputs for part in parts]), levels, torch.cat([part.extra for part in parts]))

    def trace(self, x: Tensor | Inputs) -> tuple[NetworkOutput, list[Tensor]]:
        """See :meth:`kgreg.nn.guided.GuidedNetwork.trace`, and the description of the class.

        What fits into memory is kept at a time; derivatives compute it again.
        """
        given = self.given(x)
        with torch.no_grad():
            passed = self.compute(given)
        outputs = passed.outputs.requires_grad_(True)
        if not passed.levels:
            return NetworkOutput(outputs, None, outputs.new_zeros(0, len(outputs)).detach()), []
        level = passed.levels[0].requires_grad_(True)
        parts = [
            checkpoint(self._outputs_of, given.rows(piece), level[piece], use_reentrant=False)
            for piece in self._pieces(given)
        ]
        return NetworkOutput(torch.cat(parts), None, level.detach().t()), [level]

    def from_one_hot(self, x: Tensor, covariates: Tensor | None = None, blocks: Beside | None = None) -> Tensor:
        """Return the outputs ``[batch, n_outputs]`` of sequences ``[batch, 4, length]``, in any real numbers.

        They equal those of the codes in evaluation mode, and can be derived with respect to ``x``. Of longer sequences
        than the network's the middle is read; the padding of ``pad`` is not part of them.
        """
        if x.dim() != 3 or x.shape[1] != 4:
            raise FitError(f"One-hot sequences have the shape [batch, 4, length], not {list(x.shape)}.")
        length = self._of(x.shape[2])
        start = (x.shape[2] - length) // 2
        return self._outputs(
            self._padded(x[:, :, start : start + length]), self._beside(covariates, blocks or {})
        ).outputs

    @property
    def first(self) -> nn.Conv1d | None:
        """The convolution that reads the sequence; None if the first layer is another."""
        leaves = _leaves(self.layers.layers[0])
        return leaves[0] if leaves and isinstance(leaves[0], nn.Conv1d) else None

    def stack(self) -> nn.Sequential | None:
        """Return the layers of one strand, from one-hot to outputs, as plain torch modules; None if there is more.

        They are the very modules of the network. Convolutions, batch normalisations, activations, pooling, dropout,
        flattening and linear maps are plain; towers, recurrent layers, attention, joined blocks and covariates are not,
        nor is the maximum over both strands.
        """
        plain: list[nn.Module] = []
        if self.design.pad:
            plain.append(nn.ConstantPad1d(self.design.pad, 0.25 if self.design.unknown == "quarter" else 0.0))
        for part in [*self.layers.layers, self.head]:
            plain += _leaves(part)
        more = [part for part in plain if not isinstance(part, _PLAIN) and not _elementwise(part)]
        return None if more or self.n_covariates or self.strands == "max" else nn.Sequential(*plain)

    def _pieces(self, given: Given) -> list[slice]:
        """Return the rows that are computed at a time; without rows one piece of none."""
        size = max(1, KEPT // self.design.activations(self._length(given), self._context))
        return [slice(start, start + size) for start in range(0, max(len(given.x), 1), size)]

    def _outputs_of(self, given: Given, level: Tensor) -> Tensor:
        return self._compute(given, level).outputs

    def _compute(self, given: Given, level: Tensor | None = None) -> Passed:
        codes, length = _codes(given), self._length(given)
        design = self.design
        codes = augmented(codes, length, design.jitter, design.turned) if self.training else windows(codes, length)
        x = one_hot(codes, design.unknown, self.head.weight.dtype)
        blocks = given.blocks if isinstance(given, GivenSequences) else {}
        return self._outputs(self._padded(x), self._beside(given.covariates, blocks), level)

    def _outputs(self, x: Tensor, beside: Beside, level: Tensor | None = None) -> Passed:
        """Return outputs, levels and what the head reads, of one-hot sequences with their padding.

        With ``level``, derivatives exist with respect to it.
        """
        strands = [x] if self._reads_one else [x, x.flip(1, 2)]
        first = self.layers.layers[0]
        maps: list[Tensor] = []
        levels: list[Tensor] = []
        if isinstance(first, MotifConv):
            maps = [first(strand) for strand in strands]
            tops = [found[:, : len(first.nodes)].amax(dim=2) for found in maps]
            top = tops[0]
            if len(tops) == 2:
                top = torch.maximum(*tops) if self.strands == "max" else (tops[0] + tops[1]) / 2
            levels = self.changed([top if level is None else level])
            if levels[0] is not top:
                (level,) = levels
                maps = [_scaled(found, level, top) for found in maps]
        read = [self._read(strand, maps[number] if maps else None, beside) for number, strand in enumerate(strands)]
        if self.strands == "max":
            joint = torch.maximum(*read)
            return Passed(self.head(joint), levels, joint)
        outputs = [self.head(one) for one in read]
        if len(outputs) == 1:
            return Passed(outputs[0], levels, read[0])
        both = torch.stack([one.t() for one in outputs])
        return Passed(average(both[None], self.link)[0].t(), levels, (read[0] + read[1]) / 2)

    def _read(self, x: Tensor, mapped: Tensor | None, beside: Beside) -> Tensor:
        """Return what the head reads of one strand; ``mapped`` is what the first layer gives, if that is known."""
        hidden = self.layers(x, beside) if mapped is None else self.layers.after_first(mapped, beside)
        return torch.cat([hidden, beside[COVARIATES]], dim=1) if self._beside_head else hidden

    @property
    def _reads_one(self) -> bool:
        return self.strands == "one" or (self.strands == "both" and self.training)

    def _padded(self, x: Tensor) -> Tensor:
        value = 0.25 if self.design.unknown == "quarter" else 0.0
        return nn.functional.pad(x, (self.design.pad, self.design.pad), value=value) if self.design.pad else x

    def _beside(self, covariates: Tensor | None, blocks: Beside) -> Beside:
        return dict(blocks) if covariates is None else {**blocks, COVARIATES: covariates}

    # ---- training ----------------------------------------------------------------------------------------------------

    def loss(self, passed: Passed, given: Given, target: Tensor, task_loss: TaskLoss) -> Tensor:
        """Return the loss of the task and the penalties."""
        loss = super().loss(passed, given, target, task_loss)
        if self.design.l2:
            weights = [p for p in self.parameters() if p.requires_grad and p.dim() > 1]
            loss = loss + self.design.l2 * torch.stack([weight.square().sum() for weight in weights]).sum()
        if self.design.activity_l1:
            loss = loss + self.design.activity_l1 * passed.extra.abs().sum(dim=1).mean()
        return loss

    def after_step(self, learning_rate: float) -> None:
        """Shrink filters and neurons to the largest norm that is allowed."""
        if self.design.max_norm is None:
            return
        for part in self.modules():
            if isinstance(part, (nn.Conv1d, nn.Linear)) and part.weight.requires_grad:
                norm = part.weight.flatten(1).norm(dim=1).clamp_min(torch.finfo(part.weight.dtype).tiny)
                factor = (self.design.max_norm / norm).clamp_max(1.0)
                part.weight.mul_(factor.reshape(-1, *[1] * (part.weight.dim() - 1)))

    # ---- what comes in -----------------------------------------------------------------------------------------------

    def given(self, x: Tensor | Inputs) -> GivenSequences:
        """See :meth:`kgreg.nn.guided.GuidedNetwork.given`; blocks go where a layer "join" names them."""
        inputs = x if isinstance(x, Inputs) else Inputs(x[None] if x.dim() == 2 else x)
        blocks = {}
        for name, block in inputs.blocks.items():
            table = block.dense(self.head.weight.dtype, self.device) if isinstance(block, SparseRows) else block
            shared = inputs.rows.get(name)
            blocks[name] = table[0] if shared is None else table[0][shared[0]]
        wanted = {part.of for part in self.layers.modules() if isinstance(part, Joined)} - {COVARIATES}
        if set(blocks) - wanted:
            unread = ", ".join(sorted(set(blocks) - wanted))
            raise FitError(f"No layer reads the blocks {unread}.", 'Add a layer "join", or leave out [data] blocks.')
        plain = super().given(_without_blocks(inputs))
        return GivenSequences(plain.x, plain.covariates, plain.present, plain.sequences, blocks=blocks)

    def _length(self, given: Given) -> int:
        """Return how many positions are read of every sequence."""
        return self._of(_codes(given).shape[1])

    def _of(self, there: int) -> int:
        """Return how many positions are read of sequences that have ``there``."""
        if self.design.length is None:
            return there
        if there < self.design.length:
            raise FitError(
                f"The network reads {self.design.length} positions, the sequences have {there}.",
                f"Read longer ones ([data.sequences] length), or set [network] length = {there}.",
            )
        return self.design.length


def _codes(given: Given) -> Tensor:
    if given.sequences is None:
        raise FitError("The network reads sequences, but the data have none.", "Give them in [data.sequences].")
    return given.sequences


def _without_blocks(inputs: Inputs) -> Inputs:
    return replace(inputs, blocks={}, rows={name: rows for name, rows in inputs.rows.items() if name == "genes"})


def _scaled(found: Tensor, level: Tensor, top: Tensor) -> Tensor:
    """Return a map with filters scaled by ``level`` over ``top``; derivatives exist with respect to ``level`` alone."""
    n, fixed = level.shape[1], found.detach()
    value = top.detach()
    share = fixed[:, :n] / torch.where(value == 0, torch.ones_like(value), value)[:, :, None]
    own = fixed[:, :n] + share * (level - value)[:, :, None]
    return torch.cat([own, fixed[:, n:]], dim=1)


def _leaves(part: nn.Module) -> list[nn.Module]:
    if isinstance(part, (nn.Sequential, MotifConv)):
        return [leaf for child in part.children() for leaf in _leaves(child)]
    return [part]


def _elementwise(part: nn.Module) -> bool:
    return isinstance(part, tuple(ACTIVATIONS.values()))
