"""Figures of in silico knockouts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from kgreg.data.targets import RISK
from kgreg.report.numbers import decimals_for, interval, is_known
from kgreg.report.style import ACCENT, AGAINST, coloraxis, figure, short, text

ALL = "all"


def knockout_bars(knockouts: pd.DataFrame, knockout: str, group: str = ALL, most: int = 30) -> Any:
    """Return the change of every output when the genes of ``knockout`` fall silent, with 95 % intervals.

    Parameters
    ----------
    knockouts
        Of :func:`kgreg.decode.knockout_table`.
    group
        "all" samples, or those of one class or label.
    most
        Of more outputs than this, those that change most are shown.
    """
    rows = _outputs(knockouts, knockout)
    rows = rows[rows["group"] == group]
    if len(rows) > most:
        rows = rows.loc[rows["delta"].abs().nlargest(most).index.sort_values()]
    return _bars(rows, rows["label"].tolist(), change_of(_targets(knockouts)))


def knockout_map(knockouts: pd.DataFrame, knockout: str) -> Any:
    """Return the change of every output (columns) in the samples of every class or label (rows)."""
    rows = _outputs(knockouts, knockout)
    groups = [group for group in dict.fromkeys(rows["group"]) if group != ALL]
    samples = rows.groupby("group", sort=False)["samples"].first()
    names = [f"{short(group, 30)} ({samples[group]})" for group in groups]
    return _heat(rows, "group", groups, names, "samples of (number)")


def knockout_overview(knockouts: pd.DataFrame) -> Any:
    """Return the change of every output (columns) under every knockout (rows), over all samples.

    With a single output (regression, survival), bars with 95 % intervals.
    """
    rows = knockouts[(knockouts["kind"] == "output") & (knockouts["group"] == ALL)]
    names = list(dict.fromkeys(rows["knockout"]))
    if rows["target"].nunique() == 1:
        return _bars(rows, names, change_of(_targets(knockouts)))
    return _heat(rows, "knockout", names, [short(name, 34) for name in names], "")


def _bars(rows: pd.DataFrame, names: Sequence[str], change: str) -> Any:
    """Return horizontal bars of ``delta`` with intervals, one a row."""
    digits = decimals_for((rows["high"] - rows["low"]) / 2, least=3)
    delta = rows["delta"].to_numpy(dtype=float)
    hover = [
        f"{text(name)}<br>{interval(r['delta'], r['low'], r['high'], digits, sign=True)}<br>"
        f"n = {r['n']} networks, {r['samples']} samples, seed {r['seed']}"
        for name, r in zip(names, rows.to_dict("records"), strict=True)
    ]
    above, below = (np.nan_to_num(part.astype(float)) for part in (rows["high"] - delta, delta - rows["low"]))
    whisker = {"type": "data", "symmetric": False, "thickness": 1.4, "width": 4, "color": "#6b7280"}
    return figure(
        go.Bar(
            x=[float(f"{value:.5g}") for value in delta],
            y=list(range(len(rows))),
            orientation="h",
            marker={"color": [AGAINST if value >= 0 else ACCENT for value in delta], "opacity": 0.85},
            error_x={
                **whisker,
                "array": [float(f"{value:.5g}") for value in above],
                "arrayminus": [float(f"{value:.5g}") for value in below],
            },
            hovertext=hover,
            hovertemplate="%{hovertext}<extra></extra>",
        ),
        height=80 + 30 * max(len(rows), 2),
        xaxis={"title": {"text": change}, "automargin": True, "tickformat": "~g", "nticks": 6},
        yaxis={
            "showgrid": False,
            "zeroline": False,
            "tickmode": "array",
            "tickvals": list(range(len(rows))),
            "ticktext": [short(name, 34) for name in names],
            "autorange": "reversed",
            "automargin": True,
        },
        bargap=0.35,
    )


def _heat(rows: pd.DataFrame, by: str, keys: Sequence[str], names: Sequence[str], title: str) -> Any:
    """Return a diverging heat map of ``delta`` with one row a key and one column an output."""
    labels = dict(zip(rows["target"], rows["label"], strict=True))
    cells = {(r[by], r["target"]): r for r in rows.to_dict("records")}
    digits = decimals_for((rows["high"] - rows["low"]) / 2, least=3)
    largest = max((abs(float(v)) for v in rows["delta"] if is_known(v)), default=0.0) or 1.0
    values: list[list[float | None]] = []
    hover: list[list[str]] = []
    for key in keys:
        own = [cells.get((key, target)) for target in labels]
        values.append([float(f"{r['delta']:.5g}") if r is not None and is_known(r["delta"]) else None for r in own])
        hover.append(["" if r is None else _cell(r, by, digits) for r in own])
    heat = go.Heatmap(
        x=list(range(len(labels))),
        y=list(range(len(keys))),
        z=values,
        hovertext=hover,
        coloraxis="coloraxis",
        xgap=2,
        ygap=2,
        hovertemplate="%{hovertext}<extra></extra>",
    )
    ticks: dict[str, Any] = {"tickmode": "array", "showgrid": False, "zeroline": False, "automargin": True}
    columns = {"tickvals": list(range(len(labels))), "ticktext": [short(v, 30) for v in labels.values()]}
    return figure(
        heat,
        height=max(190 + 28 * len(keys), 330),
        xaxis={"tickangle": -40, **columns, **ticks},
        yaxis={
            "title": {"text": title, "standoff": 12},
            "autorange": "reversed",
            "tickvals": list(range(len(keys))),
            "ticktext": list(names),
            **ticks,
        },
        coloraxis=coloraxis("diverging", "change", -largest, largest, tickformat="~g"),
    )


def _cell(row: dict[Any, Any], by: str, digits: int) -> str:
    effect = interval(row["delta"], row["low"], row["high"], digits, sign=True)
    return (
        f"{by}: {text(row[by])}<br>output: {text(row['label'])}<br>{effect}<br>"
        f"n = {row['n']} networks, {row['samples']} samples, seed {row['seed']}"
    )


def _outputs(knockouts: pd.DataFrame, knockout: str) -> pd.DataFrame:
    return knockouts[(knockouts["kind"] == "output") & (knockouts["knockout"] == knockout)]


def change_of(targets: Sequence[str]) -> str:
    """Name what changes: a probability if there are several outputs, else the value of the one."""
    if len(targets) > 1:
        return "change of probability"
    return "change of the log hazard" if list(targets) == [RISK] else "change of the predicted value"


def _targets(knockouts: pd.DataFrame) -> list[str]:
    return list(knockouts.loc[knockouts["kind"] == "output", "target"].unique())
