"""Sweeps and pairs of knockouts, and enriched gene sets, as rows of text for the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from kgreg.decode.knockout import sentences
from kgreg.report.contents import ReportContents
from kgreg.report.numbers import count, decimals_for, fixed, interval, is_known, probability
from kgreg.report.summary import ALPHA
from kgreg.report.tables import TOP_ROWS, name_of_output, page_of

ALL = "all"

_NULLS = {"labels": "networks on permuted labels", "rewired": "networks on rewired graphs"}
_METHODS = {"hypergeometric": "over-representation (hypergeometric)", "rank": "rank-based"}


def sweep_of_outputs(contents: ReportContents) -> pd.DataFrame:
    """Return the effects of every gene alone on the outputs; empty if no sweep was asked for."""
    sweep = contents.tables.get("sweep", pd.DataFrame())
    return sweep[sweep["kind"] == "output"] if "kind" in sweep else sweep


def effects_with_p(contents: ReportContents) -> pd.DataFrame:
    """Return what a volcano shows: the sweep if there is one, else the knockouts, of these only if their p is known."""
    sweep = sweep_of_outputs(contents)
    if "p" in sweep and sweep["p"].notna().any():
        return sweep[sweep["group"] == ALL]
    knockouts = contents.knockouts
    if knockouts.empty or "p" not in knockouts:
        return pd.DataFrame()
    rows = knockouts[(knockouts["kind"] == "output") & (knockouts["group"] == ALL)]
    return rows if rows["p"].notna().any() and rows["knockout"].nunique() > 1 else pd.DataFrame()


def volcano_options(contents: ReportContents) -> list[dict[str, str]]:
    """Return the outputs that have a volcano, by the names that a reader chooses from."""
    effects = effects_with_p(contents)
    return [{"option": str(target)} for target in dict.fromkeys(effects["target"])] if len(effects) else []


def sweep_panels(contents: ReportContents) -> list[dict[str, Any]]:
    """Return for every output the genes whose loss changes it most, over all samples."""
    sweep = sweep_of_outputs(contents)
    if sweep.empty:
        return []
    panels = []
    rows_of_all = sweep[sweep["group"] == ALL]
    for target, rows in rows_of_all.groupby("target", sort=False):
        best = rows.loc[rows["delta"].abs().nlargest(TOP_ROWS).index]
        digits = decimals_for((best["high"] - best["low"]) / 2, least=3)
        panels.append(
            {
                "target": str(target),
                "total": len(rows),
                "sentence": sentences(rows)[0] if {"unit", "how", "q"} <= set(rows.columns) else "",
                "telling": int(((rows["low"] > 0) | (rows["high"] < 0)).sum()),
                "known": bool(rows["low"].notna().any()),
                "n": int(rows["n"].max()),
                "seed": int(rows["seed"].iloc[0]),
                "rows": [
                    {
                        "label": r["gene"],
                        "id": r["node"],
                        "page": page_of(str(r["node"])),
                        "delta": interval(r["delta"], r["low"], r["high"], digits, sign=True),
                        "p": probability(r.get("p")),
                        "q": probability(r.get("q")),
                        "passes": bool(is_known(r["low"]) and (r["low"] > 0 or r["high"] < 0)),
                    }
                    for r in best.to_dict("records")
                ],
            }
        )
    return panels


def epistasis_panels(epistasis: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the outputs and models of which there are pairs over all samples."""
    rows = epistasis[(epistasis["group"] == ALL) & epistasis["epistasis"].notna()]
    return list(dict.fromkeys(zip(rows["target"].astype(str), rows["model"].astype(str), strict=True)))


def epistasis_rows(contents: ReportContents, most: int = 20) -> dict[str, Any] | None:
    """Return the pairs that deviate most from what their singles predict."""
    table = contents.tables.get("epistasis")
    if table is None or table.empty:
        return None
    rows = table[(table["group"] == ALL) & table["epistasis"].notna()]
    best = rows.loc[rows["epistasis"].abs().nlargest(most).index]
    digits = decimals_for((best["high"] - best["low"]) / 2, least=3)
    return {
        "total": len(rows),
        "model": ", ".join(dict.fromkeys(rows["model"].astype(str))),
        "n": int(rows["n"].max()) if len(rows) else 0,
        "targets": [f"{target} ({model})" for target, model in epistasis_panels(table)],
        "sentences": sentences(rows[rows["epistasis"].notna()])[:3] if "unit" in rows else [],
        "rows": [
            {
                "pair": f"{r['first']} and {r['second']}",
                "target": r["target"],
                "model": r["model"],
                "first": fixed(r["first_delta"], digits, sign=True),
                "second": fixed(r["second_delta"], digits, sign=True),
                "both": fixed(r["both_delta"], digits, sign=True),
                "expected": fixed(r["expected"], digits, sign=True),
                "epistasis": interval(r["epistasis"], r["low"], r["high"], digits, sign=True),
                "clear": bool(is_known(r["low"]) and (r["low"] > 0 or r["high"] < 0)),
            }
            for r in best.to_dict("records")
        ],
    }


def enrichment_panels(contents: ReportContents, most: int = 15) -> list[dict[str, Any]]:
    """Return for every output the gene sets with the smallest p, over all collections and methods."""
    table = contents.tables.get("enrichment")
    if table is None or table.empty:
        return []
    panels = []
    for output, rows in table.groupby("output", sort=False):
        best = rows.sort_values(["p", "set"]).head(most)
        passed = int((rows["q"] < ALPHA).sum())
        name = name_of_output(str(output), contents.data["task"])
        panels.append(
            {
                "option": f"{name} ({passed} with q < {ALPHA})",
                "output": name,
                "total": len(rows),
                "passed": passed,
                "null": _NULLS.get(str(rows["null"].iloc[0]), "null networks") if "null" in rows else "null networks",
                "has_null": bool("p_null" in rows and rows["p_null"].notna().any()),
                "rows": [_enriched(r) for r in best.to_dict("records")],
            }
        )
    return panels


def _enriched(r: Mapping[Any, Any]) -> dict[str, Any]:
    leading = [gene for gene in str(r.get("leading") or "").split(",") if gene.strip()]
    return {
        "label": r["label"],
        "id": r["set"],
        "page": page_of(str(r["set"])),
        "collection": r["collection"],
        "method": _METHODS.get(str(r["method"]), r["method"]),
        "genes": f"{count(r['overlap'])} of {count(r['genes_in_set'])}",
        "expected": fixed(r["expected"], 1),
        "statistic": fixed(r["statistic"], 2),
        "p": probability(r["p"]),
        "p_null": probability(r.get("p_null")),
        "q": probability(r["q"]),
        "passes": bool(is_known(r["q"]) and r["q"] < ALPHA),
        "leading": ", ".join(gene.strip() for gene in leading[:12]) + (" …" if len(leading) > 12 else ""),
    }
