"""The report as JSON, for programs: everything that the HTML shows, and the tables behind it.

The format is described in ``docs/reference/report-json.md`` and, for programs, in ``report.schema.json`` beside this
module. A change that readers would notice raises :data:`VERSION`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from kgreg.report import summary
from kgreg.report.contents import ReportContents
from kgreg.report.methods import citations, methods_paragraph

#: Name and version of the format.
SCHEMA, VERSION = "kgreg-report", 1

#: Tables with a row a node, output and network, which stay in the folder of the run.
LEFT_OUT = frozenset({"node_scores"})


def render_json(contents: ReportContents) -> str:
    """Return the report as strict JSON (UTF-8; a number that is not known is null)."""
    return json.dumps(report_record(contents), ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def report_record(contents: ReportContents) -> dict[str, Any]:
    """Return the report as JSON values."""
    verdict = summary.verdict(contents.metrics)
    blueprint = contents.blueprint
    tables = {
        "nodes": blueprint.nodes,
        "edges": blueprint.edges,
        "dropped": blueprint.dropped,
        "predictions": contents.predictions,
        "ranking": contents.ranking,
        "knockouts": contents.knockouts,
        "interactions": contents.edges,
        "controls": contents.controls,
        **{name: table for name, table in contents.tables.items() if name not in LEFT_OUT},
    }
    record = {
        "schema": SCHEMA,
        "version": VERSION,
        "title": contents.title,
        "asked": summary.asked(contents),
        "verdict": {"headline": verdict["headline"], "grounds": [text for _, text in verdict["grounds"]]},
        "methods": methods_paragraph(contents),
        "references": citations(contents),
        "experiment": contents.experiment,
        "run": contents.run,
        "data": contents.data,
        "matching": contents.matching,
        "network": {
            **blueprint.summary(),
            "sha256": blueprint.content_hash(),
            "provenance": blueprint.provenance,
        },
        "metrics": contents.metrics,
        "stability": contents.stability,
        "tables": {name: table_record(table) for name, table in tables.items() if len(table)},
    }
    return {key: _plain(value) for key, value in record.items()}


def table_record(table: pd.DataFrame) -> dict[str, Any]:
    """Return ``{"columns": [name, ...], "data": [[value, ...], ...]}``, what ``pandas.DataFrame(**record)`` reads."""
    columns = [_plain(table.iloc[:, i].tolist()) for i in range(table.shape[1])]
    return {"columns": [str(name) for name in table.columns], "data": [list(row) for row in zip(*columns, strict=True)]}


def _plain(value: Any) -> Any:
    """Return JSON values: null for what JSON has no word for."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, (str, int, bool)) else str(value)
