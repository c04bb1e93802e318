"""Scores of many networks -> ranked genes and subsystems with intervals, nulls and stability."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from kgreg.blueprint.kinds import RANKED_KINDS
from kgreg.blueprint.model import Blueprint
from kgreg.data.targets import ONE_OUTPUT
from kgreg.decode.controls import compare_with_controls, network_errors, relative
from kgreg.decode.explanation import Explanation
from kgreg.decode.holders import Holders
from kgreg.decode.importance import ALL, Measure, node_importance
from kgreg.decode.intervals import mean_interval
from kgreg.decode.nulls import MAIN_NULL, adjust, against_null, relative_sizes
from kgreg.decode.redundancy import JACCARD, with_leads
from kgreg.errors import DataError
from kgreg.fit.crossval import CrossValidation
from kgreg.fit.threads import limit_threads
from kgreg.progress import Progress, no_progress

#: A node is counted as found by a network when it is among this many of its kind.
TOP = 20


def explain(
    result: CrossValidation,
    progress: Progress = no_progress,
    *,
    measure: Measure = "activation",
    accept: float | None = None,
    jaccard: float = JACCARD,
) -> Explanation:
    """Score every node in every fold's network on that fold's test samples, and rank.

    Parameters
    ----------
    measure
        See :func:`kgreg.decode.node_importance`. The ``all`` of "gradient" is relative to the other nodes of the same
        network and kind, 0 for the least and 1 for the largest.
    accept
        Networks of the graph and of control inputs with a larger error on their test samples (see
        :func:`kgreg.decode.controls.network_errors`) are left out. Default: none is.
    jaccard
        From which Jaccard index of their genes on two terms count as near copies.

    Returns
    -------
    Explanation
        Its ``ranking`` has the columns ``node, kind, label, level, n_genes, output, score`` (mean over the networks),
        ``low, high`` (95 %, Student's t over the networks), ``n`` (networks), ``seed``, ``stability`` (share of
        networks that have the node among the top 20 of its kind), ``z_rewired, p_rewired, q_rewired, z_labels,
        p_labels, q_labels`` (NaN without at least two draws of that null), ``null`` (the one the node is ranked
        against), ``null_mean`` (its mean score there), ``z, p, q`` (of that null), ``rank`` (within kind and
        output, by ``z``, else by ``score``) and ``lead`` (the node that stands for it and its near copies, see
        :func:`kgreg.decode.redundancy.with_leads`). ``controls``, where control inputs were trained on: see
        :func:`kgreg.decode.controls.compare_with_controls`.

    Raises
    ------
    DataError
        If no network is accepted.
    """
    columns = [ALL] if result.samples.task in ONE_OUTPUT else [*result.outputs, ALL]
    scores: dict[str, list[NDArray[np.float64]]] = {}
    nodes: list[str] = []
    # What a network has of its own (a latent factor, say) is another thing in every fit, and cannot be ranked.
    known = set(result.blueprint.nodes["id"])
    for done, job in enumerate(result.jobs):
        progress(f"decoding {job.arm.name}, fold {job.split.fold + 1}", done / len(result.jobs))
        with limit_threads(result.settings.threads):
            table = node_importance(
                result.models[job.name],
                result.inputs_of(job, job.split.test),
                result.target_of(job, job.split.test),
                result.inputs_of(job, job.split.train),
                result.outputs,
                measure=measure,
            )
        nodes = nodes or [node for node in table.index if node in known]
        scores.setdefault(job.arm.name, []).append(table.loc[nodes, columns].to_numpy())
    info = _node_table(result, nodes)
    kinds = info["kind"].to_numpy()
    arms = {name: np.stack(values) for name, values in scores.items()}
    if measure == "gradient":
        for values in arms.values():
            values[:, :, columns.index(ALL)] = relative(values[:, :, columns.index(ALL)], kinds)
    accepted = _accepted(result, accept)
    real = arms["graph"][accepted["graph"]]
    nulls = {
        kind: np.stack([value for name, value in arms.items() if name.startswith(kind)])
        for kind in ("rewired", "labels")
        if any(name.startswith(kind) for name in arms)
    }
    ranking = rank_scores(real, nulls, info, columns).assign(seed=result.seed)
    ranking = with_leads(ranking, result.blueprint, jaccard)
    stability = {
        kind: agreement(real[:, kinds == kind, columns.index(ALL)]) for kind in RANKED_KINDS if (kinds == kind).any()
    }
    control = [arms[name][kept] for name, kept in accepted.items() if name != "graph"]
    if not control:
        return Explanation(ranking, stability)
    overall = columns.index(ALL)
    table = compare_with_controls(real[:, :, overall], np.concatenate(control)[:, :, overall], info)
    return Explanation(ranking, stability, table.assign(seed=result.seed))


def _accepted(result: CrossValidation, accept: float | None) -> dict[str, NDArray[np.bool_]]:
    """Return which networks of the graph and of each draw of control inputs are accepted, in the order of the jobs."""
    jobs = [job for job in result.jobs if job.arm.kind in ("graph", "control")]
    errors = {} if accept is None else network_errors(result.predictions, jobs, result.samples)
    kept: dict[str, list[bool]] = {}
    for job in jobs:
        kept.setdefault(job.arm.name, []).append(accept is None or errors[job.name] < accept)
    for kind in ("graph", "control"):
        own = [job.name for job in jobs if job.arm.kind == kind]
        if own and not any(any(flags) for name, flags in kept.items() if name.startswith(kind)):
            raise DataError(
                f"None of the {len(own)} networks ({kind}) has an error below {accept}; the smallest is "
                f"{min(errors[name] for name in own):.3f}.",
                "Train longer or otherwise, or raise [decode] accept.",
            )
    return {name: np.array(flags) for name, flags in kept.items()}


def rank_scores(
    real: NDArray[np.float64], nulls: dict[str, NDArray[np.float64]], info: pd.DataFrame, outputs: list[str]
) -> pd.DataFrame:
    """Rank nodes by their score against the nulls.

    Sizes (the output ``all``, where no score is negative) are compared in units of the median of their kind in the same
    network, see :func:`kgreg.decode.nulls.relative_sizes`.

    Parameters
    ----------
    real
        ``[n_networks, n_nodes, n_outputs]`` scores in the networks of the real graph.
    nulls
        Kind of null -> ``[n_draws, n_networks, n_nodes, n_outputs]``; each draw is trained on the same folds, with as
        many replicates, as ``real``, so that both vary alike.
    info
        ``node, kind, label, level, n_genes``, one row a node.
    """
    kinds = info["kind"].to_numpy()
    frames = []
    for o, output in enumerate(outputs):
        values = real[:, :, o]
        mean, low, high, n = mean_interval(values)
        frame = info.assign(output=output, score=mean, low=low, high=high, n=n, stability=_found(values, kinds))
        drawn = {kind: draws[..., o] for kind, draws in nulls.items()}
        compared = values
        if output == ALL and all(np.nanmin(one, initial=0.0) >= 0 for one in (values, *drawn.values())):
            compared = relative_sizes(values, kinds)
            drawn = {kind: relative_sizes(draws, kinds) for kind, draws in drawn.items()}
        for kind in ("rewired", "labels"):
            z = p = np.full(len(info), np.nan)
            if kind in drawn:
                z, p = against_null(compared, drawn[kind], kinds)
            frame[f"z_{kind}"], frame[f"p_{kind}"], frame[f"q_{kind}"] = z, p, adjust(p, kinds)
        # A null of a single draw has no spread to measure by; the score ranks then, as it does without a null.
        usable = [kind for kind, draws in nulls.items() if len(draws) > 1]
        frame["null"] = frame["kind"].map(MAIN_NULL).where(frame["kind"].map(MAIN_NULL).isin(usable), "none")
        frame["null_mean"] = np.nan
        for column in ("z", "p", "q"):
            frame[column] = np.nan
        for null in usable:
            mine = frame["null"] == null
            frame["null_mean"] = frame["null_mean"].mask(mine, np.nanmean(nulls[null][..., o], axis=(0, 1)))
            for column in ("z", "p", "q"):
                frame[column] = frame[column].mask(mine, frame[f"{column}_{null}"])
        order = frame["z"].where(frame["null"] != "none", frame["score"])
        frame["rank"] = order.groupby(frame["kind"]).rank(ascending=False, method="first").astype("Int64")
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def agreement(values: NDArray[np.float64]) -> dict[str, float]:
    """Return how far networks agree: ``values [n_networks, n_nodes]`` -> mean over pairs of networks.

    ``rank_correlation``: Spearman's rho; ``top_overlap``: Jaccard index of the 20 best; ``networks``: n.
    """
    n, n_nodes = values.shape
    pairs = [(i, j) for i in range(n) for j in range(i)]
    top = [set(np.argsort(-row)[: min(TOP, n_nodes)].tolist()) for row in values]
    if not pairs or n_nodes < 3:
        return {"rank_correlation": float("nan"), "top_overlap": float("nan"), "networks": n}
    return {
        "rank_correlation": float(np.mean([stats.spearmanr(values[i], values[j]).statistic for i, j in pairs])),
        "top_overlap": float(np.mean([len(top[i] & top[j]) / len(top[i] | top[j]) for i, j in pairs])),
        "networks": n,
    }


def _node_table(result: CrossValidation, nodes: list[str]) -> pd.DataFrame:
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


def _found(values: NDArray[np.float64], kinds: NDArray[Any]) -> NDArray[np.float64]:
    """Return the share of networks in which a node is among the best of its kind."""
    share = np.zeros(values.shape[1])
    for kind in np.unique(kinds):
        mine = np.flatnonzero(kinds == kind)
        ranks = stats.rankdata(-values[:, mine], axis=1, nan_policy="omit")
        share[mine] = np.mean(ranks <= TOP, axis=0)
    return share
