"""The network as nodes and links, and as flows from genes to the outcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from kgreg.blueprint.model import Blueprint
from kgreg.report.hierarchy_view import colours, spread
from kgreg.report.numbers import fixed, probability
from kgreg.report.ranked import leads
from kgreg.report.style import ACCENT, AGAINST, QUIET, coloraxis, figure, short, text

ALL = "all"

_SWEEPS = 6


def node_link_plot(blueprint: Blueprint, ranking: pd.DataFrame, output: str = ALL, n: int = 8, most: int = 70) -> Any:
    """Return the best terms with the terms above them as nodes and links, roots on the left, coloured by z or score.

    Parameters
    ----------
    ranking
        ``Explanation.ranking``.
    n
        How many of the best terms are drawn, large and with their names. Fewer, if their ancestors are more than
        ``most``.
    """
    best = list(leads(ranking, "term", output)["node"].head(n))
    above = parents(blueprint)
    drawn = _with_ancestors(best, above)
    while len(drawn) > most and len(best) > 1:
        best = best[:-1]
        drawn = _with_ancestors(best, above)
    tree = spread(blueprint)
    scale = colours(tree, ranking, output)
    place = {node: i for i, node in enumerate(tree["id"])}
    label = dict(zip(tree["id"], tree["label"], strict=True))
    at = _layout(drawn, above)
    lines: dict[str, list[float | None]] = {"x": [], "y": []}
    for node in drawn:
        for parent in above.get(node, ()):
            lines["x"] += [at[parent][0], at[node][0], None]
            lines["y"] += [at[parent][1], at[node][1], None]
    order = [*(node for node in drawn if node not in best), *best]
    rows = max((sum(1 for x, _ in at.values() if x == column) for column in {x for x, _ in at.values()}), default=1)
    return figure(
        go.Scatter(x=lines["x"], y=lines["y"], mode="lines", line={"color": QUIET, "width": 0.8}, hoverinfo="skip"),
        go.Scatter(
            x=[at[node][0] for node in order],
            y=[at[node][1] for node in order],
            mode="markers+text",
            ids=order,
            text=[short(label[node], 26) if node in best or not above.get(node) else "" for node in order],
            textposition=["middle left" if at[node][0] == 0 else "top center" for node in order],
            cliponaxis=False,
            marker={
                "size": [19 if node in best else 11 for node in order],
                "color": [scale["colours"][place[node]] for node in order],
                "coloraxis": "coloraxis",
                "line": {"width": [2 if node in best else 0.8 for node in order], "color": QUIET},
            },
            hovertext=[scale["hover"][place[node]] for node in order],
            hovertemplate="%{hovertext}<extra></extra>",
        ),
        height=max(320, min(110 + 34 * rows, 900)),
        margin={"l": 12, "r": 12, "t": 24, "b": 12},
        xaxis={"visible": False, "range": [-1.15, max((x for x, _ in at.values()), default=0) + 0.6]},
        yaxis={"visible": False},
        coloraxis=coloraxis("diverging", scale["title"], -scale["limit"], scale["limit"]),
    )


def parents(blueprint: Blueprint) -> dict[str, list[str]]:
    """Return for every inner node the inner nodes that read it."""
    inner = set(blueprint.terms["id"])
    above: dict[str, list[str]] = {}
    for source, target in zip(blueprint.edges["source"], blueprint.edges["target"], strict=True):
        if source in inner:
            above.setdefault(source, []).append(target)
    return above


def _with_ancestors(nodes: list[str], above: Mapping[str, list[str]]) -> list[str]:
    found: dict[str, None] = dict.fromkeys(nodes)
    waiting = list(nodes)
    while waiting:
        for parent in above.get(waiting.pop(), ()):
            if parent not in found:
                found[parent] = None
                waiting.append(parent)
    return list(found)


def _layout(nodes: list[str], above: Mapping[str, list[str]]) -> dict[str, tuple[float, float]]:
    """Return x (longest way from a root) and y of every node; y follows the mean of the neighbours, to cross less."""
    depth: dict[str, int] = {}

    def deep(node: str) -> int:
        if node not in depth:
            depth[node] = max((deep(parent) + 1 for parent in above.get(node, ())), default=0)
        return depth[node]

    below: dict[str, list[str]] = {}
    for node in nodes:
        deep(node)
        for parent in above.get(node, ()):
            below.setdefault(parent, []).append(node)
    columns = [[node for node in nodes if depth[node] == d] for d in range(max(depth.values(), default=-1) + 1)]
    y = {node: (i + 0.5) / len(column) for column in columns for i, node in enumerate(column)}
    for sweep in range(_SWEEPS):
        for column in columns if sweep % 2 == 0 else columns[::-1]:
            near = above if sweep % 2 == 0 else below
            wish = {node: np.mean([y[other] for other in near.get(node, [node])]) for node in column}
            for i, node in enumerate(sorted(column, key=wish.__getitem__)):
                y[node] = (i + 0.5) / len(column)
    return {node: (float(depth[node]), round(1 - y[node], 4)) for node in nodes}


def sankey_plot(
    blueprint: Blueprint, ranking: pd.DataFrame, output: str = ALL, n: int = 8, genes: int = 4, outcome: str = ""
) -> Any:
    """Return ribbons from genes through the best terms to the outcome.

    The ribbon from a term to the outcome is as wide as the size of its score. To its left the same width is shared out
    among the genes at or below the term by the sizes of their scores: the ``genes`` largest by name, the others
    together. Scores of terms that lie in each other, or share genes, count twice; widths are sizes of attributions, not
    flows that a cell has.

    Parameters
    ----------
    ranking
        ``Explanation.ranking``.
    outcome
        What the output is called.
    """
    best = leads(ranking, "term", output).head(n)
    best = best[best["score"].abs() > 0]
    members = blueprint.gene_sets()
    mine = (
        ranking[(ranking["kind"] == "gene") & (ranking["output"] == output)].drop_duplicates("node").set_index("node")
    )
    label_of, score_of = mine["label"].to_dict(), mine["score"].astype(float).to_dict()
    ids: list[str] = []
    names: list[str] = []
    tints: list[str] = []
    column: list[float] = []
    place: dict[str, int] = {}

    def node(key: str, name: str, tint: str, x: float) -> int:
        if key not in place:
            place[key] = len(ids)
            ids.append(key if key in members or key in mine.index else "")
            names.append(short(name, 34))
            tints.append(tint)
            column.append(x)
        return place[key]

    ribbons: list[tuple[int, int, float, str, str]] = []
    end = node("*outcome", outcome or output, QUIET, 0.999)
    total = float(best["score"].abs().sum()) or 1.0
    for r in best.to_dict("records"):
        tint = ACCENT if r["score"] >= 0 else AGAINST
        at = node(str(r["node"]), str(r["label"]), tint, 0.5)
        width = abs(float(r["score"])) / total
        words = f"{text(r['label'])}<br>score {fixed(r['score'], 4)}, z {fixed(r['z'], 1)}, q {probability(r['q'])}"
        ribbons.append((at, end, width, tint, words))
        sizes = mine["score"].reindex(sorted(members.get(str(r["node"]), ()))).abs().dropna().nlargest(len(mine))
        whole = float(sizes.sum())
        for gene, size in sizes.head(genes).items():
            share = float(size) / whole if whole > 0 else 0.0
            name, score = label_of[gene], score_of[gene]
            own = ACCENT if score >= 0 else AGAINST
            words = f"{text(name)} in {text(r['label'])}<br>score {fixed(score, 4)}; {share:.0%} of its genes"
            ribbons.append((node(str(gene), name, own, 0.001), at, width * share, own, words))
        rest = float(sizes.iloc[genes:].sum())
        if rest > 0 and whole > 0:
            others = len(sizes) - genes
            words = f"{others} other genes of {text(r['label'])}"
            ribbons.append((node("*others", "other genes", QUIET, 0.001), at, width * rest / whole, QUIET, words))
    return figure(
        go.Sankey(
            arrangement="snap",
            node={"label": names, "color": tints, "customdata": ids, "pad": 9, "thickness": 12, "line": {"width": 0},
                  "hovertemplate": "%{label}<extra></extra>"},
            link={
                "source": [ribbon[0] for ribbon in ribbons],
                "target": [ribbon[1] for ribbon in ribbons],
                "value": [float(f"{ribbon[2]:.4g}") for ribbon in ribbons],
                "color": [_faint(ribbon[3]) for ribbon in ribbons],
                "customdata": [ribbon[4] for ribbon in ribbons],
                "hovertemplate": "%{customdata}<extra></extra>",
            },
        ),
        height=max(360, 21 * sum(x < 0.1 for x in column) + 60),
        margin={"l": 8, "r": 8, "t": 12, "b": 12},
    )  # fmt: skip


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.32)"
