"""The hierarchy as a picture: the graph spread out to a tree, coloured by importance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from kgreg.blueprint.model import Blueprint
from kgreg.report.numbers import UNKNOWN, fixed, interval, is_known, probability
from kgreg.report.style import coloraxis, figure, short, text

#: A z beyond this has the darkest colour.
Z_LIMIT = 4.0


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
    blueprint: Blueprint, ranking: pd.DataFrame, output: str = "all", shape: str = "icicle", title: str = ""
) -> Any:
    """Return the hierarchy as an icicle (or "sunburst"), coloured by z, or by score where there is no null.

    Parameters
    ----------
    ranking
        ``Explanation.ranking``.
    output
        A class, or "all".
    title
        Name of the field that holds all roots; the guide if empty.
    """
    tree = spread(blueprint)
    top = _free_id(set(tree["id"]))
    values = colours(tree, ranking, output)
    name = title or str(blueprint.provenance.get("guide", "")) or "all subsystems"
    kinds = {"icicle": go.Icicle, "sunburst": go.Sunburst}
    extra = {"tiling": {"orientation": "h"}, "pathbar": {"visible": True, "thickness": 24}} if shape == "icicle" else {}
    trace = kinds[shape](
        ids=[top, *tree["id"]],
        labels=[short(name, 60), *(short(label, 60) for label in tree["label"])],
        parents=["", *(parent or top for parent in tree["parent"])],
        values=[0] + [1] * len(tree),
        branchvalues="remainder",
        marker={"colors": [None, *values["colours"]], "coloraxis": "coloraxis", "line": {"width": 0.6}},
        customdata=[f"{text(name)}<br>{len(tree)} subsystems", *values["hover"]],
        hovertemplate="%{customdata}<extra></extra>",
        textinfo="label",
        maxdepth=4,
        root={"color": "rgba(128,128,128,0.15)"},
        **extra,
    )
    return figure(
        trace,
        height=760,
        margin={"l": 4, "r": 4, "t": 8, "b": 8},
        uniformtext={"minsize": 9, "mode": "hide"},
        coloraxis=coloraxis("diverging", values["title"], -values["limit"], values["limit"]),
    )


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


def _free_id(taken: set[str]) -> str:
    name = "all"
    while name in taken:
        name += "*"
    return name
