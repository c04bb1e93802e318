"""Null models of a blueprint: the same architecture without the knowledge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.blueprint.model import Blueprint
from kgreg.blueprint.motif_table import permute_columns
from kgreg.blueprint.regulators import is_of_regulators, rewire_regulators


def rewire(blueprint: Blueprint, seed: int, swaps_per_edge: int = 10) -> Blueprint:
    """Return the blueprint with its edges exchanged at random, every degree preserved.

    Pairs of edges ``a -> b, c -> d`` become ``a -> d, c -> b`` (Maslov & Sneppen 2002) unless that repeats an edge or
    makes a node read one that is not below it. Edges from genes and edges between terms are exchanged among
    themselves, so every node keeps its number of genes, children and readers, its level and its width: the network
    has the same size and shape and knows nothing. Interactions are exchanged likewise, without a direction. Where nodes
    are motifs, the positions of every motif are put in another order instead, and the edges stay: a motif keeps its
    name, its width and its composition, and binds nothing. Of regulators see
    :func:`kgreg.blueprint.regulators.rewire_regulators`.

    Parameters
    ----------
    seed
        Of the random numbers.
    swaps_per_edge
        Attempted exchanges for each edge.
    """
    if is_of_regulators(blueprint):
        return rewire_regulators(blueprint, seed)
    rng = np.random.default_rng(seed)
    provenance = {**blueprint.provenance, "null": {"rewired": seed}}
    if len(blueprint.motifs):
        return replace(blueprint, motifs=permute_columns(blueprint.motifs, rng), provenance=provenance)
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
    return replace(blueprint, edges=edges, interactions=interactions, provenance=provenance)


def _exchange_interactions(blueprint: Blueprint, swaps_per_edge: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return the interactions after :func:`exchange_pairs`; weights stay with their rows."""
    ends = exchange_pairs(blueprint.interaction_places(), len(blueprint.nodes), swaps_per_edge, rng)
    ids = blueprint.nodes["id"].to_numpy()
    return blueprint.interactions.assign(source=ids[ends[:, 0]], target=ids[ends[:, 1]], relation="rewired")


def exchange_pairs(
    ends: NDArray[np.int64], n: int, swaps_per_edge: int, rng: np.random.Generator, *, flip: bool = True
) -> NDArray[np.int64]:
    """Return undirected pairs after attempts to exchange ``a - b, c - d`` for ``a - d, c - b`` (or ``a - c, b - d``).

    They are tried in rounds, in which every pair is matched with another one: a round is one sort, whatever the size
    of the graph. What would join a node to itself, or two that are joined or about to be, stays as it was.

    Parameters
    ----------
    ends
        ``[m, 2]`` positions of distinct pairs of different nodes; not changed.
    n
        Nodes.
    flip
        Whether a second end may become a first one; not where the two columns are of different kinds.
    """
    ends = ends.copy()
    half = len(ends) // 2

    def keys(one: NDArray[np.int64], two: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.minimum(one, two) * n + np.maximum(one, two)

    for _ in range(2 * swaps_per_edge if half else 0):
        pairs = rng.permutation(len(ends))[: 2 * half].reshape(2, half)
        (a, b), (c, d) = ends[pairs[0]].T, ends[pairs[1]].T
        if flip:
            turned = rng.random(half) < 0.5
            c, d = np.where(turned, d, c), np.where(turned, c, d)
        new = np.concatenate([keys(a, d), keys(c, b)])
        known = np.concatenate([keys(ends[:, 0], ends[:, 1]), new])
        order = np.argsort(known)
        again = known[order[1:]] == known[order[:-1]]
        twice = np.zeros(len(known), dtype=np.bool_)
        twice[order[1:][again]] = twice[order[:-1][again]] = True
        taken = twice[len(ends) :].reshape(2, half).any(axis=0)
        good = (a != d) & (c != b) & ~taken
        ends[pairs[0][good], 1], ends[pairs[1][good], 0], ends[pairs[1][good], 1] = d[good], c[good], b[good]
    return ends


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
