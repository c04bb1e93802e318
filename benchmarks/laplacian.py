"""The Laplacian penalty tr(W.T L W), forward and backward: from the edges against the dense formula.

    python -m benchmarks.laplacian [--genes N] [--edges M] [--factors K] [--threads T]

A random graph with weights; W is float32. The dense side holds L, filled in place (the leanest way there is), and
computes ``torch.trace(W.T @ (L @ W))`` by autograd. Values and gradients of both are compared before anything is
timed; the sides take turns, and a ratio is the median of the ratios of neighbouring times. Memory is that of a process
of its own a side, above what it held with the edges and W: while L is built, when it is there, and the peak of a step,
the gradient of W included.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.memory import Meter, give_back, in_process
from benchmarks.vnn import take_turns
from kgreg.nn.laplacian import LaplacianPenalty


def random_graph(n: int, m: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return ``m`` different pairs of ``n`` features, ``[2, m]``, and their weights."""
    rng = np.random.default_rng(0)
    key = np.zeros(0, dtype=np.int64)
    while len(key) < m:
        one, two = rng.integers(n, size=(2, 2 * m))
        low, high = np.minimum(one, two), np.maximum(one, two)
        key = np.unique(np.concatenate([key, (low * n + high)[low < high]]))
    key = rng.permutation(key)[:m]
    return np.stack([key // n, key % n]), rng.uniform(0.1, 1.0, m)


def dense_laplacian(edges: NDArray[np.int64], weight: NDArray[np.float64], n: int) -> Tensor:
    """Return L with no other matrix of its size beside it."""
    laplacian = torch.zeros(n, n)
    one, two = torch.from_numpy(edges)
    off = torch.from_numpy(-weight).float()
    laplacian[one, two] = off
    laplacian[two, one] = off
    laplacian.diagonal().copy_(-laplacian.sum(dim=1))
    return laplacian


def stepper(side: str, edges: NDArray[np.int64], weight: NDArray[np.float64], w: Tensor) -> Callable[[], Tensor]:
    """Return a function that takes the penalty forward and backward, leaving the gradient in ``w.grad``."""
    if side == "sparse":
        penalty = LaplacianPenalty(edges, weight, len(w))

        def value() -> Tensor:
            return penalty(w)
    else:
        laplacian = dense_laplacian(edges, weight, len(w))

        def value() -> Tensor:
            return torch.trace(w.t() @ (laplacian @ w))

    def step() -> Tensor:
        w.grad = None
        found = value()
        found.backward()
        return found.detach()

    return step


def measure_memory(side: str, n: int, m: int, k: int) -> None:
    """Print the memory of one side as JSON."""
    small, small_weight = random_graph(50, 100)
    for _ in range(2):  # libraries are loaded, and threads started, before anything is measured
        stepper(side, small, small_weight, torch.randn(50, k, requires_grad=True))()
    edges, weight = random_graph(n, m)
    w = torch.randn(n, k, requires_grad=True)
    give_back()
    meter = Meter()
    building, step = meter.peak(lambda: stepper(side, edges, weight, w))
    give_back()
    held = meter.now()
    peak, _ = meter.peak(lambda: [step() for _ in range(3)])
    print(json.dumps({"building": building, "held": held, "step": peak}))


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--edges", type=int, default=1_000_000)
    parser.add_argument("--factors", type=int, default=100)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--memory", choices=["sparse", "dense"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    n, m, k = options.genes, options.edges, options.factors
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    if options.memory:
        measure_memory(options.memory, n, m, k)
        return
    print(f"{n:,} genes, {m:,} edges, {k} factors; torch {torch.__version__}, {options.threads} threads")
    size = ["--genes", str(n), "--edges", str(m), "--factors", str(k), "--threads", str(options.threads)]
    memory = {side: in_process("benchmarks.laplacian", ["--memory", side, *size]) for side in ("sparse", "dense")}
    edges, weight = random_graph(n, m)
    w = [torch.randn(n, k).requires_grad_() for _ in range(2)]
    w[1].data.copy_(w[0].data)
    fast, slow = (stepper(side, edges, weight, one) for side, one in zip(("sparse", "dense"), w, strict=True))
    values = float(fast()), float(slow())
    difference = float((w[0].grad - w[1].grad).abs().max() / w[1].grad.abs().max())  # type: ignore[union-attr,operator]
    print(f"  the same penalty: {values[0]:.5e}, {values[1]:.5e}; gradients differ by {difference:.0e} of the largest")
    ((b, a, ratio),) = take_turns(slow, [fast], 5, 3)
    times = f"sparse {1000 * a:8.1f} ms, dense {1000 * b:8.1f} ms, {ratio:5.1f} times as fast"
    print(f"  {'forward and backward':>22}: {times}")
    for what, said in (("building", "building L, peak"), ("held", "L itself"), ("step", "step, peak (with L)")):
        one, two = memory["sparse"][what], memory["dense"][what]
        print(f"  {said:>22}: sparse {one:8.1f} MB, dense {two:8.1f} MB, 1/{two / one:.0f}")
    print(f"  of the peak of a step, {4e-6 * n * k:.1f} MB are the gradient of W on either side")


if __name__ == "__main__":
    main()
