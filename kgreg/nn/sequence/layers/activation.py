"""Activations, as parts of other layers and as a layer of their own."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from kgreg.nn.sequence.layers.layer import Context, Layer, Shape


class Exponential(nn.Module):
    """``exp(x)``: first-layer filters become sparse and can be matched to motifs (Koo & Ploenzke 2021)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the exponential of every number."""
        return torch.exp(x)


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "exp": Exponential,
    "gelu": nn.GELU,
    "elu": nn.ELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softplus": nn.Softplus,
}

ActivationName = Literal["none", "relu", "exp", "gelu", "elu", "silu", "tanh", "sigmoid", "softplus"]


def activations(name: ActivationName) -> list[nn.Module]:
    """Return the module of an activation, none for "none"."""
    return [] if name == "none" else [ACTIVATIONS[name]()]


class Activation(Layer):
    """An activation by itself, for orders that the other layers do not have."""

    kind: Literal["activation"] = "activation"
    name: ActivationName = "relu"

    def shape(self, reads: Shape, context: Context) -> Shape:
        """See :meth:`Layer.shape`."""
        return reads

    def module(self, reads: Shape, context: Context) -> nn.Module:
        """See :meth:`Layer.module`."""
        return nn.Sequential(*activations(self.name))
