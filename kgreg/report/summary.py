"""The head of the page: what was asked, what came out, and the key figures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kgreg.blueprint.kinds import RANKED_KINDS
from kgreg.report.contents import ReportContents
from kgreg.report.numbers import (
    LOWER_IS_BETTER,
    count,
    fixed,
    in_order,
    interval,
    is_known,
    kind_of_arm,
    name_of_arm,
    name_of_metric,
    plural,
    probability,
)

ALPHA = 0.05

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


def asked(contents: ReportContents) -> str:
    """Say in a sentence what was asked."""
    data, network = contents.data, contents.blueprint.summary()
    verb, what = {
        "classification": ("tell apart", f"the {len(data['classes'])} classes of “{data['label']}”"),
        "multilabel": ("predict", plural(len(data.get("labels", {})), "label")),
        "survival": ("predict", f"survival (“{data['label']}”)"),
    }.get(data["task"], ("predict", f"“{data['label']}”"))
    parts = [plural(network[key], word) for key, word in (("terms", "term"), ("interactions", "interaction"))]
    shown = [part for part, key in zip(parts, ("terms", "interactions"), strict=True) if network[key]]
    if network.get("motifs"):
        return (
            f"Can a network that begins with {plural(network['motifs'], 'motif')} ({guide(contents)}) {verb} {what} in "
            f"{plural(data['samples'], 'sequence')}, and which factors does it use?"
        )
    if "sequences" in data:
        return f"Can a network {verb} {what} in {plural(data['samples'], 'sequence')}?"
    return (
        f"Can a network wired like {guide(contents)} ({' and '.join(shown)} over "
        f"{plural(network['genes'], 'gene')}) {verb} {what} in {plural(data['samples'], 'sample')}, and which of "
        "its parts does it use?"
    )


def guide(contents: ReportContents) -> str:
    """Return the name of the knowledge."""
    return str(contents.blueprint.provenance.get("guide") or "the given hierarchy")


def verdict(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Split the verdict into a headline and its grounds, each with a tone (good, bad, neutral).

    The sentences are those of ``metrics["verdict"]``, one a comparison in the same order, then the conclusion.
    """
    sentences = [part.strip() for part in _SENTENCE.split(str(metrics.get("verdict", ""))) if part.strip()]
    comparisons: Mapping[str, Mapping[str, Any]] = metrics.get("comparisons", {})
    order = in_order(comparisons)
    tones = [_tone(comparisons[name]) for name in order]
    if not sentences:
        sentences = ["Nothing was compared: neither null networks nor a linear baseline were trained."]
    headline, grounds = (sentences[-1], sentences[:-1]) if "rewired" in comparisons else ("", sentences)
    tones += ["neutral"] * (len(grounds) - len(tones))
    return {
        "headline": headline or f"Whether the knowledge helped was not tested: no {_null(metrics)} was trained.",
        "tone": tones[0] if "rewired" in comparisons else "neutral",
        "grounds": list(zip(tones[: len(grounds)], grounds, strict=True)),
    }


def _null(metrics: Mapping[str, Any]) -> str:
    """Return what one draw of the null of the knowledge is called."""
    return "network on permuted motifs" if metrics.get("arm_names") else "rewired graph"


def _tone(comparison: Mapping[str, Any]) -> str:
    if comparison["low"] > 0:
        return "good"
    return "bad" if comparison["high"] < 0 else "neutral"


def tiles(contents: ReportContents) -> list[dict[str, str]]:
    """Return the key figures: the main metric of every arm, and how many subsystems stand out."""
    metrics = contents.metrics
    main, seed = metrics["metric"], metrics["seed"]
    shown = []
    for arm in metrics["arms"]:
        value = arm["metrics"][main]
        draws = f" × {arm['draws']} draws" if arm["draws"] > 1 else ""
        shown.append(
            {
                "arm": kind_of_arm(arm["arm"]),
                "name": name_of_arm(arm["arm"], metrics.get("arm_names")),
                "value": fixed(value["mean"], 2),
                "range": f"95 % interval {fixed(value['low'], 2)} to {fixed(value['high'], 2)}"
                if is_known(value["low"])
                else f"no interval: fewer than two {metrics['unit']}s",
                "note": f"{name_of_metric(main)}, n = {plural(value['n'], metrics['unit'])}{draws}, seed {seed}",
            }
        )
    kind = contents.main_kind
    if kind is None:
        return shown
    nodes = contents.ranking[(contents.ranking["kind"] == kind) & (contents.ranking["output"] == "all")]
    tested = nodes[nodes["q"].notna()]
    stable = contents.stability.get(kind, {})
    null = _null(metrics)
    shown.append(
        {
            "arm": "",
            "name": f"{RANKED_KINDS[kind].capitalize()}, q < {ALPHA}",
            "value": f"{count((tested['q'] < ALPHA).sum())} of {count(len(tested))}" if len(tested) else "not tested",
            "range": f"stand out from {null.replace('network on', 'networks on').replace('graph', 'graphs')}, all "
            "outputs together"
            if len(tested)
            else f"no {null} was trained",
            "note": f"mean rank agreement of {plural(int(stable.get('networks', 0)), 'network')}: "
            f"{fixed(stable.get('rank_correlation'), 2)}, seed {seed}",
        }
    )
    return shown


