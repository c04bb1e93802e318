"""The products as Triton kernels, for CUDA.

Activations are feature-major, so neighbouring threads read neighbouring samples of one row. Inputs are float32,
bfloat16 or float16; sums are float32. Nothing is added atomically: every result has one writer, which adds in a fixed
order.

Importing this module imports triton. With ``TRITON_INTERPRET=1`` set before that, the kernels run on the CPU.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from kgreg.nn.sparse.pattern import Index

# A thread loads 16 bytes of a row at a time; a warp has 32 threads, a program at most four warps.
BYTES_PER_WARP = 16 * 32
MOST_WARPS = 4

# Whether the kernels below are interpreted: triton decides when they are defined.
INTERPRETED: bool = triton.knobs.runtime.interpret


@triton.jit  # type: ignore[untyped-decorator]
def product_kernel(  # type: ignore[no-untyped-def]
    pointer,
    neighbour,
    order,
    values,
    x,
    y,
    n_rows,
    batch,
    values_replicate,
    x_replicate,
    x_row,
    REORDERED: tl.constexpr,
    TILE: tl.constexpr,
) -> None:
    """One program a (replicate and row, tile of samples): ``y[row] = sum over edges of value * x[neighbour]``.

    ``values_replicate``, ``x_replicate`` and ``x_row`` are strides in elements; ``y`` is contiguous.
    """
    place_of_row = tl.program_id(0).to(tl.int64)
    replicate = place_of_row // n_rows
    row = place_of_row % n_rows
    samples = tl.program_id(1) * TILE + tl.arange(0, TILE)
    inside = samples < batch
    x += replicate * x_replicate
    values += replicate * values_replicate
    total = tl.zeros([TILE], dtype=tl.float32)
    for place in range(tl.load(pointer + row), tl.load(pointer + row + 1)):
        at = tl.load(order + place) if REORDERED else place
        value = tl.load(values + at).to(tl.float32)
        read = tl.load(x + tl.load(neighbour + place) * x_row + samples, mask=inside, other=0.0)
        total += value * read.to(tl.float32)
    tl.store(y + place_of_row * batch + samples, total.to(y.dtype.element_ty), mask=inside)


@triton.jit  # type: ignore[untyped-decorator]
def sampled_kernel(  # type: ignore[no-untyped-def]
    rows,
    cols,
    a,
    b,
    out,
    n_edges,
    batch,
    a_replicate,
    a_row,
    b_replicate,
    b_row,
    TILE: tl.constexpr,
) -> None:
    """One program an (edge, replicate): ``out[edge] = sum over samples of a[row] * b[col]``.

    ``a_replicate``, ``a_row``, ``b_replicate`` and ``b_row`` are strides in elements; ``out`` is contiguous.
    """
    edge = tl.program_id(0).to(tl.int64)
    replicate = tl.program_id(1).to(tl.int64)
    a += replicate * a_replicate + tl.load(rows + edge) * a_row
    b += replicate * b_replicate + tl.load(cols + edge) * b_row
    total = tl.zeros([TILE], dtype=tl.float32)
    for start in range(0, batch, TILE):
        samples = start + tl.arange(0, TILE)
        inside = samples < batch
        left = tl.load(a + samples, mask=inside, other=0.0).to(tl.float32)
        right = tl.load(b + samples, mask=inside, other=0.0).to(tl.float32)
        total += left * right
    tl.store(out + replicate * n_edges + edge, tl.sum(total, axis=0))


def product(index: Index, values: Tensor, x: Tensor, transposed: bool) -> Tensor:
    """Return ``W x`` or ``W.T x``, ``[R, rows, batch]``, for ``values [R, nnz]`` and ``x [R, columns, batch]``."""
    pointer, neighbour = (index.crow_t, index.col_t) if transposed else (index.crow, index.col)
    values, x = _contiguous_rows(values), _contiguous_rows(x)
    replicates, _, batch = x.shape
    n_rows = pointer.shape[0] - 1
    y = x.new_empty(replicates, n_rows, batch)
    options = _launch_options(x)
    # Triton launches on the current device, which need not be that of the tensors.
    with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]
        product_kernel[(replicates * n_rows, triton.cdiv(batch, options["TILE"]))](
            pointer,
            neighbour,
            index.order_t,
            values,
            x,
            y,
            n_rows,
            batch,
            values.stride(0),
            x.stride(0),
            x.stride(1),
            REORDERED=transposed,
            **options,
        )
    return y


def sampled(index: Index, a: Tensor, b: Tensor) -> Tensor:
    """Return ``a b.T`` at the pattern, ``[R, nnz]``, for ``a [R, out, batch]`` and ``b [R, in, batch]``."""
    a, b = _contiguous_rows(a), _contiguous_rows(b)
    replicates, _, batch = a.shape
    n_edges = index.row.shape[0]
    out = a.new_empty(replicates, n_edges, dtype=torch.float32)
    with torch.cuda.device_of(a):  # type: ignore[no-untyped-call]
        sampled_kernel[(n_edges, replicates)](
            index.row,
            index.col,
            a,
            b,
            out,
            n_edges,
            batch,
            a.stride(0),
            a.stride(1),
            b.stride(0),
            b.stride(1),
            **_launch_options(a),
        )
    return out


def _contiguous_rows(tensor: Tensor) -> Tensor:
    # Rows and replicates may lie anywhere, so replicates that share an input need no copies of it.
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()


def _launch_options(activations: Tensor) -> dict[str, int]:
    """Return how many samples a program holds at a time, and what the compiler is told."""
    size = activations.element_size()
    tile = min(MOST_WARPS * BYTES_PER_WARP // size, triton.next_power_of_2(activations.shape[-1]))
    # Multiplication and addition in one rounding: said here, because the default differs between versions of triton.
    return {"TILE": tile, "num_warps": max(1, tile * size // BYTES_PER_WARP), "enable_fp_fusion": True}
