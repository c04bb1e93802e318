"""How much faster than the published loop over terms is the engine, and in how much less memory?

    python -m benchmarks.vnn [a b c d] [--threads N] [--quick]

(a) a network of DrugCell's size, (b) NeST, (c) thirty replicates side by side, (d) every gene knocked out. Both sides
compute the same network on the same batch: before anything is timed, weights are copied from one to the other and the
losses compared. A training step is zero_grad, forward, the loss over all heads, backward and Adam. The two sides take
turns, and a figure is the median of the ratios of neighbouring times, so that a machine that is busy for a while does
not favour one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from benchmarks.cases import Batch, Case, drugcell_size, nest
from benchmarks.published_loop import PublishedLoop, concordance_loss, loop_loss
from kgreg.nn import Inputs, KnockedOut, SparseRows, VisibleNetwork

CASES = {"drugcell": drugcell_size, "nest": nest}


def engine_loss(network: VisibleNetwork, case: Case, inputs: Inputs, target: Tensor, seeds: object = None) -> Tensor:
    """Return the loss, all heads at once, summed over the networks side by side; ``target`` is ``[B]``."""
    out = network(inputs, seeds)
    rows = torch.cat([out.outputs.mT.flatten(0, -2), out.auxiliary.flatten(0, -2)])  # type: ignore[union-attr]
    each = concordance_loss(rows, target) if case.concordance else ((rows - target) ** 2).mean(dim=1)
    n = network.networks
    return each[:n].sum() + case.alpha * each[n:].sum()


def stepper(parameters: list[torch.nn.Parameter], loss: Callable[[], Tensor], fused: bool) -> Callable[[], None]:
    """Return a function that takes one training step."""
    optimiser = torch.optim.Adam(parameters, lr=1e-3, eps=1e-5, fused=fused)

    def step() -> None:
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()

    return step


def engine_step(network: VisibleNetwork, case: Case, inputs: Inputs, target: Tensor) -> Callable[[], None]:
    """Return a training step of the engine."""
    return stepper(list(network.parameters()), lambda: engine_loss(network, case, inputs, target), fused=True)


def loop_step(loop: PublishedLoop, case: Case, batch: Batch) -> Callable[[], None]:
    """Return a training step of the published loop."""
    optimiser = torch.optim.Adam(loop.parameters(), lr=1e-3, eps=1e-5)

    def step() -> None:
        optimiser.zero_grad()
        loop_loss(loop, case, batch).backward()
        loop.mask_gradients()
        optimiser.step()

    return step


def clock(step: Callable[[], object]) -> float:
    """Return the seconds that one call takes."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    started = time.perf_counter()
    step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


def take_turns(
    slow: Callable[[], object], fasts: list[Callable[[], object]], rounds: int, inner: int
) -> list[tuple[float, float, float]]:
    """Return, for each of ``fasts``: median seconds of ``slow``, its own, and the median of their ratios by round.

    In a round ``slow`` runs once, each of ``fasts`` ``inner`` times before it and after it; their median counts.
    """
    times: list[tuple[float, list[float]]] = []
    for _ in range(rounds):
        runs = [[clock(fast) for _ in range(inner)] for fast in fasts]
        seconds = clock(slow)
        for own, fast in zip(runs, fasts, strict=True):
            own += [clock(fast) for _ in range(inner)]
        times.append((seconds, [statistics.median(own) for own in runs]))
    slowest = statistics.median(seconds for seconds, _ in times)
    return [
        (
            slowest,
            statistics.median(own[i] for _, own in times),
            statistics.median(seconds / own[i] for seconds, own in times),
        )
        for i in range(len(fasts))
    ]


def check_agreement(case: Case, loop: PublishedLoop, network: VisibleNetwork, batch: Batch, shared: Inputs) -> None:
    """Compare the losses of loop and engine, without dropout, with the same weights."""
    loop.copy_from(network, case.blueprint.edges)
    with torch.no_grad():
        dropout, loop.dropout = loop.dropout, 0.0
        expected = float(loop_loss(loop, case, batch))
        loop.dropout = dropout
        for inputs in (batch.plain(), shared):
            found = float(engine_loss(network, case, inputs, batch.target, np.zeros(1, np.int64)))
            if not abs(found - expected) <= 1e-4 * max(1.0, abs(expected)):
                sys.exit(f"{case.name}: the losses are {expected:.6f} (loop) and {found:.6f} (engine).")
    print(f"  same weights, same batch: loss {expected:.5f} both ways")


