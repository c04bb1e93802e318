"""How sure a ranking is, as words and rows of text for the page."""

from __future__ import annotations

from typing import Any

import pandas as pd

from kgreg.blueprint.kinds import RANKED_KINDS
from kgreg.report.contents import ReportContents
from kgreg.report.numbers import UNKNOWN, count, fixed, interval, is_known, percent, plural, probability
from kgreg.report.ranked import leads
from kgreg.report.tables import name_of_output

ALL = "all"

#: Said wherever an interval would stand.
ONE_NETWORK = (
    "One network only: how far a score varies from one training to the next is not known, so no interval is given. "
    "Train more replicates or folds."
)


def agreement_rows(contents: ReportContents) -> list[dict[str, Any]]:
    """Return how far the networks agree, by kind of node and output."""
    table = contents.tables.get("agreement")
    if table is not None and len(table):
        order = [ALL, *(name for name in dict.fromkeys(table["output"]) if name != ALL)]
        table = table.sort_values("output", key=lambda names: names.map(order.index), kind="stable")
        return [
            {
                "kind": RANKED_KINDS.get(str(r["kind"]), str(r["kind"])),
                "output": name_of_output(str(r["output"]), contents.data["task"]),
                "first": bool(r["output"] == ALL),
                "w": _concordance(r["kendall_w"], r["p"]),
                "correlation": fixed(r["rank_correlation"], 2),
                "overlap": fixed(r["top_overlap"], 2),
                "n": count(r["networks"]),
            }
            for r in table.to_dict("records")
        ]
    return [
        {
            "kind": RANKED_KINDS.get(kind, kind),
            "output": name_of_output(ALL, contents.data["task"]),
            "first": True,
            "w": UNKNOWN,
            "correlation": fixed(row["rank_correlation"], 2),
            "overlap": fixed(row["top_overlap"], 2),
            "n": count(row["networks"]),
        }
        for kind, row in contents.stability.items()
    ]


def _concordance(w: Any, p: Any) -> str:
    if not is_known(w):
        return UNKNOWN
    return f"{fixed(w, 2)} (p {probability(p) if p != 0 else '< 10⁻³⁰⁰'})"


def sureness(contents: ReportContents) -> list[str]:
    """Say in sentences how far the order of the main kind of node can be believed."""
    kind = contents.main_kind or "gene"
    ranking = contents.ranking
    mine = ranking[(ranking["kind"] == kind) & (ranking["output"] == ALL)]
    if mine.empty:
        return []
    things = RANKED_KINDS[kind]
    networks = int(mine["n"].max())
    if networks < 2:
        return [ONE_NETWORK]
    said = []
    known = contents.stability.get(kind, {})
    if is_known(known.get("rank_correlation")):
        said.append(
            f"Two of the {plural(networks, 'network')} order the {things} with a mean rank correlation of "
            f"{fixed(known['rank_correlation'], 2)}; {_agree(known.get('top_overlap'))}."
        )
    best = leads(ranking, kind, ALL).head(1).to_dict("records")
    if best and "top_probability" in best[0] and is_known(best[0]["top_probability"]):
        r = best[0]
        said.append(
            f"The first of the list, {r['label']}, is among the best in {percent(r['top_probability'])} of the "
            f"bootstrap draws; 95 % of them put it between rank {r['rank_low']:.0f} and {r['rank_high']:.0f}."
        )
    if "top_probability" in mine:
        sure = int((mine["top_probability"] >= 0.9).sum())
        said.append(
            f"{count(sure)} of the {count(len(mine))} {things} are among the best in at least 90 % of the draws."
        )
    return said


def _agree(overlap: Any) -> str:
    """Say how far the tops of two lists agree: a reader looks at these, and a long tail in one order says nothing."""
    if not is_known(overlap):
        return "how far their best agree is not known"
    shared = 2 * float(overlap) / (1 + float(overlap))  # of two sets of one size with that Jaccard index
    words = f"of the best of one, the other has {percent(shared)} among its own"
    if shared >= 0.8:
        return f"{words}: they tell the same story"
    return f"{words}: {'read the top as a group, not as an order' if shared >= 0.4 else 'trust no single name'}"


def degree_rows(contents: ReportContents) -> list[dict[str, str]]:
    """Return how far scores follow connectivity, as text."""
    table = contents.tables.get("degree")
    if table is None or table.empty:
        return []
    arms = {
        "graph": "score in the real graph",
        "rewired": "score in rewired graphs",
        "corrected": "z that nodes are ranked by",
    }
    rows = table[table["output"] == ALL] if "output" in table and (table["output"] == ALL).any() else table
    return [
        {
            "kind": RANKED_KINDS.get(str(r["kind"]), str(r["kind"])),
            "quantity": str(r["quantity"]),
            "arm": arms.get(str(r["arm"]), str(r["arm"])),
            "rho": interval(r["rho"], r["low"], r["high"], 2),
            "n": count(r["n"]),
        }
        for r in rows.to_dict("records")
    ]


def method_rows(contents: ReportContents) -> list[dict[str, str]]:
    """Return how far other importance methods agree with the ranking, for all outputs together."""
    table = contents.tables.get("method_agreement", pd.DataFrame())
    if table.empty:
        return []
    rows = table[table["output"] == ALL]
    return [
        {
            "kind": RANKED_KINDS.get(str(r["kind"]), str(r["kind"])),
            "method": str(r["method"]).replace("_", " "),
            "rho": fixed(r["rho"], 2),
            "n": count(r["n"]),
            "networks": count(r.get("networks")),
        }
        for r in rows.to_dict("records")
    ]
