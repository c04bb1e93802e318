"""What does a training step of a graph network take, and what do copies of the graph for every sample cost?

    python -m benchmarks.graph_networks [--genes 20000] [--edges 1000000] [--batch 8] [--quick]

Every row is a process of its own on one thread: it draws a random graph, builds the network, takes a step to warm up,
and then takes steps (zero_grad, forward, loss, backward, Adam). Printed are the median of their CPU time, which is that
of the clock on a machine without other work, and how far the peak of the resident memory in these steps lies above what
graph, network and data held before the first. Rows:

- each convolution, two layers of 16 features (four heads of 4), the mean read;
- ``sage`` with 512 sampled genes, over graphs of a quarter of the edges, all, and four times as many;
- one layer of ``GCNConv`` (16 -> 16) as kgreg computes it, as torch-geometric does with a static graph, and with a
  block-diagonal graph of all samples.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from kgreg.blueprint import Blueprint, compile_interactions
from kgreg.nn import Inputs
from kgreg.nn.graphs import GraphDesign
from kgreg.nn.graphs.convolutions import Gcn
from kgreg.nn.graphs.genes import gene_graph

COMMON: dict[str, Any] = {"widths": (16, 16), "gene_features": 4, "readout": "mean"}
DESIGNS: dict[str, dict[str, Any]] = {
    "gcn": {"conv": "gcn"},
    "cheb": {"conv": "cheb", "order": 4},
    "sage": {"conv": "sage"},
    "gat": {"conv": "gat", "widths": (4, 4), "heads": 4},
    "sage, sampled": {"conv": "sage", "seeds": 512, "fanout": (10, 10)},
}


def random_blueprint(n_genes: int, n_edges: int) -> Blueprint:
    """Return genes with random interactions."""
    rng = np.random.default_rng(0)
    ends = np.unique(np.sort(rng.integers(0, n_genes, size=(int(1.1 * n_edges), 2)), axis=1), axis=0)
    ends = ends[ends[:, 0] < ends[:, 1]]
    ends = ends[np.sort(rng.permutation(len(ends))[:n_edges])]
    names = np.array([f"g{i:06d}" for i in range(n_genes)], dtype=object)
    table = pd.DataFrame({"source": names[ends[:, 0]], "target": names[ends[:, 1]]})
    return compile_interactions(table, pd.DataFrame({"feature": names, "gene": names}))


def steps_of_design(name: str, blueprint: Blueprint, batch: int) -> Callable[[], None]:
    """Return a training step of a whole network."""
    torch.manual_seed(0)
    network = GraphDesign(**(COMMON | DESIGNS[name])).build(blueprint, 2).train()
    inputs = Inputs(torch.randn(1, batch, len(blueprint.inputs)))
    target = torch.arange(batch) % 2
    return _stepper(network, lambda: nn.functional.cross_entropy(network(inputs).outputs, target))


def steps_of_layer(name: str, blueprint: Blueprint, batch: int) -> Callable[[], None]:
    """Return a training step of one graph convolution, computed in one of three ways."""
    from torch_geometric.nn import GCNConv

    torch.manual_seed(0)
    graph = gene_graph(blueprint)
    n = len(graph.genes)
    if name == "layer, kgreg":
        layer: nn.Module = Gcn(graph.adjacency(), 16, 16)
        x = torch.randn(n, batch, 16)
        return _stepper(layer, lambda: layer(x).square().mean())
    edges = torch.from_numpy(np.concatenate([np.stack([graph.one, graph.two]), np.stack([graph.two, graph.one])], 1))
    layer = GCNConv(16, 16, cached=True)
    if name == "layer, torch-geometric static":
        x = torch.randn(batch, n, 16)
        return _stepper(layer, lambda: layer(x, edges).square().mean())
    blocks = torch.cat([edges + b * n for b in range(batch)], dim=1)
    x = torch.randn(batch * n, 16)
    return _stepper(layer, lambda: layer(x, blocks).square().mean())


def _stepper(module: nn.Module, loss: Callable[[], Tensor]) -> Callable[[], None]:
    optimiser = torch.optim.Adam(module.parameters(), lr=1e-3)

    def step() -> None:
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()

    return step


def memory(field: str) -> float:
    """Return a field of this process's status in MB."""
    return int(Path("/proc/self/status").read_text().split(f"{field}:")[1].split()[0]) / 1000


def measure(name: str, n_genes: int, n_edges: int, batch: int, repeats: int) -> None:
    """Print the median seconds of a step, and the megabytes that it takes, of one row."""
    torch.set_num_threads(1)
    blueprint = random_blueprint(n_genes, n_edges)
    make = steps_of_layer if name.startswith("layer") else steps_of_design
    step = make(name, blueprint, batch)
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what building has freed would hide what the steps take
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins again from what is held now
    held = memory("VmRSS")
    step()
    times = []
    for _ in range(repeats):
        started = time.process_time()
        step()
        times.append(time.process_time() - started)
    print(statistics.median(times), memory("VmHWM") - held)


def row(name: str, n_genes: int, n_edges: int, batch: int, repeats: int) -> tuple[float, float]:
    """Measure one row in a process of its own; print it and return seconds and megabytes."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.graph_networks", "--one", name]
    command += ["--genes", str(n_genes), "--edges", str(n_edges), "--batch", str(batch), "--repeats", str(repeats)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    seconds, megabytes = (float(word) for word in done.stdout.split())
    print(f"  {name:>34}, {n_edges:>9,} edges: {1000 * seconds:9.0f} ms a step, {megabytes:8.0f} MB")
    return seconds, megabytes


def main() -> None:
    """Print all rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--edges", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of genes and edges")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        measure(given.one, given.genes, given.edges, given.batch, given.repeats)
        return
    genes, edges = (given.genes // 10, given.edges // 10) if given.quick else (given.genes, given.edges)
    print(f"torch {torch.__version__}, 1 thread; {genes:,} genes, {edges:,} interactions, batches of {given.batch}")
    for name in DESIGNS:
        row(name, genes, edges, given.batch, given.repeats)
    for factor in (0.25, 4):
        row("sage, sampled", genes, int(factor * edges), given.batch, given.repeats)
    names = ("layer, kgreg", "layer, torch-geometric static", "layer, torch-geometric blocks")
    found = {name: row(name, genes, edges, given.batch, given.repeats) for name in names}
    for name in names[1:]:
        (slow, large), (fast, small) = found[name], found[names[0]]
        print(f"  {name:>34}: {slow / fast:.1f} times the time and {large / small:.1f} times the memory of kgreg's")


if __name__ == "__main__":
    main()
