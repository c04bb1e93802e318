"""The sparse layer: parameters, signs and fixed values of edges."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kgreg.errors import FitError
from kgreg.nn.sparse.backend import check_name
from kgreg.nn.sparse.pattern import SparsePattern
from kgreg.nn.sparse.products import multiply


class SparseLinear(nn.Module):
    """``y = W x`` where ``W[rows[i], cols[i]]`` are the only weights.

    Parameters
    ----------
    rows, cols
        Integer arrays ``[n_edges]``: output and input index of each edge; no pair twice.
    out_features, in_features
        Size of ``W``.
    fan_in
        Float array ``[out_features]``; weights start uniform in ``+-1/sqrt(fan_in)`` of their row, as those of
        :class:`torch.nn.Linear`. Default: edges of the row.
    sign
        ``[n_edges]`` of +1, -1, 0: the sign that the weight of an edge keeps; 0 leaves it free. Default: all free.
    trainable
        ``[n_edges]`` bool. The weight of an edge that is not trainable keeps its initial value. Default: all are.
    initial
        ``[n_edges]``: the value a weight starts from; NaN: random. Default: all random.
    backend
        See :func:`~kgreg.nn.sparse.backend.choose_backend`.

    Attributes
    ----------
    weight
        ``[n trainable edges]``, in the order of the pattern, before signs: an edge with a sign weighs
        ``sign * |weight|``.
    fixed
        ``[n fixed edges]``, in the order of the pattern: a buffer, part of the state dict. None where all are
        trainable.

    Shapes
    ------
    input ``[in_features, batch]``, output ``[out_features, batch]``. ``effective_weight()[edge_order[i]]`` belongs to
    edge ``i``; where all edges are trainable, so does ``weight[edge_order[i]]``.

    Raises
    ------
    FitError
        If edges are repeated or lie outside, if an array does not fit them, if a fixed edge has no initial value, or if
        an initial value contradicts its sign.
    """

    bound: Tensor
    fixed: Tensor | None
    sign: Tensor | None
    initial: Tensor | None

    def __init__(
        self,
        rows: NDArray[np.int64],
        cols: NDArray[np.int64],
        out_features: int,
        in_features: int,
        fan_in: NDArray[np.float64] | None = None,
        *,
        sign: NDArray[np.int64] | None = None,
        trainable: NDArray[np.bool_] | None = None,
        initial: NDArray[np.float64] | None = None,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        self.out_features, self.in_features = out_features, in_features
        self.backend = check_name(backend)
        self.pattern = SparsePattern(rows, cols, out_features, in_features)
        self.n_edges = self.pattern.n_edges
        at = np.argsort(self.pattern.edge_order)
        rows, cols = rows[at], cols[at]
        if self.n_edges and ((rows[1:] == rows[:-1]) & (cols[1:] == cols[:-1])).any():
            raise FitError("A sparse layer was given the same edge twice.")
        signs = _one_per_edge("sign", sign, at, 0.0)
        start = _one_per_edge("initial", initial, at, np.nan)
        learned = _one_per_edge("trainable", trainable, at, 1.0).astype(bool)
        _check_values(rows, cols, at, signs, learned, start)
        if fan_in is None:
            fan_in = np.bincount(rows, minlength=out_features).astype(float)
        elif len(fan_in) != out_features:
            raise FitError(f"A sparse layer with {out_features} outputs was given the fan-in of {len(fan_in)}.")
        bound = 1.0 / np.sqrt(np.maximum(fan_in, 1.0))[rows[learned]]
        self.register_buffer("bound", _floats(bound), persistent=False)
        given = np.isfinite(start[learned]).any()
        self.register_buffer("initial", _floats(start[learned]) if given else None, persistent=False)
        self.register_buffer("sign", _floats(signs) if signs.any() else None, persistent=False)
        self.register_buffer("fixed", None if learned.all() else _floats(start[~learned]))
        # Entry i of the pattern is entry _place[i] of the trainable weights followed by the fixed ones.
        place = np.argsort(np.argsort(~learned, kind="stable"))
        self.register_buffer("_place", None if learned.all() else torch.from_numpy(place), persistent=False)
        self.weight = nn.Parameter(torch.empty(int(learned.sum())))
        self.reset_parameters()

    @property
    def edge_order(self) -> NDArray[np.int64]:
        """``[n_edges]``: where the weight of edge ``i``, as given, lies in the order of the pattern."""
        return self.pattern.edge_order

    @property
    def crow(self) -> Tensor:
        """``[out_features + 1]``: where each row of ``W`` begins in the order of the pattern."""
        return self.pattern.crow

    @property
    def col(self) -> Tensor:
        """``[n_edges]``: input index of each edge, in the order of the pattern."""
        return self.pattern.col

    def reset_parameters(self) -> None:
        """Draw the weights anew from the global torch generator; those with an initial value return to it."""
        with torch.no_grad():
            self.weight.uniform_(-1.0, 1.0).mul_(self.bound)
            if self.initial is not None:
                self.weight.copy_(torch.where(self.initial.isnan(), self.weight, self.initial))

    def effective_weight(self) -> Tensor:
        """Return the weights ``[n_edges]`` of all edges in the order of the pattern (differentiable)."""
        weight: Tensor = self.weight
        if self.fixed is not None:
            weight = torch.cat([weight, self.fixed]).index_select(0, self._place)  # type: ignore[arg-type]
        return weight if self.sign is None else signed_weight(weight, self.sign)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``W x``."""
        return multiply(self.pattern, self.effective_weight(), x, self.backend)

    def to_dense(self) -> Tensor:
        """Return ``W`` as a dense ``[out_features, in_features]`` tensor (differentiable in the weights)."""
        return self.pattern.to_dense(self.effective_weight())

    def extra_repr(self) -> str:
        """Say the size, how much of it exists, and what computes it."""
        share = self.n_edges / max(1, self.out_features * self.in_features)
        text = f"{self.in_features} -> {self.out_features}, {self.n_edges} edges ({share:.2%})"
        if self.fixed is not None:
            text += f", {len(self.fixed)} fixed"
        if self.sign is not None:
            text += f", {int(self.sign.count_nonzero())} signed"
        return f"{text}, backend={self.backend}"