def compare_training(case: Case, size: int, rounds: int, memory: bool) -> None:
    """Print times of a training step and peak memory of both sides at one batch size."""
    torch.manual_seed(0)
    batch, dense = case.batch(size), case.batch(size, dense=True)
    shared = case.shared(batch)
    network, loop = case.network(), PublishedLoop(case)
    print(f"\n {case.name}, batch {size:,}: {len(set(batch.cell)):,} different cells", end="")
    print(f", {len(set(batch.drug)):,} drugs" if case.drug_size else "")
    check_agreement(case, loop, network, batch, shared)
    slow = loop_step(loop, case, batch)
    kinds = {
        "engine, rows shared": engine_step(network, case, shared, batch.target),
        "engine, a row a sample": engine_step(network, case, batch.plain(), batch.target),
        "engine, dense inputs": engine_step(network, case, dense.plain(), dense.target),
    }
    for fast in kinds.values():
        fast(), fast()
    if size < 5000:
        slow()
    measured = take_turns(slow, list(kinds.values()), rounds, 3 if size >= 1000 else 8)
    for name, (a, b, ratio) in zip(kinds, measured, strict=True):
        print(f"  {name:>24}: {1000 * b:9.1f} ms a step, loop {1000 * a:9.1f} ms, {ratio:6.1f} times as fast")
    if rounds == 1:
        print("                            (a single step of the loop, its first)")
    parameters = [sum(p.numel() for p in module.parameters()) for module in (network, loop)]
    print(f"  {'parameters':>24}: engine {parameters[0]:,}, loop {parameters[1]:,}")
    del loop, slow
    if memory:
        name = next(
            key for key, make in CASES.items() if make.__name__ == ("nest" if case.concordance else "drugcell_size")
        )
        base, engine, published = (peak_memory(name, side, size) for side in ("nothing", "engine", "loop"))
        print(
            f"  {'peak memory':>24}: engine {engine - base:,.0f} MB, loop {published - base:,.0f} MB, "
            f"1/{(published - base) / max(engine - base, 1):.0f}"
        )


def peak_memory(case: str, side: str, size: int) -> float:
    """Return the peak resident memory in MB of a process of its own that takes three training steps."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.vnn",
        "--peak",
        case,
        side,
        str(size),
        "--threads",
        str(torch.get_num_threads()),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    return float(done.stdout)


def print_peak(name: str, side: str, size: int) -> None:
    """Take the steps of one side and print the peak memory."""
    case = CASES[name]()
    batch = case.batch(size)
    step: Callable[[], None] = lambda: None  # noqa: E731
    if side == "engine":
        step = engine_step(case.network(), case, batch.plain(), batch.target)
    elif side == "loop":
        step = loop_step(PublishedLoop(case), case, batch)
    for _ in range(3):
        step()
    # Not ru_maxrss: it keeps the peak of the process that started this one. VmHWM begins with the program.
    status = Path("/proc/self/status").read_text()
    print(int(status.split("VmHWM:")[1].split()[0]) / 1000)


def part_a(quick: bool) -> None:
    """Print the comparison for a network of DrugCell's size."""
    case = drugcell_size()
    describe("(a)", case)
    compare_training(case, 256, 2 if quick else 5, memory=not quick)
    if not quick:
        compare_training(case, 1000, 3, memory=True)
        compare_training(case, 5000, 1, memory=False)


def part_b(quick: bool) -> None:
    """Print the comparison for NeST."""
    case = nest()
    describe("(b)", case)
    for size in (64, 1024):
        compare_training(case, size, 3 if quick else 15, memory=not quick)


def part_c(quick: bool, replicates: int = 30) -> None:
    """Print what replicates side by side cost."""
    case = nest()
    describe("(c)", case)
    torch.manual_seed(0)
    batches = [case.batch(64, seed) for seed in range(replicates)]
    target = batches[0].target
    table = sparse.csr_matrix(case.cells)
    together = Inputs(SparseRows.take(table, np.stack([batch.cell for batch in batches])))
    alone = Inputs(SparseRows.take(table, batches[0].cell[None]))
    one = engine_step(case.network(), case, alone, target)
    many = engine_step(case.network(replicates), case, together, target)
    one(), many(), one(), many()
    ((a, b, ratio),) = take_turns(many, [one], 5 if quick else 30, 10)
    print(
        f"\n {replicates} replicates a step, each with its own batch of 64: {1000 * a:.1f} ms; one: {1000 * b:.1f} ms"
    )
    print(f"  {replicates} replicates take the time of {ratio:.1f}")


