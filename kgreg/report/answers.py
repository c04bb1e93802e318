"""The four questions that a reader comes with, answered in a sentence or two each."""

from __future__ import annotations

from typing import Any

import pandas as pd

from kgreg.blueprint.kinds import RANKED_KINDS
from kgreg.report.confidence import sureness
from kgreg.report.contents import ReportContents
from kgreg.report.knockout_tables import knockout_panels
from kgreg.report.numbers import count, fixed, is_known, name_of_arm, name_of_metric, plural
from kgreg.report.ranked import leads
from kgreg.report.summary import ALPHA, verdict

ALL = "all"


def answers(contents: ReportContents) -> list[dict[str, str]]:
    """Return ``question``, ``answer`` and ``place`` (the section that says more), in the order of the page."""
    said = [
        {
            "question": "Did the knowledge help?",
            "answer": _helped(contents),
            "place": "prediction",
        }
    ]
    kind = contents.main_kind or ("gene" if len(contents.ranking) else None)
    if kind is not None:
        place = {"term": "subsystems", "gene": "genes"}.get(kind, "motifs")
        said += [
            {"question": f"Which {RANKED_KINDS[kind]} matter?", "answer": _which(contents, kind), "place": place},
            {"question": "How sure is that?", "answer": " ".join(sureness(contents)), "place": "sure"},
        ]
    if not contents.of_dna:
        said.append(
            {"question": "What if a gene is knocked out?", "answer": _knocked_out(contents), "place": "knockouts"}
        )
    return [entry for entry in said if entry["answer"]]


def _helped(contents: ReportContents) -> str:
    metrics = contents.metrics
    main = metrics["metric"]
    means = {arm["arm"]: arm["metrics"][main]["mean"] for arm in metrics["arms"] if main in arm["metrics"]}
    called = metrics.get("arm_names")
    named = [
        f"{name_of_arm(arm, called).lower()} {fixed(means[arm], 2)}"
        for arm in ("graph", "rewired", "baseline")
        if is_known(means.get(arm))
    ]
    return f"{verdict(metrics)['headline']} {name_of_metric(main).capitalize()}: {', '.join(named)}." if named else ""


def _which(contents: ReportContents, kind: str) -> str:
    best = leads(contents.ranking, kind, ALL)
    mine = contents.ranking[(contents.ranking["kind"] == kind) & (contents.ranking["output"] == ALL)]
    names = [f"{label}" for label in best["label"].head(3)]
    if not names:
        return ""
    first = f"first {names[0]}" + (f", then {' and '.join(names[1:])}" if names[1:] else "")
    tested = mine[mine["q"].notna()]
    things = RANKED_KINDS[kind]
    if tested.empty:
        return f"Not tested: there is no null to compare with. By raw score, {first}."
    passed = int((tested["q"] < ALPHA).sum())
    if not passed:
        return f"None of the {count(len(tested))} {things} stands out (q < {ALPHA}). Candidates: {first}."
    word = "stand" if passed > 1 else "stands"
    return f"{count(passed)} of the {count(len(tested))} {things} {word} out (q < {ALPHA}): {first}."


def _knocked_out(contents: ReportContents) -> str:
    panels: list[dict[str, Any]] = knockout_panels(contents.knockouts) if len(contents.knockouts) else []
    sweep = contents.tables.get("sweep")
    swept = sweep["node"].nunique() if sweep is not None and len(sweep) else 0
    if panels:
        more = f" {plural(len(panels), 'knockout')} in all" if len(panels) > 1 else ""
        more += f"; {plural(swept, 'gene')} one by one" if swept else ""
        first = _clearest(contents.knockouts)
        panel = next((panel for panel in panels if panel["knockout"] == first), panels[0])
        return f"{panel['knockout']}: {panel['sentences'][0]}{more + '.' if more else ''}"
    if swept:
        return f"{plural(swept, 'gene')} were silenced one by one; look one up to see what its loss changes."
    return "No knockout was asked for."


def _clearest(knockouts: pd.DataFrame) -> str | None:
    """Return the knockout with the largest effect on an output whose interval leaves out 0; None if there is none."""
    outputs = knockouts[(knockouts["kind"] == "output") & ((knockouts["low"] > 0) | (knockouts["high"] < 0))]
    ordered = outputs.sort_values("delta", key=abs, ascending=False, kind="stable")["knockout"]
    return None if ordered.empty else str(ordered.iloc[0])
