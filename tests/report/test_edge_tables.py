"""The table of interactions in the report."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from kgreg.decode.edges import EDGE_SCORE_COLUMNS
from kgreg.report.edge_tables import edge_panels
from kgreg.report.page import render_report
from tests.report.contents import CLASSES, HOSTILE, contents


def edges(label: str = "", n: int = 30) -> pd.DataFrame:
    rows = [
        (f"NCBIGene:{i}", f"g{i}", f"A{i}{label}", f"B{i}", "x", 1.0, output, 3 - i / 10, 1.0, 4.0, 5, 7, 0.4,
         9.0 - i, 0.01, 0.02 if i < 3 else 0.4, i + 1)
        for output in [*CLASSES, "all"]
        for i in range(n)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(EDGE_SCORE_COLUMNS))


def test_the_best_interactions_of_every_output_are_listed() -> None:
    panels = edge_panels(replace(contents(), edges=edges()))
    assert [panel["option"] for panel in panels] == ["all classes together", *CLASSES]
    first = panels[0]
    assert (len(first["rows"]), first["total"]) == (20, 30)
    assert [row["rank"] for row in first["rows"]] == list(range(1, 21))
    assert first["rows"][0]["source_page"].endswith("/gene/0")
    assert [row["passes"] for row in first["rows"][:4]] == [True, True, True, False]
    page = render_report(replace(contents(), edges=edges()))
    assert 'href="#interactions"' in page
    assert "Top 20 of 30 for B cell" in page


def test_without_attention_there_is_no_such_section() -> None:
    assert edge_panels(contents()) == []
    assert 'id="interactions"' not in render_report(contents())


def test_names_are_text_and_unknown_intervals_are_shown_as_such() -> None:
    table = edges(HOSTILE, 3).assign(low=np.nan, high=np.nan, z_labels=np.nan, p_labels=np.nan, q_labels=np.nan)
    page = render_report(replace(contents(), edges=table))
    assert "<script>window.hacked" not in page
    assert "&lt;script&gt;window.hacked" in page
    assert not any(row["passes"] for panel in edge_panels(replace(contents(), edges=table)) for row in panel["rows"])
