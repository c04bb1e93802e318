"""Nodes compared between the samples and control inputs, as rows of text for the page."""

from __future__ import annotations

from typing import Any

import pandas as pd

from kgreg.report.numbers import decimals_for, fixed, interval, is_known, probability
from kgreg.report.summary import ALPHA
from kgreg.report.tables import TOP_ROWS, page_of


def control_panels(controls: pd.DataFrame) -> list[dict[str, Any]]:
    """Return for either kind of node those that matter most beyond control inputs; nothing where there are none."""
    panels = []
    for kind, name in (("term", "inner nodes"), ("gene", "genes")):
        rows = controls[controls["kind"] == kind] if len(controls) else controls
        if rows.empty:
            continue
        passed = int(((rows["q"] < ALPHA) & (rows["t"] > 0)).sum())
        panels.append(
            {
                "name": name,
                "option": f"{name} ({passed} with q < {ALPHA})",
                "rows": _rows(rows.head(TOP_ROWS)),
                "total": len(rows),
                "n": int(rows["n"].iloc[0]),
                "n_control": int(rows["n_control"].iloc[0]),
            }
        )
    return panels


def _rows(best: pd.DataFrame) -> list[dict[str, Any]]:
    digits = decimals_for((best["high"] - best["low"]) / 2, least=2)
    return [
        {
            "rank": rank,
            "label": r["label"],
            "id": r["node"],
            "page": page_of(str(r["node"])),
            "weight": fixed(r["weight"], 2),
            "control": fixed(r["control"], 2),
            "difference": interval(r["difference"], r["low"], r["high"], digits, sign=True),
            "t": fixed(r["t"], 1),
            "p": probability(r["p"]),
            "q": probability(r["q"]),
            "passes": bool(is_known(r["q"]) and r["q"] < ALPHA and r["t"] > 0),
        }
        for rank, r in enumerate(best.to_dict("records"), start=1)
    ]
