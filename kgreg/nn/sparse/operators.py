"""The two products without derivatives, each by the backend that is asked for.

``torch.compile`` is shown an operator in the place of each and does not look inside. That keeps CSR matrices, kernels
and the choice of the backend out of its graphs, and needs no break in them.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from types import ModuleType

import torch
from torch import Tensor

from kgreg.nn.sparse.backend import choose_backend
from kgreg.nn.sparse.pattern import Index

_MODULES = {"reference": "reference", "csr": "csr", "triton": "triton_kernels"}


def summing_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the type in which products of activations of ``dtype`` are added up: float32 at least."""
    return torch.promote_types(dtype, torch.float32)


def product(index: Index, values: Tensor, x: Tensor, transposed: bool, backend: str) -> Tensor:
    """Return ``W x`` or ``W.T x`` in the type of ``x``; shapes as of :func:`kgreg.nn.sparse.products.multiply`."""
    # Outside of compiled code, the dispatcher between here and there would take 25 us a call.
    if torch.compiler.is_compiling():
        y: Tensor = _product_operator(list(index), values, x, transposed, backend)
        return y
    return _product(index, values, x, transposed, backend)


def sampled(index: Index, a: Tensor, b: Tensor, backend: str) -> Tensor:
    """Return ``a b.T`` at the pattern; shapes and type as of :func:`kgreg.nn.sparse.products.sample`."""
    if torch.compiler.is_compiling():
        values: Tensor = _sampled_operator(list(index), a, b, backend)
        return values
    return _sampled(index, a, b, backend)


def _product(index: Sequence[Tensor], values: Tensor, x: Tensor, transposed: bool, backend: str) -> Tensor:
    if not values.numel() or not x.numel():
        return torch.zeros_like(_empty_product(index, values, x, transposed, backend))
    name, dtype, summing = choose_backend(backend, x.device, x.dtype), x.dtype, summing_dtype(x.dtype)
    if name != "triton" and not values.dtype == dtype == summing:
        values, x = values.to(summing), x.to(summing)
    with _without_autocast(x.device):
        if x.dim() == 2:
            y: Tensor = _module(name).product(Index(*index), values[None], x[None], transposed)[0]
        else:
            y = _module(name).product(Index(*index), values, x, transposed)
    return y if y.dtype == dtype else y.to(dtype)


def _sampled(index: Sequence[Tensor], a: Tensor, b: Tensor, backend: str) -> Tensor:
    if not len(Index(*index).col) or not a.numel():
        return torch.zeros_like(_empty_sampled(index, a, b, backend))
    name, summing = choose_backend(backend, a.device, a.dtype), summing_dtype(a.dtype)
    if name != "triton" and a.dtype != summing:
        a, b = a.to(summing), b.to(summing)
    with _without_autocast(a.device):
        if a.dim() == 2:
            values: Tensor = _module(name).sampled(Index(*index), a[None], b[None])[0]
        else:
            values = _module(name).sampled(Index(*index), a, b)
    return values


def _empty_product(index: Sequence[Tensor], values: Tensor, x: Tensor, transposed: bool, backend: str) -> Tensor:
    n_rows = Index(*index).shape[1 if transposed else 0]
    return x.new_empty(*x.shape[:-2], n_rows, x.shape[-1])


def _empty_sampled(index: Sequence[Tensor], a: Tensor, b: Tensor, backend: str) -> Tensor:
    return a.new_empty(*a.shape[:-2], len(Index(*index).col), dtype=summing_dtype(a.dtype))


_product_operator = torch.library.custom_op("kgreg::product", _product, mutates_args=())
_product_operator.register_fake(_empty_product)
_sampled_operator = torch.library.custom_op("kgreg::sampled", _sampled, mutates_args=())
_sampled_operator.register_fake(_empty_sampled)


@cache
def _module(name: str) -> ModuleType:
    # Not at the top: the kernels import triton.
    return importlib.import_module(f"kgreg.nn.sparse.{_MODULES[name]}")


def _without_autocast(device: torch.device) -> AbstractContextManager[object]:
    # The types were chosen before; autocast would round the sums of a dense product.
    if torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()
