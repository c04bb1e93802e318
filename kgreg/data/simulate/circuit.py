"""Cells in which transcription factors regulate each other and their targets, and what every knockout really does."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.data.simulate.base import Simulation
from kgreg.errors import DataError

TYPES = ("A", "B")


def simulate_circuit(
    n_cells: int = 600,
    n_factors: int = 12,
    n_targets: int = 108,
    regulators: int = 2,
    decoys: int = 2,
    silent: float = 0.3,
    noise: float = 0.3,
    seed: int = 0,
) -> Simulation:
    """Simulate expression under a regulatory network without cycles, and what really happens when a factor is gone.

    Factors stand in an order; from the fourth on a factor is regulated by one or two before it, and every target by
    ``regulators`` factors. A gene's level is ``base + sum_f w_f (level_f - base_f) + noise``, at least 0, with weights
    of 0.5 to 1 that activate or repress (one in three). In type B a share ``silent`` of the links does nothing. The
    network that is handed out also has ``decoys`` links a gene that do nothing in either type. A knockout sets a factor
    to 0 and computes all levels anew with the same noise, so that its truth is no estimate.

    Values are ``log1p`` of Poisson counts, scaled to 2,000 a cell.

    Returns
    -------
    Simulation
        Tables ``network`` (``tf, target``, decoys among them), ``links`` (``tf, target, weight, type_a, type_b``:
        whether a link works) and ``knockouts`` (``knockout, type, gene, delta``: mean change of the level). ``obs`` has
        ``type``, ``obsm`` ``X_pca``. Truth: genes, ``planted`` for the factors that regulate.

    Raises
    ------
    DataError
        If there are too few factors, targets or cells.
    """
    import anndata

    if n_factors < 5 or n_targets < 1 or n_cells < 4 or regulators < 1 or regulators + decoys > n_factors - 1:
        raise DataError(
            f"There is nothing to simulate with {n_cells} cells, {n_factors} factors and {n_targets} targets with "
            f"{regulators} regulators and {decoys} decoys each.",
            "Take five factors or more, and fewer regulators and decoys than factors.",
        )
    rng = np.random.default_rng(seed)
    genes = [*(f"TF{i + 1:02d}" for i in range(n_factors)), *(f"G{i + 1:03d}" for i in range(n_targets))]
    n = len(genes)
    weights, decoy = np.zeros((n, n)), np.zeros((n, n), dtype=np.bool_)
    for gene in range(3, n):
        before = min(gene, n_factors)
        many = int(rng.integers(1, 3)) if gene < n_factors else regulators
        chosen = rng.choice(before, min(many, before), replace=False)
        weights[chosen, gene] = rng.uniform(0.5, 1.0, len(chosen)) * np.where(rng.random(len(chosen)) < 1 / 3, -1, 1)
        free = np.setdiff1d(np.arange(n_factors), [*chosen, gene])
        decoy[rng.choice(free, min(decoys, len(free)), replace=False), gene] = True
    works = [np.ones((n, n), dtype=np.bool_), rng.random((n, n)) >= silent]
    base = rng.uniform(1.5, 3.0, n)
    types = rng.permutation(np.arange(n_cells) % 2)
    random = rng.normal(size=(n_cells, n)) * np.where(np.arange(n) < n_factors, 0.6, noise)

    def levels(cells: NDArray[np.bool_], kind: int, silenced: int | None = None) -> NDArray[np.float64]:
        made = np.zeros((int(cells.sum()), n))
        for gene in range(n):
            regulated = (made - base) @ (weights[:, gene] * works[kind][:, gene])
            made[:, gene] = np.maximum(base[gene] + regulated + random[cells, gene], 0.0)
            if gene == silenced:
                made[:, gene] = 0.0
        return made

    level = np.zeros((n_cells, n))
    truths = []
    for kind, name in enumerate(TYPES):
        mine = types == kind
        level[mine] = levels(mine, kind)
        for factor in range(n_factors):
            delta = (levels(mine, kind, factor) - level[mine]).mean(axis=0)
            truths.append(pd.DataFrame({"knockout": genes[factor], "type": name, "gene": genes, "delta": delta}))
    profile = np.expm1(level)
    depth = 2000 * rng.lognormal(0, 0.1, (n_cells, 1))
    counts = rng.poisson(depth * profile / profile.sum(axis=1, keepdims=True))
    x = np.log1p(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) * 2000).astype(np.float32)
    obs = pd.DataFrame({"type": np.array(TYPES)[types]}, index=[f"cell{i + 1}" for i in range(n_cells)])
    adata = anndata.AnnData(x, obs=obs, var=pd.DataFrame(index=genes))
    left, size, _ = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    adata.obsm["X_pca"] = (left[:, :2] * size[:2]).astype(np.float32)
    adata.layers["counts"] = counts.astype(np.float32)
    names = np.array(genes)
    tf, target = np.nonzero((weights != 0) | decoy)
    network = pd.DataFrame({"tf": names[tf], "target": names[target]})
    links = network.assign(
        weight=weights[tf, target],
        type_a=(weights[tf, target] != 0) & works[0][tf, target],
        type_b=(weights[tf, target] != 0) & works[1][tf, target],
    )
    truth = pd.DataFrame({"node": genes, "planted": (weights != 0).any(axis=1)})
    about = {
        "simulator": "circuit", "n_samples": n_cells, "n_factors": n_factors, "n_targets": n_targets,
        "regulators": regulators, "decoys": decoys, "silent": silent, "noise": noise, "seed": seed,
    }  # fmt: skip
    tables = {"network": network, "links": links, "knockouts": pd.concat(truths, ignore_index=True)}
    return Simulation(adata, tables, truth, about)
