"""Figures of prediction, ranking and network. Each takes tables or JSON values and returns a plotly Figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from kgreg.blueprint.model import Blueprint
from kgreg.report.numbers import (
    LOWER_IS_BETTER,
    UNKNOWN,
    fixed,
    in_order,
    interval,
    is_known,
    kind_of_arm,
    name_of_arm,
    name_of_metric,
    plural,
)
from kgreg.report.ranked import leads
from kgreg.report.style import ACCENT, AGAINST, ARM_COLOURS, QUIET, coloraxis, figure, short, text


def metric_plot(metrics: Mapping[str, Any], metric: str = "") -> Any:
    """Return mean, 95 % interval and single folds of every arm; the dashed line is chance.

    Parameters
    ----------
    metrics
        ``CrossValidation.summary()``.
    metric
        Which one; the main metric if empty.
    """
    metric, unit = metric or metrics["metric"], metrics["unit"]
    arms = [arm for arm in metrics["arms"] if metric in arm["metrics"]]
    traces = []
    for arm in arms:
        name = name_of_arm(arm["arm"], metrics.get("arm_names"))
        colour = ARM_COLOURS.get(kind_of_arm(arm["arm"]), QUIET)
        known = [(fold, value) for fold, value in enumerate(arm["folds"][metric]) if is_known(value)]
        traces.append(
            go.Scatter(
                x=[value for _, value in known],
                y=[name] * len(known),
                mode="markers",
                marker={"size": 9, "color": "rgba(0,0,0,0)", "line": {"color": colour, "width": 1.4}},
                customdata=[fold + 1 for fold, _ in known],
                hovertemplate="fold %{customdata}: %{x:.3f}<extra></extra>",
            )
        )
        value = arm["metrics"][metric]
        if not is_known(value["mean"]):
            continue
        words = f"{interval(value['mean'], value['low'], value['high'], 3)}, n = {plural(value['n'], unit)}"
        traces.append(
            go.Scatter(
                x=[value["mean"]],
                y=[name],
                mode="markers",
                marker={"size": 13, "symbol": "diamond", "color": colour},
                error_x=_whisker([value["mean"]], [value["low"]], [value["high"]], colour, 2.5),
                hovertemplate=f"{name}: {words}<extra></extra>",
            )
        )
    names = [name_of_arm(arm["arm"], metrics.get("arm_names")) for arm in arms]
    better = " (lower is better)" if metric in LOWER_IS_BETTER else ""
    plot = figure(
        *traces,
        height=82 + 42 * max(len(names), 1),
        xaxis={"title": {"text": name_of_metric(metric) + better}, "zeroline": False, "automargin": True},
        yaxis={"categoryorder": "array", "categoryarray": names[::-1], "automargin": True, "showgrid": False},
    )
    chance = next((arm["metrics"][metric]["mean"] for arm in arms if arm["arm"] == "labels"), None)
    if is_known(chance):
        plot.add_vline(x=chance, line={"dash": "dash", "width": 1.2, "color": QUIET})
    return plot


def comparison_plot(metrics: Mapping[str, Any]) -> Any:
    """Return the differences graph network - other arm on the main metric, with intervals; zero is no difference."""
    order, unit, called = in_order(metrics["comparisons"]), metrics["unit"], metrics.get("arm_names")
    own = name_of_arm("graph", called).removesuffix(" network")
    names = [f"{own} − {name_of_arm(other, called).lower()}" for other in order]
    values = [metrics["comparisons"][other] for other in order]
    colours = [ACCENT if c["low"] > 0 else AGAINST if c["high"] < 0 else QUIET for c in values]
    traces = [
        go.Scatter(
            x=[c["difference"]],
            y=[name],
            mode="markers",
            marker={"size": 12, "symbol": "diamond", "color": colour},
            error_x=_whisker([c["difference"]], [c["low"]], [c["high"]], colour, 2.5),
            hovertemplate=f"{name}: {interval(c['difference'], c['low'], c['high'], 3, sign=True)}, "
            f"n = {plural(c['n'], unit)}<extra></extra>",
        )
        for name, c, colour in zip(names, values, colours, strict=True)
    ]
    plot = figure(
        *traces,
        height=82 + 42 * max(len(names), 1),
        xaxis={
            "title": {"text": f"difference in {name_of_metric(metrics['metric'])}"},
            "zeroline": False,
            "automargin": True,
        },
        yaxis={"categoryorder": "array", "categoryarray": names[::-1], "automargin": True, "showgrid": False},
    )
    plot.add_vline(x=0, line={"width": 1.5, "color": QUIET})
    return plot


def confusion_plot(predictions: pd.DataFrame, classes: Sequence[str], arm: str = "graph") -> Any:
    """Return the confusion matrix of an arm on the test samples, each true class summing to 100 %.

    Parameters
    ----------
    predictions
        ``CrossValidation.predictions``; probabilities of several replicates are averaged.
    """
    counts = confusion(predictions, classes, arm)
    totals = counts.sum(axis=1, keepdims=True)
    share = np.divide(100.0 * counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
    names = [short(name, 30) for name in classes]
    custom = [
        [[text(true), text(other), int(counts[i, j]), int(totals[i, 0])] for j, other in enumerate(classes)]
        for i, true in enumerate(classes)
    ]
    heat = go.Heatmap(
        x=list(range(len(classes))),
        y=list(range(len(classes))),
        z=_rows(share, 2),
        customdata=custom,
        coloraxis="coloraxis",
        xgap=2,
        ygap=2,
        text=[["" if not value else f"{value:.0f}" for value in row] for row in np.nan_to_num(share)],
        texttemplate="%{text}" if len(classes) <= 20 else None,
        hovertemplate=(
            "true: %{customdata[0]}<br>predicted: %{customdata[1]}<br>"
            "%{customdata[2]} of %{customdata[3]} samples (%{z:.1f} %)<extra></extra>"
        ),
    )
    ticks: dict[str, Any] = {"tickmode": "array", "tickvals": list(range(len(classes))), "showgrid": False}
    ticks |= {"zeroline": False, "automargin": True}
    sized = [f"{name} ({int(total)})" for name, total in zip(names, totals[:, 0], strict=True)]
    return figure(
        heat,
        height=180 + 34 * max(len(classes), 3),
        xaxis={"title": {"text": "predicted"}, "tickangle": -40, "ticktext": names, **ticks},
        yaxis={
            "title": {"text": "true (samples)", "standoff": 12},
            "autorange": "reversed",
            "ticktext": sized,
            **ticks,
        },
        coloraxis=coloraxis("sequential", "% of the true class", 0, 100),
    )


def confusion(predictions: pd.DataFrame, classes: Sequence[str], arm: str = "graph") -> np.ndarray[Any, Any]:
    """Return ``[n_classes, n_classes]`` counts: rows true, columns predicted (the likeliest class)."""
    own = predictions[predictions["arm"] == arm]
    place = {name: i for i, name in enumerate(classes)}
    mean = own.groupby(["fold", "sample"], sort=False)[list(classes)].mean()
    true = own.groupby(["fold", "sample"], sort=False)["target"].first().map(place).to_numpy()
    counts = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(counts, (true, mean.to_numpy().argmax(axis=1)), 1)
    return counts


def regression_plot(predictions: pd.DataFrame, label: str = "", arm: str = "graph") -> Any:
    """Return predicted against true values of the test samples, with the line of equality."""
    own = predictions[predictions["arm"] == arm].astype({"target": float})
    mean = own.groupby(["fold", "sample"], sort=False, as_index=False)[["target", "predicted"]].mean()
    ends = [float(mean[["target", "predicted"]].min().min()), float(mean[["target", "predicted"]].max().max())]
    name = short(label) or "value"
    return figure(
        go.Scatter(x=ends, y=ends, mode="lines", line={"dash": "dash", "color": QUIET, "width": 1}, hoverinfo="skip"),
        go.Scatter(
            x=_list(mean["target"], 5),
            y=_list(mean["predicted"], 5),
            customdata=[[text(s), int(f) + 1] for s, f in zip(mean["sample"], mean["fold"], strict=True)],
            mode="markers",
            marker={"size": 7, "color": ACCENT, "opacity": 0.65},
            hovertemplate="%{customdata[0]} (fold %{customdata[1]})<br>true %{x:.3g}, predicted %{y:.3g}"
            "<extra></extra>",
        ),
        height=440,
        xaxis={"title": {"text": f"true {name}"}, "automargin": True, "zeroline": False},
        yaxis={"title": {"text": f"predicted {name}"}, "automargin": True, "zeroline": False},
    )


def forest_plot(ranking: pd.DataFrame, kind: str = "term", output: str = "all", n: int = 20) -> Any:
    """Return scores with 95 % intervals of the best genes or terms of an output, best on top, leads only.

    Parameters
    ----------
    ranking
        ``Explanation.ranking``. If it has a column ``null_mean``, that is drawn as a tick.
    kind
        "term" or "gene".
    """
    best = leads(ranking, kind, output).head(n)
    hover = [
        f"{text(r['label'])} ({text(r['node'])})<br>score {interval(r['score'], r['low'], r['high'], 4)}, "
        f"n = {r['n']} networks, seed {r['seed']}<br>z {fixed(r['z'], 1) if is_known(r['z']) else UNKNOWN}"
        for r in best.to_dict("records")
    ]
    colours = [ACCENT if is_known(q) and q < 0.05 else QUIET for q in best["q"]]
    plot = figure(
        go.Scatter(
            x=_list(best["score"], 6),
            y=list(range(len(best))),
            mode="markers",
            marker={"size": 9, "color": colours},
            error_x=_whisker(best["score"], best["low"], best["high"], QUIET, 1.6),
            hovertext=hover,
            hovertemplate="%{hovertext}<extra></extra>",
        ),
        height=80 + 24 * max(len(best), 1),
        xaxis={"title": {"text": "score [95 % interval]"}, "automargin": True, "zeroline": False},
        yaxis={
            "tickmode": "array",
            "tickvals": list(range(len(best))),
            "ticktext": [short(label) for label in best["label"]],
            "autorange": "reversed",
            "automargin": True,
            "zeroline": False,
        },
    )
    if "null_mean" in best:
        plot.add_scatter(
            x=_list(best["null_mean"], 6),
            y=list(range(len(best))),
            mode="markers",
            marker={"symbol": "line-ns", "size": 13, "line": {"width": 2, "color": ARM_COLOURS["baseline"]}},
            hovertemplate="mean of the null networks %{x:.4f}<extra></extra>",
        )
    plot.add_vline(x=0, line={"width": 1, "color": QUIET})
    return plot


#: What one or several nodes of a kind are called; others are terms.
_LEVELS = {
    "gene": ("gene", "genes"),
    "sequence": ("sequence", "sequences"),
    "motif": ("motif", "motifs"),
    "tf": ("factor", "factors"),
    "family": ("family", "families"),
}


def level_plot(blueprint: Blueprint) -> Any:
    """Return how many nodes stand on every level of the network: genes or sequences at 0, terms or motifs above."""
    counts = blueprint.nodes["level"].value_counts().sort_index()
    levels = [int(level) for level in counts.index]
    first = blueprint.nodes.groupby("level")["kind"].first()
    names = [_LEVELS.get(first[level], ("term", "terms")) for level in levels]
    return figure(
        go.Bar(
            x=[int(value) for value in counts],
            y=[str(level) for level in levels],
            orientation="h",
            marker={"color": [ACCENT if level else ARM_COLOURS["baseline"] for level in levels]},
            text=[plural(value, *name) for value, name in zip(counts, names, strict=True)],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="level %{y}: %{text}<extra></extra>",
        ),
        height=80 + 26 * len(levels),
        xaxis={"title": {"text": "nodes"}, "automargin": True, "range": [0, 1.2 * float(counts.max())]},
        yaxis={"title": {"text": "level"}, "type": "category", "automargin": True, "showgrid": False},
    )


def _whisker(mean: Any, low: Any, high: Any, colour: str, width: float) -> Any:
    """Return error bars; a missing interval has no length."""
    middle, below, above = (np.asarray(part, dtype=float) for part in (mean, low, high))
    return {
        "type": "data",
        "symmetric": False,
        "array": _list(np.nan_to_num(above - middle), 6),
        "arrayminus": _list(np.nan_to_num(middle - below), 6),
        "color": colour,
        "thickness": width,
        "width": 5,
    }


def _list(values: Any, digits: int) -> list[float | None]:
    """Return rounded floats, None for NaN (JSON has no NaN)."""
    return [round(float(value), digits) if is_known(value) else None for value in values]


def _rows(values: Any, digits: int) -> list[list[float | None]]:
    return [_list(row, digits) for row in values]
