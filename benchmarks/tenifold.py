"""Virtual knockouts on simulated counts: CPU time of every step and peak memory, against the steps done plainly.

    python -m benchmarks.tenifold [--genes N] [--cells M] [--drawn D] [--part P] [--threads T]

The plain side is: one singular value decomposition a gene (ARPACK's, three components) for a part of the genes, scaled
to all; one round of alternating least squares on the dense tensor; the eigenvectors of the whole Laplacian of both
networks, with its 2 x 2 blocks as a dense matrix, by the same solver. Results of both sides are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackNoConvergence, eigs, svds

from benchmarks.memory import Meter, in_process
from kgreg.decode.tenifold import Alignment, component_regression, decompose, denoised, resampled_networks
from kgreg.decode.tenifold.alignment import coupling


def counts(cells: int, genes: int) -> NDArray[np.float64]:
    """Return counts per million of cells with eight programmes of genes."""
    rng = np.random.default_rng(0)
    programmes = rng.normal(size=(cells, 8)) @ (rng.normal(size=(8, genes)) * (rng.random((8, genes)) < 0.15))
    made = rng.poisson(np.exp(rng.normal(0, 1, genes) + 0.5 * programmes) * rng.lognormal(0, 0.3, (cells, 1)))
    return made / made.sum(axis=1, keepdims=True) * 1e6


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds of CPU that a piece of work takes, over all threads, and what it returns.

    Other work on the machine does not count.
    """
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def plain_coefficients(x: NDArray[np.float64], genes: list[int]) -> NDArray[np.float64]:
    """Return the coefficients of some genes, ``[len(genes), n_genes]``."""
    z = (x - x.mean(axis=0)) / x.std(axis=0, ddof=1)
    made = np.zeros((len(genes), z.shape[1]))
    for row, k in enumerate(genes):
        others = np.delete(np.arange(z.shape[1]), k)
        _, _, right = svds(z[:, others], 3)
        scores = z[:, others] @ right.T
        made[row, others] = right.T @ ((scores * z[:, [k]]).sum(axis=0) / (scores**2).sum(axis=0))
    return made


def plain_round(tensor: NDArray[np.float64]) -> None:
    """One round on a dense tensor ``[n_networks, n_genes, n_genes]``."""
    rng = np.random.default_rng(0)
    rows, columns = rng.normal(size=(2, tensor.shape[1], 3))
    weights = rng.normal(size=(len(tensor), 3))
    rows = np.einsum("ngr,nr->gr", tensor @ columns, weights)
    columns = np.einsum("ngr,nr->gr", tensor.transpose(0, 2, 1) @ rows, weights)
    np.einsum("ngr,gr->nr", tensor.transpose(0, 2, 1) @ rows, columns)


def plain_distances(network: NDArray[np.float64], gene: int) -> NDArray[np.float64]:
    n = len(network)
    other = network.copy()
    other[gene] = 0
    c = coupling(n, float(network.sum() + other.sum())) * np.eye(n)
    graph = np.block([[network + 1, c], [c, other + 1]])
    np.fill_diagonal(graph, 0)
    laplacian = np.diag(graph.sum(axis=0)) - graph
    del graph
    values, vectors = eigs(laplacian, k=4, which="SR", ncv=60, maxiter=5000)
    order = np.argsort(values.real)
    order = order[values.real[order] > 1e-8][:2]
    return np.linalg.norm(vectors[:n, order].real - vectors[n:, order].real, axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genes", type=int, default=3000)
    parser.add_argument("--cells", type=int, default=500)
    parser.add_argument("--drawn", type=int, default=500)
    parser.add_argument("--part", type=int, default=30, help="genes of the plain regression")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--side", choices=["fast", "plain"])
    arguments = parser.parse_args()
    if arguments.side is None:
        os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(arguments.threads)
        given = [f"--{name}={getattr(arguments, name)}" for name in ("genes", "cells", "drawn", "part", "threads")]
        for side in ("fast", "plain"):
            print(side)
            for name, value in in_process("benchmarks.tenifold", [*given, "--side", side]).items():
                print(f"  {name:55} {value}")
        return
    import torch

    torch.set_num_threads(arguments.threads)
    x = counts(arguments.cells, arguments.genes)
    component_regression(x[:80, :40])  # numba compiles
    figures: dict[str, str] = {}
    meter = Meter()
    if arguments.side == "fast":

        def whole() -> None:
            seconds, stack = timed(lambda: resampled_networks(x, cells=arguments.drawn))
            figures["10 networks"] = f"{seconds:.1f} s"
            total = seconds
            seconds, parts = timed(lambda: decompose(stack))
            figures[f"tensor decomposition, {parts.iterations} rounds"] = f"{seconds:.1f} s"
            total += seconds
            seconds, network = timed(lambda: denoised(parts).T.tocsr())
            figures["one network of it"] = f"{seconds:.1f} s"
            total += seconds
            network.setdiag(0)
            network.eliminate_zeros()
            alignment = Alignment(network)
            seconds, _ = timed(lambda: alignment.distances([0]))
            figures["a knockout aligned"] = f"{seconds:.1f} s"
            figures["a replicate with one knockout"] = f"{total + seconds:.1f} s"

        peak, _ = meter.peak(whole)
    else:

        def whole() -> None:
            rng = np.random.default_rng(0)
            drawn = x[rng.integers(len(x), size=arguments.drawn)]
            drawn = drawn[:, drawn.std(axis=0) > 0]
            chosen = list(range(arguments.part))
            seconds, slow = timed(lambda: plain_coefficients(drawn, chosen))
            each = seconds / arguments.part
            figures[f"10 networks, from {arguments.part} genes"] = f"{each * drawn.shape[1] * 10:.0f} s"
            fast, made = timed(lambda: component_regression(drawn))
            figures["  times as long as all at once"] = f"{each * drawn.shape[1] / fast:.0f}"
            error = np.abs(made[chosen] - slow).max() / np.abs(slow).max()
            figures["  largest difference of a coefficient"] = f"{error:.1e} of the largest"
            stack = resampled_networks(x, networks=10, cells=arguments.drawn)
            fast, parts = timed(lambda: decompose(stack))
            tensor = np.stack([network.toarray() for network in stack])
            seconds, _ = timed(lambda: plain_round(tensor))
            figures["a round on the dense tensor"] = f"{seconds:.2f} s (sparse {fast / parts.iterations:.2f} s)"
            del tensor
            network = denoised(parts).T.tocsr()
            network.setdiag(0)
            alignment = Alignment(network)
            fast, (near, _) = timed(lambda: alignment.distances([0]))
            try:
                seconds, far = timed(lambda: plain_distances(network.toarray(), 0))
                figures["a knockout aligned, whole Laplacian"] = f"{seconds:.0f} s"
                figures["  times as long"] = f"{seconds / fast:.0f}"
                figures["  largest difference of a distance"] = (
                    f"{np.abs(near - far).max() / far.max():.1e} of the largest"
                )
            except ArpackNoConvergence:
                figures["a knockout aligned, whole Laplacian"] = "does not converge in 5,000 restarts"

        peak, _ = meter.peak(whole)
    figures["peak memory"] = f"{peak:,.0f} MB"
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
