"""Null models of a blueprint: the same architecture without the knowledge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from kgreg.blueprint.model import Blueprint


def rewire(blueprint: Blueprint, seed: int, swaps_per_edge: int = 10) -> Blueprint:
    """Return the blueprint with its edges exchanged at random, every degree preserved.

    Pairs of edges ``a -> b, c -> d`` become ``a -> d, c -> b`` (Maslov & Sneppen 2002) unless that repeats an edge or
    makes a node read one that is not below it. Edges from genes and edges between terms are exchanged among
    themselves, so every node keeps its number of genes, children and readers, its level and its width: the network
    has the same size and shape and knows nothing. Interactions are exchanged likewise, without a direction.

    Parameters
    ----------
    seed
        Of the random numbers.
    swaps_per_edge
        Attempted exchanges for each edge.
    """
    rng = np.random.default_rng(seed)
    ids = blueprint.nodes["id"].to_numpy()
    index = {node: i for i, node in enumerate(ids)}
    level = blueprint.nodes["level"].to_numpy()
    source = blueprint.edges["source"].map(index).to_numpy(copy=True)
    target = blueprint.edges["target"].map(index).to_numpy(copy=True)
    from_gene = (blueprint.nodes["kind"] == "gene").to_numpy()[source]
    for group in (np.flatnonzero(from_gene), np.flatnonzero(~from_gene)):
        source[group] = _exchange(source[group], target[group], level, swaps_per_edge * len(group), rng)
    edges = blueprint.edges.assign(source=ids[source], relation="rewired")
    interactions = _exchange_interactions(blueprint, swaps_per_edge, rng)
    provenance = {**blueprint.provenance, "null": {"rewired": seed}}
    return replace(blueprint, edges=edges, interactions=interactions, provenance=provenance)


def _exchange_interactions(blueprint: Blueprint, swaps_per_edge: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return the interactions after the attempted exchanges ``a - b, c - d`` -> ``a - d, c - b`` (or ``a - c, b - d``).

    Weights stay with their rows.
    """
    table = blueprint.interactions
    ids = blueprint.nodes["id"].to_numpy()
    index = {node: i for i, node in enumerate(ids)}
    one, two = (table[end].map(index).to_numpy(dtype=np.int64).tolist() for end in ("source", "target"))
    if len(one) < 2:
        return table
    present = {(a, b) if a < b else (b, a) for a, b in zip(one, two, strict=True)}
    attempts = swaps_per_edge * len(one)
    flips = rng.random(attempts) < 0.5
    for (i, j), flip in zip(rng.integers(0, len(one), size=(attempts, 2)).tolist(), flips.tolist(), strict=True):
        a, b, c, d = one[i], two[i], one[j], two[j]
        if flip:
            c, d = d, c
        new, other = (a, d) if a < d else (d, a), (c, b) if c < b else (b, c)
        if a == d or c == b or new == other or new in present or other in present:
            continue
        present -= {(a, b) if a < b else (b, a), (c, d) if c < d else (d, c)}
        present |= {new, other}
        one[i], two[i], one[j], two[j] = a, d, c, b
    return table.assign(source=ids[one], target=ids[two], relation="rewired")


def _exchange(
    source: np.ndarray, target: np.ndarray, level: np.ndarray, attempts: int, rng: np.random.Generator
) -> np.ndarray:
    """Return ``source`` after the attempted exchanges; every (source, target) stays distinct and rising."""
    if len(source) < 2:
        return source
    src, tgt, lev = source.tolist(), target.tolist(), level.tolist()
    present = set(zip(src, tgt, strict=True))
    for i, j in rng.integers(0, len(src), size=(attempts, 2)).tolist():
        a, b, c, d = src[i], tgt[i], src[j], tgt[j]
        if a == c or b == d or lev[a] >= lev[d] or lev[c] >= lev[b] or (a, d) in present or (c, b) in present:
            continue
        present -= {(a, b), (c, d)}
        present |= {(a, d), (c, b)}
        src[i], src[j] = c, a
    return np.asarray(src)


def shuffle_genes(blueprint: Blueprint, seed: int) -> Blueprint:
    """Return the blueprint with its input features dealt to its genes at random; the graph stays as it is.

    A feature keeps its modalities together.
    """
    genes = blueprint.inputs["node"].unique()
    order = np.random.default_rng(seed).permutation(len(genes))
    inputs = blueprint.inputs.copy()
    inputs["node"] = blueprint.inputs["node"].map(dict(zip(genes, genes[order], strict=True)))
    return replace(blueprint, inputs=inputs, provenance={**blueprint.provenance, "null": {"genes": seed}})
