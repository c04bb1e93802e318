"""The hierarchy as one differentiable operation on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from kgreg.nn.hierarchy import kernels
from kgreg.nn.hierarchy.inputs import ByFeature, SparseRows, find_sparse
from kgreg.nn.hierarchy.program import Program
from kgreg.nn.threads import use_threads


class Parameters(NamedTuple):
    """What is learned, by R networks of one shape: ``[R, weights]``, ``[R, N]`` and, for scale and shift,
    ``[R, n_normed]``."""

    input_values: Tensor
    link_values: Tensor
    bias: Tensor
    scale: Tensor
    shift: Tensor


class Pass(NamedTuple):
    """What a pass needs beside inputs and parameters.

    ``counts [R, B]``: how often each sample stands in the batch; ``running [2, R, n_normed]``: running mean and
    variance, updated in training; ``seeds [R]``: of the dropout, 0 for none.
    """

    counts: Tensor
    running: Tensor
    training: bool
    momentum: float
    epsilon: float
    seeds: np.ndarray[Any, np.dtype[np.int64]]


#: Computes the same by differentiable operations: (x, parameters, pass) -> hidden.
Twin = Callable[[Tensor, Parameters, Pass], Tensor]


#: Rows to take, each an index of neurons without repeats.
Take = Sequence[np.ndarray[Any, np.dtype[np.int64]]]


class _Fused(torch.autograd.Function):
    """``x [R, B, I]``, parameters -> ``hidden [R, N, B]``, and some of its rows once more for each index in ``take``.

    Whoever reads a few rows takes them here: cut from ``hidden``, each would get a gradient of the size of ``hidden``.

    The way back is a kernel too, which autograd cannot see through; where a derivative of the derivative is asked for
    (``create_graph=True``), it is taken through the differentiable twin instead.
    """

    @staticmethod
    def forward(
        ctx: Any, program: Program, step: Pass, twin: Twin, take: Take, x: Tensor | SparseRows, *parameters: Tensor
    ) -> tuple[Tensor, ...]:
        networks, batch, _ = x.shape
        values = [_array(p) for p in parameters]
        dtype = values[0].dtype
        threads = use_threads()
        source, sparse = read_inputs(x, dtype)
        hidden = np.empty((networks, program.n_neurons, batch), dtype)
        saved = np.empty_like(hidden) if program.n_normed else np.empty((networks, program.n_neurons, 0), dtype)
        stats = np.empty((2, networks, program.n_normed), dtype)
        counts = _array(step.counts)
        totals = counts.sum(axis=1)
        before = None
        if any(ctx.needs_input_grad):
            before = step.running.clone()  # the twin must start where this pass did
        kernels.forward(
            program, threads, source, sparse, counts, totals, *values, _array(step.running), step.training,
            step.momentum, step.epsilon, step.seeds, hidden, saved, stats,
        )  # fmt: skip
        result = torch.from_numpy(hidden)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x if isinstance(x, Tensor) else None, *parameters, result)
        ctx.rows = None if isinstance(x, Tensor) else x
        ctx.program, ctx.step, ctx.twin, ctx.take = program, step, twin, take
        ctx.kept = source, sparse, counts, totals, saved, stats, before
        return (result, *(torch.from_numpy(hidden[:, _span(rows)].copy()) for rows in take))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        x, *parameters, hidden = ctx.saved_tensors
        if torch.is_grad_enabled():
            leaf = ctx.rows.dense(hidden.dtype) if x is None else x
            return (None, None, None, None, *_through_twin(ctx, leaf, parameters, gradients))
        program, step = ctx.program, ctx.step
        source, sparse, counts, totals, saved, stats, _ = ctx.kept
        values = [_array(p) for p in parameters]
        shape = (source.shape[0], source.shape[1], hidden.shape[2] if ctx.needs_input_grad[4] else 0)
        d_x = np.empty(shape, hidden.numpy().dtype)
        found = [np.zeros_like(value) for value in values]
        gradient, given = _gather(hidden, ctx.take, gradients)
        d_input, d_link, d_bias, d_scale, d_shift = found
        kernels.backward(
            program, use_threads(), source, sparse, counts, totals, values[0], values[1], values[3], step.training,
            step.seeds, _array(hidden), saved, stats, gradient, given, d_x, d_input, d_link, d_bias, d_scale, d_shift,
        )  # fmt: skip
        returned = torch.from_numpy(d_x).transpose(1, 2) if ctx.needs_input_grad[4] else None
        return (None, None, None, None, returned, *(torch.from_numpy(array) for array in found))


def run_fused(
    program: Program, x: Tensor | SparseRows, parameters: Parameters, step: Pass, twin: Twin, take: Take = ()
) -> tuple[Tensor, ...]:
    """Return ``hidden [R, N, B]`` for ``x [R, B, I]``, and its rows ``take``; see :class:`Pass`."""
    found: tuple[Tensor, ...] = _Fused.apply(program, step, twin, take, x, *parameters)  # type: ignore[no-untyped-call]
    return found


def _gather(hidden: Tensor, take: Take, gradients: Sequence[Tensor | None]) -> tuple[Any, Any]:
    """Return the gradient of ``hidden`` in an array of its own, and which rows of it are filled in."""
    whole, *parts = gradients
    given = np.full(hidden.shape[1], whole is not None)
    if whole is not None:
        gradient = np.array(whole.detach().numpy(), order="C")
    else:
        gradient = np.empty(hidden.shape, hidden.numpy().dtype)
    for rows, part in zip(take, parts, strict=True):
        if part is None:
            continue
        if given[rows].any():
            gradient[:, rows[~given[rows]]] = 0
            gradient[:, rows] += part.detach().numpy()
        else:
            gradient[:, _span(rows)] = part.detach().numpy()
        given[rows] = True
    return gradient, given


def _span(rows: np.ndarray[Any, np.dtype[np.int64]]) -> slice | np.ndarray[Any, np.dtype[np.int64]]:
    """Return rows that follow each other as a slice, which is copied in one go."""
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def _through_twin(ctx: Any, x: Tensor, parameters: list[Tensor], gradients: Sequence[Tensor | None]) -> list[Any]:
    leaves = [x, *parameters]
    wanted = [i for i, needed in enumerate(ctx.needs_input_grad[4:]) if needed]
    step = ctx.step._replace(running=ctx.kept[-1])
    hidden = ctx.twin(x, Parameters(*parameters), step)
    outputs = [hidden, *(hidden[:, rows] for rows in ctx.take)]
    pairs = [(output, gradient) for output, gradient in zip(outputs, gradients, strict=True) if gradient is not None]
    found = torch.autograd.grad(
        [output for output, _ in pairs],
        [leaves[i] for i in wanted],
        [gradient for _, gradient in pairs],
        create_graph=True,
        allow_unused=True,
    )
    returned: list[Tensor | None] = [None] * len(leaves)
    for i, tensor in zip(wanted, found, strict=True):
        returned[i] = tensor
    return returned


def read_inputs(x: Tensor | SparseRows, dtype: Any) -> tuple[Any, ByFeature]:
    """Return the inputs feature by feature, or the values other than 0 where they are few."""
    networks, _, inputs = x.shape
    if isinstance(x, SparseRows):
        return np.empty((networks, inputs, 0), dtype), x.by_feature(dtype)
    array = np.ascontiguousarray(x.detach().numpy(), dtype)
    few = find_sparse(array)
    if few is not None:
        return np.empty((networks, inputs, 0), dtype), few
    nothing = np.zeros(0, np.int64)
    return np.ascontiguousarray(array.transpose(0, 2, 1)), ByFeature(
        nothing.reshape(0, 0), nothing, np.zeros(0, array.dtype)
    )


def _array(tensor: Tensor) -> np.ndarray[Any, Any]:
    return np.ascontiguousarray(tensor.detach().numpy())
