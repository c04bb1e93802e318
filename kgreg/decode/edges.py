"""Attention of trained networks -> ranked interactions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from kgreg.data.targets import ONE_OUTPUT
from kgreg.decode.importance import ALL, samples_of_outputs
from kgreg.decode.intervals import overlap_of
from kgreg.decode.rank import rank_scores
from kgreg.fit.arms import Job
from kgreg.fit.crossval import CrossValidation
from kgreg.fit.threads import limit_threads
from kgreg.nn.guided import GuidedNetwork
from kgreg.progress import Progress, no_progress

#: Columns of :func:`edge_scores`.
EDGE_SCORE_COLUMNS = (
    "source", "target", "source_label", "target_label", "relation", "weight", "output", "score", "low", "high", "n",
    "seed", "stability", "z_labels", "p_labels", "q_labels", "rank",
)  # fmt: skip

#: Samples whose attention is computed at a time.
_BATCH = 512


def edge_scores(result: CrossValidation, progress: Progress = no_progress) -> pd.DataFrame:
    """Score every interaction by the attention that goes along it, in every fold's network on its test samples.

    Attention is counted in units of what a gene would pay if it paid the same to all its neighbours and to itself, mean
    over both directions, heads and layers (:meth:`kgreg.nn.guided.GuidedNetwork.edge_attention`): 1 is uniform, so that
    genes with few neighbours do not come first for that alone. A rewired graph has other interactions; the null that
    has the same ones are networks trained on permuted labels.

    Attention says what a network reads, not what it makes of it; in the simulation of an active module
    (:mod:`kgreg.data.simulate.modules`) it finds the module's interactions where all else is averaged, and does not
    where the layers above read every gene.

    Returns
    -------
    DataFrame
        One row an interaction and output: ``source, target`` (ids), ``source_label, target_label, relation, weight``,
        ``output`` (a class or label: the samples that have it; ``all``: the mean over these), ``score`` (mean over the
        networks), ``low, high`` (95 %), ``n`` (networks), ``seed``, ``stability`` (share
        of networks that have it among their 20 highest), ``z_labels, p_labels, q_labels`` (NaN without at least two
        permutations), ``rank`` (within an output, by ``z_labels``, else by ``score``). Empty where the networks have no
        attention.
    """
    jobs = [job for job in result.jobs if job.arm.kind in ("graph", "labels")]
    columns = [ALL] if result.samples.task in ONE_OUTPUT else [*result.outputs, ALL]
    found: dict[str, list[NDArray[np.float64]]] = {}
    for done, job in enumerate(jobs):
        with limit_threads(result.settings.threads):
            scores = _attention(result, job, len(columns))
        if scores is None:
            return pd.DataFrame(columns=list(EDGE_SCORE_COLUMNS))
        progress(f"read attention of {job.arm.name}, fold {job.split.fold + 1}", (done + 1) / len(jobs))
        found.setdefault(job.arm.name, []).append(scores)
    used = np.isfinite(found["graph"][0][:, -1])
    draws = [np.stack(own)[:, used] for name, own in found.items() if name != "graph"]
    edges = result.blueprint.interactions[used].reset_index(drop=True)
    labels = result.blueprint.nodes.set_index("id")["label"]
    info = edges.assign(kind="edge", source_label=edges["source"].map(labels), target_label=edges["target"].map(labels))
    real = np.stack(found["graph"])[:, used]
    folds = np.array([job.split.fold for job in jobs if job.arm.kind == "graph"])
    overlaps = [overlap_of(result.splits)] * len(columns)
    nulls = {"labels": np.stack(draws)} if draws else {}
    ranking = rank_scores(real, nulls, info, columns, folds=folds, overlaps=overlaps)
    ranks = (
        ranking["z_labels" if ranking["z_labels"].notna().any() else "score"]
        .groupby(ranking["output"])
        .rank(ascending=False, method="first")
        .astype("Int64")
    )
    return ranking.assign(seed=result.seed, rank=ranks)[list(EDGE_SCORE_COLUMNS)]


def _attention(result: CrossValidation, job: Job, n_columns: int) -> NDArray[np.float64] | None:
    """Return one network's attention on its test samples ``[n_interactions, n_columns]``; None if it has none."""
    model = result.models[job.name]
    if not isinstance(model.network, GuidedNetwork):
        return None
    readings = result.inputs_of(job, job.split.test)
    target = result.target_of(job, job.split.test)
    members = samples_of_outputs(result.samples.task, target, len(result.outputs))
    scores = np.full((len(result.blueprint.interactions), n_columns), np.nan)
    for c, own in enumerate(members):
        total = np.zeros(len(scores))
        for start in range(0, len(own), _BATCH):
            rows = own[start : start + _BATCH]
            with torch.inference_mode():
                attention = model.network.edge_attention(model.inputs_of(readings.rows(rows)))
            if attention is None:
                return None
            total += attention.numpy().astype(np.float64) * len(rows)
        if len(own):
            scores[:, c] = total / len(own)
    known = ~np.isnan(scores).all(axis=0)
    if n_columns > 1 and known.any():
        scores[:, -1] = scores[:, known].mean(axis=1)
    return scores
