"""Regulatory cascades with planted key nodes, some of them redundant, some of their paths interchangeable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kgreg.data.simulate.base import Simulation
from kgreg.errors import DataError

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

#: The node that is read out, and the two classes.
OUTPUT = "output"
CLASSES = ("resting", "active")


def simulate_cascade(
    n_samples: int = 400,
    n_cascades: int = 5,
    n_planted: int = 2,
    genes_per_factor: int = 6,
    n_hubs: int = 8,
    genes_per_hub: int = 20,
    shared_per_hub: int = 3,
    fold: float = 2.0,
    depth: float = 3000.0,
    seed: int = 0,
) -> Simulation:
    """Simulate cells of two classes and a signalling network over their genes, after Fortelny & Bock (2020).

    Every cascade has a receptor, two kinases side by side, and a transcription factor that reads its genes:
    ``output <- receptor_i <- kinase_ia, kinase_ib <- factor_i <- genes``. The kinases are interchangeable: either alone
    carries the whole signal. The genes of the planted cascades differ between the classes, and all of them carry
    the same signal: the cascades are redundant, and a network may use one and neglect the other. Hubs stand close to
    the output and read many genes, nearly all of which differ in nothing, but also a few of the planted cascades'. By
    their place in the network they get large weights, whatever the samples are.

    Counts are Poisson around a mean of the gene (log-normal) times the depth of the cell (log-normal), a share of which
    falls on each gene; values are ``log1p`` of counts scaled to the mean depth.

    Parameters
    ----------
    n_samples
        Cells, half of them active.
    n_cascades, n_planted
        Cascades, and how many of them carry the signal.
    genes_per_factor, n_hubs, genes_per_hub
        Sizes.
    shared_per_hub
        Genes of the planted cascades, drawn at random, that a hub reads besides its own.
    fold
        A gene of a planted cascade is as many times higher or lower (at random) in active cells.
    depth
        Mean counts of a cell.
    seed
        Of the random numbers.

    Returns
    -------
    Simulation
        Table ``network`` (``parent, child``, expression as ``NAME_gene``). Truth: proteins but the output, whether
        they lie on a planted cascade, and their ``role``. ``obs`` has ``state``.
    """
    if not 0 < n_planted <= n_cascades or min(genes_per_factor, genes_per_hub) < 1 or n_samples < 4 or fold <= 0:
        raise DataError(
            f"There is nothing to simulate with n_planted = {n_planted} of {n_cascades} cascades, n_samples = "
            f"{n_samples}, fold = {fold}.",
            "Plant at least one cascade, in at least four cells.",
        )
    rng = np.random.default_rng(seed)
    links: list[tuple[str, str]] = []
    truth: list[tuple[str, bool, str]] = []
    genes: list[str] = []
    informative: list[bool] = []

    def read_genes(node: str, count: int, planted: bool) -> None:
        for _ in range(count):
            genes.append(f"G{len(genes) + 1:03d}")
            informative.append(planted)
            links.append((node, f"{genes[-1]}_gene"))

    for i in range(n_cascades):
        planted = i < n_planted
        receptor, factor, kinases = f"receptor_{i + 1}", f"factor_{i + 1}", [f"kinase_{i + 1}{k}" for k in "ab"]
        links += [(OUTPUT, receptor), *((receptor, kinase) for kinase in kinases)]
        links += [(kinase, factor) for kinase in kinases]
        read_genes(factor, genes_per_factor, planted)
        names = [(receptor, "receptor"), *((kinase, "kinase") for kinase in kinases), (factor, "factor")]
        truth += [(name, planted, role) for name, role in names]
    for i in range(n_hubs):
        links.append((OUTPUT, f"hub_{i + 1}"))
        read_genes(f"hub_{i + 1}", genes_per_hub, planted=False)
        shared = rng.choice(
            n_planted * genes_per_factor, min(shared_per_hub, n_planted * genes_per_factor), replace=False
        )
        links += [(f"hub_{i + 1}", f"{genes[gene]}_gene") for gene in sorted(shared)]
        truth.append((f"hub_{i + 1}", False, "hub"))
    active = rng.permutation(np.arange(n_samples) % 2).astype(bool)
    return Simulation(
        adata=_express(rng, genes, np.array(informative), active, fold, depth),
        tables={"network": pd.DataFrame(links, columns=["parent", "child"])},
        truth=pd.DataFrame(truth, columns=["node", "planted", "role"]),
        about={
            "simulator": "cascade", "n_samples": n_samples, "n_cascades": n_cascades, "n_planted": n_planted,
            "genes_per_factor": genes_per_factor, "n_hubs": n_hubs, "genes_per_hub": genes_per_hub,
            "shared_per_hub": shared_per_hub, "fold": fold, "depth": depth, "seed": seed,
        },
    )  # fmt: skip


def _express(
    rng: np.random.Generator,
    genes: list[str],
    informative: NDArray[np.bool_],
    active: NDArray[np.bool_],
    fold: float,
    depth: float,
) -> AnnData:
    import anndata

    mean = rng.lognormal(0.0, 0.5, len(genes))
    change = np.where(informative, rng.choice([1 / fold, fold], len(genes)), 1.0)
    profile = np.where(active[:, None], mean * change, mean)
    profile /= profile.sum(axis=1, keepdims=True)
    depths = depth * rng.lognormal(0.0, 0.3, len(active))
    counts = rng.poisson(depths[:, None] * profile)
    x = np.log1p(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) * depth).astype(np.float32)
    obs = pd.DataFrame(
        {"state": np.where(active, CLASSES[1], CLASSES[0])}, index=[f"cell{i + 1}" for i in range(len(active))]
    )
    return anndata.AnnData(x, obs=obs, var=pd.DataFrame(index=genes))
