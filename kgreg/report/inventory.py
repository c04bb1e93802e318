"""What went in: data, matching, network and provenance, as text for the page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from kgreg.report.contents import ReportContents
from kgreg.report.numbers import UNKNOWN, count, duration, percent
from kgreg.report.tables import capped

#: Names that are listed of every kind of thing that was left out.
MOST_NAMES = 300

_OUTCOMES = {
    "symbol": "present symbol",
    "alias": "previous symbol or synonym of one gene",
    "repeated": "second name of a gene that is matched already",
    "ambiguous": "synonym of several genes: not guessed",
    "constant": "same value in every sample: left out",
    "unknown": "not known to the graph",
    "unmapped": "feature without a gene in the table of genes: left out",
}
_STEPS = {
    "root": "not below the chosen root",
    "empty": "no gene of the data at or below the term",
    "cycle": "link that closed a cycle",
    "cycles": "link that closed a cycle",
    "depth": "deeper than the limit; genes and children passed to the parents",
    "min_genes": "fewer genes than the least; genes and children passed to the parents",
    "max_genes": "more genes than the most; genes and children passed to the parents",
    "redundancy": "same genes as its only child; merged with it",
    "features": "gene that the data do not measure, or that was not asked for",
    "genes": "gene of the data that no term of the network annotates",
    "loops": "link of a node with itself",
    "min_weight": "link with a smaller weight than asked for",
    "repeats": "link listed again",
    "outputs": "on no path to an output, or read an output",
    "constant": "gene with one value in all samples",
    "interactions": "interactions that were left out, counted",
}


def class_rows(classes: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the classes with their counts, and the share of the largest for a bar."""
    largest = max(classes.values(), default=0) or 1
    total = sum(classes.values()) or 1
    return [
        {
            "name": name,
            "count": count(n),
            "share": percent(n / total),
            "width": round(100 * n / largest, 1),
            "few": n < 20,
        }
        for name, n in classes.items()
    ]


def label_rows(labels: Mapping[str, Mapping[str, int]]) -> list[dict[str, str]]:
    """Return how many samples have each label of a multilabel task, lack it, or are unknown."""
    return [{"name": name, **{part: count(n) for part, n in counts.items()}} for name, counts in labels.items()]


def matching_rows(matching: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what became of the gene names: outcome, count and the names."""
    rows = []
    total = sum(matching["counts"].values()) or 1
    for outcome, n in matching["counts"].items():
        names = [_named(record) for record in matching["features"].get(outcome, [])]
        rows.append(
            {
                "outcome": outcome,
                "words": _OUTCOMES.get(outcome, outcome),
                "count": count(n),
                "share": percent(n / total),
                "names": capped(names, MOST_NAMES),
            }
        )
    return rows


def _named(record: Mapping[str, Any]) -> str:
    arrow = f" → {record['label']}" if record.get("label") else ""
    note = f" ({record['note']})" if record.get("note") else ""
    return f"{record['feature']}{arrow}{note}"


def dropped_rows(contents: ReportContents) -> list[dict[str, Any]]:
    """Return what the compiler left out, by step and kind, with the commonest reasons and the names."""
    rows = []
    for (step, kind), group in contents.blueprint.dropped.groupby(["step", "kind"], sort=False):
        names = sorted(
            (
                f"{label} ({identifier}): {reason}" if label != identifier else f"{identifier}: {reason}"
                for label, identifier, reason in zip(group["label"], group["id"], group["reason"], strict=True)
            ),
            key=str.casefold,
        )
        rows.append(
            {
                "step": step,
                "kind": kind,
                "words": _STEPS.get(str(step), ""),
                "count": count(len(group)),
                "names": capped(names, MOST_NAMES),
            }
        )
    return rows


def network_figures(contents: ReportContents) -> list[tuple[str, str]]:
    """Return the counts of the network."""
    names = {
        "genes": "genes (inputs)",
        "terms": "terms",
        "levels": "levels",
        "roots": "roots read by the output",
        "gene_links": "links from genes",
        "term_links": "links between terms",
        "interactions": "interactions between genes",
        "neurons": "neurons in terms",
        "factors": "transcription factors",
        "families": "families of factors",
    }
    rows = [(names.get(key, key), count(value)) for key, value in contents.blueprint.summary().items() if value]
    for compiled in contents.blueprint.provenance.get("compiled", []):
        rows += [(key.replace("_", " "), count(value)) for key, value in compiled.get("graph", {}).items()]
    return rows


def options(contents: ReportContents) -> list[str]:
    """Return the options of the compiler, one line a compilation."""
    compiled = contents.blueprint.provenance.get("compiled", [])
    lines = []
    for entry in compiled:
        shown = [(key, value) for key, value in entry.items() if value is not None and key != "graph"]
        lines.append(", ".join(f"{key} = {_value(value)}" for key, value in shown))
    return lines


def sources(contents: ReportContents) -> list[dict[str, str]]:
    """Return the sources of knowledge: title, release, date, licence, url and rows."""
    rows = []
    for source in contents.blueprint.provenance.get("sources", []):
        row = {key: str(source.get(key) or "") for key in ("id", "title", "release", "date", "licence", "url")}
        url = row["url"]
        row["link"] = url if url.startswith(("https://", "http://")) else ""
        row["rows"] = count(source.get("rows"))
        rows.append(row)
    return rows


def queries(contents: ReportContents) -> list[dict[str, str]]:
    """Return the Cypher texts with their parameters."""
    return [
        {
            "role": str(query.get("role", "")),
            "query": str(query.get("query", "")),
            "text": str(query.get("text", "")).strip(),
            "parameters": _value(query.get("parameters", {})),
        }
        for query in contents.blueprint.provenance.get("cypher", [])
    ]


def experiment_text(experiment: Mapping[str, Any]) -> str:
    """Return the experiment as ``[section]`` and ``key = value`` lines."""
    return "\n".join(_lines(experiment, "")).strip()


def _lines(section: Mapping[str, Any], path: str) -> Iterator[str]:
    if path:
        yield f"\n[{path}]"
    for key, value in section.items():
        if not isinstance(value, Mapping):
            yield f"{key} = {_value(value)}"
    for key, value in section.items():
        if isinstance(value, Mapping):
            yield from _lines(value, f"{path}.{key}" if path else str(key))


def run_rows(contents: ReportContents) -> list[tuple[str, str]]:
    """Return when, how and on what the run was made."""
    run = contents.run
    rows = [
        ("kgreg", str(run.get("kgreg", ""))),
        ("started", str(run.get("started", ""))),
        ("run time", duration(run.get("seconds"))),
        ("command", str(run.get("command", ""))),
        ("seed", str(run.get("seed", contents.metrics["seed"]))),
        ("platform", str(run.get("platform", ""))),
        ("packages", ", ".join(f"{name} {version}" for name, version in run.get("packages", {}).items())),
        ("knowledge store", str(contents.blueprint.provenance.get("store", ""))),
        ("content hash of the blueprint (SHA-256)", contents.blueprint.content_hash()),
        ("SHA-256 of the data file", str(contents.data.get("sha256", "")) or "none: the data were an object in memory"),
    ]
    return [(name, value) for name, value in rows if value not in ("", UNKNOWN)]


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
