"""Several modalities with shared factors, whose loadings are smooth over a graph of interactions between genes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve

from kgreg.data.simulate.base import Simulation
from kgreg.errors import DataError

if TYPE_CHECKING:
    from anndata import AnnData

Array = NDArray[np.float64]


def simulate_omics(
    n_samples: int = 300,
    n_genes: int = 300,
    modalities: Sequence[str] = ("expression", "methylation", "protein"),
    n_factors: int = 6,
    n_outcome: int = 2,
    module_size: int = 20,
    neighbours: float = 6.0,
    background: float = 1.0,
    smoothing: float = 2.0,
    signal: float = 1.0,
    noise: float = 1.5,
    effect: float = 2.5,
    missing: float = 0.0,
    seed: int = 0,
) -> Simulation:
    """Simulate modalities that share factors, and an outcome that some of the factors drive.

    Every factor has a module of genes of its own. Within a module genes interact (``neighbours`` each on average), and
    the module is connected; besides, random pairs of all genes interact (``background`` a gene). The loadings of a
    factor on its module solve ``(I + smoothing L) w = 1 + e``, e standard normal and L the Laplacian of the module, so
    that interacting genes have like loadings; they are 0 elsewhere, and their root mean square over the module is 1.
    A modality has a sign and a strength (0.5 to 1.5) of its own for every factor. With factors ``z`` (standard normal),
    ``x_v = signal * z (s_v w)^T + noise * e``, where e has a standard deviation of its own for every gene (log-normal).
    The outcome is driven by the sum of ``n_outcome`` factors, scaled to unit variance: ``P(case) = sigmoid(effect *
    sum)``; times are exponential with the log hazard ``effect / 2 * sum``, censored at exponential times.

    Parameters
    ----------
    missing
        Chance that a sample lacks a modality; every sample keeps at least one. Its row of that layer is NaN.

    Returns
    -------
    Simulation
        ``adata``: one layer a modality (``X`` is the first), ``obs``: condition ("case", "control"), time, event.
        ``tables["interactions"]``: source, target, weight. ``truth``: node, planted (whether the gene loads on a factor
        that drives the outcome), factor (the one it loads on, from 1; 0: none), loading. The factors are in
        ``adata.obsm["factors"]``.

    Raises
    ------
    DataError
        If the modules do not fit into the genes, or a number makes no sense.
    """
    names = list(modalities)
    if n_factors * module_size > n_genes:
        raise DataError(
            f"{n_factors} modules of {module_size} genes do not fit into {n_genes} genes.", "Ask for more genes."
        )
    if not 1 <= n_outcome <= n_factors or module_size < 2 or n_samples < 2:
        raise DataError(
            f"{n_outcome} of {n_factors} factors drive the outcome of {n_samples} samples, in modules of {module_size} "
            "genes.",
            "At least one factor must, of those there are; a module needs two genes, a simulation two samples.",
        )
    if not names or len(set(names)) < len(names) or not 0 <= missing < 1:
        raise DataError(f"The modalities are {', '.join(names) or 'none'}, missing at a rate of {missing:g}.")
    rng = np.random.default_rng(seed)
    genes = np.array([f"G{i + 1:0{len(str(n_genes))}d}" for i in range(n_genes)], dtype=object)
    shuffled = rng.permutation(n_genes)
    modules = [shuffled[f * module_size : (f + 1) * module_size] for f in range(n_factors)]
    graph = _interactions(modules, n_genes, neighbours, background, rng)
    loadings = np.zeros((n_genes, n_factors))
    for f, module in enumerate(modules):
        loadings[module, f] = _smooth(graph[module][:, module], smoothing, rng)
    factors = rng.standard_normal((n_samples, n_factors))
    layers = {}
    for name in names:
        strength = rng.choice([-1.0, 1.0], n_factors) * rng.uniform(0.5, 1.5, n_factors)
        spread = noise * rng.lognormal(0.0, 0.25, n_genes)
        clean = signal * factors @ (loadings * strength).T
        layers[name] = (clean + spread * rng.standard_normal((n_samples, n_genes))).astype(np.float32)
    obs = _outcome(factors[:, :n_outcome].sum(axis=1) / np.sqrt(n_outcome), effect, rng)
    absent = rng.random((n_samples, len(names))) < missing
    absent[absent.all(axis=1), rng.integers(len(names))] = False
    for v, name in enumerate(names):
        layers[name][absent[:, v]] = np.nan
    low, high = graph.nonzero()
    factor = np.where(loadings.any(axis=1), np.argmax(loadings != 0, axis=1) + 1, 0)
    truth = pd.DataFrame(
        {
            "node": genes,
            "planted": (factor >= 1) & (factor <= n_outcome),
            "factor": factor,
            "loading": loadings.sum(axis=1),
        }
    )
    about = {
        "simulator": "omics",
        "n_samples": n_samples,
        "n_genes": n_genes,
        "modalities": names,
        "n_factors": n_factors,
        "n_outcome": n_outcome,
        "module_size": module_size,
        "neighbours": neighbours,
        "background": background,
        "smoothing": smoothing,
        "signal": signal,
        "noise": noise,
        "effect": effect,
        "missing": missing,
        "seed": seed,
    }
    once = low < high
    table = pd.DataFrame({"source": genes[low[once]], "target": genes[high[once]], "weight": 1.0})
    return Simulation(_adata(layers, obs, genes, factors), {"interactions": table}, truth, about)


def _interactions(
    modules: list[NDArray[np.int64]], n_genes: int, neighbours: float, background: float, rng: np.random.Generator
) -> sparse.csr_matrix:
    """Return the adjacency matrix: connected modules, and random pairs of all genes."""
    pairs = [rng.integers(n_genes, size=(round(background * n_genes / 2), 2))]
    for module in modules:
        size = len(module)
        # A random tree connects the module; further pairs make up the number of neighbours.
        tree = np.stack([np.arange(1, size), [int(rng.integers(i)) for i in range(1, size)]], axis=1)
        more = rng.integers(size, size=(max(0, round(neighbours * size / 2) - len(tree)), 2))
        pairs.append(module[np.concatenate([tree, more])])
    ends = np.concatenate(pairs)
    ends = ends[ends[:, 0] != ends[:, 1]]
    one_way = sparse.csr_matrix((np.ones(len(ends)), ends.T), shape=(n_genes, n_genes))
    return sparse.csr_matrix(((one_way + one_way.T) > 0).astype(float))


def _smooth(graph: sparse.csr_matrix, smoothing: float, rng: np.random.Generator) -> Array:
    """Return the loadings of a module."""
    laplacian = sparse.diags(np.asarray(graph.sum(axis=1)).ravel()) - graph
    rough = 1 + rng.standard_normal(graph.shape[0])
    smooth: Array = spsolve(sparse.csc_matrix(sparse.identity(graph.shape[0]) + smoothing * laplacian), rough)
    scaled: Array = smooth / np.sqrt(np.mean(smooth**2))
    return scaled


def _outcome(drive: Array, effect: float, rng: np.random.Generator) -> pd.DataFrame:
    """Return condition, time and event of every sample."""
    n = len(drive)
    case = rng.random(n) < 1 / (1 + np.exp(-effect * drive))
    due = rng.exponential(np.exp(-effect / 2 * drive))
    censored = rng.exponential(2.0, n)
    return pd.DataFrame(
        {
            "condition": pd.Categorical(np.where(case, "case", "control")),
            "time": np.minimum(due, censored) + 1e-6,
            "event": (due <= censored).astype(int),
        },
        index=[f"S{i + 1:0{len(str(n))}d}" for i in range(n)],
    )


def _adata(
    layers: dict[str, NDArray[np.float32]], obs: pd.DataFrame, genes: NDArray[np.object_], factors: Array
) -> AnnData:
    from anndata import AnnData

    first = next(iter(layers.values()))
    adata = AnnData(first.copy(), obs=obs, var=pd.DataFrame(index=genes.astype(str)))
    for name, matrix in layers.items():
        adata.layers[name] = matrix
    adata.obsm["factors"] = factors.astype(np.float32)
    return adata
