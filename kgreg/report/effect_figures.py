"""Figures of many knockouts at once: effect against evidence, and pairs against their singles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from kgreg.report.numbers import decimals_for, fixed, interval, is_known, probability
from kgreg.report.style import ACCENT, AGAINST, QUIET, coloraxis, figure, short, text

ALL = "all"
ALPHA = 0.05

#: Of more knockouts than this, those with the largest effects or the smallest p are drawn.
MOST_POINTS = 300
_NAMED = 8


def volcano_plot(effects: pd.DataFrame, target: str, group: str = ALL, unit: str = "change of the output") -> Any:
    """Return the effect of every knockout on an output against its evidence, -log10 p.

    Coloured are effects whose interval does not hold zero. (p compares a gene with genes that are expressed alike; in a
    sweep they are each other's null, so that p has a least value and q is seldom small.)

    Parameters
    ----------
    effects
        A sweep (``gene`` names the gene), or the outputs of knockouts (``knockout`` names them), with ``target,
        group, delta, low, high, n, p, q``.
    """
    rows = volcano_rows(effects, target, group)
    called = "knockout" if "knockout" in rows else "gene"
    height = [-float(np.log10(max(float(v), 1e-300))) for v in rows["p"]]
    digits = decimals_for((rows["high"] - rows["low"]) / 2, least=3)
    clear = ((rows["low"] > 0) | (rows["high"] < 0)).tolist()
    named = set(rows["delta"].abs().nlargest(_NAMED).index)
    hover = [
        f"<b>{text(r[called])}</b><br>{interval(r['delta'], r['low'], r['high'], digits, sign=True)}<br>"
        f"p {probability(r['p'])} · q {probability(r.get('q'))}<br>n = {int(r['n'])} networks"
        for r in rows.to_dict("records")
    ]
    line = -float(np.log10(ALPHA))
    plot = figure(
        go.Scatter(
            x=[float(f"{v:.4g}") for v in rows["delta"]],
            y=[round(v, 3) for v in height],
            mode="markers+text",
            ids=list(rows["node"].astype(str)) if "node" in rows else None,
            text=[short(name, 16) if i in named else "" for i, name in zip(rows.index, rows[called], strict=True)],
            textposition=["top right" if v < 0 else "top left" for v in rows["delta"]],
            marker={
                "size": [9 if c else 6 for c in clear],
                "color": [
                    (AGAINST if v >= 0 else ACCENT) if c else QUIET for v, c in zip(rows["delta"], clear, strict=True)
                ],
                "opacity": 0.8,
            },
            hovertext=hover,
            hovertemplate="%{hovertext}<extra></extra>",
        ),
        height=440,
        xaxis={"title": {"text": unit}, "automargin": True, "tickformat": "~g", "nticks": 7},
        yaxis={"title": {"text": "−log₁₀ p"}, "automargin": True, "rangemode": "tozero"},
    )
    plot.add_hline(y=line, line={"dash": "dash", "width": 1.2, "color": QUIET})
    return plot


def volcano_rows(effects: pd.DataFrame, target: str, group: str = ALL) -> pd.DataFrame:
    """Return the knockouts that a volcano shows."""
    rows = effects[(effects["target"] == target) & (effects["group"] == group)]
    rows = rows[rows["p"].notna() & rows["delta"].notna()]
    if len(rows) > MOST_POINTS:
        half = MOST_POINTS // 2
        kept = {*rows["delta"].abs().nlargest(half).index, *rows["p"].nsmallest(half).index}
        rows = rows[rows.index.isin(kept)]
    return rows


def epistasis_map(epistasis: pd.DataFrame, target: str, model: str = "", group: str = ALL) -> Any:
    """Return by how much a double knockout deviates from what its singles predict, one cell a pair.

    Parameters
    ----------
    epistasis
        ``first, second, target, group, first_delta, second_delta, both_delta, expected, epistasis, low, high, n,
        model``. A star marks a pair whose interval does not hold zero.
    model
        "additive" or "bliss"; the first that there is if empty.
    """
    rows = epistasis[(epistasis["target"] == target) & (epistasis["group"] == group)]
    rows = rows[rows["model"] == (model or rows["model"].iloc[0])] if len(rows) else rows
    genes = list(dict.fromkeys([*rows["first"], *rows["second"]]))
    cells: dict[tuple[str, str], dict[Any, Any]] = {}
    for r in rows.to_dict("records"):
        cells[r["first"], r["second"]] = cells[r["second"], r["first"]] = r
    digits = decimals_for((rows["high"] - rows["low"]) / 2, least=3)
    largest = max((abs(float(v)) for v in rows["epistasis"] if is_known(v)), default=0.0) or 1.0

    def value(one: str, other: str) -> float | None:
        r = cells.get((one, other))
        return float(f"{r['epistasis']:.4g}") if r and is_known(r["epistasis"]) else None

    def words(one: str, other: str) -> str:
        r = cells.get((one, other))
        if r is None:
            return ""
        found = interval(r["epistasis"], r["low"], r["high"], digits, sign=True)
        first, second, both = (fixed(r[f"{part}_delta"], digits, sign=True) for part in ("first", "second", "both"))
        return (
            f"{text(one)} and {text(other)}<br>epistasis ({text(r['model'])}) {found}<br>"
            f"alone {first} and {second}, together {both}<br>n = {int(r['n'])} networks"
        )

    def star(one: str, other: str) -> str:
        r = cells.get((one, other))
        return "★" if r and is_known(r["low"]) and (r["low"] > 0 or r["high"] < 0) else ""

    places, names = list(range(len(genes))), [short(gene, 18) for gene in genes]
    ticks: dict[str, Any] = {
        "tickmode": "array", "tickvals": places, "ticktext": names,
        "showgrid": False, "zeroline": False, "automargin": True,
    }  # fmt: skip
    return figure(
        go.Heatmap(
            x=places,
            y=places,
            z=[[value(one, other) for other in genes] for one in genes],
            text=[[star(one, other) for other in genes] for one in genes],
            texttemplate="%{text}",
            hovertext=[[words(one, other) for other in genes] for one in genes],
            hovertemplate="%{hovertext}<extra></extra>",
            coloraxis="coloraxis",
            xgap=2,
            ygap=2,
        ),
        height=max(170 + 30 * len(genes), 330),
        xaxis={"tickangle": -40, **ticks},
        yaxis={"autorange": "reversed", **ticks},
        coloraxis=coloraxis("diverging", "epistasis", -largest, largest, tickformat="~g"),
    )
