"""Two finished runs beside each other: rankings, scores, and metrics on the same samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from kgreg.decode.compare import Comparison, compare_explanations
from kgreg.decode.explanation import Explanation
from kgreg.decode.importance import ALL
from kgreg.decode.stability import TOP
from kgreg.errors import OutputError
from kgreg.fit.metrics import compare
from kgreg.runs.folder import RunFolder
from kgreg.runs.records import read_table
from kgreg.runs.run import Run

#: Columns of :attr:`RunComparison.metrics`.
METRICS = (
    "metric", "first", "first_low", "first_high", "second", "second_low", "second_high", "difference", "low", "high",
    "p", "n",
)  # fmt: skip


@dataclass(frozen=True)
class RunComparison:
    """Two runs beside each other.

    Attributes
    ----------
    metrics
        A row a metric of the networks on the graph: ``first, second`` with their intervals; their ``difference`` with
        ``low, high, p`` over ``n`` folds (paired, corrected for overlapping training parts: Nadeau and Bengio 2003),
        where both were tested on the same samples in the same folds, else NaN.
    ranking
        See :class:`kgreg.decode.compare.Comparison`.
    notes
        What to know: how much of the networks is shared, whether the folds are the same.
    """

    metrics: pd.DataFrame
    ranking: Comparison
    notes: list[str]


def compare_runs(
    first: Run, second: Run, *, kind: str | None = None, output: str | None = None, top: int = TOP
) -> RunComparison:
    """Compare two runs over what they share.

    Parameters
    ----------
    kind, output, top
        See :func:`kgreg.decode.compare.compare_explanations`.

    Raises
    ------
    OutputError
        If one of them was not explained yet.
    DataError
        If they share no output or node, or lack what is asked for.
    """
    for run in (first, second):
        if not RunFolder(run.path).finished("explain"):
            raise OutputError(f"{run.path} has no ranking yet.", f"Run `kgreg explain {run.path}`.")
    notes = _shared_networks(first, second)
    measures = [run.experiment.decode.measure for run in (first, second)]
    same_measure = measures[0] == measures[1]
    sides = [_explanation(run, same_measure) for run in (first, second)]
    if not same_measure:
        notes.append(f"Importance is {measures[0]} in one and {measures[1]} in the other: only ranks can be compared.")
    elif any(side.node_scores.empty for side in sides):
        notes.append("The scores of single networks were not kept, so differences have no interval.")
    elif min(int(side.ranking["n"].max()) for side in sides) < 2:
        notes.append("One network only: no interval of differences (train replicates or folds).")
    ranking = compare_explanations(
        *sides, kind=kind, output=output, top=top, overlaps=_overlaps(first, second, measures[0])
    )
    if not same_measure:
        empty = dict.fromkeys(("difference", "low", "high", "p", "q"), np.nan)
        ranking = replace(ranking, nodes=ranking.nodes.assign(**empty))
    metrics, paired = _metrics(first, second)
    return RunComparison(metrics, ranking, [*notes, paired])


def _overlaps(first: Run, second: Run, measure: str) -> dict[str, tuple[float, float]]:
    """Return how much the folds of two runs share, for every output; see :func:`kgreg.decode.intervals.overlap_for`."""
    one, two = (_test_share(read_table(run.path / "splits.parquet")) for run in (first, second))
    outputs = first.explanation.ranking["output"].unique()
    return {name: (0.0, 0.0) if measure == "activation" and name != ALL else (one, two) for name in outputs}


def _explanation(run: Run, with_scores: bool) -> Explanation:
    scores = run.tables.get("node_scores") if with_scores else None
    return run.explanation if scores is None else replace(run.explanation, node_scores=scores)


def _shared_networks(first: Run, second: Run) -> list[str]:
    """Say how much of two networks is the same."""
    prints = [run.blueprint for run in (first, second)]
    if prints[0].content_hash() == prints[1].content_hash():
        return ["Both runs have the same network."]
    parts = []
    for name, tables in (
        ("genes", [set(own.genes["id"]) for own in prints]),
        ("subsystems", [set(own.terms["id"]) for own in prints]),
        ("links", [set(zip(own.edges["source"], own.edges["target"], strict=True)) for own in prints]),
    ):
        if any(tables):
            both = len(tables[0] & tables[1])
            parts.append(f"{both:,} {name} (of {len(tables[0]):,} and {len(tables[1]):,})")
    return [f"The networks differ; they share {', '.join(parts)}."]


def _metrics(first: Run, second: Run) -> tuple[pd.DataFrame, str]:
    arms = [next(arm for arm in run.metrics["arms"] if arm["arm"] == "graph") for run in (first, second)]
    tables = [read_table(run.path / "splits.parquet") for run in (first, second)]
    same = _same_tests(*tables) and first.data.get("label") == second.data.get("label")
    rows = []
    for metric in (name for name in arms[0]["metrics"] if name in arms[1]["metrics"]):
        row: dict[str, Any] = {
            "metric": metric,
            "difference": np.nan,
            "low": np.nan,
            "high": np.nan,
            "p": np.nan,
            "n": 0,
        }
        for side, arm in zip(("first", "second"), arms, strict=True):
            found = arm["metrics"][metric]
            row |= {side: found["mean"], f"{side}_low": found["low"], f"{side}_high": found["high"]}
        if same:
            folds = [np.array(arm["folds"][metric], dtype=float) for arm in arms]
            row |= compare(folds[0], folds[1], _test_share(tables[0]))
        rows.append(row)
    many = tables[0]["fold"].nunique() > 1
    if same:
        note = (
            "Metrics are paired over the folds, which are the same."
            if many
            else ("Both were tested on the same samples, in a single split: their difference has no interval.")
        )
    else:
        note = "The runs were tested on other samples or in other folds: their metrics are not paired."
    return pd.DataFrame(rows, columns=list(METRICS)).astype(dict.fromkeys(METRICS[1:-1], float)), note


def _same_tests(one: pd.DataFrame, two: pd.DataFrame) -> bool:
    tests = [set(map(tuple, t.loc[t["part"] == "test", ["fold", "sample"]].to_numpy())) for t in (one, two)]
    return tests[0] == tests[1]


def _test_share(splits: pd.DataFrame) -> float:
    """Return test over training samples, the mean over folds."""
    tested = (splits["part"] == "test").groupby(splits["fold"])
    return float((tested.sum() / (tested.size() - tested.sum())).mean())
