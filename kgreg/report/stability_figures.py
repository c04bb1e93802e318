"""Figures of how sure a ranking is: rank intervals, nulls, agreement of networks, connectivity and other methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from scipy import stats

from kgreg.report.numbers import UNKNOWN, fixed, interval, is_known, probability
from kgreg.report.ranked import leads
from kgreg.report.style import ACCENT, AGAINST, ARM_COLOURS, QUIET, SEQUENTIAL, figure, short, text

ALL = "all"

#: What a kind of null is called in a figure.
NULL_NAMES = {"rewired": "rewired graphs", "labels": "permuted labels"}
_KINDS = {"term": "subsystems", "gene": "genes"}


def rank_plot(ranking: pd.DataFrame, kind: str = "term", output: str = ALL, n: int = 20) -> Any:
    """Return ranks with their bootstrap intervals, and the probability of being among the best, best on top.

    Parameters
    ----------
    ranking
        ``Explanation.ranking`` with the columns ``rank_low, rank_high, top_probability``; what is not known there
        (there is one network only) is left out.
    """
    best = leads(ranking, kind, output).head(n)
    places = list(range(len(best)))
    hover = [
        f"{text(r['label'])} ({text(r['node'])})<br>rank {r['rank']}, 95 % of the draws "
        f"{_whole(r['rank_low'])} to {_whole(r['rank_high'])}<br>"
        f"among the best in {_percent(r['top_probability'])} of the draws"
        for r in best.to_dict("records")
    ]
    rank = best["rank"].to_numpy(dtype=float)
    common: dict[str, Any] = {"hovertext": hover, "hovertemplate": "%{hovertext}<extra></extra>"}
    return figure(
        go.Scatter(
            x=rank.tolist(),
            y=places,
            mode="markers",
            marker={"size": 9, "color": ACCENT},
            error_x=_whiskers(rank, best["rank_low"], best["rank_high"]),
            **common,
        ),
        go.Bar(
            x=[_rounded(value, 4) for value in best["top_probability"]],
            y=places,
            orientation="h",
            xaxis="x2",
            marker={"color": ACCENT, "opacity": 0.75},
            **common,
        ),
        height=96 + 24 * max(len(best), 2),
        xaxis={
            "title": {"text": "rank [95 % of the draws]"},
            "type": "log",
            "domain": [0, 0.64],
            "dtick": 1,
            "zeroline": False,
        },
        xaxis2={
            "title": {"text": "P(among the best)"},
            "domain": [0.7, 1],
            "range": [0, 1.02],
            "tickformat": ".0%",
            "nticks": 3,
        },
        yaxis=_names(best["label"]),
        bargap=0.4,
    )


def agreement_plot(agreement: pd.DataFrame, output: str = ALL) -> Any:
    """Return how far the networks agree: Kendall's W, Spearman's rho and the overlap of the best, by kind of node.

    Parameters
    ----------
    agreement
        ``kind, output, networks, kendall_w, p, rank_correlation, top_overlap, top``.
    """
    rows = agreement[agreement["output"] == output]
    kinds = list(dict.fromkeys(rows["kind"]))
    measures = {
        "kendall_w": ("Kendall's W", ACCENT, "circle"),
        "rank_correlation": ("rank correlation", AGAINST, "diamond"),
        "top_overlap": ("overlap of the best", QUIET, "square"),
    }
    traces = [
        go.Scatter(
            x=[_rounded(value, 3) for value in rows[column]],
            y=[_KINDS.get(kind, kind) for kind in rows["kind"]],
            mode="markers",
            name=name,
            marker={"size": 12, "color": colour, "symbol": symbol},
            customdata=[int(value) for value in rows["networks"]],
            hovertemplate=f"{name} %{{x:.2f}}, n = %{{customdata}} networks<extra></extra>",
        )
        for column, (name, colour, symbol) in measures.items()
    ]
    return figure(
        *traces,
        height=130 + 38 * max(len(kinds), 1),
        showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        xaxis={"title": {"text": "0: as by chance, 1: all networks alike"}, "range": [-0.05, 1.05], "zeroline": False},
        yaxis={
            "categoryorder": "array",
            "categoryarray": [_KINDS.get(kind, kind) for kind in kinds][::-1],
            "automargin": True,
        },
    )


def null_plot(ranking: pd.DataFrame, draws: pd.DataFrame, kind: str = "term", output: str = ALL, n: int = 12) -> Any:
    """Return the score of the best nodes (diamonds, 95 % intervals) against every draw of their null (ticks).

    Parameters
    ----------
    ranking
        ``Explanation.ranking``.
    draws
        Index ``(output, node)``, a column a draw: of :func:`kgreg.report.ranked.null_draws`.
    """
    best = leads(ranking, kind, output).head(n)
    places = list(range(len(best)))
    points = [(x, y) for y, node in zip(places, best["node"], strict=True) for x in _drawn(draws, output, node)]
    hover = [
        f"{text(r['label'])}<br>score {interval(r['score'], r['low'], r['high'], 4)}, n = {int(r['n'])} networks<br>"
        f"z {fixed(r['z'], 1)} · q {probability(r['q'])}"
        for r in best.to_dict("records")
    ]
    score = best["score"].to_numpy(dtype=float)
    return figure(
        go.Scatter(
            x=[_rounded(x, 6) for x, _ in points],
            y=[y for _, y in points],
            mode="markers",
            name="draws of the null",
            marker={"symbol": "line-ns", "size": 13, "line": {"width": 1.6, "color": ARM_COLOURS["baseline"]}},
            hovertemplate="a draw of the null: %{x:.4g}<extra></extra>",
        ),
        go.Scatter(
            x=[_rounded(value, 6) for value in score],
            y=places,
            mode="markers",
            name="the real graph",
            marker={"symbol": "diamond", "size": 10, "color": ACCENT},
            error_x=_whiskers(score, best["low"], best["high"]),
            hovertext=hover,
            hovertemplate="%{hovertext}<extra></extra>",
        ),
        height=120 + 26 * max(len(best), 2),
        showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        xaxis={"title": {"text": "score [95 % interval]"}, "automargin": True},
        yaxis=_names(best["label"]),
    )


def null_histogram(ranking: pd.DataFrame, draws: pd.DataFrame, kind: str = "term", output: str = ALL) -> Any:
    """Return the shares of all nodes of a kind by score: the real graph (line) and the draws of the null (bars)."""
    mine = ranking[(ranking["kind"] == kind) & (ranking["output"] == output)]
    real = mine["score"].to_numpy(dtype=float)
    null = draws.reindex(pd.MultiIndex.from_product([[output], mine["node"]])).to_numpy(dtype=float).ravel()
    real, null = real[np.isfinite(real)], null[np.isfinite(null)]
    both = np.concatenate([real, null])
    named = _KINDS.get(kind, "nodes")
    low, high = np.quantile(both, [0.005, 0.995]) if len(both) else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1.0, 41)
    middle = (edges[1:] + edges[:-1]) / 2

    def share(values: Any) -> list[float]:
        counts = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]
        return [round(float(v), 3) for v in 100 * counts / max(len(values), 1)]

    at = [float(f"{value:.4g}") for value in middle]
    return figure(
        go.Bar(x=at, y=share(null), name="draws of the null", opacity=0.55, marker={"color": ARM_COLOURS["baseline"]},
               hovertemplate="%{y:.1f} % of the draws near %{x:.3g}<extra></extra>"),
        go.Scatter(x=at, y=share(real), name="the real graph", mode="lines",
                   line={"color": ACCENT, "shape": "hvh", "width": 2},
                   hovertemplate="%{y:.1f} % of the nodes near %{x:.3g}<extra></extra>"),
        height=300,
        bargap=0,
        showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        xaxis={"title": {"text": "score; the outermost bars hold all beyond"}},
        yaxis={"title": {"text": f"% of the {named} (log)"}, "type": "log", "automargin": True,
               "dtick": 1},
    )  # fmt: skip


def degree_plot(degree: pd.DataFrame) -> Any:
    """Return how far scores follow connectivity (Spearman's rho, 95 % interval), in the real and in rewired graphs.

    Parameters
    ----------
    degree
        ``kind, output, arm ("graph", "rewired", "corrected"), quantity ("genes", "links"), rho, low, high, n, seed``.
    """
    rows = degree[degree["output"] == ALL] if (degree["output"] == ALL).any() else degree
    keys = list(dict.fromkeys(zip(rows["kind"], rows["quantity"], strict=True)))
    names = {key: f"{_KINDS.get(key[0], key[0])}: number of {key[1]}" for key in keys}
    traces = []
    for arm, name, colour, shift in (
        ("graph", "score in the real graph", ACCENT, -0.2),
        ("rewired", "score in rewired graphs", ARM_COLOURS["rewired"], 0.0),
        ("corrected", "z that nodes are ranked by", AGAINST, 0.2),
    ):
        mine = rows[rows["arm"] == arm]
        if mine.empty:
            continue
        traces.append(
            go.Scatter(
                x=[_rounded(value, 4) for value in mine["rho"]],
                y=[keys.index(key) + shift for key in zip(mine["kind"], mine["quantity"], strict=True)],
                name=name,
                mode="markers",
                marker={"size": 11, "symbol": "diamond", "color": colour},
                error_x=_whiskers(mine["rho"], mine["low"], mine["high"], colour),
                customdata=[int(value) for value in mine["n"]],
                hovertemplate=f"{name}: rho %{{x:.2f}}, n = %{{customdata}} networks<extra></extra>",
            )
        )
    return figure(
        *traces,
        height=130 + 46 * max(len(keys), 1),
        showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        xaxis={
            "title": {"text": "Spearman's rho of score and connectivity"},
            "range": [-1.02, 1.02],
            "automargin": True,
        },
        yaxis={**_names([names[key] for key in keys]), "range": [len(keys) - 0.5, -0.5], "autorange": None},
    )


def method_plot(
    ranking: pd.DataFrame, methods: pd.DataFrame, kind: str = "term", output: str = ALL, n: int = 15
) -> Any:
    """Return the ranks that other importance methods give to the best nodes; rho over all nodes stands below a method.

    Parameters
    ----------
    methods
        ``node, kind, label, output, method, score, low, high, n, rank``.
    """
    best = leads(ranking, kind, output).head(n)
    mine = methods[(methods["kind"] == kind) & (methods["output"] == output)]
    ranks = mine.pivot_table(index="node", columns="method", values="rank", sort=False)
    scores = mine.pivot_table(index="node", columns="method", values="score", sort=False)
    main = ranking[(ranking["kind"] == kind) & (ranking["output"] == output)].set_index("node")["score"]
    columns = list(dict.fromkeys(mine["method"]))
    shown = np.column_stack(
        [best["rank"].to_numpy(dtype=float), *(ranks[c].reindex(best["node"]).to_numpy(dtype=float) for c in columns)]
    )
    heads = ["this report", *(f"{name.replace('_', ' ')}<br>rho {_rho(main, scores[name])}" for name in columns)]
    total = max(len(main), 2)
    ticks: dict[str, Any] = {"tickmode": "array", "showgrid": False, "zeroline": False, "automargin": True}
    return figure(
        go.Heatmap(
            x=list(range(len(heads))),
            y=list(range(len(best))),
            z=[[_rounded(np.log10(v), 3) if is_known(v) and v > 0 else None for v in row] for row in shown],
            text=[[_whole(v) for v in row] for row in shown],
            texttemplate="%{text}",
            hovertemplate="rank %{text} of " + str(total) + "<extra></extra>",
            colorscale=[[0.0, SEQUENTIAL[3][1]], [0.35, SEQUENTIAL[1][1]], [1.0, SEQUENTIAL[0][1]]],
            zmin=0,
            zmax=float(np.log10(total)),
            showscale=False,
            textfont={"color": "#1c2430"},
            xgap=2,
            ygap=2,
        ),
        height=130 + 25 * max(len(best), 2),
        xaxis={"tickvals": list(range(len(heads))), "ticktext": heads, "side": "top", **ticks},
        yaxis=_names(best["label"]),
        margin={"l": 10, "r": 16, "t": 60, "b": 12},
    )


def _rho(one: pd.Series[Any], other: pd.Series[Any]) -> str:
    both = pd.concat([one, other], axis=1, join="inner").dropna()
    return fixed(stats.spearmanr(both.iloc[:, 0], both.iloc[:, 1]).statistic, 2) if len(both) > 2 else UNKNOWN


def _drawn(draws: pd.DataFrame, output: str, node: str) -> list[float]:
    row = draws.reindex(pd.MultiIndex.from_tuples([(output, node)]))
    return [float(v) for v in row.to_numpy(dtype=float).ravel() if is_known(v)]


def _names(labels: Sequence[Any] | pd.Series[Any]) -> dict[str, Any]:
    """Return a y axis with one line a label, the first on top."""
    return {
        "tickmode": "array",
        "tickvals": list(range(len(labels))),
        "ticktext": [short(label, 38) for label in labels],
        "autorange": "reversed",
        "automargin": True,
        "zeroline": False,
    }


def _whiskers(middle: Any, low: Any, high: Any, colour: str = QUIET) -> dict[str, Any]:
    """Return error bars; a missing interval has no length."""
    at, below, above = (np.asarray(part, dtype=float) for part in (middle, low, high))
    return {
        "type": "data",
        "symmetric": False,
        "array": [_rounded(max(value, 0.0), 6) for value in np.nan_to_num(above - at)],
        "arrayminus": [_rounded(max(value, 0.0), 6) for value in np.nan_to_num(at - below)],
        "color": colour,
        "thickness": 1.6,
        "width": 4,
    }


def _rounded(value: Any, digits: int) -> float | None:
    return round(float(value), digits) if is_known(value) else None


def _whole(value: Any) -> str:
    return str(round(float(value))) if is_known(value) else UNKNOWN


def _percent(value: Any) -> str:
    return f"{100 * float(value):.0f} %" if is_known(value) else UNKNOWN
