"""How much faster is one training step of kgreg's visible network than of a loop over terms?

Three ways to compute the same network (GO biological process over the genes of the demo; batch norm, tanh, no heads):

- **masked loop**: one ``nn.Linear`` over all genes a term with a mask multiplied in, terms in a Python loop, as in the
  published research code;
- **indexed loop**: a small ``nn.Linear`` over the term's own genes and children only, terms in a Python loop;
- **kgreg**: edge-only parameters, all terms of a level at once.

Run it with ``make benchmark``. It prints the ratio of the median times in this run; machines differ, ratios less so.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from kgreg.blueprint import Blueprint, compile_guide, go_guide
from kgreg.data import bundled_file, match_genes, read_samples
from kgreg.nn import VisibleNetwork
from kgreg.store import default_store_path, load, open_store


class LoopNetwork(nn.Module):
    """Terms one after the other."""

    def __init__(self, blueprint: Blueprint, n_outputs: int, masked: bool) -> None:
        super().__init__()
        feature = {node: i for i, node in enumerate(blueprint.inputs["node"])}
        self.terms = blueprint.terms["id"].tolist()
        width = dict(zip(self.terms, blueprint.terms["width"], strict=True))
        sources = blueprint.edges.groupby("target")["source"].apply(list)
        self.masked, self.genes, self.children = masked, {}, {}
        self.linear, self.direct, self.norm = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        for term in self.terms:
            mine = sources[term]
            genes = [feature[s] for s in mine if s in feature]
            self.genes[term] = torch.tensor(genes, dtype=torch.long)
            self.children[term] = [s for s in mine if s not in feature]
            below = sum(width[c] for c in self.children[term])
            key = term.replace(":", "_")
            if masked:
                mask = torch.zeros(len(feature))
                mask[self.genes[term]] = 1
                self.register_buffer(f"mask_{key}", mask)
            self.direct[key] = nn.Linear(len(feature) if masked else len(genes), width[term])
            self.linear[key] = nn.Linear(below, width[term], bias=False) if below else nn.Identity()
            self.norm[key] = nn.BatchNorm1d(width[term])
        self.tops = list(dict.fromkeys(blueprint.outputs["node"]))
        self.readout = nn.Linear(sum(width[t] for t in self.tops), n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[batch, n_outputs]`` for ``x [batch, genes]``."""
        hidden: dict[str, Tensor] = {}
        for term in self.terms:
            key = term.replace(":", "_")
            direct = self.direct[key]
            if self.masked:
                mask: Tensor = getattr(self, f"mask_{key}")
                z = nn.functional.linear(x, direct.weight * mask, direct.bias)
            else:
                z = direct(x[:, self.genes[term]])
            if self.children[term]:
                z = z + self.linear[key](torch.cat([hidden[c] for c in self.children[term]], dim=1))
            hidden[term] = torch.tanh(self.norm[key](z))
        return self.readout(torch.cat([hidden[t] for t in self.tops], dim=1))


def demo_blueprint(width: int) -> tuple[Blueprint, int]:
    """Return the network of ``kgreg demo`` and its number of classes."""
    path = default_store_path()
    if not path.exists():
        load(path)
    samples = read_samples(bundled_file("scanpy:pbmc68k_reduced"), "bulk_labels", layer="raw")
    with open_store(path) as store:
        genes = match_genes(samples.features, store).matched
        return compile_guide(store, go_guide(), genes, min_genes=10, max_genes=300, width=width), len(samples.classes)


def time_steps(step: Callable[[], None], repeats: int) -> float:
    """Return the median time of a step in seconds, after two to warm up."""
    step(), step()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def training_step(network: nn.Module, x: Tensor, y: Tensor) -> Callable[[], None]:
    """Return a function that does forward, backward and one step of AdamW."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    predict = network.predict if isinstance(network, VisibleNetwork) else network

    def step() -> None:
        optimiser.zero_grad()
        nn.functional.cross_entropy(predict(x), y).backward()
        optimiser.step()

    return step


def main() -> None:
    """Print times and ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--width", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    torch.manual_seed(0)
    blueprint, n_classes = demo_blueprint(options.width)
    x = torch.randn(options.batch, len(blueprint.inputs))
    y = torch.from_numpy(np.random.default_rng(0).integers(0, n_classes, options.batch))
    networks = {
        "masked loop": LoopNetwork(blueprint, n_classes, masked=True),
        "indexed loop": LoopNetwork(blueprint, n_classes, masked=False),
        "kgreg": VisibleNetwork(blueprint, n_classes, auxiliary=False),
    }
    times = {name: time_steps(training_step(network, x, y), options.repeats) for name, network in networks.items()}
    summary = blueprint.summary()
    print(
        f"{summary['terms']} terms, {summary['gene_links']} gene links, {summary['term_links']} term links, "
        f"{options.width} neurons a term, batch {options.batch}, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}"
    )
    for name, network in networks.items():
        parameters = sum(p.numel() for p in network.parameters())
        print(
            f"{name:>13}: {1000 * times[name]:8.1f} ms a step, {times[name] / times['kgreg']:6.1f} x kgreg, "
            f"{parameters:>9,} parameters"
        )


if __name__ == "__main__":
    main()
