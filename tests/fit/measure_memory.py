"""Print the estimated and the measured memory of fits of several sizes; run in a process of its own."""

from __future__ import annotations

import ctypes
import json
import sys
import threading
from dataclasses import replace

import numpy as np
import pandas as pd
import psutil
import torch

from kgreg.blueprint import Blueprint, compile_hierarchy
from kgreg.data import Samples, Split
from kgreg.fit import TrainSettings, fit_networks
from kgreg.fit.memory import estimate_bytes


def blueprint(terms: int, genes: int, per_gene: int, width: int) -> Blueprint:
    """Return a random tree of terms with ``per_gene`` annotations a gene."""
    rng = np.random.default_rng(0)
    links = [(f"t{i}", f"t{rng.integers(max(0, i // 3 - 2), max(1, i // 3 + 1))}") for i in range(1, terms)]
    annotations = [(f"g{i}", f"t{t}") for i in range(genes) for t in rng.choice(terms, per_gene, replace=False)]
    names = [f"g{i}" for i in range(genes)]
    return compile_hierarchy(
        pd.DataFrame(links, columns=["child", "parent"]).assign(relation="is_a"),
        pd.DataFrame(annotations, columns=["gene", "term"]).assign(evidence="IDA"),
        pd.DataFrame({"feature": names, "gene": names, "label": names}),
        redundancy=None,
        width=width,
    )


def measure(terms: int, genes: int, per_gene: int, width: int, batch: int, networks: int) -> tuple[int, int]:
    """Return the estimate and the most that a fit took, in bytes."""
    graph = blueprint(terms, genes, per_gene, width)
    n = batch + 20
    x = np.random.default_rng(0).normal(size=(n, len(graph.inputs))).astype(np.float32)
    samples = Samples(
        x=x,
        features=graph.inputs["feature"].tolist(),
        names=[str(i) for i in range(n)],
        target=x[:, 0],
        classes=[],
        groups=None,
        task="regression",
        **{"label": "y", "layer": "X", "origin": "made here"},
    )
    split = Split(0, np.arange(batch), np.arange(batch, batch + 10), np.arange(batch + 10, n))
    settings = replace(TrainSettings(max_epochs=2, accelerator="cpu"), batch_size=batch)
    process = psutil.Process()
    before, done = process.memory_info().rss, threading.Event()
    most = [before]

    def watch() -> None:
        while not done.wait(0.002):
            most.append(process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    fit_networks(graph, samples, [split] * networks, settings, list(range(networks)))
    done.set()
    watcher.join()
    ctypes.CDLL(None).malloc_trim(0)
    return estimate_bytes(graph, 1, settings, networks), max(most) - before


if __name__ == "__main__":
    torch.set_num_threads(1)
    measure(30, 60, 2, 2, 50, 1)  # what is made once
    json.dump([measure(*sizes) for sizes in json.loads(sys.argv[1])], sys.stdout)
