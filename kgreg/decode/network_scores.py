"""The scores of every network of a cross-validation on its own test samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.blueprint.kinds import RANKED_KINDS
from kgreg.blueprint.model import Blueprint
from kgreg.decode.bootstrap import Bootstrap, weighted_scores
from kgreg.decode.controls import relative
from kgreg.decode.holders import Holders
from kgreg.decode.importance import (
    PER_SAMPLE,
    Measure,
    importance_nodes,
    is_signed,
    node_importance,
    sample_scores,
)
from kgreg.errors import DataError
from kgreg.fit.arms import Job
from kgreg.fit.crossval import CrossValidation
from kgreg.fit.threads import limit_threads
from kgreg.progress import Progress, no_progress


@dataclass(frozen=True)
class NetworkScores:
    """What every network says about every node.

    Attributes
    ----------
    info
        ``node, kind, label, level, n_genes``, one row a node.
    arms
        Arm -> ``[n_networks, n_nodes, n_columns]``.
    places
        Arm -> fold and replicate of its networks, in this order.
    drawn
        ``[draws, n_nodes, n_columns]`` means over networks of the graph and test samples that were drawn with
        replacement; None where nothing is drawn.
    """

    info: pd.DataFrame
    arms: dict[str, NDArray[np.float64]]
    places: dict[str, list[tuple[int, int]]]
    drawn: NDArray[np.float64] | None


def score_networks(
    result: CrossValidation,
    columns: list[str],
    accepted: NDArray[np.bool_],
    progress: Progress = no_progress,
    *,
    measure: Measure = "activation",
    draws: int = 0,
) -> NetworkScores:
    """Score the nodes of every network, and those of the graph's again under every draw of the bootstrap.

    Parameters
    ----------
    columns
        Outputs with scores, the last of which is "all".
    accepted
        Which networks of the graph are drawn from, in the order of the jobs.
    draws
        Of the bootstrap; 0: none. Of a single network there are none: it says nothing about others.

    Raises
    ------
    DataError
        If a test part is empty.
    """
    graph = [job for job in result.jobs if job.arm.kind == "graph"]
    kept = [job for job, keep in zip(graph, accepted, strict=True) if keep]
    folds = np.array([job.split.fold for job in kept], dtype=np.int64)
    bootstrap = Bootstrap(folds, draws, result.seed, result.samples.clusters) if draws and len(kept) > 1 else None
    # What a network has of its own (a latent factor, say) is another thing in every fit, and cannot be ranked.
    known = set(result.blueprint.nodes["id"])
    info: pd.DataFrame | None = None
    own = {job.name for job in kept}
    scores: dict[str, list[NDArray[np.float64]]] = {}
    places: dict[str, list[tuple[int, int]]] = {}
    for done, job in enumerate(result.jobs):
        progress(f"decoding {job.arm.name}, fold {job.split.fold + 1}", done / len(result.jobs))
        test = job.split.test
        if not len(test):
            raise DataError("There are no samples to score the network on.")
        drawn_from = bootstrap if job.name in own else None
        weights = np.ones((1, len(test))) if drawn_from is None else drawn_from.weights(job.split.fold, test)
        with limit_threads(result.settings.threads):
            nodes, found = _scores(result, job, columns, weights, measure)
        if info is None:
            info = node_table(result, [node for node in nodes if node in known])
        # A rewired graph may have its nodes in another order.
        place = {node: i for i, node in enumerate(nodes)}
        found = found[:, [place[node] for node in info["node"]]]
        if is_signed(measure):
            found[:, :, -1] = relative(found[:, :, -1], info["kind"].to_numpy())
        scores.setdefault(job.arm.name, []).append(found[0])
        places.setdefault(job.arm.name, []).append((job.split.fold, job.replicate))
        if drawn_from is not None:
            drawn_from.add(found[1:] if len(found) > 1 else found)
    assert info is not None  # there are jobs
    arms = {name: np.stack(values) for name, values in scores.items()}
    return NetworkScores(info, arms, places, None if bootstrap is None else bootstrap.means())


def _scores(
    result: CrossValidation, job: Job, columns: list[str], weights: NDArray[np.float64], measure: Measure
) -> tuple[list[str], NDArray[Any]]:
    """Return what one network scores, and scores under weightings of its test samples ``[draws, n_nodes, n_columns]``.

    A measure of a set of samples has scores of all of them alone, ``[1, n_nodes, n_columns]``.
    """
    model, train, test = result.models[job.name], job.split.train, job.split.test
    given = model, result.inputs_of(job, test), result.target_of(job, test), result.inputs_of(job, train)
    if measure not in PER_SAMPLE:
        table = node_importance(*given, result.outputs, measure=measure, reference_target=result.target_of(job, train))
        return table.index.tolist(), table[columns].to_numpy()[None]
    pieces = sample_scores(*given, result.outputs, measure=measure)
    nodes, n_outputs, signed = importance_nodes(model), len(result.outputs), is_signed(measure)
    found = weighted_scores(pieces, weights, len(nodes), n_outputs, overall=len(columns) > 1, signed=signed)
    return nodes, found


def node_table(result: CrossValidation, nodes: list[str]) -> pd.DataFrame:
    table = result.blueprint.nodes.set_index("id").loc[nodes]
    below = _sizes(result.blueprint)
    return pd.DataFrame(
        {
            "node": nodes,
            "kind": np.where(table["kind"].isin(list(RANKED_KINDS)), table["kind"], "term"),
            "label": table["label"].to_numpy(),
            "level": table["level"].to_numpy(),
            "n_genes": [below.get(node, 1) for node in nodes],
        }
    )


def _sizes(blueprint: Blueprint) -> dict[str, int]:
    """Return how many genes are at or below a node; of DNA: the letters of a motif, how many motifs others hold."""
    if not len(blueprint.motifs):
        return {node: len(genes) for node, genes in blueprint.gene_sets().items()}
    widths = {motif: len(counts) for motif, counts in blueprint.motif_matrices().items()}
    holders = Holders.of(blueprint, list(widths))
    return widths | dict(zip(holders.ids, holders.members.getnnz(axis=1).tolist(), strict=True))
