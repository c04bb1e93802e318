"""What a network reads, and what one pass computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor

from kgreg.nn.hierarchy import SparseRows

#: Takes which neurons of the inner nodes these are, and their activations ``[n, batch]``; returns what stands instead.
Change = Callable[[slice, Tensor], Tensor]

#: Takes outputs ``[batch, n_outputs]``; returns one number a sample, ``[batch]``.
Value = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Inputs:
    """What a network reads; R networks side by side, B samples.

    Attributes
    ----------
    genes
        ``[R, U, n_inputs]`` in the order of ``blueprint.inputs``.
    blocks
        Name -> ``[R, V, size]``.
    covariates
        ``[R, B, n_covariates]``.
    rows
        "genes" or the name of a block -> ``[R, B]``: which of its U (or V) rows each sample has, for rows that several
        samples share; those are computed once. Absent: every sample has its own.
    counts
        ``[R, B]``: 0 for samples that only fill up a batch, else 1. Default: all 1.
    present
        ``[R, B, n_modalities]``: 1 where a sample has the modality, else 0. Default: all are there.
    sequences
        ``[R, B, length]`` codes of DNA, uint8 (see :mod:`kgreg.nn.sequence.encoding`). Default: there are none.
    """

    genes: Tensor | SparseRows
    blocks: Mapping[str, Tensor | SparseRows] = field(default_factory=dict)
    covariates: Tensor | None = None
    rows: Mapping[str, Tensor] = field(default_factory=dict)
    counts: Tensor | None = None
    present: Tensor | None = None
    sequences: Tensor | None = None


class NetworkOutput(NamedTuple):
    """What one pass computes; a leading R where there are several networks.

    ``outputs [batch, n_outputs]`` (logits or values); ``auxiliary [n_heads, n_outputs, batch]`` or None; ``hidden``
    ``[neurons of the terms, rows of the genes]``.
    """

    outputs: Tensor
    auxiliary: Tensor | None
    hidden: Tensor


class Derivatives(NamedTuple):
    """Total derivatives of a value, through all paths: by inputs ``[batch, n_inputs]``, by neurons ``[n, batch]``."""

    inputs: Tensor
    neurons: Tensor