def metric_table(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return all arms by all metrics."""
    names = list(dict.fromkeys(name for arm in metrics["arms"] for name in arm["metrics"]))
    rows = []
    most = max(value["n"] for arm in metrics["arms"] for value in arm["metrics"].values())
    for arm in metrics["arms"]:
        cells = []
        for name in names:
            value = arm["metrics"].get(name, {})
            n = value.get("n", 0)
            fewer = f"n = {n}" if n != most else ""
            cells.append({"text": interval(value.get("mean"), value.get("low"), value.get("high"), 3), "fewer": fewer})
        draws = plural(arm["draws"], "draw") if arm["draws"] > 1 else ""
        name = name_of_arm(arm["arm"], metrics.get("arm_names"))
        rows.append({"arm": kind_of_arm(arm["arm"]), "name": name, "draws": draws, "cells": cells})
    return {
        "metrics": [
            {"name": name_of_metric(name), "lower": name in LOWER_IS_BETTER, "main": name == metrics["metric"]}
            for name in names
        ],
        "rows": rows,
        "n": plural(most, metrics["unit"]),
        "seed": metrics["seed"],
    }


def comparison_table(metrics: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the comparisons of the graph network with the other arms."""
    called = metrics.get("arm_names")
    own = name_of_arm("graph", called)
    return [
        {
            "name": f"{own} − {name_of_arm(other, called).lower()}",
            "difference": interval(c["difference"], c["low"], c["high"], 3, sign=True),
            "p": probability(c["p"]),
            "n": str(c["n"]),
            "tone": _tone(c),
            "meaning": {
                "good": f"{own.lower()} better",
                "bad": f"{own.lower()} worse",
                "neutral": "no difference shown",
            }[_tone(c)],
        }
        for other, c in ((name, metrics["comparisons"][name]) for name in in_order(metrics.get("comparisons", {})))
    ]


def label_table(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the labels of a multilabel task by the metrics of the graph network and the linear baseline."""
    entries = metrics.get("labels", [])
    arms = [arm for arm in ("graph", "baseline") if entries and arm in entries[0]["arms"]]
    columns = [(arm, metric) for arm in arms for metric in entries[0]["arms"][arm]]
    rows = []
    for entry in entries:
        values = [entry["arms"][arm][metric] for arm, metric in columns]
        cells = [
            {
                "text": interval(v["mean"], v["low"], v["high"], 3),
                "fewer": f"n = {v['n']}" if v["n"] != metrics["folds"] else "",
            }
            for v in values
        ]
        rows.append({"label": entry["label"], "cells": cells})
    heads = [
        {"arm": name_of_arm(arm, metrics.get("arm_names")), "metric": name_of_metric(metric)} for arm, metric in columns
    ]
    return {"columns": heads, "rows": rows}


def concordance(metrics: Mapping[str, Any]) -> str:
    """Say the concordance of the graph network with its interval."""
    value = next(arm["metrics"]["concordance"] for arm in metrics["arms"] if arm["arm"] == "graph")
    return (
        f"Concordance index {interval(value['mean'], value['low'], value['high'], 3)} "
        f"(n = {plural(value['n'], 'fold')}, seed {metrics['seed']}); 0.5 is chance"
    )


def chance(metrics: Mapping[str, Any]) -> str:
    """Say what networks trained on permuted labels reach."""
    main = metrics["metric"]
    for arm in metrics["arms"]:
        if arm["arm"] == "labels" and is_known(arm["metrics"][main]["mean"]):
            value = arm["metrics"][main]
            return (
                f"Chance level: the same network trained on permuted labels ({plural(arm['draws'], 'draw')}) reaches "
                f"{interval(value['mean'], value['low'], value['high'], 3)} in {name_of_metric(main)} "
                f"(n = {plural(value['n'], metrics['unit'])}, seed {metrics['seed']}); it is the dashed line in the "
                "plots."
            )
    return "The chance level is not known: no network was trained on permuted labels."
