"""The hierarchy as one differentiable operation on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
import torch
from torch import Tensor

from kgreg.nn.hierarchy import kernels
from kgreg.nn.hierarchy.inputs import SparseRows, find_sparse
from kgreg.nn.hierarchy.program import Program


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


class _Fused(torch.autograd.Function):
    """``x [R, B, I]``, parameters -> ``hidden [R, N, B]``.

    The way back is a kernel too, which autograd cannot see through; where a derivative of the derivative is asked for
    (``create_graph=True``), it is taken through the differentiable twin instead.
    """

    @staticmethod
    def forward(
        ctx: Any, program: Program, step: Pass, twin: Twin, x: Tensor | SparseRows, *parameters: Tensor
    ) -> Tensor:
        networks, batch, _ = x.shape
        values = [_array(p) for p in parameters]
        dtype = values[0].dtype
        source, sparse = _inputs(x, dtype)
        hidden = np.empty((networks, program.n_neurons, batch), dtype)
        saved = np.empty_like(hidden) if program.n_normed else np.empty((networks, program.n_neurons, 0), dtype)
        stats = np.empty((2, networks, program.n_normed), dtype)
        counts = _array(step.counts)
        totals = counts.sum(axis=1)
        before = None
        if ctx.needs_input_grad[3] or any(ctx.needs_input_grad[4:]):
            before = step.running.clone()  # the twin must start where this pass did
        kernels.forward(
            program, _use_threads(), source, sparse, counts, totals, *values, _array(step.running), step.training, step.momentum,
            step.epsilon, step.seeds, hidden, saved, stats,
        )  # fmt: skip
        result = torch.from_numpy(hidden)
        ctx.save_for_backward(x if isinstance(x, Tensor) else None, *parameters, result)
        ctx.rows = None if isinstance(x, Tensor) else x
        ctx.program, ctx.step, ctx.twin = program, step, twin
        ctx.kept = source, sparse, counts, totals, saved, stats, before
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        x, *parameters, hidden = ctx.saved_tensors
        if torch.is_grad_enabled():
            leaf = ctx.rows.dense(hidden.dtype) if x is None else x
            return (None, None, None, *_through_twin(ctx, leaf, parameters, gradients[0]))
        program, step = ctx.program, ctx.step
        source, sparse, counts, totals, saved, stats, _ = ctx.kept
        values = [_array(p) for p in parameters]
        shape = (source.shape[0], source.shape[1], hidden.shape[2] if ctx.needs_input_grad[3] else 0)
        d_x = np.empty(shape, hidden.numpy().dtype)
        found = [np.zeros_like(value) for value in values]
        gradient = np.array(gradients[0].detach().numpy(), order="C")
        d_input, d_link, d_bias, d_scale, d_shift = found
        kernels.backward(
            program, _use_threads(), source, sparse, counts, totals, values[0], values[1], values[3], step.training, step.seeds,
            _array(hidden), saved, stats, gradient, d_x, d_input, d_link, d_bias, d_scale, d_shift,
        )  # fmt: skip
        returned = torch.from_numpy(d_x).transpose(1, 2) if ctx.needs_input_grad[3] else None
        return (None, None, None, returned, *(torch.from_numpy(array) for array in found))


def run_fused(program: Program, x: Tensor | SparseRows, parameters: Parameters, step: Pass, twin: Twin) -> Tensor:
    """Return ``hidden [R, N, B]`` for ``x [R, B, I]``; see :class:`Parameters` and :class:`Pass`."""
    hidden: Tensor = _Fused.apply(program, step, twin, x, *parameters)  # type: ignore[no-untyped-call]
    return hidden


def _through_twin(ctx: Any, x: Tensor, parameters: list[Tensor], gradient: Tensor) -> list[Tensor | None]:
    leaves = [x, *parameters]
    wanted = [i for i, needed in enumerate(ctx.needs_input_grad[3:]) if needed]
    step = ctx.step._replace(running=ctx.kept[-1])
    hidden = ctx.twin(x, Parameters(*parameters), step)
    found = torch.autograd.grad(hidden, [leaves[i] for i in wanted], gradient, create_graph=True, allow_unused=True)
    returned: list[Tensor | None] = [None] * len(leaves)
    for i, tensor in zip(wanted, found, strict=True):
        returned[i] = tensor
    return returned


def _inputs(x: Tensor | SparseRows, dtype: Any) -> tuple[Any, tuple[Any, Any, Any]]:
    """Return the inputs feature by feature, or the values other than 0 where they are few."""
    few = x if isinstance(x, SparseRows) else None
    if few is None:
        array = np.ascontiguousarray(x.detach().numpy(), dtype)  # type: ignore[union-attr]
        few = find_sparse(array)
        if few is None:
            nothing = np.zeros(0, np.int64)
            return np.ascontiguousarray(array.transpose(0, 2, 1)), (nothing.reshape(0, 0), nothing, np.zeros(0, dtype))
    networks, _, inputs = few.shape
    return np.empty((networks, inputs, 0), dtype), few.by_feature(dtype)


def _array(tensor: Tensor) -> np.ndarray[Any, Any]:
    return np.ascontiguousarray(tensor.detach().numpy())


def _use_threads() -> int:
    """Let the kernels use as many threads as torch does; return the number."""
    threads = min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS)
    numba.set_num_threads(threads)
    return threads
