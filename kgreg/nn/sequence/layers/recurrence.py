"""Recurrent layers along the sequence."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from kgreg.nn.sequence.layers.convolution import Count
from kgreg.nn.sequence.layers.layer import Context, Layer, Shape, map_of


class Recurrent(Layer):
    """An LSTM or GRU along the positions, by default in both directions, which stand side by side.

    ``gives`` "sequence": the state at every position; "last": the state after the last position that each direction
    reads.
    """

    kind: Literal["recurrent"] = "recurrent"
    cell: Literal["lstm", "gru"] = "lstm"
    units: Count
    bidirectional: bool = True
    gives: Literal["sequence", "last"] = "sequence"

    def shape(self, reads: Shape, context: Context) -> Shape:
        """See :meth:`Layer.shape`."""
        channels = self.units * (2 if self.bidirectional else 1)
        length = map_of(reads).positions
        return Shape(channels, length) if self.gives == "sequence" else Shape(channels, vector=True)

    def module(self, reads: Shape, context: Context) -> nn.Module:
        """See :meth:`Layer.module`."""
        return RecurrentMap(reads.channels, self.units, self.cell, self.bidirectional, self.gives == "last")


class RecurrentMap(nn.Module):
    """A recurrent layer that reads and gives ``[batch, channels, positions]`` (``last``: gives ``[batch, channels]``).

    torch adds two biases to every gate. In an LSTM only their sum matters: the second is held at 0 and is no parameter,
    so that there are as many parameters as in the papers. In a GRU it has a meaning of its own, and is learned.
    """

    def __init__(self, channels: int, units: int, cell: str, bidirectional: bool, last: bool) -> None:
        super().__init__()
        self.last = last
        kinds = {"lstm": nn.LSTM, "gru": nn.GRU}
        self.cell = kinds[cell](channels, units, batch_first=True, bidirectional=bidirectional)
        if cell == "lstm":
            for name, bias in self.cell.named_parameters():
                if name.startswith("bias_hh"):
                    bias.requires_grad_(False)
                    nn.init.zeros_(bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the states."""
        states, final = self.cell(x.transpose(1, 2))
        if not self.last:
            along: Tensor = states.transpose(1, 2)
            return along
        hidden = final[0] if isinstance(final, tuple) else final
        return torch.cat(list(hidden), dim=1)
