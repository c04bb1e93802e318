"""A bank of motifs of mixed width as one module: the best window of every motif in every sequence, on both strands."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kgreg.errors import FitError
from kgreg.nn.motif import kernels
from kgreg.nn.sequence.encoding import one_hot
from kgreg.nn.threads import use_threads

#: How the scores of all windows become one number; see :class:`MotifBank`.
Pooling = Literal["max", "top", "logsumexp", "mean"]


class MotifBank(nn.Module):
    """Filters of mixed width that are slid along both strands of sequences, and what is pooled of their scores.

    The score of a window is the sum of what the filter holds for its bases; a base that is none (code 4) counts 0.
    Windows lie fully inside the sequence. The reverse strand is read with the same weights.

    What is pooled over all windows of both strands:

    - "max": the best. On the CPU, codes are scored by tables (:mod:`kgreg.nn.motif.kernels`), and the gradient of
      the weights is gathered from the winning windows alone. Of equal windows the first counts: along the forward
      strand, then along the reverse strand.
    - "top": the mean of the ``n_top`` best.
    - "logsumexp": ``log2 mean 2^score``; with log-odds in bits, the likelihood ratio of "one site, anywhere".
    - "mean": the mean.

    Parameters
    ----------
    filters
        Id -> ``[width, 4]``, columns A, C, G, T.
    pooling, n_top
        As said.

    Attributes
    ----------
    ids
        Of the motifs, in the order of the scores.
    widths
        Of the motifs, ``[n]``.
    weight
        All filters, one below the other, ``[sum of widths, 4]``.
    start
        What ``weight`` was in the beginning.

    Raises
    ------
    FitError
        If there is no filter, or one is not ``[width, 4]``.
    """

    start: Tensor

    def __init__(self, filters: Mapping[str, NDArray[Any]], pooling: Pooling = "max", n_top: int = 3) -> None:
        super().__init__()
        if not filters:
            raise FitError("A motif bank needs at least one motif.", "Choose motifs under [knowledge].")
        for name, values in filters.items():
            if values.ndim != 2 or values.shape[1] != 4 or not len(values):
                raise FitError(f"The filter of {name} has the shape {values.shape}, not (width, 4).")
        self.ids, self.pooling, self.n_top = list(filters), pooling, n_top
        self.widths = np.array([len(values) for values in filters.values()], dtype=np.int64)
        # In C order: fused optimisers take it for granted that gradients lie in memory as their parameters do.
        packed = np.concatenate(list(filters.values())).astype(np.float32, order="C")
        self.weight = nn.Parameter(torch.from_numpy(packed))
        self.register_buffer("start", torch.from_numpy(packed.copy()))
        self._offsets = np.concatenate([[0], np.cumsum(self.widths)[:-1]])
        self._plan = _Plan(self.widths, self._offsets)

    def forward(self, codes: Tensor) -> Tensor:
        """Return the pooled score of every motif, ``[batch, n]``, of codes ``[batch, L]`` (uint8; 0..3, else no base).

        Raises
        ------
        FitError
            If a motif is wider than the sequences.
        """
        self.check_length(codes.shape[1])
        if self.pooling == "max" and self.weight.device.type == "cpu":
            return _BestWindows.apply(self.weight, codes, self._plan)  # type: ignore[no-any-return,no-untyped-call]
        return self.dense(self._encode(codes))

    def dense(self, x: Tensor) -> Tensor:
        """Return the pooled score of every motif, ``[batch, n]``, of any ``x [batch, 4, L]``; it has derivatives."""
        pooled = x.new_zeros(len(x), len(self.ids))
        self.check_length(x.shape[2])
        for members, scores in self._scores_by_width(x):
            places = torch.from_numpy(members).to(x.device)
            pooled = pooled.index_copy(1, places, self._pool(scores.flatten(2)))
        return pooled

    def score_map(self, x: Tensor) -> Tensor:
        """Return the score of every window, ``[batch, n, 2, L]``: of the forward strand, then of the reverse strand.

        ``x`` is ``[batch, L]`` codes or ``[batch, 4, L]``. Position p holds the window whose leftmost base, as the
        sequence is written, is p; minus infinity where it would not fit.
        """
        x = self._encode(x) if x.dim() == 2 else x
        self.check_length(x.shape[2])
        scores = x.new_full((len(x), len(self.ids), 2, x.shape[2]), -torch.inf)
        for members, found in self._scores_by_width(x):
            scores[:, torch.from_numpy(members).to(x.device), :, : found.shape[3]] = found
        return scores

    def best_sites(self, codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return of the best window of every motif score, leftmost base and strand (0 or 1), ``[batch, n]`` each."""
        scores = self.score_map(codes).flatten(2)
        score, place = scores.detach().max(dim=2)
        return score, place % codes.shape[1], place // codes.shape[1]

    def filters(self, of: Tensor | None = None) -> list[Tensor]:
        """Return the filters (of other values in the form of ``weight``, if given), ``[width, 4]`` each."""
        return list(torch.split(self.weight if of is None else of, self.widths.tolist()))

    def content_hash(self) -> str:
        """Return the SHA-256 (hex) of what the scores follow from: filters, widths and pooling."""
        values = self.weight.detach().cpu().contiguous().numpy()
        digest = hashlib.sha256(f"{values.dtype} {self.pooling} {self.n_top}".encode())
        digest.update(self.widths.tobytes())
        digest.update(values.tobytes())
        return digest.hexdigest()

    def owner(self) -> Tensor:
        """Return the motif that every row of ``weight`` belongs to, ``[sum of widths]``."""
        return torch.from_numpy(np.repeat(np.arange(len(self.ids)), self.widths)).to(self.weight.device)

    def _encode(self, codes: Tensor) -> Tensor:
        return one_hot(codes.to(self.weight.device), dtype=self.weight.dtype)

    def check_length(self, length: int) -> None:
        """Refuse sequences in which a motif does not fit.

        Raises
        ------
        FitError
            If a motif is wider than the sequences; names it.
        """
        if length < self.widths.max():
            widest = int(self.widths.argmax())
            raise FitError(
                f"The motif {self.ids[widest]} is {self.widths[widest]} bases wide, the sequences have {length}.",
                "Take longer sequences, or leave the motif out.",
            )

    def extra_repr(self) -> str:
        return f"{len(self.ids)} motifs, widths {self.widths.min()} to {self.widths.max()}, pooling={self.pooling}"

    def _scores_by_width(self, x: Tensor) -> Any:
        """Yield the positions of the motifs of one width, and their scores ``[batch, members, 2, windows]``."""
        for width, members in self._plan.by_width:
            rows = torch.from_numpy(self._offsets[members][:, None] + np.arange(width)).to(x.device)
            forward = self.weight[rows].transpose(1, 2)  # [members, 4, width]
            both = torch.cat([forward, forward.flip(1, 2)])
            scores = nn.functional.conv1d(x, both)
            yield members, scores.reshape(len(x), 2, len(members), -1).transpose(1, 2)

    def _pool(self, scores: Tensor) -> Tensor:
        """Return one number of the scores of all windows ``[batch, members, windows]``."""
        if self.pooling == "max":
            return scores.max(dim=2).values
        if self.pooling == "top":
            return scores.topk(min(self.n_top, scores.shape[2]), dim=2).values.mean(dim=2)
        if self.pooling == "mean":
            return scores.mean(dim=2)
        likelihood: Tensor = torch.logsumexp(scores * np.log(2), dim=2) / np.log(2) - np.log2(scores.shape[2])
        return likelihood


