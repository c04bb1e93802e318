"""What the page knows of a single node besides its scores: neighbours, evidence, activity, null, knockouts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from kgreg.report.contents import ReportContents
from kgreg.report.effect_tables import sweep_of_outputs
from kgreg.report.numbers import is_known
from kgreg.report.ranked import null_draws
from kgreg.report.tables import outputs_of

ALL = "all"

#: Numbers of one part (activity, nulls, ...) that a page carries; beyond, only the nodes of best rank have them.
MOST_VALUES = 120_000
#: Terms merged into another that are named; partners of a gene in a network of interactions.
MOST_MERGED, MOST_PARTNERS = 12, 25

#: What the evidence codes of the Gene Ontology stand for (http://geneontology.org/docs/guide-go-evidence-codes).
EVIDENCE = {
    "EXP": "experiment", "IDA": "direct assay", "IPI": "physical interaction", "IMP": "mutant phenotype",
    "IGI": "genetic interaction", "IEP": "expression pattern", "HTP": "high throughput",
    "HDA": "high throughput, direct assay", "HMP": "high throughput, mutant phenotype",
    "HGI": "high throughput, genetic interaction",
    "HEP": "high throughput, expression pattern", "IBA": "ancestor in the family tree",
    "IBD": "descendant in the family tree",
    "IKR": "key residues", "IRD": "rapid divergence", "ISS": "sequence or structure", "ISO": "orthology",
    "ISA": "sequence alignment",
    "ISM": "sequence model", "IGC": "genomic context", "RCA": "computational analysis", "TAS": "author's statement",
    "NAS": "author's statement, not traced", "IC": "curator", "ND": "no data", "IEA": "electronic, not reviewed",
}  # fmt: skip

_MERGED = re.compile(r"its only child (.+) holds \d+ of its \d+ genes")


def node_details(contents: ReportContents, place: Mapping[str, int]) -> dict[str, Any]:
    """Return the parts of the panel, each keyed by the position of a node.

    Parameters
    ----------
    place
        Node -> position.

    Returns
    -------
    dict
        ``terms_of, relation_of`` (of a gene: the terms that read it, and by which evidence), ``parents_of`` (of a
        term), ``relations`` (names), ``sources, source_of``, ``merged``, ``partners``, ``activity``, ``nulls``,
        ``moved`` (terms under knockouts), ``sweep`` (genes silenced one by one).
    """
    return {
        **_links(contents, place),
        "merged": _merged(contents, place),
        "partners": _partners(contents, place),
        "activity": _activity(contents, place),
        "nulls": _nulls(contents, place),
        "moved": _moved(contents, place),
        "sweep": _sweep(contents, place),
    }


def _links(contents: ReportContents, place: Mapping[str, int]) -> dict[str, Any]:
    blueprint = contents.blueprint
    genes = set(blueprint.genes["id"])
    relations: dict[str, int] = {}
    terms_of: dict[int, list[int]] = {}
    relation_of: dict[int, list[int]] = {}
    parents_of: dict[int, list[int]] = {}
    edges = blueprint.edges
    for source, target, relation in zip(edges["source"], edges["target"], edges["relation"], strict=True):
        if source not in place or target not in place:  # a sequence
            continue
        number = relations.setdefault(str(relation), len(relations))
        if source in genes:
            terms_of.setdefault(place[source], []).append(place[target])
            relation_of.setdefault(place[source], []).append(number)
        else:
            parents_of.setdefault(place[source], []).append(place[target])
    sources: dict[str, int] = {}
    by_node = dict(zip(blueprint.nodes["id"], blueprint.nodes["source"], strict=True))
    source_of = [sources.setdefault(str(by_node[node]), len(sources)) for node in place]
    return {
        "terms_of": terms_of,
        "relation_of": relation_of,
        "parents_of": parents_of,
        "relations": list(relations),
        "evidence": {name: EVIDENCE[name] for name in relations if name in EVIDENCE},
        "sources": list(sources),
        "source_of": source_of,
    }


def _merged(contents: ReportContents, place: Mapping[str, int]) -> dict[int, list[str]]:
    """Return the terms that the compiler merged into a term, because they held the same genes."""
    dropped = contents.blueprint.dropped
    rows = dropped[(dropped["step"] == "redundancy") & (dropped["kind"] == "term")]
    found: dict[int, list[str]] = {}
    for identifier, label, reason in zip(rows["id"], rows["label"], rows["reason"], strict=True):
        match = _MERGED.fullmatch(str(reason))
        if match and match[1] in place:
            found.setdefault(place[match[1]], []).append(f"{label} ({identifier})")
    return {node: names[:MOST_MERGED] for node, names in found.items()}


def _partners(contents: ReportContents, place: Mapping[str, int]) -> dict[int, list[int]]:
    """Return of every node the strongest interactions."""
    table = contents.blueprint.interactions.sort_values("weight", ascending=False)
    found: dict[int, list[int]] = {}
    for source, target in zip(table["source"], table["target"], strict=True):
        for one, other in ((source, target), (target, source)):
            if one in place and other in place:
                mine = found.setdefault(place[one], [])
                if len(mine) < MOST_PARTNERS:
                    mine.append(place[other])
    return found


def _activity(contents: ReportContents, place: Mapping[str, int]) -> dict[str, Any]:
    table = contents.tables.get("activity")
    if table is None or table.empty:
        return {}
    groups = [*dict.fromkeys(table["group"])]
    groups = [*(g for g in groups if g != ALL), *(g for g in groups if g == ALL)]
    kept = _kept(contents, set(table["node"]), 3 * len(groups))
    rows: dict[int, list[list[float | None]]] = {}
    number = {group: i for i, group in enumerate(groups)}
    mine = table[table["node"].isin(kept & place.keys())]
    for node, group, mean, low, high in zip(*(mine[c] for c in ("node", "group", "mean", "low", "high")), strict=True):
        own = rows.setdefault(place[node], [[None] * len(groups) for _ in range(3)])
        for part, value in enumerate((mean, low, high)):
            own[part][number[group]] = _short(value, 3)
    return {"groups": [str(g) for g in groups], "rows": rows, "n": int(table["n"].max())}


def _nulls(contents: ReportContents, place: Mapping[str, int]) -> dict[str, Any]:
    """Return the draws of the null that each node is ranked against, by output."""
    scores = contents.tables.get("node_scores")
    if scores is None or scores.empty:
        return {}
    ranking, outputs = contents.ranking, outputs_of(contents.ranking)
    draws = {null: null_draws(scores, null) for null in ("rewired", "labels") if (ranking["null"] == null).any()}
    width = max((table.shape[1] for table in draws.values()), default=0)
    room = max(MOST_VALUES // max(len(outputs) * width * len(draws), 1), 50)
    found: list[dict[int, list[float | None]]] = []
    for output in outputs:
        rows: dict[int, list[float | None]] = {}
        for null, table in draws.items():
            mine = ranking[(ranking["output"] == output) & (ranking["null"] == null)].nsmallest(room, "rank")
            nodes = mine.loc[mine["node"].isin(place.keys()), "node"]
            values = table.reindex(pd.MultiIndex.from_product([[output], nodes])).to_numpy(dtype=float)
            rows |= {place[node]: [_short(v, 3) for v in row] for node, row in zip(nodes, values, strict=True)}
        found.append(rows)
    return {"rows": found}


def _moved(contents: ReportContents, place: Mapping[str, int]) -> dict[str, Any]:
    """Return how far every knockout moves a term over all samples, and which genes it silences."""
    table = contents.knockouts
    if table.empty:
        return {}
    names = list(dict.fromkeys(table["knockout"]))
    genes = table.drop_duplicates("knockout").set_index("knockout")["genes"].to_dict()
    terms = table[(table["kind"] == "term") & (table["group"] == ALL)]
    kept = _kept(contents, set(terms["target"]), 3 * len(names))
    mine = terms[terms["target"].isin(kept & place.keys())]
    number = {name: i for i, name in enumerate(names)}
    rows: dict[int, list[list[Any]]] = {}
    for node, name, delta, low, high in zip(
        *(mine[c] for c in ("target", "knockout", "delta", "low", "high")), strict=True
    ):
        rows.setdefault(place[node], []).append([number[name], _short(delta, 3), _short(low, 3), _short(high, 3)])
    return {"names": names, "genes": [str(genes[name]).split(", ") for name in names], "rows": rows}


def _sweep(contents: ReportContents, place: Mapping[str, int]) -> dict[str, Any]:
    """Return the effects of every gene alone: over all samples, and in the samples of the class that is asked about."""
    table = sweep_of_outputs(contents)
    if table.empty:
        return {}
    targets = list(dict.fromkeys(table["target"]))
    kept = _kept(contents, set(table["node"]), 6 * len(targets))
    mine = table[
        ((table["group"] == ALL) | (table["group"] == table["target"])) & table["node"].isin(kept & place.keys())
    ]
    number = {target: i for i, target in enumerate(targets)}
    rows: dict[int, list[list[Any]]] = {}
    columns = ("node", "target", "group", "delta", "low", "high", "p", "q")
    for node, target, group, *values in zip(*(mine[c] for c in columns), strict=True):
        entry = [number[target], int(group != ALL), *(_short(value, 3) for value in values)]
        rows.setdefault(place[node], []).append(entry)
    return {"targets": [str(t) for t in targets], "rows": rows, "n": int(table["n"].max())}


def _kept(contents: ReportContents, nodes: set[str], each: int) -> set[str]:
    """Return the nodes of best rank that have room in a page, if each has so many numbers."""
    room = MOST_VALUES // max(each, 1)
    if len(nodes) <= room:
        return nodes
    best = contents.ranking.groupby("node")["rank"].min().sort_values()
    return set(pd.Index(best.index[best.index.isin(nodes)])[:room])


def _short(value: Any, digits: int) -> float | None:
    return float(f"{float(value):.{digits}g}") if is_known(value) else None
