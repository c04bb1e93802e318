"""Losses by epoch."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from kgreg.report.numbers import kind_of_arm, name_of_arm
from kgreg.report.style import ARM_COLOURS, QUIET, figure

#: Of more fits of the real graph than this, the first are drawn.
MOST_FITS = 20


def training_plot(training: pd.DataFrame, column: str = "") -> Any:
    """Return the loss of every fit of the real graph by epoch, and the mean of the other arms.

    Parameters
    ----------
    training
        ``arm, fold, replicate, epoch, train_loss``, and where samples were held out to stop by, ``stop_loss, best``.
    column
        "train_loss" or "stop_loss"; by default the loss that training was stopped by, if there is one. The dot is the
        epoch that was kept.
    """
    stopped = "stop_loss" in training and bool(training["stop_loss"].notna().any())
    column = column or ("stop_loss" if stopped else "train_loss")
    table = training[training[column].notna()]
    table = table.assign(kind=[arm.rpartition("-")[0] or arm for arm in table["arm"]])
    traces = [_mean(str(kind), rows, column) for kind, rows in table.groupby("kind", sort=False) if kind != "graph"]
    fits = table[table["kind"] == "graph"].groupby(["fold", "replicate"], sort=False)
    for number, (_, rows) in enumerate(fits):
        if number < MOST_FITS:
            traces += _fit(rows, column, first=number == 0)
    named = {"stop_loss": "loss on samples held out to stop by", "train_loss": "loss on the training samples"}
    return figure(
        *traces,
        height=380,
        showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        xaxis={"title": {"text": "epoch"}, "zeroline": False},
        yaxis={"title": {"text": named[column]}, "automargin": True, "zeroline": False},
    )


def _mean(kind: str, rows: pd.DataFrame, column: str) -> Any:
    """Return the mean over the fits of an arm, as long as at least half of them train: beyond, it is no fair mean."""
    fits = rows.groupby(["arm", "fold", "replicate"]).ngroups
    by_epoch = rows.groupby("epoch")[column].agg(["mean", "size"])
    by_epoch = by_epoch[by_epoch["size"] * 2 >= fits]
    name = name_of_arm(kind)
    return go.Scatter(
        x=by_epoch.index.tolist(),
        y=[float(f"{v:.5g}") for v in by_epoch["mean"]],
        mode="lines",
        name=f"{name} (mean of {fits})",
        line={"color": ARM_COLOURS.get(kind_of_arm(kind), QUIET), "width": 2.5, "dash": "dash"},
        hovertemplate=f"{name}, epoch %{{x}}: %{{y:.4g}}<extra></extra>",
    )


def _fit(rows: pd.DataFrame, column: str, *, first: bool) -> list[Any]:
    """Return the line of one fit, and the epoch of it that was kept."""
    what = f"fold {int(rows['fold'].iloc[0]) + 1}, replicate {int(rows['replicate'].iloc[0]) + 1}"
    colour = ARM_COLOURS["graph"]
    line = go.Scatter(
        x=rows["epoch"].tolist(),
        y=[float(f"{v:.5g}") for v in rows[column]],
        mode="lines",
        name=name_of_arm("graph"),
        legendgroup="graph",
        showlegend=first,
        line={"color": colour, "width": 1.2},
        hovertemplate=f"{what}, epoch %{{x}}: %{{y:.4g}}<extra></extra>",
    )
    best = rows[rows["epoch"] == rows["best"]] if "best" in rows else rows.iloc[:0]
    kept = go.Scatter(
        x=best["epoch"].tolist(),
        y=[float(f"{v:.5g}") for v in best[column]],
        mode="markers",
        legendgroup="graph",
        showlegend=False,
        marker={"color": colour, "size": 7},
        hovertemplate=f"{what}: kept, epoch %{{x}}<extra></extra>",
    )
    return [line, kept] if len(best) else [line]
