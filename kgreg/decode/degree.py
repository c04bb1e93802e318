"""How far scores follow the connectivity of a graph, and what may be done about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from kgreg.blueprint.model import Blueprint
from kgreg.decode.explanation import Explanation
from kgreg.decode.intervals import mean_interval
from kgreg.decode.network_scores import NetworkScores
from kgreg.errors import DataError
from kgreg.fit.crossval import CrossValidation

#: How scores are corrected for degree: see :func:`correct_degree`.
Degree = Literal["none", "pnet", "regression"]

#: Columns of :func:`degree_bias`.
COLUMNS = ("kind", "output", "arm", "quantity", "rho", "low", "high", "n", "seed")

#: P-NET divides the scores of nodes whose degree lies more than this many standard deviations above the mean.
PNET_SPREAD = 5.0


def connectivity(blueprint: Blueprint) -> pd.DataFrame:
    """Return for every node ``genes`` (at or below it) and ``links`` (edges and interactions, in and out).

    Index: node ids.
    """
    below = blueprint.gene_sets()
    ends = pd.concat(
        [table[end] for table in (blueprint.edges, blueprint.interactions) for end in ("source", "target")]
    )
    links = ends.value_counts()
    ids = blueprint.nodes["id"]
    return pd.DataFrame(
        {
            "genes": [len(below.get(node, ())) or 1 for node in ids],
            "links": ids.map(links).fillna(0).to_numpy(dtype=np.int64),
        },
        index=pd.Index(ids),
    )


def degree_bias(result: CrossValidation, explanation: Explanation) -> pd.DataFrame:
    """Measure how far scores follow connectivity: Spearman's rho of score with the number of genes, and of links.

    Interpretations of knowledge-primed networks follow the connectivity of the graph (Esser-Skala & Fortelny 2023).
    In networks on rewired graphs there is nothing else to follow: what their scores have in common with connectivity
    is bias. Where the rho of the real graph is near theirs, its ranking by plain scores is one of connectivity. The
    ranking by z against a null (the default) takes off what a node scores there, where it has the same connectivity:
    rewired graphs for terms, permuted labels for genes. What that leaves is the arm "corrected".

    Returns
    -------
    DataFrame
        ``kind, output, arm`` ("graph": scores in the networks of the graph; "rewired": in those of rewired graphs, with
        their connectivity; "corrected": the z that the graph's nodes are ranked by), ``quantity`` ("genes": at or
        below the node; "links": in and out), ``rho`` (mean over the networks), ``low, high`` (95 %), ``n`` (networks),
        ``seed``.
        Kinds and quantities that do not vary are left out, genes of genes for instance.
    """
    scores = explanation.node_scores
    kinds = explanation.ranking.drop_duplicates("node").set_index("node")["kind"]
    rows: list[dict[str, Any]] = []
    known: dict[str, pd.DataFrame] = {}
    for job in result.jobs:
        if job.arm.kind in ("graph", "rewired") and job.arm.name not in known:
            known[job.arm.name] = connectivity(result.models[job.name].blueprint)
    found: dict[tuple[str, str, str, str], list[float]] = {}
    for (arm, output), own in scores.groupby(["arm", "output"], observed=True, sort=False):
        if str(arm) not in known:
            continue
        wide = own.pivot(index=["fold", "replicate"], columns="node", values="score")
        _correlate(found, wide, known[str(arm)], kinds, str(output), str(arm).partition("-")[0])
    for output, own in explanation.ranking.groupby("output", sort=False):
        _correlate(found, own.set_index("node")[["z"]].T, known["graph"], kinds, str(output), "corrected")
    for (kind, output, arm, quantity), values in found.items():
        mean, low, high, n = (float(v) for v in mean_interval(np.array(values)))
        networks = int(n) if arm != "corrected" else len(found[kind, output, "graph", quantity])
        rows.append(dict(zip(COLUMNS, (kind, output, arm, quantity, mean, low, high, networks), strict=False)))
    return pd.DataFrame(rows, columns=list(COLUMNS[:-1])).assign(seed=result.seed)


def _correlate(
    found: dict[tuple[str, str, str, str], list[float]],
    scores: pd.DataFrame,
    known: pd.DataFrame,
    kinds: pd.Series,
    output: str,
    arm: str,
) -> None:
    """Add the rho of every row of ``scores [n_networks, nodes]``, by kind of node and quantity."""
    own = kinds.reindex(scores.columns)
    for kind in own.dropna().unique():
        nodes = scores.columns[(own == kind).to_numpy()]
        for quantity in ("genes", "links"):
            amount = known.loc[nodes, quantity].to_numpy()
            values = scores[nodes].to_numpy(dtype=np.float64)
            usable = np.isfinite(values).all(axis=1) & (np.ptp(values, axis=1) > 0)
            if len(nodes) < 3 or np.ptp(amount) == 0 or not usable.any():
                continue
            ranks, by = stats.rankdata(values[usable], axis=1), stats.rankdata(amount)
            rho = [float(np.corrcoef(row, by)[0, 1]) for row in ranks]
            found.setdefault((str(kind), output, arm, quantity), []).extend(rho)


def correct_degree(scored: NetworkScores, blueprint: Blueprint, how: Degree) -> NetworkScores:
    """Correct the scores of every network for the degree (links in and out) of the nodes.

    "pnet" is what P-NET does (Elmarakeby et al. 2021): the score of a node whose degree lies more than 5 standard
    deviations above the mean of its layer is divided by its degree; then the scores of a layer are brought to mean 0
    and standard deviation 1. "regression": a line of score on log degree is fitted to the mean scores of the networks
    on rewired graphs, a line a kind of node and output, and what it says is taken off. "none": as they are; ranking by
    z against rewired graphs corrects for connectivity anyway, node by node.

    Raises
    ------
    DataError
        If "regression" finds no network on a rewired graph.
    """
    if how == "none":
        return scored
    degree = connectivity(blueprint)["links"].reindex(scored.info["node"]).to_numpy(dtype=np.float64)
    if how == "pnet":
        layers = scored.info["level"].to_numpy(), scored.info["kind"].to_numpy() == "gene"
        layer = np.unique(np.stack(layers), axis=1, return_inverse=True)[1].reshape(-1)
        return _each(scored, lambda values: _as_pnet(values, degree, layer))
    rewired = [values for arm, values in scored.arms.items() if arm.startswith("rewired")]
    if not rewired:
        raise DataError(
            'degree = "regression" learns from rewired graphs, and there are none.', "Raise [nulls] rewired above 0."
        )
    with np.errstate(invalid="ignore"):
        mean = np.nanmean(np.concatenate(rewired), axis=0)
    expected = np.zeros_like(mean)
    logarithm = np.log1p(degree)
    kinds = scored.info["kind"].to_numpy()
    for kind in np.unique(kinds):
        mine = kinds == kind
        expected[mine] = _line(logarithm[mine], mean[mine])
    return _each(scored, lambda values: values - expected)


def _each(scored: NetworkScores, correct: Any) -> NetworkScores:
    arms: Mapping[str, NDArray[np.float64]] = {arm: correct(values) for arm, values in scored.arms.items()}
    return replace(scored, arms=dict(arms), drawn=None if scored.drawn is None else correct(scored.drawn))


def _as_pnet(values: NDArray[np.float64], degree: NDArray[np.float64], layer: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return ``[..., n_nodes, n_outputs]`` scores with those of hubs divided, and every layer standardised."""
    values = values.copy()
    for own in np.unique(layer):
        mine = np.flatnonzero(layer == own)
        hubs = mine[degree[mine] > degree[mine].mean() + PNET_SPREAD * degree[mine].std()]
        values[..., hubs, :] /= degree[hubs, None]
        part = values[..., mine, :]
        sd = part.std(axis=-2, keepdims=True)
        values[..., mine, :] = (part - part.mean(axis=-2, keepdims=True)) / np.where(sd > 0, sd, 1.0)
    return values


def _line(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the least-squares lines of ``y [n, m]`` on ``x [n]`` at ``x``; the means where ``x`` does not vary."""
    centred = x - x.mean()
    spread = float((centred**2).sum())
    slope = centred @ (y - y.mean(axis=0)) / spread if spread > 0 else np.zeros(y.shape[1])
    expected: NDArray[np.float64] = y.mean(axis=0) + centred[:, None] * slope
    return expected
