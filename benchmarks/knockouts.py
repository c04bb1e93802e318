"""Every gene knocked out of the DrugCell-size network, down to the mean effect on every subsystem.

    python -m benchmarks.knockouts [--threads N] [--quick]

Genotypes as DrugCell reads them, in 1,000 cell lines: alterations taken away (what is 1 becomes 0, in the few samples
that have it), and genes altered (what is 0 becomes 1, in nearly all samples); and dense values in their place,
silenced. The other side is the loop that one would write: a full pass of the same engine for every gene, and the
differences by numpy.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.cases import Case, drugcell_size
from benchmarks.vnn import clock, describe
from kgreg.data.scaling import Scaler
from kgreg.decode.knockout.effects import Unchanged
from kgreg.decode.knockout.population import mean_effects
from kgreg.decode.knockout.settings import Manipulation
from kgreg.fit import FittedModel, Readings
from kgreg.fit.readings import Preprocessing

SAMPLES = 1000


def main() -> None:
    """Print the seconds that a sweep takes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--quick", action="store_true", help="100 genes")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.threads} threads")
    case = drugcell_size()
    describe("(knockouts)", case)
    model = fitted(case)
    genotypes = case.cells[:SAMPLES]
    values = np.random.default_rng(0).standard_normal(genotypes.shape, dtype=np.float32)
    n = 100 if options.quick else genotypes.shape[1]
    drug = case.drugs[np.arange(SAMPLES) % len(case.drugs)]
    print(f"\n {n:,} genes knocked out of {SAMPLES:,} samples: mean change of the output and of 2,086 subsystems")
    for what, x, value in (
        ("alterations taken away", genotypes, "silent"),
        ("genes altered", genotypes, "altered"),
        ("dense values silenced", values, "silent"),
    ):
        unchanged = Unchanged.of(model, Readings(x, blocks={"drug": drug}))
        how = Manipulation.of(x, value)  # type: ignore[arg-type]
        compare(what, unchanged, how, n, x)


def fitted(case: Case) -> FittedModel:
    """Return the network with weights and statistics that let a gene reach the output, as if it had been trained."""
    torch.manual_seed(0)
    network = replace(case, architecture=replace(case.architecture, initial_scale=1.0)).network().eval()
    with torch.no_grad():
        network.rules.scale.fill_(1.0)  # type: ignore[union-attr]
        network.hierarchy.running[0].uniform_(-0.5, 0.5)
        network.hierarchy.running[1].uniform_(0.5, 2.0)
    plain = Scaler(np.zeros(network.n_inputs, np.float32), np.ones(network.n_inputs, np.float32))
    return FittedModel(network, case.blueprint, Preprocessing(plain, None), "regression", (0.0, 1.0), 0, 0, [])


def compare(what: str, unchanged: Unchanged, how: Manipulation, n: int, x: NDArray[np.float32]) -> None:
    """Print the seconds of the sweep, and of the loop over some of its genes."""
    weight = np.full((1, len(x)), 1 / len(x))
    genes = [np.array([g]) for g in range(n)]
    found: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    list(mean_effects(unchanged, genes[:2], how, weight, 1))  # what is compiled, is compiled before
    used = time.process_time()
    seconds = clock(lambda: found.extend(mean_effects(unchanged, genes, how, weight, 1)))
    used = time.process_time() - used
    some = np.random.default_rng(1).choice(n, 5, replace=False)
    by_loop: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    slow = clock(lambda: by_loop.extend(one_by_one(unchanged, how, g, x) for g in some)) / len(some) * n
    apart = max(
        float(np.abs(np.concatenate([a.ravel() - b.ravel() for a, b in zip(found[g], own, strict=True)])).max())
        for g, own in zip(some, by_loop, strict=True)
    )
    moved = max(float(np.abs(outputs).max()) for outputs, _ in found)
    print(
        f"\n  {what}: {seconds:.1f} s ({used:.1f} s of processor time); a full pass each: {slow:.1f} s (5 genes "
        f"measured, the rest extrapolated), {slow / seconds:.1f} times as long\n"
        f"    the two differ by at most {apart:.1e}; the largest effect on the output is {moved:.1e}"
    )


def one_by_one(
    unchanged: Unchanged, how: Manipulation, gene: int, x: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what the sweep returns of a gene, by a pass over changed samples."""
    changed = x.copy()
    changed[:, gene] = how.factors[gene] * x[:, gene] + how.values[gene]
    after = Unchanged.of(unchanged.model, replace(unchanged.readings, x=changed))
    moved = (after.hidden - unchanged.hidden).astype(np.float64) * unchanged.inverse_spread[:, None]
    widths = unchanged.model.network.term_widths
    squares = np.add.reduceat(moved**2, np.cumsum(widths) - widths, axis=0) / widths[:, None]
    return (after.predicted - unchanged.predicted).mean(axis=0), np.sqrt(squares).mean(axis=1)


if __name__ == "__main__":
    main()