def part_d(quick: bool) -> None:
    """Print what it takes to knock out every gene."""
    for case, most in ((nest(), None), (drugcell_size(), 20)):
        describe("(d)", case)
        torch.manual_seed(0)
        network = replace(case, architecture=replace(case.architecture, initial_scale=1.0)).network().eval()
        # Not the values of the start, with which a gene hardly moves the output.
        with torch.no_grad():
            network.rules.scale.fill_(1.0)  # type: ignore[union-attr]
            network.hierarchy.running[0].uniform_(-0.5, 0.5)
            network.hierarchy.running[1].uniform_(0.5, 2.0)
        cells = torch.from_numpy(case.cells)
        drugs = torch.from_numpy(case.drugs[np.arange(len(cells)) % len(case.drugs)])
        nodes = case.blueprint.inputs["node"].to_numpy()
        genes = [np.flatnonzero(nodes == gene) for gene in dict.fromkeys(nodes)]
        tested = genes[: most or len(genes)]

        def outputs(genes: Tensor, network: VisibleNetwork = network, drugs: Tensor = drugs) -> Tensor:
            with torch.no_grad():
                return network(Inputs(genes[None], blocks={"drug": drugs[None]} if drugs.shape[1] else {})).outputs

        def naive(genes: list[NDArray[np.int64]] = tested, cells: Tensor = cells) -> list[Tensor]:
            found = []
            for columns in genes:
                changed = cells.clone()
                changed[:, columns] = 0
                found.append(outputs(changed))
            return found

        def sweep(
            genes: list[NDArray[np.int64]] = genes,
            network: VisibleNetwork = network,
            cells: Tensor = cells,
            drugs: Tensor = drugs,
        ) -> list[KnockedOut]:
            inputs = Inputs(cells[None], blocks={"drug": drugs[None]} if drugs.shape[1] else {})
            return list(network.knock_out(inputs, genes))

        base = outputs(cells)
        apart = moved = 0.0
        for expected, change in zip(naive(), sweep(), strict=False):
            found = base.clone()
            found[change.samples] = change.outputs
            apart = max(apart, float((found - expected).abs().max()))
            moved = max(moved, float((expected - base).abs().max()))
        ((slow, fast, ratio),) = take_turns(naive, [sweep], 1 if quick else 5, 1)
        part = len(genes) / len(tested)
        print(f"\n {len(genes):,} genes knocked out of {len(cells):,} cell lines, one by one")
        print(f"  the two ways differ by at most {apart:.1e} in any output; a knockout moves one by up to {moved:.1e}")
        print(
            f"  a full pass each: {part * slow:7.2f} s"
            + (f" ({len(tested)} genes measured, the rest extrapolated)" if part > 1 else "")
            + f"; incremental: {fast:6.2f} s, {part * ratio:.1f} times as fast"
        )


def part_gpu(quick: bool) -> None:
    """Print the comparison on a GPU, and how near the engine comes to what its memory allows."""
    case, size = drugcell_size(), 1000 if quick else 5000
    describe("(gpu)", case)
    torch.manual_seed(0)
    batch = case.batch(size).to("cuda")
    network, loop = case.network().to("cuda"), PublishedLoop(case).to("cuda")
    loop.copy_from(network, case.blueprint.edges)
    fast, slow = engine_step(network, case, batch.plain(), batch.target), loop_step(loop, case, batch)
    fast(), fast(), slow()
    ((a, b, ratio),) = take_turns(slow, [fast], 2 if quick else 5, 10)
    print(f"\n batch {size:,}: engine {1000 * b:.1f} ms a step, loop {1000 * a:.1f} ms, {ratio:.1f} times as fast")
    block = torch.empty(2**28, device="cuda")
    copied = statistics.median(clock(lambda: block.clone()) for _ in range(10))
    bandwidth = 2 * block.numel() * 4 / copied
    # At the least: inputs are read forward and for the weights' gradients; activations written, read by their readers,
    # and read again backward; their gradients written and read; Adam reads four numbers a parameter and writes three.
    neurons = network.hierarchy.program.n_neurons + sum(h.program.n_neurons for h in network.branches.values())
    inputs = batch.genes.shape[1] + batch.drugs.shape[1]
    moved = 4 * (size * (2 * inputs + 5 * neurons) + 7 * sum(p.numel() for p in network.parameters()))
    print(
        f"  {moved / 1e9:.2f} GB must move: {moved / b / 1e9:.0f} GB/s, {100 * moved / b / bandwidth:.0f} % of the "
        f"{bandwidth / 1e9:.0f} GB/s of a copy"
    )


def describe(part: str, case: Case) -> None:
    """Print what a case is."""
    s = case.blueprint.summary()
    print(
        f"\n{part} {case.name}: {s['terms']:,} terms, {s['gene_links']:,} gene links, {s['term_links']:,} term links, "
        f"{s['genes']:,} genes, {s['levels']} levels\n    ({case.remark})"
    )


def main() -> None:
    """Run the parts that are named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*"abcd", []], help="default: all")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--quick", action="store_true", help="fewer rounds, small batches, no memory")
    parser.add_argument("--peak", nargs=3, metavar=("CASE", "SIDE", "BATCH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.peak:
        print_peak(options.peak[0], options.peak[1], int(options.peak[2]))
        return
    print(f"torch {torch.__version__}, {options.threads} threads; times are medians, ratios medians of ratios")
    parts = {"a": part_a, "b": part_b, "c": part_c, "d": part_d}
    for part in options.parts or parts:
        parts[part](options.quick)
    if torch.cuda.is_available():
        part_gpu(options.quick)


if __name__ == "__main__":
    main()
