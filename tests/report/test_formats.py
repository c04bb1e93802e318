"""Markdown, JSON and Excel: what they hold, and that nothing from data is taken for markup or a formula."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from kgreg.errors import OutputError
from kgreg.report.formats import FORMATS, render_json, render_markdown, render_workbook, write_format
from kgreg.report.formats import workbook as workbook_format
from kgreg.report.formats.markdown import escape
from kgreg.report.formats.records import table_record
from tests.report.contents import HOSTILE, contents

MARKDOWN = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable("table").enable("strikethrough")
TRAPS = [
    HOSTILE,
    "=HYPERLINK('http://x.org')",
    "+1",
    "-1",
    "@SUM(A1)",
    "| a | b |",
    "[x](http://x.org)",
    "# no heading",
]


def inline(text: str) -> tuple[set[str], str]:
    """Return the kinds of tokens and the plain text of rendered Markdown."""
    kinds: set[str] = set()
    words: list[str] = []
    for token in MARKDOWN.parse(text):
        kinds.add(token.type)
        for child in token.children or []:
            kinds.add(child.type)
            words.append(child.content)
    return kinds, "".join(words)


# ---- Markdown --------------------------------------------------------------------------------------------------------


@given(st.text(alphabet=st.one_of(st.sampled_from("*_`[]()<>&|\\#+-=~!$1. :/@\n"), st.characters())))
def test_escaped_text_is_shown_as_it_is(text: str) -> None:
    kinds, shown = inline(escape(text))
    assert kinds <= {"paragraph_open", "inline", "paragraph_close", "text", "text_special"}
    assert shown == "".join(letter for letter in " ".join(text.split()) if letter.isprintable())


@pytest.mark.parametrize("task", ["classification", "regression", "multilabel", "survival"])
def test_markdown_holds_verdict_tables_methods_and_references(task: str) -> None:
    made = contents(task=task)
    text = render_markdown(made)
    for head in ("# A small experiment", "## Predictions", "## Subsystems", "## Genes", "## Knockouts", "## Methods",
                 "## References", "## Run"):  # fmt: skip
        assert f"\n{head}" in f"\n{text}"
    assert "The knowledge did not measurably help prediction." in text
    assert made.blueprint.content_hash() in text
    assert "nan" not in text.lower().split()
    best = made.ranking[(made.ranking["kind"] == "term") & (made.ranking["output"] == "all")].nsmallest(1, "rank")
    assert f"| 1 | {best['label'].iloc[0]} | {best['node'].iloc[0]} |" in text


@pytest.mark.parametrize("trap", TRAPS)
def test_markdown_takes_nothing_from_data_for_markup(trap: str) -> None:
    expected, _ = inline(render_markdown(contents()))
    kinds, shown = inline(render_markdown(contents(label=trap)))
    assert kinds - {"text_special"} <= expected
    assert " ".join(trap.split()) in shown


def test_markdown_says_that_one_network_has_no_interval() -> None:
    made = contents(nulls=())
    one = replace(made, ranking=made.ranking.assign(n=1, low=np.nan, high=np.nan))
    text = render_markdown(one)
    assert "no intervals, which one network cannot give" in text
    assert "as there is no null" in text


def test_markdown_shows_enrichment_and_what_surely_is_at_the_top() -> None:
    made = contents()
    sets = pd.DataFrame(
        {"output": "all", "collection": "GO", "set": "GO:0006955", "label": "immune response", "method": "rank",
         "genes_in_set": 9, "overlap": 4, "p": [0.001], "q": [0.02]}
    )  # fmt: skip
    text = render_markdown(
        replace(made, tables={"enrichment": sets}, ranking=made.ranking.assign(top_probability=0.87))
    )
    assert "| immune response | GO:0006955 | all | rank | 4 of 9 | 0.0010 | 0.020 |" in text
    assert "Not compared with null networks" in text
    assert "P(top)" in text
    assert "87 %" in text


def test_markdown_tells_knockouts_in_sentences() -> None:
    made = contents()
    told = made.knockouts.assign(dose=0.0, how="silent", unit="probability", p=0.01, q=0.02, n_null=99)
    text = render_markdown(replace(made, knockouts=told))
    assert "- Silencing CD79A and CD79B together" in text
    assert "| p | q |" in text.replace(" ---: ", "")


# ---- JSON ------------------------------------------------------------------------------------------------------------


def _no_constant(name: str) -> Any:
    raise AssertionError(f"{name} is no JSON")


@pytest.mark.parametrize("task", ["classification", "survival"])
def test_json_is_strict_and_follows_its_schema(task: str) -> None:
    made = replace(contents(task=task, label=HOSTILE), tables={"extra": pd.DataFrame({"x": [1.5, np.nan]})})
    record = json.loads(render_json(made), parse_constant=_no_constant)
    schema = json.loads((resources.files("kgreg.report.formats") / "report.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(record, schema)
    assert record["tables"]["extra"] == {"columns": ["x"], "data": [[1.5], [None]]}
    assert record["title"] == made.title


def test_tables_come_back_from_json() -> None:
    made = contents()
    record = json.loads(render_json(made))
    again = pd.DataFrame(**record["tables"]["ranking"])
    pd.testing.assert_frame_equal(again, made.ranking, check_dtype=False)


def test_values_without_a_word_in_json_are_null() -> None:
    table = pd.DataFrame(
        {"a": [np.inf, 1.0], "b": pd.array([1, pd.NA], dtype="Int64"), "c": [np.datetime64("NaT")] * 2}
    )
    assert table_record(table)["data"] == [[None, 1, None], [1.0, None, None]]


# ---- Excel -----------------------------------------------------------------------------------------------------------


def _words(cell: Any) -> str:
    return cell.value if isinstance(cell.value, str) else ""


def _read(data: bytes) -> Any:
    return openpyxl.load_workbook(BytesIO(data))


def test_a_sheet_a_table_with_all_rows() -> None:
    made = contents()
    book = _read(render_workbook(made))
    assert {"summary", "metrics", "ranking term", "ranking gene", "knockouts", "predictions", "nodes"} <= set(
        book.sheetnames
    )
    assert book["knockouts"].max_row == len(made.knockouts) + 1
    head = [cell.value for cell in book["knockouts"][1]]
    delta = [row[head.index("delta")].value for row in book["knockouts"].iter_rows(min_row=2)]
    np.testing.assert_allclose(delta, made.knockouts["delta"])
    assert book["summary"]["B1"].value == made.title


@pytest.mark.parametrize("trap", TRAPS)
def test_text_from_data_is_no_formula_and_no_link(trap: str) -> None:
    made = contents(label=trap)
    book = _read(render_workbook(replace(made, tables={trap: pd.DataFrame({trap: [trap]})})))
    texts = [cell for sheet in book for row in sheet.iter_rows() for cell in row if trap in _words(cell)]
    assert texts
    assert {cell.data_type for cell in texts} == {"s"}
    assert all(cell.hyperlink is None for cell in texts)


def test_long_tables_texts_and_names_fit_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook_format._Writer.table, "__defaults__", (4,))
    tables = {"a name that is longer than a sheet may have": pd.DataFrame({"x": range(7), "y": ["é" * 40_000] * 7})}
    book = _read(render_workbook(replace(contents(), tables=tables)))
    parts = [sheet for sheet in book if sheet.title.startswith("a name")]
    assert [sheet.max_row - 1 for sheet in parts] == [3, 3, 1]
    assert [row[0].value for sheet in parts for row in sheet.iter_rows(min_row=2)] == list(range(7))
    assert all(len(sheet.title) <= 31 for sheet in book)
    assert len(parts[0]["B2"].value) == 32_767


def test_unknown_and_unusual_values_in_cells() -> None:
    table = pd.DataFrame({"x": [np.nan, np.inf, 0.5], "y": [None, "\x00a", True], "z": [pd.NA, 1, 2**60]})
    book = _read(render_workbook(replace(contents(), tables={"odd": table})))
    rows = [[cell.value for cell in row] for row in book["odd"].iter_rows(min_row=2)]
    assert rows == [[None, None, None], ["inf", "\ufffda", 1], [0.5, True, str(2**60)]]


def test_the_same_contents_give_the_same_bytes() -> None:
    for render in FORMATS.values():
        assert render(contents()) == render(contents())


# ---- files -----------------------------------------------------------------------------------------------------------


def test_files_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    for form in FORMATS:
        path = write_format(contents(), form, tmp_path / f"report.{form}")
        assert path.stat().st_size > 1000
    with pytest.raises(OutputError, match="cannot be written"):
        write_format(contents(), "md", tmp_path / "none" / "report.md")
    with pytest.raises(OutputError, match="no report in the format 'pdf'"):
        write_format(contents(), "pdf", tmp_path / "report.pdf")
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".html", ".json", ".md", ".xlsx"]