class _Plan:
    """How the motifs stand in the table of the kernels, and which have one width.

    Attributes
    ----------
    order
        The motifs by width, as the tiles take them.
    offset, width
        First row in the packed weights, and width, in that order.
    first, blocks
        Of every tile; see :mod:`kgreg.nn.motif.kernels`.
    by_width
        Width, and the motifs that have it.
    """

    def __init__(self, widths: NDArray[np.int64], offsets: NDArray[np.int64]) -> None:
        self.order = np.argsort(widths, kind="stable")
        self.offset, self.width = offsets[self.order], widths[self.order]
        last = np.minimum(np.arange(kernels.LANES, len(widths) + kernels.LANES, kernels.LANES), len(widths)) - 1
        needed = -(-self.width[last] // kernels.WORD)
        self.blocks = np.maximum(needed + needed % 2, 4)  # the kernel takes four, then two at a time
        self.first = np.concatenate([[0], np.cumsum(self.blocks)[:-1]]) * kernels.WORDS
        self.rows = int(self.blocks.sum()) * kernels.WORDS
        self.tail = int(self.blocks.max()) * kernels.WORD
        groups = groupby(self.order.tolist(), key=lambda m: int(widths[m]))
        self.by_width = [(width, np.array(list(members))) for width, members in groups]


class _BestWindows(torch.autograd.Function):
    """The best window of every motif by tables; backward, what the winning windows gather."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, codes: Tensor, plan: _Plan) -> Tensor:
        use_threads()
        values, bases = weight.detach().contiguous().numpy(), np.ascontiguousarray(codes.numpy())
        table = np.empty((plan.rows, kernels.LANES), values.dtype)
        kernels.fill_table(values, plan.offset, plan.width, plan.first, plan.blocks, table)
        words = kernels.read_words(bases, plan.tail)
        best = np.empty((len(bases), len(plan.order)), values.dtype)
        where = np.empty(best.shape, np.int32)
        kernels.best_windows(table, words, bases.shape[1], plan.width, plan.first, plan.blocks, best, where)
        ctx.plan, ctx.bases, ctx.where, ctx.shape = plan, bases, where, weight.shape
        pooled = np.empty_like(best)
        pooled[:, plan.order] = best
        return torch.from_numpy(pooled)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, None, None]:
        if not ctx.needs_input_grad[0]:
            return None, None, None
        plan: _Plan = ctx.plan
        slope = slopes[0].numpy()[:, plan.order]
        gradient = np.zeros(ctx.shape, slope.dtype)
        kernels.gather_windows(ctx.bases, ctx.where, slope, plan.offset, plan.width, gradient)
        return torch.from_numpy(gradient), None, None


def random_filters(
    widths: Sequence[int], generator: np.random.Generator, norms: NDArray[np.float64] | None = None
) -> list[NDArray[np.float64]]:
    """Return filters of normal random numbers, ``[width, 4]`` each, of the norms given."""
    filters = [generator.normal(size=(width, 4)) for width in widths]
    if norms is None:
        return filters
    return [values * (norm / np.linalg.norm(values)) for values, norm in zip(filters, norms, strict=True)]
