"""An interaction network with one connected module of genes that is active in one of two classes."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from scipy import sparse

from kgreg.data.simulate.base import Simulation
from kgreg.errors import DataError


def simulate_modules(
    n_samples: int = 400,
    n_genes: int = 200,
    links: int = 2,
    module_size: int = 15,
    effect: float = 0.8,
    correlation: float = 0.3,
    seed: int = 0,
) -> Simulation:
    """Simulate expression over a scale-free network (Barabasi & Albert 1999) with a planted active module.

    Every gene varies with sd 1 about 6; a share ``correlation`` of its variance it has in common with its neighbours,
    in every sample and all over the network, so that correlation alone betrays nothing. The module grows from a random
    gene by random neighbours and is connected. In half of the samples, the class ``active``, its genes are all higher
    by ``effect`` times how active the sample is, which is uniform between 0.5 and 1.5.

    Parameters
    ----------
    links
        Interactions that each gene brings along when the network grows.
    effect
        Mean shift of the module, in standard deviations of a gene.

    Returns
    -------
    Simulation
        ``adata.obs["class"]`` is ``active`` or ``control``; the table ``interactions`` has ``source, target``, the
        truth ``node, planted, degree``.

    Raises
    ------
    DataError
        If the numbers make no network or no module.
    """
    if not 1 <= links < n_genes or not 1 <= module_size < n_genes or n_samples < 2 or not 0 <= correlation < 1:
        raise DataError(
            f"There is no network of {n_genes} genes with {links} links a gene, a module of {module_size} and a "
            f"correlation of {correlation} in {n_samples} samples.",
            "Choose fewer links and a smaller module than there are genes, two samples or more, a correlation below 1.",
        )
    rng = np.random.default_rng(seed)
    graph = nx.barabasi_albert_graph(n_genes, links, seed=int(rng.integers(2**31)))
    # Ids that say nothing about when a gene joined the network, and so about its degree.
    name = np.array([f"G{i:04d}" for i in rng.permutation(n_genes)])
    module = _grow(graph, module_size, rng)
    noise = rng.normal(size=(n_samples, n_genes))
    adjacency = sparse.csr_matrix(nx.to_scipy_sparse_array(graph))
    shared = noise @ adjacency + noise
    shared /= np.sqrt(np.asarray(adjacency.sum(axis=0)).ravel() + 1)
    own = rng.normal(size=(n_samples, n_genes))
    values = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own
    active = rng.permutation(n_samples) < n_samples // 2
    values[np.ix_(np.flatnonzero(active), module)] += effect * rng.uniform(0.5, 1.5, size=(int(active.sum()), 1))
    order = np.argsort(name)
    edges = np.array([sorted((name[a], name[b])) for a, b in graph.edges])
    interactions = pd.DataFrame(edges, columns=["source", "target"]).sort_values(["source", "target"])
    truth = pd.DataFrame(
        {
            "node": name[order],
            "planted": np.isin(order, module),
            "degree": np.array([graph.degree[int(i)] for i in order]),
        }
    )
    parameters = {
        "n_samples": n_samples, "n_genes": n_genes, "links": links, "module_size": module_size, "effect": effect,
        "correlation": correlation, "seed": seed,
    }  # fmt: skip
    return Simulation(
        adata=_annotated((6 + values[:, order]).astype(np.float32), active, name[order]),
        tables={"interactions": interactions.reset_index(drop=True)},
        truth=truth,
        about={"simulator": "modules", **parameters},
    )


def _grow(graph: nx.Graph, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the nodes of a connected part, one random neighbour after the other."""
    members = [int(rng.integers(graph.number_of_nodes()))]
    while len(members) < size:
        around = sorted({near for node in members for near in graph[node]} - set(members))
        members.append(int(rng.choice(around)))
    return np.sort(members)


def _annotated(values: NDArray[np.float32], active: NDArray[np.bool_], genes: NDArray[Any]) -> AnnData:
    obs = pd.DataFrame(
        {"class": np.where(active, "active", "control")}, index=[f"sample {i}" for i in range(len(values))]
    )
    return AnnData(values, obs=obs, var=pd.DataFrame(index=genes))
