"""Ranked genes and subsystems, and knockouts, as rows of text for the page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from kgreg.blueprint.kinds import RANKED_KINDS
from kgreg.report.contents import ReportContents
from kgreg.report.numbers import count, decimals_for, fixed, is_known, percent, probability
from kgreg.report.ranked import alike, leads
from kgreg.report.summary import ALPHA

ALL = "all"

#: Rows of a ranking that are printed; the rest lies in ``ranking.parquet``.
TOP_ROWS = 20
#: Near-identical subsystems that are named under the one that stands for them.
MOST_ALIKE = 30

_PAGES = (
    (re.compile(r"GO:\d{7}"), "https://www.ebi.ac.uk/QuickGO/term/{}"),
    (re.compile(r"R-[A-Z]{3}-\d+(\.\d+)?"), "https://reactome.org/content/detail/{}"),
    (re.compile(r"NCBIGene:\d+"), "https://www.ncbi.nlm.nih.gov/gene/{}"),
    (re.compile(r"HGNC:\d+"), "https://www.genenames.org/data/gene-symbol-report/#!/hgnc_id/{}"),
    (re.compile(r"MA\d{4}\.\d+"), "https://jaspar.elixir.no/matrix/{}/"),
    (re.compile(r"ENS[A-Z]*G\d{11}"), "https://www.ensembl.org/id/{}"),
)
#: Arms of which there are draws.
DRAWN = ("rewired", "labels", "control")

_NULLS = {"rewired": "networks on rewired graphs", "labels": "networks trained on permuted labels"}

#: The same where the networks read DNA.
_NULLS_OF_DNA = {**_NULLS, "rewired": "networks on permuted motifs"}


def page_of(identifier: str) -> str:
    """Return the web page of a GO, Reactome, NCBI Gene, HGNC or Ensembl id, or an empty text."""
    bare = identifier.removeprefix("NCBIGene:")
    return next((page.format(bare) for pattern, page in _PAGES if pattern.fullmatch(identifier)), "")


def outputs_of(ranking: pd.DataFrame) -> list[str]:
    """Return the outputs of a ranking, "all" first."""
    found = list(dict.fromkeys(ranking["output"]))
    return [*(name for name in found if name == ALL), *(name for name in found if name != ALL)]


def name_of_output(output: str, task: str) -> str:
    """Return what a reader calls an output."""
    if output != ALL:
        return output
    together = {"classification": "all classes together", "multilabel": "all labels together"}
    return together.get(task, "all samples")


def ranking_options(contents: ReportContents) -> list[dict[str, str]]:
    """Return the outputs by the names that a reader chooses from."""
    return [{"option": name_of_output(output, contents.data["task"])} for output in outputs_of(contents.ranking)]


def ranking_panels(contents: ReportContents, kind: str) -> list[dict[str, Any]]:
    """Return for every output the best nodes of a kind as rows of text, and what to say above them."""
    mine = contents.ranking[contents.ranking["kind"] == kind]
    # A gene counts what reads it, a motif the factors that bind it; a factor its motifs, a family its factors.
    links = contents.blueprint.edges["target" if kind in ("tf", "family") else "source"].value_counts()
    if kind == "gene" and not contents.has_terms:
        partners = contents.blueprint.interactions
        links = pd.concat([partners["source"], partners["target"]]).value_counts()
    panels, nulls = [], _NULLS_OF_DNA if contents.of_dna else _NULLS
    for output in outputs_of(contents.ranking):
        rows = mine[mine["output"] == output]
        best = leads(contents.ranking, kind, output).head(TOP_ROWS)
        others = alike(contents.ranking, kind, output)
        name = name_of_output(output, contents.data["task"])
        passed = int((rows["q"] < ALPHA).sum())
        panels.append(
            {
                "output": name,
                "option": f"{name} ({passed} with q < {ALPHA})" if rows["q"].notna().any() else name,
                "notice": _notice(rows, kind, name, passed, nulls),
                "none_passes": passed == 0,
                "rows": _rows(best, links, others),
                "shown": len(best),
                "total": len(rows),
                "folded": sum(len(table) for table in others.values()),
                "sure": bool("top_probability" in best and best["top_probability"].notna().any()),
                "expected": "null_mean" in best,
            }
        )
    return panels


def _notice(rows: pd.DataFrame, kind: str, output: str, passed: int, nulls: Mapping[str, str]) -> str:
    """Say in words how many nodes pass, and what it means if none does."""
    things = RANKED_KINDS[kind]
    null = next((name for name in rows["null"] if name in nulls), "none")
    tested = rows[rows["q"].notna()]
    if null == "none" or tested.empty:
        return (
            f"There is no null to compare with: z, p and q are not known, and the {things} are ordered by their raw "
            "score, which follows how well connected they are. Do not read this order as evidence."
        )
    among = f"of the {count(len(tested))} {things}"
    against = f"against {nulls[null]}"
    if passed:
        return f"For {output}, {count(passed)} {among} {'pass' if passed > 1 else 'passes'} q < {ALPHA} {against}."
    return (
        f"For {output}, none {among} passes q < {ALPHA} {against} (smallest q: {probability(tested['q'].min())}). "
        "What follows is a list of candidates in the order of z, not of findings."
    )


def _rows(best: pd.DataFrame, links: pd.Series[int], others: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    digits = decimals_for((best["high"] - best["low"]) / 2, least=2)
    columns = [column for column in ("score", "low", "high", "null_mean") if column in best]
    known = [float(v) for v in best[columns].to_numpy(dtype=float).ravel() if is_known(v)]
    left, right = min([0.0, *known]), max([0.0, *known])
    span = (right - left) or 1.0

    def place(value: Any) -> float | None:
        return round(4 + 92 * (float(value) - left) / span, 2) if is_known(value) else None

    return [
        {
            "rank": int(r["rank"]),
            "label": r["label"],
            "id": r["node"],
            "page": page_of(r["node"]),
            "n_genes": count(r["n_genes"]),
            "links": count(links.get(r["node"], 0)),
            "score": fixed(r["score"], digits),
            "interval": f"[{fixed(r['low'], digits)}, {fixed(r['high'], digits)}]" if is_known(r["low"]) else "[–]",
            "n": int(r["n"]),
            "z": fixed(r["z"], 1),
            "p": probability(r["p"]),
            "q": probability(r["q"]),
            "passes": bool(is_known(r["q"]) and r["q"] < ALPHA),
            "stability": percent(r["stability"]),
            "top": percent(r.get("top_probability")),
            "between": f"{r['rank_low']:.0f}–{r['rank_high']:.0f}" if is_known(r.get("rank_low")) else "",
            "alike": [
                {"label": o["label"], "id": o["node"], "page": page_of(o["node"]), "rank": int(o["rank"])}
                for o in (others[r["node"]].head(MOST_ALIKE).to_dict("records") if r["node"] in others else [])
            ],
            "n_alike": len(others.get(r["node"], ())),
            "at": place(r["score"]),
            "from": place(r["low"]),
            "to": place(r["high"]),
            "zero": place(0.0),
            "null": place(r.get("null_mean")),
        }
        for r in best.to_dict("records")
    ]


def capped(names: Sequence[str], most: int) -> dict[str, Any]:
    """Return the first names, and how many there are in all."""
    return {"names": list(names[:most]), "shown": min(len(names), most), "total": len(names)}
