"""Counts of cells in which some pathways of a hierarchy answer to a treatment, in several batches."""

from __future__ import annotations

import numpy as np
import pandas as pd

from kgreg.data.simulate.base import Simulation
from kgreg.errors import DataError


def simulate_pathways(
    n_samples: int = 600,
    n_roots: int = 4,
    n_children: int = 3,
    genes: int = 10,
    planted: int = 4,
    effect: float = 1.0,
    background: float = 0.4,
    n_batches: int = 2,
    batch_effect: float = 0.4,
    dispersion: float = 5.0,
    depth: float = 3000.0,
    seed: int = 0,
) -> Simulation:
    """Simulate counts that pathways of a hierarchy drive.

    The hierarchy has three levels: ``n_roots`` roots with ``n_children`` children each, and these with as many leaves.
    A leaf annotates ``genes`` genes of its own, a child half as many (at least 2), and one gene in ten stands in a
    second leaf too. Every leaf and child p of a sample i has an activity ``a_ip ~ N(0, background)``; ``planted``
    leaves, no two below one child, gain ``effect`` in treated samples. A gene's expected share of the counts is
    proportional to ``exp(base_g + sum_p w_gp a_ip + e_gb)`` with ``w ~ U(0.5, 1.5)`` and batch effects
    ``e ~ N(0, batch_effect)``; counts are negative binomial with variance ``m + m^2 / dispersion`` and totals around
    ``depth``. Condition and batch are independent.

    Parameters
    ----------
    n_samples
        Half of them are treated.

    Returns
    -------
    Simulation
        ``adata`` with log-normalised values (10,000 counts a sample), the layer ``counts``, and ``condition`` and
        ``batch`` in ``obs``; the tables ``hierarchy`` (child, parent) and ``annotations`` (gene, term); ``truth`` with
        ``node``, ``planted``, ``kind`` (term or gene) and ``above`` (a term above a planted one, whose genes it holds:
        neither planted nor free of signal).

    Raises
    ------
    DataError
        If the numbers do not fit each other.
    """
    import anndata

    if min(n_samples, n_roots, n_children, genes, n_batches) < 2 or not 1 <= planted <= n_roots * n_children:
        raise DataError(
            f"{n_samples} samples, {n_roots} roots, {n_children} children, {genes} genes, {n_batches} batches and "
            f"{planted} planted leaves do not make a simulation.",
            "Give at least 2 of each, and at most as many planted leaves as there are children.",
        )
    rng = np.random.default_rng(seed)
    roots = [f"P{i + 1}" for i in range(n_roots)]
    children = [f"{root}.{i + 1}" for root in roots for i in range(n_children)]
    leaves = [f"{child}.{i + 1}" for child in children for i in range(n_children)]
    hierarchy = pd.DataFrame(
        [(term, term.rsplit(".", 1)[0]) for term in children + leaves], columns=["child", "parent"]
    )
    own = [term for term in leaves for _ in range(genes)]
    own += [term for term in children for _ in range(max(genes // 2, 2))]
    names = [f"G{i + 1:04d}" for i in range(len(own))]
    links = list(zip(names, own, strict=True))
    for i in rng.choice(len(leaves) * genes, len(leaves) * genes // 10, replace=False):
        links.append((names[i], str(rng.choice([term for term in leaves if term != own[i]]))))
    annotations = pd.DataFrame(links, columns=["gene", "term"])

    active = children + leaves
    within = rng.choice(len(children), planted, replace=False).tolist()
    chosen = [f"{children[i]}.{rng.integers(n_children) + 1}" for i in within]
    place, gene = {term: i for i, term in enumerate(active)}, {name: i for i, name in enumerate(names)}
    weight = np.zeros((len(names), len(active)))
    for name, term in links:
        weight[gene[name], place[term]] = rng.uniform(0.5, 1.5)
    treated = rng.permutation(np.arange(n_samples) % 2).astype(bool)
    batch = rng.integers(n_batches, size=n_samples)
    activity = rng.normal(0, background, (n_samples, len(active)))
    for term in chosen:
        activity[treated, place[term]] += effect
    shift = rng.normal(0, batch_effect, (n_batches, len(names)))
    rate = np.exp(rng.normal(0, 0.7, len(names)) + activity @ weight.T + shift[batch])
    total = depth * np.exp(rng.normal(0, 0.3, n_samples))
    mean = rate / rate.sum(axis=1, keepdims=True) * total[:, None]
    counts = rng.poisson(rng.gamma(dispersion, mean / dispersion)).astype(np.float32)
    size = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    obs = pd.DataFrame(
        {
            "condition": np.where(treated, "treated", "control"),
            "batch": [f"batch {b + 1}" for b in batch],
        },
        index=[f"cell{i + 1}" for i in range(n_samples)],
    )
    adata = anndata.AnnData(np.log1p(counts / size * 1e4), obs=obs, var=pd.DataFrame(index=names))
    adata.layers["counts"] = counts
    above = {term.rsplit(".", n)[0] for term in chosen for n in (1, 2)}
    answering = {name for name, term in links if term in chosen}
    nodes = [*roots, *active, *names]
    truth = pd.DataFrame(
        {
            "node": nodes,
            "planted": [node in chosen or node in answering for node in nodes],
            "kind": ["gene" if node in gene else "term" for node in nodes],
            "above": [node in above for node in nodes],
        }
    )
    about = {
        "simulator": "pathways",
        "n_samples": n_samples,
        "n_roots": n_roots,
        "n_children": n_children,
        "genes": genes,
        "planted": sorted(chosen),
        "effect": effect,
        "background": background,
        "n_batches": n_batches,
        "batch_effect": batch_effect,
        "dispersion": dispersion,
        "depth": depth,
        "seed": seed,
    }
    return Simulation(adata, {"hierarchy": hierarchy, "annotations": annotations}, truth, about)
