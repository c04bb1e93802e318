"""What the report says of networks that read DNA: ranked factors, filters with their logos, example sequences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from kgreg.decode.sequence.summary import SequenceSummary
from kgreg.errors import MissingPackageError
from kgreg.report.contents import ReportContents
from kgreg.report.logos import attribution_logo, motif_logo
from kgreg.report.numbers import UNKNOWN, count, fixed, plural, probability
from kgreg.report.summary import ALPHA
from kgreg.report.tables import page_of, ranking_panels

#: Kinds of nodes that are ranked here, with what one of them is called.
MOTIF_KINDS = {"family": "family", "tf": "transcription factor", "motif": "motif"}

_LETTERS = list("ACGT")

#: Most letters of a sequence that are drawn, around those that matter most.
_MOST_LETTERS = 160


def motif_section(contents: ReportContents) -> dict[str, Any] | None:
    """Return what the section shows; None where no network reads DNA.

    Keys
    ----
    rankings
        One a kind of node: ``kind``, ``one`` and the ``panels`` of :func:`kgreg.report.tables.ranking_panels`.
    filters, examples
        Rows of text and logos.
    notice
        Why something is missing, or "".
    """
    ranked = set(contents.ranking["kind"]) if len(contents.ranking) else set()
    rankings = [
        {"kind": kind, "one": one, "panels": ranking_panels(contents, kind)}
        for kind, one in MOTIF_KINDS.items()
        if kind in ranked
    ]
    found = contents.sequences
    if not rankings and found is None and not contents.not_decoded:
        return None
    section: dict[str, Any] = {
        "rankings": rankings,
        "filters": [],
        "examples": [],
        "notice": contents.not_decoded,
        "tested": UNKNOWN,
        "database": UNKNOWN,
        "fold": "",
        "method": "",
    }
    if found is None:
        return section
    try:
        section |= {"filters": _filters(contents, found), "examples": _examples(found)}
    except MissingPackageError as error:
        section["notice"] = str(error)
    if len(found.filters):
        section |= {
            "tested": count(found.filters["tested"].iloc[0]),
            "database": count(found.filters["database"].iloc[0]),
        }
    if len(found.examples):
        section["fold"] = str(int(found.examples["fold"].iloc[0]) + 1)
        section["method"] = str(found.examples["method"].iloc[0])
    return section


def _filters(contents: ReportContents, found: SequenceSummary) -> list[dict[str, Any]]:
    """Return one row a filter, in the order of the ranking, then those that are no motif."""
    labels = contents.blueprint.nodes.set_index("id")["label"]
    motifs = contents.blueprint.motif_matrices()
    rows = []
    for name, patterns in found.patterns.groupby("filter", sort=False):
        forms = {str(form): table[_LETTERS].to_numpy() for form, table in patterns.groupby("form", sort=False)}
        rows_of = found.filters[found.filters["filter"] == name]
        matches = rows_of[rows_of["motif"] != ""]
        label = str(labels.get(name, name))
        row: dict[str, Any] = {
            "id": name,
            "label": label,
            "page": page_of(str(name)),
            "start": _logo(forms.get("start"), f"{label} as in the database"),
            "learned": _logo(forms.get("learned"), f"{label} as learned"),
            "sites": _logo(forms.get("sites"), f"sites of {label}"),
            "counted": _counted(rows_of.iloc[0]) if len(rows_of) else "",
            "kept": fixed(rows_of["kept"].iloc[0], 3) if len(rows_of) else UNKNOWN,
            "match": None,
        }
        if len(matches):
            best = matches.sort_values("rank").iloc[0]
            own = matches[matches["own"]]
            turned = best["orientation"] == "-"
            row |= {
                "match": {
                    "label": best["label"] or best["motif"],
                    "id": best["motif"],
                    "page": page_of(str(best["motif"])),
                    "p": probability(best["p"]),
                    "q": probability(best["q"]),
                    "passes": bool(best["q"] < ALPHA),
                    "overlap": count(best["overlap"]),
                    "orientation": {"+": "same strand", "-": "other strand"}[str(best["orientation"])],
                    "logo": _logo(motifs.get(str(best["motif"])), f"{best['label']} of the database", turned=turned),
                    "own": f"its own motif: rank {int(own['rank'].iloc[0])}" if len(own) else "",
                },
            }
        rows.append(row)
    return rows


def _counted(row: pd.Series[Any]) -> str:
    return f"{plural(int(row['sites']), 'site')} in {plural(int(row['sequences']), 'sequence')}"


def _logo(values: NDArray[Any] | None, title: str, *, turned: bool = False) -> Markup | str:
    return "" if values is None else motif_logo(values, title, cell=9, height=42, turned=turned)


def _examples(found: SequenceSummary) -> list[dict[str, Any]]:
    rows = []
    by_example = dict(iter(found.letters.groupby("example")))
    for row in found.examples.to_dict("records"):
        letters: pd.DataFrame = by_example[row["example"]].sort_values("position")
        codes = letters["code"].to_numpy(dtype=np.uint8)
        heights = letters["attribution"].to_numpy(dtype=float)
        start = _window(heights)
        shown = slice(start, start + _MOST_LETTERS)
        place = f"{row['chrom']}:{row['start']:,}-{row['end']:,}" if row["chrom"] else ""
        first, last = int(row["first"]) + start, int(row["first"]) + min(start + _MOST_LETTERS, len(codes)) - 1
        rows.append(
            {
                "name": row["name"],
                "place": "" if place.replace(",", "") == str(row["name"]) else place,
                "output": row["output"],
                "target": row["target"],
                "prediction": fixed(row["prediction"], 2),
                "span": f"letters {first} to {last} of {len(codes)}",
                "logo": attribution_logo(
                    codes[shown], heights[shown], f"attributions to {row['output']} of {row['name']}", first=first
                ),
            }
        )
    return rows


def _window(heights: NDArray[np.float64]) -> int:
    """Return where the window begins that holds most of the attribution."""
    if len(heights) <= _MOST_LETTERS:
        return 0
    total = np.concatenate([[0.0], np.cumsum(np.abs(heights))])
    return int((total[_MOST_LETTERS:] - total[:-_MOST_LETTERS]).argmax())
