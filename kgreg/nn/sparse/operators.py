"""The two products as torch operators without derivatives; :mod:`kgreg.nn.sparse.products` adds those.

``torch.compile`` does not look inside an operator. That keeps CSR matrices, kernels and the choice of the backend
out of its graphs, and needs no break in them.
"""

from __future__ import annotations

import importlib
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType

import torch
from torch import Tensor

from kgreg.nn.sparse.backend import choose_backend
from kgreg.nn.sparse.pattern import Index

_MODULES = {"reference": "reference", "csr": "csr", "triton": "triton_kernels"}
_INDEX = "Tensor crow, Tensor row, Tensor col, Tensor crow_t, Tensor col_t, Tensor order_t"


def summing_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the type in which products of activations of ``dtype`` are added up: float32 at least."""
    return torch.promote_types(dtype, torch.float32)


def _product(
    crow: Tensor,
    row: Tensor,
    col: Tensor,
    crow_t: Tensor,
    col_t: Tensor,
    order_t: Tensor,
    values: Tensor,
    x: Tensor,
    transposed: bool,
    backend: str,
) -> Tensor:
    index = Index(crow, row, col, crow_t, col_t, order_t)
    if not values.numel() or not x.numel():
        return x.new_zeros(x.shape[0], index.shape[1 if transposed else 0], x.shape[2])
    name, dtype = choose_backend(backend, x.device, x.dtype), x.dtype
    if name != "triton":
        values, x = values.to(summing_dtype(dtype)), x.to(summing_dtype(dtype))
    with _without_autocast(x.device):
        y: Tensor = _module(name).product(index, values, x, transposed)
    return y.to(dtype)


def _sampled(
    crow: Tensor,
    row: Tensor,
    col: Tensor,
    crow_t: Tensor,
    col_t: Tensor,
    order_t: Tensor,
    a: Tensor,
    b: Tensor,
    backend: str,
) -> Tensor:
    index = Index(crow, row, col, crow_t, col_t, order_t)
    if not len(col) or not a.numel():
        return a.new_zeros(a.shape[0], len(col), dtype=summing_dtype(a.dtype))
    name = choose_backend(backend, a.device, a.dtype)
    if name != "triton":
        a, b = a.to(summing_dtype(a.dtype)), b.to(summing_dtype(a.dtype))
    with _without_autocast(a.device):
        values: Tensor = _module(name).sampled(index, a, b)
    return values


def _product_like(
    crow: Tensor,
    row: Tensor,
    col: Tensor,
    crow_t: Tensor,
    col_t: Tensor,
    order_t: Tensor,
    values: Tensor,
    x: Tensor,
    transposed: bool,
    backend: str,
) -> Tensor:
    return x.new_empty(x.shape[0], (crow_t if transposed else crow).shape[0] - 1, x.shape[2])


def _sampled_like(
    crow: Tensor,
    row: Tensor,
    col: Tensor,
    crow_t: Tensor,
    col_t: Tensor,
    order_t: Tensor,
    a: Tensor,
    b: Tensor,
    backend: str,
) -> Tensor:
    return a.new_empty(a.shape[0], col.shape[0], dtype=summing_dtype(a.dtype))


def _module(name: str) -> ModuleType:
    # Not at the top: the kernels import triton.
    return importlib.import_module(f"kgreg.nn.sparse.{_MODULES[name]}")


def _without_autocast(device: torch.device) -> AbstractContextManager[object]:
    # The types were chosen before; autocast would round the sums of a dense product.
    if torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


# Not torch.library.custom_op, whose wrapper adds some 40 us to a call where this adds under 10.
_library = torch.library.Library("kgreg", "DEF")  # type: ignore[no-untyped-call]
for _signature in (
    f"product({_INDEX}, Tensor values, Tensor x, bool transposed, str backend) -> Tensor",
    f"sampled({_INDEX}, Tensor a, Tensor b, str backend) -> Tensor",
):
    _library.define(_signature)  # type: ignore[no-untyped-call]
_library.impl("product", _product, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
_library.impl("sampled", _sampled, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
torch.library.register_fake("kgreg::product", _product_like, lib=_library)
torch.library.register_fake("kgreg::sampled", _sampled_like, lib=_library)

product = torch.ops.kgreg.product.default
sampled = torch.ops.kgreg.sampled.default
