"""Fully connected encoders: from the features of a view to its factors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Literal

import torch
from torch import Tensor, nn

from kgreg.nn.dense import ACTIVATIONS, Activation

Connections = Literal["plain", "dense", "residual"]


class Encoder(nn.Module):
    """Linear layers with an activation (and dropout) between them; the last is linear.

    Parameters
    ----------
    n_inputs
        Features.
    widths
        Neurons of every layer; the last are the factors.
    connections
        "plain": a layer reads the one before. "dense": all layers before, side by side, but not the features (Huang et
        al. 2017). "residual": the layer before, which is also added to what it puts out where both are of one width (He
        et al. 2016).
    dropout
        Of the hidden neurons, in training.

    Shapes
    ------
    ``[batch, n_inputs]`` to ``[batch, widths[-1]]``.
    """

    def __init__(
        self,
        n_inputs: int,
        widths: Sequence[int],
        connections: Connections = "plain",
        activation: Activation = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.connections = connections
        self.layers = nn.ModuleList(
            nn.Linear(n, width) for n, width in zip(fan_in(n_inputs, widths, connections), widths, strict=True)
        )
        self.activation = ACTIVATIONS[activation]()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return the factors."""
        hidden: list[Tensor] = []
        read, last = x, len(self.layers) - 1
        for number, layer in enumerate(self.layers):
            out: Tensor = layer(read)
            if self.connections == "residual" and number and out.shape == read.shape:
                out = out + read
            if number == last:
                return out
            hidden.append(self.dropout(self.activation(out)))
            read = torch.cat(hidden, dim=1) if self.connections == "dense" else hidden[-1]
        return read


def fan_in(n_inputs: int, widths: Sequence[int], connections: Connections) -> list[int]:
    """Return what every layer of an encoder reads."""
    before = widths[:-1]
    return [n_inputs, *(accumulate(before) if connections == "dense" else before)]
