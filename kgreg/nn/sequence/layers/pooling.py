"""Pooling over windows, or over all positions."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from kgreg.errors import FitError
from kgreg.nn.sequence.layers.layer import Context, Layer, Shape, map_of


class Pool(Layer):
    """The largest, the mean or an attention-weighted mean of windows; positions left over at the end are left out.

    Attributes
    ----------
    how
        "max", "mean", "max-mean" (both, side by side), or "attention" (see :class:`AttentionPool`).
    width, stride
        Of the windows, which lie side by side by default. Without a width all positions make one window, and what
        comes out is a vector.
    """

    kind: Literal["pool"] = "pool"
    how: Literal["max", "mean", "max-mean", "attention"] = "max"
    width: Annotated[int, Field(ge=1)] | None = None
    stride: Annotated[int, Field(ge=1)] | None = None

    def shape(self, reads: Shape, context: Context) -> Shape:
        """See :meth:`Layer.shape`."""
        channels = map_of(reads).channels * (2 if self.how == "max-mean" else 1)
        if self.width is None:
            if self.stride is not None:
                raise FitError("a stride means nothing without a width")
            return Shape(channels, vector=True)
        if self.how == "attention" and self.stride not in (None, self.width):
            raise FitError("windows with attention lie side by side; remove the stride")
        if reads.positions is None:
            return Shape(channels)
        if reads.positions < self.width:
            raise FitError(
                f"a window of {self.width} does not fit into {reads.positions} positions",
                "Give the network longer sequences ([network] length), or smaller windows.",
            )
        return Shape(channels, (reads.positions - self.width) // (self.stride or self.width) + 1)

    def module(self, reads: Shape, context: Context) -> nn.Module:
        """See :meth:`Layer.module`."""
        if self.how == "attention":
            return AttentionPool(reads.channels, self.width)
        parts = {"max": nn.MaxPool1d, "mean": nn.AvgPool1d}
        whole = {"max": nn.AdaptiveMaxPool1d, "mean": nn.AdaptiveAvgPool1d}
        pools = [whole[how](1) if self.width is None else parts[how](self.width, self.stride) for how in self._names()]
        pool = pools[0] if len(pools) == 1 else SideBySide(pools)
        return nn.Sequential(pool, nn.Flatten()) if self.width is None else pool

    def _names(self) -> list[str]:
        return self.how.split("-")


class SideBySide(nn.Module):
    """Modules that read the same; their channels stand one below the other."""

    def __init__(self, modules: list[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(modules)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[batch, channels of all, positions]``."""
        return torch.cat([part(x) for part in self.parts], dim=1)


class AttentionPool(nn.Module):
    """``sum_p a_cp x_cp`` over a window, with ``a_c = softmax_p(w_c . x_p)`` for every channel (Avsec et al. 2021).

    The weights start as twice the identity, which lies between the mean and the largest value.

    Parameters
    ----------
    width
        Of the windows; None: one window over all positions.

    Shapes
    ------
    ``[batch, channels, positions]`` to ``[batch, channels, positions // width]``, or ``[batch, channels]``.
    """

    def __init__(self, channels: int, width: int | None) -> None:
        super().__init__()
        self.width = width
        self.weight = nn.Parameter(2 * torch.eye(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return the pooled channels."""
        width = x.shape[2] if self.width is None else self.width
        n = x.shape[2] // width
        windows = x[:, :, : n * width].reshape(*x.shape[:2], n, width)
        logits = torch.einsum("dc,bcnw->bdnw", self.weight, windows)
        pooled: Tensor = (logits.softmax(dim=3) * windows).sum(dim=3)
        return pooled[:, :, 0] if self.width is None else pooled
