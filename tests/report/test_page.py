"""The page says what was found in words, hides nothing, and is whole or not written."""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kgreg.errors import OutputError
from kgreg.report import render_report, summary, write_report
from kgreg.report.embed import packed_json, script_text
from kgreg.report.numbers import interval
from kgreg.report.tables import page_of
from tests.report.contents import CLASSES, HOSTILE, SEED, contents


def without_scripts(html: str) -> str:
    return re.sub(r"<script[^>]*>.*?</script>", "", html, flags=re.DOTALL)


def words(html: str) -> str:
    """Return the text that a reader sees."""
    body = re.sub(r"<style>.*?</style>", "", without_scripts(html), flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", body)))


def embedded(html: str, name: str) -> Any:
    found = re.search(rf'<script type="text/plain" id="{name}">(.*?)</script>', html, re.DOTALL)
    assert found
    return json.loads(gzip.decompress(base64.b64decode(found[1])))


@pytest.fixture(scope="module")
def html() -> str:
    return render_report(contents())


def test_the_verdict_is_there_word_for_word(html: str) -> None:
    text = words(html)
    for _, sentence in summary.verdict(contents().metrics)["grounds"]:
        assert sentence in text
    assert "The knowledge did not measurably help prediction." in text
    assert text.index("did not measurably help") < text.index("How well does it predict?")


def test_a_verdict_that_favours_the_knowledge_is_marked_so() -> None:
    metrics = dict(contents().metrics)
    metrics["comparisons"] = {"rewired": {"difference": 0.1, "low": 0.05, "high": 0.15, "n": 5, "p": 0.001}}
    metrics["verdict"] = "The network on the real graph predicts better (n = 5 folds). The knowledge helped prediction."
    verdict = summary.verdict(metrics)
    assert verdict["headline"] == "The knowledge helped prediction."
    assert (verdict["tone"], verdict["grounds"][0][0]) == ("good", "good")


def test_without_rewired_graphs_the_head_says_that_it_was_not_tested() -> None:
    text = words(render_report(contents(nulls=[])))
    assert "Whether the knowledge helped was not tested" in text
    assert "There is no null to compare with" in text
    assert "The chance level is not known" in text


def test_when_no_subsystem_passes_it_is_said_before_the_table(html: str) -> None:
    text = words(render_report(contents(significant=0)))
    assert "none of the 7 subsystems passes q < 0.05 against networks on rewired graphs" in text
    assert "1 of the 7 subsystems passes q < 0.05" in words(html)


def test_numbers_come_with_n_and_seed(html: str) -> None:
    text = words(html)
    assert f"n = 4 folds, seed {SEED}" in text
    assert f"n = 4 networks, seed {SEED}" in text
    assert "nan" not in re.findall(r"\b[Nn]a[Nn]\b", text)


def test_what_is_not_known_is_a_dash(html: str) -> None:
    row = re.search(r"Linear baseline.*?</tr>", html[html.index("All metrics") :], re.DOTALL)
    assert row
    assert "–" in row[0]
    assert "n = 3" in html  # AUROC of the graph network is known in three folds of four


def test_hostile_names_stay_text() -> None:
    html = render_report(contents(label=HOSTILE, classes=(HOSTILE, "T"), knockouts=(HOSTILE,)))
    assert len(re.findall(r"<script", html)) == html.count('<script type="text/plain" id="') + 1
    assert "<img" not in without_scripts(html)
    assert "window.hacked=1" in words(html)
    assert "javascript:alert" not in re.findall(r'href="([^"]*)"', html)
    assert any(HOSTILE in label for label in embedded(html, "explorer")["labels"])


def test_json_is_safe_inside_a_script_element() -> None:
    given = {"a": "</script><!--&\u2028", "b": float("nan"), "c": np.float64("inf"), 4: np.int64(3), "d": np.arange(2)}
    text = packed_json(given)
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", text)
    unpacked = json.loads(gzip.decompress(base64.b64decode(text)))
    assert unpacked == {"a": "</script><!--&\u2028", "b": None, "c": None, "4": 3, "d": [0, 1]}
    assert packed_json(given) == text  # the same bytes each time
    with pytest.raises(ValueError, match="ends or hides"):
        script_text("'</SCRIPT>'")


def test_regression_has_one_output_and_no_classes() -> None:
    html = render_report(contents(task="regression"))
    text = words(html)
    assert "Predicted and true values" in text
    assert "What is taken for what" not in text
    assert "Ridge regression" in text
    assert [output["name"] for output in embedded(html, "explorer")["outputs"]] == ["all samples"]


def test_sequences_have_a_length_and_what_was_mended_and_left_out_is_counted() -> None:
    made = contents()
    sequences = {"length": 200, "repairs": {"letters N": 12, "intervals named otherwise": 2}}
    data = {**made.data, "sequences": sequences, "left_out": {"records without a letter": 3}}
    text = words(render_report(replace(made, data=data)))
    assert "of 200 letters" in text
    assert "12 letters N; 2 intervals named otherwise" in text
    assert "left out 3 records without a letter" in text


def test_survival_is_drawn_with_its_concordance_and_events() -> None:
    html = render_report(contents(task="survival"))
    text = words(html)
    value = contents(task="survival").metrics["arms"][0]["metrics"]["concordance"]
    said = f"Concordance index {interval(value['mean'], value['low'], value['high'], 3)} (n = 4 folds, seed {SEED})"
    assert said in text
    assert "Survival by predicted risk" in text
    assert "41 of 60 samples, the others censored" in text
    assert "Cox regression with a ridge penalty" in text
    assert "survival" in embedded(html, "figures")
    assert "regression" not in embedded(html, "figures")
    assert [output["name"] for output in embedded(html, "explorer")["outputs"]] == ["all samples"]


def test_every_label_has_a_row_with_its_numbers() -> None:
    made = contents(task="multilabel")
    html = render_report(made)
    text = words(html)
    for entry in made.metrics["labels"]:
        value = entry["arms"]["graph"]["auroc"]
        assert f"{entry['label']} {interval(value['mean'], value['low'], value['high'], 3)}" in text
    assert "n = 3" in html, "the first label varies in three folds of four"
    assert [output["name"] for output in embedded(html, "explorer")["outputs"]] == ["all labels together", *CLASSES]
    assert "have it lack it unknown" in text
    assert "predict 3 labels in 60 samples" in text


@pytest.mark.parametrize("task", ["multilabel", "survival"])
def test_hostile_names_stay_text_in_other_tasks(task: str) -> None:
    names = (HOSTILE, "T") if task == "multilabel" else CLASSES
    html = render_report(contents(task=task, label=HOSTILE, classes=names, knockouts=(HOSTILE,)))
    assert len(re.findall(r"<script", html)) == html.count('<script type="text/plain" id="') + 1
    assert "<img" not in without_scripts(html)
    assert "<img" not in json.dumps(embedded(html, "figures"))


@pytest.mark.parametrize("knockouts", [pd.DataFrame(), contents().knockouts.iloc[:0]])
def test_empty_knockouts(knockouts: pd.DataFrame) -> None:
    assert "No knockout was asked for" in words(render_report(replace(contents(), knockouts=knockouts)))


def test_many_knockouts_are_capped_and_the_number_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kgreg.report.knockout_tables.MOST_KNOCKOUTS", 2)
    text = words(render_report(contents(knockouts=("one", "two", "three"))))
    assert "2 of 3 knockouts are shown one by one" in text


def test_long_lists_of_names_are_capped_and_the_number_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kgreg.report.inventory.MOST_NAMES", 5)
    made = contents()
    dropped = pd.DataFrame(
        [
            {"step": "empty", "kind": "term", "id": f"GO:{i}", "label": f"gone {i}", "reason": "no gene"}
            for i in range(9)
        ]
    )
    text = words(render_report(replace(made, blueprint=replace(made.blueprint, dropped=dropped))))
    assert "show 5 of 9 names" in text
    assert "blueprint/dropped.parquet" in text


def test_mean_of_the_null_is_drawn_where_the_ranking_has_it(html: str) -> None:
    made = contents()
    assert "Orange tick: mean of the null networks" not in words(html)
    assert "Orange tick: mean of the null networks" in words(
        render_report(replace(made, ranking=made.ranking.assign(null_mean=0.01)))
    )


def test_provenance_is_complete(html: str) -> None:
    text = words(html)
    made = contents()
    for part in (
        made.blueprint.content_hash(), "2022-07-01", "CC BY 4.0", "https://geneontology.org", "MATCH (t:Term)",
        '{"namespace": "biological_process"}', "torch 2.13.0", "1 min 15 s", "kgreg run", "ab" * 32, "[training]",
    ):  # fmt: skip
        assert part in text
    assert not re.search(r"""(src|href)=["'](?!#|https?://)""", without_scripts(html))


@pytest.mark.parametrize(
    ("identifier", "page"),
    [
        ("GO:0008150", "https://www.ebi.ac.uk/QuickGO/term/GO:0008150"),
        ("R-HSA-168256", "https://reactome.org/content/detail/R-HSA-168256"),
        ("GO:0008150<b>", ""),
        ("own term", ""),
    ],
)
def test_links(identifier: str, page: str) -> None:
    assert page_of(identifier) == page


def test_writing_replaces_and_leaves_nothing_aside(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    assert write_report(contents(), path) == path
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_a_failed_write_keeps_the_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kgreg.disk.os.replace", full)
    with pytest.raises(OutputError, match="No space left"):
        write_report(contents(), path)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("place", ["no such folder/report.html", "file/report.html", ""])
def test_an_unwritable_path_is_named_with_a_hint(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OutputError, match="cannot be written") as caught:
        write_report(contents(), tmp_path / place)
    assert caught.value.hint
