"""The products that sparse layers are made of, with derivatives of every order.

With ``W`` the matrix of a pattern, ``multiply`` is ``W x`` (or ``W.T x``) and ``sample`` the entries of ``a b.T`` at
the pattern. Each is linear in each of its inputs, and their derivatives are the two themselves:

====================  ===================  ===================
function              by the first input   by the second input
====================  ===================  ===================
``y = W x``           ``sample(dy, x)``    ``W.T dy``
``y = W.T x``         ``sample(x, dy)``    ``W dy``
``s = sample(a, b)``  ``S b``              ``S.T a``
====================  ===================  ===================

where ``S`` is the matrix with the values ``ds``. No dense matrix appears in any of them. Higher orders
take ``create_graph=True``, as everywhere in :mod:`torch.autograd`; transforms of :mod:`torch.func` are not supported.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from kgreg.errors import FitError
from kgreg.nn.sparse import operators
from kgreg.nn.sparse.pattern import Index, SparsePattern

_Gradients = tuple[Tensor | None, ...]


def multiply(
    pattern: SparsePattern, values: Tensor, x: Tensor, backend: str = "auto", *, transposed: bool = False
) -> Tensor:
    """Return ``W x``, where ``W`` has ``values`` at the entries of ``pattern``.

    Sums are taken in float32 (float64 for float64), whatever the type of ``x``; the result has the type of ``x``. Under
    :class:`torch.autocast`, ``x`` is cast to its type, as for :class:`torch.nn.Linear`, and the result has that type;
    the values keep theirs, since they are few. ``csr`` and ``reference`` multiply in float32 and round the result.

    Parameters
    ----------
    pattern
        Which entries exist.
    values
        ``[R, nnz]`` in the order of the pattern, for ``R`` replicates of a matrix; or ``[nnz]``. Repeated edges add up.
    x
        ``[R, in_features, batch]``; ``[in_features, batch]`` for ``values [nnz]``. Any strides.
    backend
        See :func:`~kgreg.nn.sparse.backend.choose_backend`.
    transposed
        Multiply by ``W.T`` instead: ``x`` is ``[R, out_features, batch]``.

    Returns
    -------
    y
        ``[R, out_features, batch]`` or ``[out_features, batch]`` (``in_features`` when transposed).

    Raises
    ------
    FitError
        If shapes or types do not fit each other, or the backend cannot run.
    """
    x = _autocast(x)
    n_rows = pattern.out_features if transposed else pattern.in_features
    _check_shapes(("values", values, (pattern.n_edges,)), ("x", x, (n_rows, *x.shape[-1:])))
    if values.dtype != x.dtype and not (values.dtype == torch.float32 and x.dtype in (torch.bfloat16, torch.float16)):
        raise FitError(
            f"The weights of a sparse product are {values.dtype}, its input is {x.dtype}.",
            "Cast one to the type of the other.",
        )
    return _multiply(pattern.index, values, _contiguous_rows(x), transposed, backend)


def sample(pattern: SparsePattern, a: Tensor, b: Tensor, backend: str = "auto") -> Tensor:
    """Return the entries of ``a b.T`` at the pattern.

    Under :class:`torch.autocast`, ``a`` and ``b`` are cast to its type. Sums are taken as by :func:`multiply`.

    Parameters
    ----------
    pattern
        Which entries to compute.
    a, b
        ``[R, out_features, batch]`` and ``[R, in_features, batch]``, or both without ``R``; of one type. Any strides.
    backend
        See :func:`~kgreg.nn.sparse.backend.choose_backend`.

    Returns
    -------
    values
        ``[R, nnz]`` or ``[nnz]`` in the order of the pattern; float64 for float64, else float32.

    Raises
    ------
    FitError
        If shapes or types do not fit each other, or the backend cannot run.
    """
    a, b = _autocast(a), _autocast(b)
    batch = b.shape[-1:]
    _check_shapes(("a", a, (pattern.out_features, *batch)), ("b", b, (pattern.in_features, *batch)))
    if a.dtype != b.dtype:
        raise FitError(f"A sampled product needs two matrices of one type, not {a.dtype} and {b.dtype}.")
    return _sample(pattern.index, _contiguous_rows(a), _contiguous_rows(b), backend)


class _Multiply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, x: Tensor, index: Index, transposed: bool, backend: str) -> Tensor:
        ctx.save_for_backward(values, x)
        ctx.index, ctx.transposed, ctx.backend = index, transposed, backend
        y: Tensor = operators.product(index, values, x, transposed, backend)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> _Gradients:
        (values, x), dy = ctx.saved_tensors, _contiguous_rows(grads[0])
        d_values = d_x = None
        if ctx.needs_input_grad[0]:
            a, b = (x, dy) if ctx.transposed else (dy, x)
            d_values = _sample(ctx.index, a, b, ctx.backend).to(values.dtype)
        if ctx.needs_input_grad[1]:
            d_x = _multiply(ctx.index, values, dy, not ctx.transposed, ctx.backend)
        return d_values, d_x, None, None, None


class _Sample(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, index: Index, backend: str) -> Tensor:
        ctx.save_for_backward(a, b)
        ctx.index, ctx.backend = index, backend
        values: Tensor = operators.sampled(index, a, b, backend)
        return values

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> _Gradients:
        (a, b), (ds,) = ctx.saved_tensors, grads
        d_a = d_b = None
        if ctx.needs_input_grad[0]:
            d_a = _multiply(ctx.index, ds, b, False, ctx.backend)
        if ctx.needs_input_grad[1]:
            d_b = _multiply(ctx.index, ds, a, True, ctx.backend)
        return d_a, d_b, None, None


def _multiply(index: Index, values: Tensor, x: Tensor, transposed: bool, backend: str) -> Tensor:
    y: Tensor = _Multiply.apply(values, x, index, transposed, backend)  # type: ignore[no-untyped-call]
    return y


def _sample(index: Index, a: Tensor, b: Tensor, backend: str) -> Tensor:
    values: Tensor = _Sample.apply(a, b, index, backend)  # type: ignore[no-untyped-call]
    return values


def _contiguous_rows(tensor: Tensor) -> Tensor:
    # Once, before two products read it. Replicates that share an input need no copies of it.
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()


def _autocast(tensor: Tensor) -> Tensor:
    kind = tensor.device.type
    # As autocast itself does, doubles are left alone.
    if torch.is_autocast_enabled(kind) and tensor.dtype != torch.float64:
        return tensor.to(torch.get_autocast_dtype(kind))
    return tensor


def _check_shapes(*operands: tuple[str, Tensor, tuple[int, ...]]) -> None:
    """Refuse operands whose shapes are not what is expected, with one number of replicates in front or none."""
    (_, first, _), _ = operands
    replicates = first.shape[: first.dim() - len(operands[0][2])]
    if len(replicates) <= 1 and all(tensor.shape == (*replicates, *last) for _, tensor, last in operands):
        return
    expected = " and ".join(f"{name} {list(last)}" for name, _, last in operands)
    found = " and ".join(f"{name} {list(tensor.shape)}" for name, tensor, _ in operands)
    raise FitError(
        f"A sparse product needs {expected}; it was given {found}.",
        "Both may have the same number of replicates in front.",
    )
