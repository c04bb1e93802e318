"""A first layer whose filters start from known motifs, beside others that start at random (Quang & Xie 2016)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from kgreg.errors import FitError
from kgreg.nn.motif.filters import Encoding, base_probabilities, motif_filter
from kgreg.nn.sequence.layers.activation import ActivationName, activations
from kgreg.nn.sequence.layers.convolution import Count, Padding, convolution, filtered
from kgreg.nn.sequence.layers.layer import Context, Layer, Shape

_LOG = logging.getLogger(__name__)


class Motifs(Layer):
    """Filters of one width, of which a ``share`` starts from the motifs of the guide. It must be the first layer.

    A motif lies at a place of its own within its filter; the cells around it, and the filters without a motif, keep
    their random start. A motif that is wider than the filters is cut to its window of the highest information content.

    Attributes
    ----------
    filters
        How many; by default so many that all motifs have one.
    width
        Of all filters; by default that of the widest motif.
    share
        At most this share of the filters starts from motifs.
    choose
        With more motifs than places: "all" is an error, "information" takes those with the highest information content.
    encoding, pseudocount
        From counts to a filter, see :func:`kgreg.nn.motif.filters.motif_filter`.
    offset, margin
        "random": a motif begins anywhere that leaves ``margin`` cells free at either end (or anywhere, where it is too
        wide for that); "centre": in the middle.
    threshold
        The biases of filters with a motif are drawn evenly from between these.
    trainable
        Whether the filters learn; the biases always do.
    """

    kind: Literal["motifs"] = "motifs"
    filters: Count | None = None
    width: Count | None = None
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    choose: Literal["all", "information"] = "all"
    encoding: Encoding = "centred"
    pseudocount: Annotated[float, Field(ge=0)] = 1.0
    offset: Literal["random", "centre"] = "random"
    margin: Annotated[int, Field(ge=0)] = 3
    threshold: tuple[float, float] = (-1.0, 0.0)
    padding: Padding = "valid"
    activation: ActivationName = "relu"
    norm: bool = False
    trainable: bool = True

    def shape(self, reads: Shape, context: Context) -> Shape:
        """See :meth:`Layer.shape`."""
        if not context.motifs:
            raise FitError("the guide has no motifs", 'Set [knowledge] guide = "motifs", or use a layer "conv".')
        return filtered(reads, self._count(context.motifs), self._width(context.motifs), self.padding, 1, 1)

    def module(self, reads: Shape, context: Context) -> MotifConv:
        """See :meth:`Layer.module`."""
        count, width = self._count(context.motifs), self._width(context.motifs)
        chosen = self._chosen(context.motifs, int(count * self.share))
        parts = convolution(reads.channels, count, width, self.padding)
        conv = parts[-1]
        assert isinstance(conv, nn.Conv1d)
        conv.weight.requires_grad_(self.trainable)
        assert conv.bias is not None
        cut = 0
        with torch.no_grad():
            for row, (node, counts) in enumerate(chosen.items()):
                best = most_informative(counts, width, self.pseudocount, node)
                cut += len(best) < len(counts)
                filters = motif_filter(best, self.encoding, self.pseudocount, name=node)
                start = self._start(len(best), width)
                conv.weight[row, :, start : start + len(best)] = torch.from_numpy(filters.T).to(conv.weight)
            low, high = self.threshold
            drawn = low + (high - low) * torch.rand(len(chosen), device="cpu")
            conv.bias[: len(chosen)] = drawn.to(conv.bias)
        if cut:
            _LOG.info("%d motifs are wider than the filters and were cut to %d positions.", cut, width)
        norm = [nn.BatchNorm1d(count)] if self.norm else []
        return MotifConv(list(chosen), [*parts, *norm, *activations(self.activation)])

    def _count(self, motifs: Mapping[str, NDArray[np.float64]]) -> int:
        return self.filters or -(-len(motifs) * 1000 // round(self.share * 1000))

    def _width(self, motifs: Mapping[str, NDArray[np.float64]]) -> int:
        return self.width or max(len(counts) for counts in motifs.values())

    def _chosen(self, motifs: Mapping[str, NDArray[np.float64]], places: int) -> dict[str, NDArray[np.float64]]:
        """Return the motifs that have a filter, in the order of the blueprint."""
        if len(motifs) <= places:
            return dict(motifs)
        if self.choose == "all":
            raise FitError(
                f"{len(motifs)} motifs have only {places} filters",
                'Choose fewer motifs, raise filters or share, or set choose = "information".',
            )
        content = {node: information(counts, self.pseudocount, node).sum() for node, counts in motifs.items()}
        best = set(sorted(content, key=lambda node: -content[node])[:places])
        return {node: counts for node, counts in motifs.items() if node in best}

    def _start(self, motif: int, width: int) -> int:
        free = width - motif
        if self.offset == "centre":
            return free // 2
        margin = self.margin if free >= 2 * self.margin else 0
        return int(torch.randint(margin, free - margin + 1, (), device="cpu"))


class MotifConv(nn.Module):
    """Convolution, normalisation and activation; the first ``len(nodes)`` filters start from the motifs ``nodes``."""

    def __init__(self, nodes: list[str], parts: list[nn.Module]) -> None:
        super().__init__()
        self.nodes = nodes
        self.layers = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[batch, filters, positions]``."""
        mapped: Tensor = self.layers(x)
        return mapped


def information(counts: NDArray[np.float64], pseudocount: float, name: str) -> NDArray[np.float64]:
    """Return the information content of every position in bits, ``[width]``, for equal background frequencies."""
    p = base_probabilities(counts, pseudocount, name=name)
    with np.errstate(divide="ignore", invalid="ignore"):
        content: NDArray[np.float64] = np.where(p > 0, p * np.log2(p / 0.25), 0.0).sum(axis=1)
    return content


def most_informative(counts: NDArray[np.float64], width: int, pseudocount: float, name: str) -> NDArray[np.float64]:
    """Return the ``width`` positions in a row with the highest information content; all, if there are no more."""
    if len(counts) <= width:
        return counts
    sums = np.convolve(information(counts, pseudocount, name), np.ones(width), mode="valid")
    start = int(sums.argmax())
    return counts[start : start + width]
