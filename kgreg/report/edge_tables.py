"""Interactions ranked by attention, as rows of text for the page."""

from __future__ import annotations

from typing import Any

import pandas as pd

from kgreg.report.contents import ReportContents
from kgreg.report.numbers import decimals_for, fixed, interval, is_known, percent, probability
from kgreg.report.summary import ALPHA
from kgreg.report.tables import TOP_ROWS, name_of_output, outputs_of, page_of


def edge_panels(contents: ReportContents) -> list[dict[str, Any]]:
    """Return for every output the interactions with most attention; nothing for networks without attention."""
    edges = contents.edges
    if edges.empty:
        return []
    panels = []
    for output in outputs_of(edges):
        rows = edges[edges["output"] == output]
        panels.append(
            {
                "option": name_of_output(output, contents.data["task"]),
                "rows": _rows(rows.nsmallest(TOP_ROWS, "rank")),
                "total": len(rows),
            }
        )
    return panels


def _rows(best: pd.DataFrame) -> list[dict[str, Any]]:
    digits = decimals_for((best["high"] - best["low"]) / 2, least=2)
    return [
        {
            "rank": int(r["rank"]),
            **{end: r[f"{end}_label"] for end in ("source", "target")},
            **{f"{end}_id": r[end] for end in ("source", "target")},
            **{f"{end}_page": page_of(str(r[end])) for end in ("source", "target")},
            "score": interval(r["score"], r["low"], r["high"], digits, sign=False),
            "n": int(r["n"]),
            "z": fixed(r["z_labels"], 1),
            "p": probability(r["p_labels"]),
            "q": probability(r["q_labels"]),
            "passes": bool(is_known(r["q_labels"]) and r["q_labels"] < ALPHA),
            "stability": percent(r["stability"]),
        }
        for r in best.to_dict("records")
    ]