def signed_weight(weight: Tensor, sign: Tensor) -> Tensor:
    """Return ``sign * |weight|`` where there is a sign (+1 or -1), and the weight itself where that is 0.

    It has the sign whatever an optimiser does, so that no hook has to clamp weights after each step, and an edge that
    passes 0 keeps a gradient. Not abs(), whose derivative at 0 is 0: an edge that starts there would stay there.
    """
    size = torch.where(weight < 0, -weight, weight)
    return torch.where(sign == 0, weight, sign * size)


def _floats(array: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(array).to(torch.get_default_dtype())


def _one_per_edge(
    name: str, array: NDArray[np.generic] | None, at: NDArray[np.int64], default: float
) -> NDArray[np.float64]:
    """Return ``array`` in the order of the pattern, as floats."""
    if array is None:
        return np.full(len(at), default)
    if len(array) != len(at):
        raise FitError(f"A sparse layer of {len(at)} edges was given {len(array)} values of '{name}'.")
    return np.asarray(array, dtype=np.float64)[at]


def _check_values(
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    at: NDArray[np.int64],
    sign: NDArray[np.float64],
    learned: NDArray[np.bool_],
    initial: NDArray[np.float64],
) -> None:
    """Raise on the first edge whose sign, training or initial value makes no sense."""
    mismatch = (sign != 0) & (np.sign(initial) == -sign)
    for wrong, what, hint in (
        (~np.isin(sign, (-1, 0, 1)), "has a sign that is none of 1, -1 and 0", "Use 0 for an edge without a sign."),
        (np.isinf(initial), "has an infinite initial value", "Use NaN for a random one."),
        (~learned & np.isnan(initial), "is fixed, but has no initial value", "Give it one, or make it trainable."),
        (mismatch, "has an initial value that contradicts its sign", "Change one of the two."),
    ):
        if wrong.any():
            first = np.flatnonzero(wrong)[np.argmin(at[wrong])]
            raise FitError(f"Edge {at[first]} (input {cols[first]} -> output {rows[first]}) {what}.", hint)
