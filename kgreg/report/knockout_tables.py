"""Knockouts as rows of text for the page."""

from __future__ import annotations

from typing import Any

import pandas as pd

from kgreg.decode.knockout import sentences
from kgreg.report.numbers import count, decimals_for, interval, is_known, plural, probability
from kgreg.report.tables import ALL, page_of

#: Knockouts that are drawn one by one; the rest lies in ``knockouts.parquet``.
MOST_KNOCKOUTS = 40


def knockout_panels(knockouts: pd.DataFrame, top: int = 10) -> list[dict[str, Any]]:
    """Return for every knockout the effects on the outputs, by group, and the subsystems that moved most."""
    panels: list[dict[str, Any]] = []
    for name, rows in knockouts.groupby("knockout", sort=False):
        if len(panels) == MOST_KNOCKOUTS:
            break
        outputs = rows[rows["kind"] == "output"]
        moved = rows[(rows["kind"] == "term") & (rows["group"] == ALL)].nlargest(top, "delta")
        moved = moved[moved["delta"] > 0]
        groups = list(dict.fromkeys(outputs["group"]))
        samples = outputs.groupby("group")["samples"].first()
        panels.append(
            {
                "knockout": name,
                "genes": rows["genes"].iloc[0],
                "groups": [{"name": group, "samples": int(samples[group])} for group in groups],
                "effects": _effects(outputs[outputs["group"] == ALL], sign=True, least=3),
                "moved": _effects(moved, sign=False, least=2),
                "n": int(rows["n"].max()),
                "seed": int(rows["seed"].iloc[0]),
                "sentences": _said(rows),
                "tested": bool("p" in outputs and outputs["p"].notna().any()),
            }
        )
    return panels


def _effects(rows: pd.DataFrame, *, sign: bool, least: int) -> list[dict[str, Any]]:
    digits = decimals_for((rows["high"] - rows["low"]) / 2, least=least)
    return [
        {
            "label": r["label"],
            "id": r["target"],
            "page": page_of(str(r["target"])),
            "delta": interval(r["delta"], r["low"], r["high"], digits, sign=sign),
            "clear": bool(is_known(r["low"]) and (r["low"] > 0 or r["high"] < 0)),
            "n": int(r["n"]),
            "samples": count(r["samples"]),
            "p": probability(r.get("p")),
            "q": probability(r.get("q")),
        }
        for r in rows.to_dict("records")
    ]


def _said(rows: pd.DataFrame) -> list[str]:
    """Say what a knockout does; runs of earlier versions do not know how it was done."""
    if {"how", "unit", "dose", "p", "n_null"} <= set(rows.columns):
        return sentences(rows)
    return [_strongest(rows[rows["kind"] == "output"])]


def _strongest(outputs: pd.DataFrame) -> str:
    """Say which output changes most in which group, and whether its interval holds zero."""
    sizes = outputs["delta"].abs()
    if not sizes.notna().any() or not sizes.max() > 0:
        return "No output changes."
    r = outputs[sizes == sizes.max()].to_dict("records")[0]
    digits = decimals_for([(r["high"] - r["low"]) / 2], least=3)
    where = "all samples" if r["group"] == ALL else f"the {plural(int(r['samples']), 'sample')} of {r['group']}"
    holds = is_known(r["low"]) and r["low"] <= 0 <= r["high"]
    change = interval(r["delta"], r["low"], r["high"], digits, sign=True)
    one = outputs["target"].nunique() == 1
    what = f"The prediction of {r['label']} changes" if one else f"The output that changes most is {r['label']},"
    return (
        f"{what} in {where}{' by' if one else ':'} {change} "
        f"(n = {plural(int(r['n']), 'network')}, seed {int(r['seed'])}"
        f"{'; the interval holds zero' if holds else ''})."
    )
