"""Figures of prediction for survival and for several labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from kgreg.report.numbers import interval, is_known, name_of_arm, name_of_metric
from kgreg.report.style import ACCENT, AGAINST, ARM_COLOURS, QUIET, figure, short
from kgreg.report.survival import TERTILES, kaplan_meier, risk_tertiles

#: Labels that are drawn; the table has all.
MOST_LABELS = 40

_RISK_COLOURS = dict(zip(TERTILES, (ACCENT, QUIET, AGAINST), strict=True))
#: 0.15 of the colours above.
_BANDS = dict(zip(TERTILES, ("rgba(43,123,186,.15)", "rgba(139,146,156,.15)", "rgba(200,85,61,.15)"), strict=True))


def survival_plot(predictions: pd.DataFrame, time: str = "time", arm: str = "graph") -> Any:
    """Return Kaplan-Meier curves of the test samples by tertile of predicted risk, with 95 % bands.

    Parameters
    ----------
    predictions
        ``CrossValidation.predictions`` of a survival task. Tertiles are made within each fold.
    time
        Name of the time axis.
    """
    samples = risk_tertiles(predictions, arm)
    traces = []
    for name in TERTILES:
        own = samples[samples["tertile"] == name]
        if own.empty:
            continue
        table = kaplan_meier(own["time"].to_numpy(), own["event"].to_numpy())
        colour, step = _RISK_COLOURS[name], {"shape": "hv", "color": _RISK_COLOURS[name], "width": 2}
        known = table[table["low"].notna()]
        legend = f"{name}: {int(own['event'].sum())} events in {len(own)} samples"
        edge = {"mode": "lines", "line": {"shape": "hv", "width": 0}, "hoverinfo": "skip", "showlegend": False}
        traces += [
            go.Scatter(x=_rounded(known["time"]), y=_rounded(known["low"]), **edge),
            go.Scatter(
                x=_rounded(known["time"]), y=_rounded(known["high"]), fill="tonexty", fillcolor=_BANDS[name], **edge
            ),
            go.Scatter(
                x=_rounded(table["time"]),
                y=_rounded(table["survival"]),
                mode="lines",
                line=step,
                name=legend,
                customdata=table[["at_risk"]].to_numpy().tolist(),
                hovertemplate=f"{name}<br>%{{x:.4g}}: %{{y:.3f}} survive, %{{customdata[0]}} at risk<extra></extra>",
            ),
        ]
        censored = table[table["censored"] > 0]
        traces.append(
            go.Scatter(
                x=_rounded(censored["time"]),
                y=_rounded(censored["survival"]),
                mode="markers",
                marker={"symbol": "line-ns", "size": 9, "line": {"width": 1.4, "color": colour}},
                hoverinfo="skip",
                showlegend=False,
            )
        )
    return figure(
        *traces,
        height=460,
        showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
        margin={"l": 10, "r": 16, "t": 60, "b": 56},
        xaxis={"title": {"text": short(time)}, "automargin": True, "rangemode": "tozero", "zeroline": False},
        yaxis={"title": {"text": "share that survives"}, "automargin": True, "range": [0, 1.03], "zeroline": False},
    )


def label_plot(
    labels: Sequence[Mapping[str, Any]], metric: str = "auroc", names: Mapping[str, str] | None = None
) -> Any:
    """Return a metric of every label with 95 % intervals, for every arm.

    Parameters
    ----------
    labels
        ``CrossValidation.summary()["labels"]``; the first 40 are drawn.
    names
        What arms are called, where it is not what they usually are.
    """
    shown = labels[:MOST_LABELS]
    found = {arm for entry in shown for arm in entry["arms"]}
    arms = [arm for arm in ARM_COLOURS if arm in found]
    traces = []
    for place, arm in enumerate(arms):
        own = [
            (i, entry["label"], entry["arms"][arm][metric])
            for i, entry in enumerate(shown)
            if is_known(entry["arms"].get(arm, {}).get(metric, {}).get("mean"))
        ]
        colour = ARM_COLOURS.get(arm, QUIET)
        spans = [(v["mean"], v["low"], v["high"]) if is_known(v["low"]) else (v["mean"],) * 3 for _, _, v in own]
        traces.append(
            go.Scatter(
                x=[round(mean, 4) for mean, _, _ in spans],
                y=[i + 0.7 * ((place + 0.5) / len(arms) - 0.5) for i, _, _ in own],
                name=name_of_arm(arm, names),
                mode="markers",
                marker={"size": 9, "symbol": "diamond", "color": colour},
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": [round(high - mean, 4) for mean, _, high in spans],
                    "arrayminus": [round(mean - low, 4) for mean, low, _ in spans],
                    "color": colour,
                    "thickness": 1.6,
                    "width": 3,
                },
                hovertext=[
                    f"{short(label)}<br>{name_of_arm(arm, names)}: {interval(v['mean'], v['low'], v['high'], 3)}, "
                    f"n = {v['n']} folds"
                    for _, label, v in own
                ],
                hovertemplate="%{hovertext}<extra></extra>",
            )
        )
    return figure(
        *traces,
        height=120 + 18 * len(arms) * max(len(shown), 1),
        showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        margin={"l": 10, "r": 16, "t": 50, "b": 56},
        xaxis={"title": {"text": f"{name_of_metric(metric)} [95 % interval]"}, "automargin": True, "zeroline": False},
        yaxis={
            "tickmode": "array",
            "tickvals": list(range(len(shown))),
            "ticktext": [short(entry["label"], 34) for entry in shown],
            "autorange": "reversed",
            "automargin": True,
            "zeroline": False,
        },
    )


def _rounded(values: Any) -> list[float]:
    return [float(f"{value:.5g}") for value in values]
