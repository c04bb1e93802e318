"""Other measures of importance beside the one that nodes are ranked by, and how far they agree with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from kgreg.decode.controls import relative
from kgreg.decode.explanation import Explanation
from kgreg.decode.importance import ALL, Measure, is_signed, node_importance
from kgreg.decode.intervals import network_interval, overlap_for
from kgreg.fit.crossval import CrossValidation
from kgreg.fit.threads import limit_threads
from kgreg.progress import Progress, no_progress

#: Columns of the two tables of :func:`compare_measures`.
SCORES = ("node", "kind", "label", "output", "method", "score", "low", "high", "n", "rank", "seed")
AGREEMENT = ("kind", "output", "method", "rho", "n", "networks", "seed")


def compare_measures(
    result: CrossValidation,
    explanation: Explanation,
    measures: Sequence[Measure],
    progress: Progress = no_progress,
    *,
    accepted: NDArray[np.bool_] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score every node by other measures, in every network of the graph on its test samples.

    Nulls are not scored again: these are plain scores, and so are those that they are compared with.

    Parameters
    ----------
    measures
        See :func:`kgreg.decode.node_importance`.
    accepted
        Which networks of the graph are read, in the order of the jobs; default: all.

    Returns
    -------
    scores
        ``node, kind, label, output, method, score`` (mean over the networks), ``low, high`` (95 %; NaN of
        one network), ``n`` (networks), ``rank`` (within kind and output, by score), ``seed``.
    agreement
        ``kind, output, method, rho`` (Spearman, of the mean scores with those of the ranking), ``n`` (nodes that both
        score), ``networks``, ``seed``.

    Raises
    ------
    DataError
        If a measure does not apply to the networks; it says which do.
    """
    jobs = [job for job in result.jobs if job.arm.kind == "graph"]
    if accepted is not None:
        jobs = [job for job, keep in zip(jobs, accepted, strict=True) if keep]
    folds = np.array([job.split.fold for job in jobs])
    ranking = explanation.ranking
    columns = list(dict.fromkeys(ranking["output"]))
    info = ranking.drop_duplicates("node").set_index("node")[["kind", "label"]]
    frames = []
    for number, measure in enumerate(measures):
        tables = []
        for done, job in enumerate(jobs):
            progress(f"{measure}, fold {job.split.fold + 1}", (number + done / len(jobs)) / len(measures))
            test, train = job.split.test, job.split.train
            with limit_threads(result.settings.threads):
                table = node_importance(
                    result.models[job.name],
                    result.inputs_of(job, test),
                    result.target_of(job, test),
                    result.inputs_of(job, train),
                    result.outputs,
                    measure=measure,
                    reference_target=result.target_of(job, train),
                    seed=job.seed,
                )
            table = table[table.index.isin(info.index)]
            if is_signed(measure):
                kinds = info.loc[table.index, "kind"].to_numpy()
                table = table.assign(**{ALL: relative(table[ALL].to_numpy(), kinds)})
            tables.append(table)
        nodes = tables[0].index
        values = np.stack([table.loc[nodes, columns].to_numpy() for table in tables])
        for o, output in enumerate(columns):
            score, low, high, n = network_interval(values[:, :, o], folds, overlap_for(measure, output, result.splits))
            own = info.loc[nodes].assign(output=output, method=measure, score=score, low=low, high=high, n=n)
            ranks = own["score"].groupby(own["kind"]).rank(ascending=False, method="first").astype("Int64")
            frames.append(own.assign(rank=ranks, seed=result.seed).rename_axis("node").reset_index())
    if not frames:
        return pd.DataFrame(columns=list(SCORES)), pd.DataFrame(columns=list(AGREEMENT))
    scores = pd.concat(frames, ignore_index=True)[list(SCORES)]
    both = scores.merge(ranking[["node", "output", "score"]], on=["node", "output"], suffixes=("", "_ranked"))
    both = both.dropna(subset=["score", "score_ranked"])
    rows = []
    for (kind, output, method), own in both.groupby(["kind", "output", "method"], sort=False):
        varies = len(own) > 2 and own["score"].nunique() > 1 and own["score_ranked"].nunique() > 1
        rho = float(stats.spearmanr(own["score"], own["score_ranked"]).statistic) if varies else float("nan")
        rows.append((kind, output, method, rho, len(own), len(jobs), result.seed))
    return scores, pd.DataFrame(rows, columns=list(AGREEMENT))
