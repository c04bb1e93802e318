"""Scores of many networks -> ranked genes and subsystems with intervals, nulls and stability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.blueprint.kinds import RANKED_KINDS
from kgreg.data.targets import ONE_OUTPUT
from kgreg.decode.bootstrap import rank_draws
from kgreg.decode.controls import compare_with_controls, network_errors
from kgreg.decode.degree import Degree, correct_degree
from kgreg.decode.explanation import Explanation
from kgreg.decode.importance import ALL, Measure
from kgreg.decode.intervals import network_interval, overlap_for
from kgreg.decode.network_scores import score_networks
from kgreg.decode.nulls import MAIN_NULL, adjust, against_null, as_sizes, relative_sizes
from kgreg.decode.redundancy import JACCARD, with_leads
from kgreg.decode.stability import TOP, agreement, agreement_table, found_share, node_scores
from kgreg.errors import DataError
from kgreg.fit.crossval import CrossValidation
from kgreg.progress import Progress, no_progress

#: Draws of the bootstrap.
DRAWS = 200


def explain(
    result: CrossValidation,
    progress: Progress = no_progress,
    *,
    measure: Measure = "activation",
    accept: float | None = None,
    jaccard: float = JACCARD,
    top: int = TOP,
    bootstrap: int = DRAWS,
    degree: Degree = "none",
) -> Explanation:
    """Score every node in every fold's network on that fold's test samples, and rank.

    Parameters
    ----------
    measure
        See :func:`kgreg.decode.node_importance`. The ``all`` of "gradient" and "central_difference" is relative to the
        other nodes of the same network and kind, 0 for the least and 1 for the largest. Measures of a set of samples
        ("rlipp", "correlation", "attention") have one score a network: the bootstrap draws networks alone.
    accept
        Networks of the graph and of control inputs with a larger error on their test samples (see
        :func:`kgreg.decode.controls.network_errors`) are left out. Default: none is.
    jaccard
        From which Jaccard index of their genes on two terms count as near copies.
    top
        How many nodes of a kind count as the best.
    bootstrap
        Draws of networks and of test samples that ranks are made from again, see
        :class:`kgreg.decode.bootstrap.Bootstrap`; 0: none.

    degree
        How scores are corrected for the connectivity of nodes before they are ranked, see
        :func:`kgreg.decode.degree.correct_degree`; z against rewired graphs corrects for it in any case.

    Returns
    -------
    Explanation
        Its ``ranking`` has the columns ``node, kind, label, level, n_genes, output, score`` (mean over the networks),
        ``low, high`` (95 %, see :func:`kgreg.decode.intervals.network_interval`), ``n`` (networks), ``seed``,
        ``stability`` (share of networks that have the node among the ``top`` of its kind), ``z_rewired, p_rewired,
        q_rewired, z_labels, p_labels, q_labels`` (NaN without at least two draws of that null), ``null`` (the one the
        node is ranked against), ``null_mean`` (its mean score there), ``z, p, q`` (of that null), ``rank`` (within kind
        and output, by ``z``, else by ``score``), ``lead`` (the node that stands for it and its near copies, see
        :func:`kgreg.decode.redundancy.with_leads`), ``top_probability`` (share of the bootstrap draws that rank it
        among the ``top``) and ``rank_low, rank_high`` (95 % of its ranks in them); NaN with one network, and where the
        bootstrap is off. ``node_scores`` and ``agreement``: see :mod:`kgreg.decode.stability`. ``controls``, where
        control inputs were trained on: see :func:`kgreg.decode.controls.compare_with_controls`.

    Raises
    ------
    DataError
        If no network is accepted.
    """
    columns = [ALL] if result.samples.task in ONE_OUTPUT else [*result.outputs, ALL]
    accepted = accepted_networks(result, accept)
    scored = score_networks(result, columns, accepted["graph"], progress, measure=measure, draws=bootstrap)
    scored = correct_degree(scored, result.blueprint, degree)
    arms, info, overall = scored.arms, scored.info, columns.index(ALL)
    kinds = info["kind"].to_numpy()
    real = arms["graph"][accepted["graph"]]
    nulls = {
        kind: np.stack([value for name, value in arms.items() if name.startswith(kind)])
        for kind in ("rewired", "labels")
        if any(name.startswith(kind) for name in arms)
    }
    folds = np.array([fold for fold, _ in scored.places["graph"]])[accepted["graph"]]
    overlaps = [overlap_for(measure, name, result.splits) for name in columns]
    ranking = rank_scores(real, nulls, info, columns, top, folds, overlaps).assign(seed=result.seed)
    ranking = with_leads(ranking, result.blueprint, jaccard)
    found = Explanation(
        ranking=rank_draws(ranking, scored.drawn, top, columns, real, nulls),
        stability={
            kind: agreement(real[:, kinds == kind, overall], top) for kind in RANKED_KINDS if (kinds == kind).any()
        },
        agreement=agreement_table(real, kinds, columns, top),
        node_scores=node_scores(
            {name: values for name, values in arms.items() if not name.startswith("control")},
            scored.places,
            info["node"].tolist(),
            columns,
        ),
    )
    control = [arms[name][kept] for name, kept in accepted.items() if name != "graph"]
    if not control:
        return found
    table = compare_with_controls(real[:, :, overall], np.concatenate(control)[:, :, overall], info)
    return replace(found, controls=table.assign(seed=result.seed))


def accepted_networks(result: CrossValidation, accept: float | None) -> dict[str, NDArray[np.bool_]]:
    """Return which networks of the graph and of each draw of control inputs are accepted, in the order of the jobs.

    See :func:`explain`.

    Raises
    ------
    DataError
        If none is.
    """
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
    real: NDArray[np.float64],
    nulls: dict[str, NDArray[np.float64]],
    info: pd.DataFrame,
    outputs: list[str],
    top: int = TOP,
    folds: NDArray[Any] | None = None,
    overlaps: Sequence[float] | None = None,
) -> pd.DataFrame:
    """Rank nodes by their score against the nulls.

    Sizes (the output ``all``, where no score is negative) are compared in units of the median of their kind in the same
    network, see :func:`kgreg.decode.nulls.relative_sizes`.

    Parameters
    ----------
    real
        ``[n_networks, n_nodes, n_outputs]`` scores in the networks of the real graph.
    nulls
        Kind of null -> ``[n_draws, n_networks, n_nodes, n_outputs]``; each draw is trained on the same folds as
        ``real``, with as many replicates or fewer.
    info
        ``node, kind, label, level, n_genes``, one row a node.
    top
        How many nodes of a kind count as the best in ``stability``.
    folds, overlaps
        ``[n_networks]``, the fold of each network of ``real``, and for every output what
        :func:`kgreg.decode.intervals.network_interval` takes. Default: every network is a fold of its own, and folds
        have nothing in common.
    """
    folds = np.arange(len(real)) if folds is None else folds
    overlaps = [0.0] * len(outputs) if overlaps is None else overlaps
    kinds = info["kind"].to_numpy()
    frames = []
    for o, output in enumerate(outputs):
        values = real[:, :, o]
        mean, low, high, n = network_interval(values, folds, overlaps[o])
        frame = info.assign(
            output=output, score=mean, low=low, high=high, n=n, stability=found_share(values, kinds, top)
        )
        drawn = {kind: draws[..., o] for kind, draws in nulls.items()}
        compared = values
        if as_sizes(output, values, drawn):
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
