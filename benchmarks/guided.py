"""Time of a training step and memory of every kind of guided network at 20,000 genes.

    python -m benchmarks.guided [NAME ...] [--genes N] [--batch B] [--threads T]

A step is zero_grad, one pass, the network's own loss, backward, the optimiser and ``after_step``. Graph and samples are
random. Memory is that of a process of its own, above what it held with blueprint and batch: the network with its
gradients and what the optimiser keeps, and the peak of three steps.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmarks.laplacian import random_graph
from benchmarks.memory import Meter, give_back, in_process
from benchmarks.vnn import clock
from kgreg.blueprint import Blueprint, compile_hierarchy, compile_interactions
from kgreg.nn.design import Design
from kgreg.nn.factorization import LaplacianAutoencoder, Multiview
from kgreg.nn.guided import Given
from kgreg.nn.integration import BottleneckDesign, LateDesign, MoliDesign
from kgreg.nn.ontology import OntologyAutoencoderDesign, TermAutoencoderDesign


@dataclass(frozen=True)
class Case:
    """A design with its defaults, and the blueprint it is built from: number of genes -> blueprint."""

    design: Design
    blueprint: Callable[[int], Blueprint]
    remark: str


def interacting(*modalities: str) -> Callable[[int], Blueprint]:
    """Return the maker of a blueprint of genes with 50 interactions a gene on average, in these modalities."""

    def make(n: int) -> Blueprint:
        edges, weight = random_graph(n, min(50 * n, n * (n - 1) // 4))
        names = np.array([f"g{i}" for i in range(n)], dtype=object)
        table = pd.DataFrame({"source": names[edges[0]], "target": names[edges[1]], "weight": weight})
        genes = pd.DataFrame({"feature": names, "gene": names})
        return compile_interactions(table, genes.merge(pd.DataFrame({"modality": modalities}), how="cross"))

    return make


def hierarchical(n: int) -> Blueprint:
    """Return the blueprint of genes below a tenth as many terms, each with one or two parents; three terms a gene."""
    rng = np.random.default_rng(0)
    n_terms, n_roots = n // 10, 8
    links = pd.DataFrame(
        [
            (f"t{i}", f"t{parent}")
            for i in range(n_roots, n_terms or n_roots + 1)
            for parent in np.unique(rng.integers(0, max(n_roots, i // 2), size=2))
        ],
        columns=["child", "parent"],
    )
    names = np.array([f"g{i}" for i in range(n)], dtype=object)
    terms = rng.integers(0, max(n_terms, n_roots), size=3 * n)
    annotations = pd.DataFrame({"gene": np.repeat(names, 3), "term": [f"t{t}" for t in terms]})
    genes = pd.DataFrame({"feature": names, "gene": names})
    return compile_hierarchy(links, annotations, genes, redundancy=None, width=3)


CASES = {
    "laplacian-autoencoder": Case(LaplacianAutoencoder(), interacting("rna"), "one modality"),
    "multiview": Case(Multiview(), interacting("rna", "methylation", "protein"), "three modalities"),
    "moli": Case(MoliDesign(), interacting("rna", "methylation", "protein"), "three modalities"),
    "late": Case(LateDesign(first="dense"), interacting("rna", "methylation", "protein"), "three modalities"),
    "bottleneck-autoencoder": Case(
        BottleneckDesign(), interacting("rna", "methylation", "protein"), "three modalities, one vector"
    ),
    "ontology-autoencoder": Case(OntologyAutoencoderDesign(), hierarchical, "3 neurons a term, linear"),
    "term-autoencoder": Case(TermAutoencoderDesign(), hierarchical, "a latent variable a term"),
}


def task_loss(outputs: Tensor, target: Tensor) -> Tensor:
    """Return the cross-entropy of outputs ``[n_outputs, batch]``."""
    return torch.nn.functional.cross_entropy(outputs.t(), target)


def trainer(case: Case, blueprint: Blueprint, given: Given, target: Tensor) -> tuple[int, Callable[[], None]]:
    """Return the parameters of a new network, and a function that takes one training step."""
    torch.manual_seed(0)
    network = case.design.build(blueprint, 2, link="softmax")
    with torch.no_grad():
        network.begin(given)
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-4, amsgrad=True, fused=True)

    def step() -> None:
        optimiser.zero_grad()
        network.loss(network.compute(given), given, target, task_loss).backward()
        optimiser.step()
        with torch.no_grad():
            network.after_step(5e-4)

    return network.n_parameters(), step


def measure(name: str, n: int, batch: int) -> None:
    """Print time and memory of one network as JSON."""
    case = CASES[name]
    small = case.blueprint(60)  # libraries are loaded, and threads started, before anything is measured
    target = torch.arange(batch) % 2
    trainer(case, small, Given(torch.randn(batch, len(small.inputs))), target)[1]()
    blueprint = case.blueprint(n)
    given = Given(torch.randn(batch, len(blueprint.inputs)))
    give_back()
    meter = Meter()
    building, (parameters, step) = meter.peak(lambda: trainer(case, blueprint, given, target))
    step()
    give_back()
    held = meter.now()
    peak, _ = meter.peak(lambda: [step() for _ in range(3)])
    seconds = statistics.median(clock(step) for _ in range(15))
    print(
        json.dumps(
            {
                "inputs": len(blueprint.inputs),
                "links": len(blueprint.interactions) + len(blueprint.edges),
                "parameters": parameters,
                "building": building,
                "held": held,
                "peak": peak,
                "seconds": seconds,
            }
        )
    )


def main() -> None:
    """Print a line a network."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*CASES, []], help="default: all")
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.measure:
        measure(options.names[0], options.genes, options.batch)
        return
    print(f"{options.genes:,} genes, batch {options.batch}; torch {torch.__version__}, {options.threads} threads")
    size = ["--genes", str(options.genes), "--batch", str(options.batch), "--threads", str(options.threads)]
    for name in options.names or CASES:
        found = in_process("benchmarks.guided", [name, "--measure", *size])
        print(
            f"  {name:>24} ({CASES[name].remark}): {found['inputs']:,} inputs, {found['links']:,} interactions or "
            f"links, {found['parameters']:,} parameters\n"
            f"  {'':>24} {1000 * found['seconds']:.1f} ms a step; {found['held']:.1f} MB held, {found['peak']:.1f} MB "
            f"at the peak of a step, {found['building']:.1f} MB at that of building"
        )


if __name__ == "__main__":
    main()
