"""The hierarchy as a picture: the graph spread out to a tree, coloured by importance."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from kgreg.blueprint.model import Blueprint
from kgreg.report.numbers import UNKNOWN, fixed, interval, is_known, probability
from kgreg.report.style import coloraxis, figure, short, text

#: A z beyond this has the darkest colour.
Z_LIMIT = 4.0

#: Shape -> what its plotly trace has besides the data.
SHAPES: dict[str, dict[str, Any]] = {
    "treemap": {
        "maxdepth": 3,
        "textinfo": "text",
        "tiling": {"pad": 2, "packing": "squarify"},
        "marker": {"pad": {"t": 22, "l": 3, "r": 3, "b": 3}},
        "pathbar": {"visible": True, "thickness": 24},
    },
    "icicle": {
        "maxdepth": 4,
        "textinfo": "label",
        "tiling": {"orientation": "h"},
        "pathbar": {"visible": True, "thickness": 24},
    },
    "sunburst": {"maxdepth": 4, "textinfo": "label"},
}

#: Whole units that the picture is shared out in: far more than terms, and exact in a float.
_WHOLE = 10**12


def spread(blueprint: Blueprint) -> pd.DataFrame:
    """Spread the graph of terms to a tree: every term hangs under its parent with the fewest genes.

    Returns
    -------
    DataFrame
        ``id, label, level, n_genes, parent`` (empty for a root) and ``parents`` (how many the graph gives it), parents
        before children.
    """
    terms = blueprint.terms[["id", "label", "level"]].copy()
    size = {term: len(genes) for term, genes in blueprint.gene_sets().items()}
    inner = set(terms["id"])
    above: dict[str, list[str]] = {}
    for source, target in zip(blueprint.edges["source"], blueprint.edges["target"], strict=True):
        if source in inner:
            above.setdefault(source, []).append(target)
    terms["n_genes"] = terms["id"].map(size)
    terms["parent"] = [min(above.get(t, [""]), key=lambda p: (size.get(p, 0), p)) for t in terms["id"]]
    terms["parents"] = [len(above.get(t, [])) for t in terms["id"]]
    return terms.iloc[::-1].reset_index(drop=True)


def hierarchy_plot(
    blueprint: Blueprint, ranking: pd.DataFrame, output: str = "all", shape: str = "treemap", title: str = ""
) -> Any:
    """Return the hierarchy as a treemap, coloured by z, or by score where there is no null.

    Parameters
    ----------
    ranking
        ``Explanation.ranking``.
    output
        A class, or "all".
    shape
        "treemap", "icicle" or "sunburst".
    title
        Name of the field that holds all roots; the guide if empty.
    """
    tree = spread(blueprint)
    top = _free_id(set(tree["id"]))
    values = colours(tree, ranking, output)
    name = title or str(blueprint.provenance.get("guide", "")) or "all subsystems"
    extra = SHAPES[shape]
    marker = {"colors": [0.0, *values["colours"]], "coloraxis": "coloraxis", "line": {"width": 0.6}}
    trace = {"treemap": go.Treemap, "icicle": go.Icicle, "sunburst": go.Sunburst}[shape](
        ids=[top, *tree["id"]],
        labels=[short(name, 60), *(short(label, 60) for label in tree["label"])],
        parents=["", *(parent or top for parent in tree["parent"])],
        values=[_WHOLE, *_areas(tree)],
        branchvalues="total",
        text=[short(name, 60), *(_wrapped(label) for label in tree["label"])],
        textfont={"size": 13},
        customdata=[f"{text(name)}<br>{len(tree)} subsystems", *values["hover"]],
        hovertemplate="%{customdata}<extra></extra>",
        **{**extra, "marker": {**marker, **extra.get("marker", {})}},
    )
    return figure(
        trace,
        height=860,
        margin={"l": 4, "r": 4, "t": 34, "b": 8},
        coloraxis=coloraxis("diverging", values["title"], -values["limit"], values["limit"]),
    )


def _areas(tree: pd.DataFrame) -> list[int]:
    """Share the picture out: siblings by the square root of the number of terms at and below them."""
    below = dict.fromkeys(tree["id"], 1)
    children: dict[str, list[str]] = {}
    for term, parent in zip(tree["id"].iloc[::-1], tree["parent"].iloc[::-1], strict=True):
        children.setdefault(parent, []).append(term)
        if parent:
            below[parent] += below[term]
    area = {"": _WHOLE}
    for parent in ["", *tree["id"]]:
        family = children.get(parent, [])
        whole = sum(below[child] ** 0.5 for child in family)
        area |= {child: int(area[parent] * below[child] ** 0.5 / whole) for child in family}
    return [area[term] for term in tree["id"]]


def colours(tree: pd.DataFrame, ranking: pd.DataFrame, output: str) -> dict[str, Any]:
    """Return ``colours`` and ``hover``, one a row of ``tree``, with the ``title`` and the ``limit`` of the scale."""
    mine = ranking[(ranking["output"] == output) & (ranking["kind"] == "term")]
    rows = mine.set_index("node").reindex(tree["id"])
    corrected = bool(rows["z"].notna().any())
    column = rows["z" if corrected else "score"]
    limit = Z_LIMIT if corrected else float(column.abs().quantile(0.98) or 1.0)
    hover = [
        _hover(row, text(label), int(genes), int(parents))
        for row, label, genes, parents in zip(
            rows.reset_index().to_dict("records"), tree["label"], tree["n_genes"], tree["parents"], strict=True
        )
    ]
    return {
        "colours": [round(float(value), 4) if is_known(value) else None for value in column],
        "hover": hover,
        "title": "z against rewired graphs" if corrected else "score",
        "limit": limit if is_known(limit) and limit > 0 else 1.0,
    }


def _hover(row: Mapping[Any, Any], label: str, genes: int, parents: int) -> str:
    more = f"; one of its {parents} parents is drawn" if parents > 1 else ""
    lines = [f"<b>{label}</b>", f"{text(row['id'])} · {genes} genes{more}"]
    if is_known(row["score"]):
        score = interval(row["score"], row["low"], row["high"], 4)
        lines.append(f"score {score}, n = {int(row['n'])} networks, seed {int(row['seed'])}")
        z = fixed(row["z"], 1) if is_known(row["z"]) else UNKNOWN
        lines.append(f"rank {int(row['rank'])} · z {z} · q {probability(row['q'])}")
    return "<br>".join(lines)


def _wrapped(label: str, width: int = 17, most: int = 3) -> str:
    """Break a label into short lines that fill a tile better than one."""
    lines = textwrap.wrap(label, width, break_long_words=False) or [label]
    return "<br>".join(text(line) for line in lines[:most]) + ("…" if len(lines) > most else "")


def _free_id(taken: set[str]) -> str:
    name = "all"
    while name in taken:
        name += "*"
    return name
