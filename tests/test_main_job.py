"""`kgreg demo` on the real cells: what it prints and leaves behind, and that README tells the truth about it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import kgreg
from kgreg.runs import Run, open_run
from tests.chromium import launched, needs_chromium

pytest.importorskip("scanpy", reason="the cells of the demo ship inside scanpy")

README = Path(__file__).parents[1] / "README.md"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, str]:
    """The finished run, from no store at all, and what was printed."""
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, "-m", "kgreg", "demo", "--output", str(folder / "run")],
        capture_output=True,
        text=True,
        env={**os.environ, "KGREG_STORE": str(folder / "knowledge.lbug"), "COLUMNS": "140", "NO_COLOR": "1"},
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    return open_run(folder / "run"), done.stdout


def test_the_network_is_that_of_the_cells_and_of_go(demo: tuple[Run, str]) -> None:
    blueprint = demo[0].blueprint
    assert demo[0].data["samples"] == 700
    assert len(demo[0].data["classes"]) == 10
    assert 650 <= len(blueprint.inputs) <= 765
    sizes = {term: len(genes) for term, genes in blueprint.gene_sets().items()}
    assert min(sizes.values()) >= 10
    assert max(sizes.values()) <= 300
    links = set(zip(blueprint.edges["source"], blueprint.edges["target"], strict=True))
    assert ("NCBIGene:973", "GO:0050853") in links, "CD79A is annotated to B cell receptor signaling"
    reasons = blueprint.dropped.groupby("step").size()
    assert set(reasons.index) >= {"empty", "min_genes", "max_genes", "redundancy", "genes"}


def test_accuracies_stand_side_by_side(demo: tuple[Run, str]) -> None:
    run, said = demo
    means = {arm["arm"]: arm["metrics"]["balanced_accuracy"]["mean"] for arm in run.metrics["arms"]}
    assert means["baseline"] == pytest.approx(0.67, abs=0.03)
    assert means["graph"] > 0.6
    assert means["rewired"] > 0.6
    assert means["labels"] < 0.15, "ten classes: chance is 0.1"
    for mean in means.values():
        assert f"{mean:.3f}" in said
    assert run.metrics["verdict"].split(" (")[0] in re.sub(r"\s+", " ", said)


def test_known_markers_lead_their_cell_types(demo: tuple[Run, str]) -> None:
    markers = {
        "CD8+ Cytotoxic T": {"NKG7", "CCL5", "GZMA"},
        "CD56+ NK": {"GZMB", "HOPX", "NKG7", "GNLY"},
        "CD14+ Monocyte": {"AIF1", "TYROBP", "FCN1", "LYZ"},
        "CD19+ B": {"CD74", "CD79A", "BLK", "ANXA1"},
    }
    for cell, genes in markers.items():
        top = set(demo[0].explanation.top("gene", cell, 20)["label"])
        assert len(top & genes) >= 2, f"{cell}: {top}"


def test_top_lists_and_knockouts_are_printed(demo: tuple[Run, str]) -> None:
    run, said = demo
    for cell in run.data["classes"]:
        assert cell in said
    for name in ("CD79A", "NKG7", "CD3 complex"):
        assert name in said
    assert str(run.report) in said.replace("\n", "")
    moved = run.knockouts[(run.knockouts["knockout"] == "CD79A") & (run.knockouts["kind"] == "term")]
    best = moved[moved["group"] == "all"].nlargest(10, "delta")["label"]
    assert best.str.contains("B cell").any()
    t_cells = run.knockouts.query("knockout == 'CD3 complex' and kind == 'term' and group == 'all'")
    assert t_cells.nlargest(5, "delta")["label"].str.contains("T cell").any()


@pytest.mark.browser
@needs_chromium
def test_the_report_opens_without_a_network(demo: tuple[Run, str]) -> None:
    complaints: list[str] = []
    with launched() as browser:
        context = browser.new_context(offline=True)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(demo[0].report.as_uri())
        page.wait_for_selector("html[data-ready]")
        text = page.inner_text("body")
        plots = page.locator(".js-plotly-plot").count()
    assert not complaints
    assert plots >= 3
    assert "did not measurably help" in text or "helped prediction" in text
    assert "CD56+ NK" in text


def _readme_block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found, f"README has no {language} block"
    return found[1]


def test_the_python_of_readme_does_the_same(
    demo: tuple[Run, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = demo[0]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KGREG_STORE", str(run.path.parent / "knowledge.lbug"))
    train = kgreg.cross_validate

    def take_the_trained(*arguments: Any, **options: Any) -> Any:
        # A model is only taken if blueprint, settings and seed are those it was trained with.
        return train(*arguments, **options, folder=run.path / "models")

    monkeypatch.setattr(kgreg, "cross_validate", take_the_trained)
    monkeypatch.setattr("kgreg.fit.parallel._fit", None)
    monkeypatch.setattr("kgreg.fit.parallel._one_by_one", lambda jobs, *_: (job for job in [1 / 0 for _ in jobs]))
    code = _readme_block("python")
    assert len([line for line in code.splitlines() if line.strip() and not line.startswith("#")]) <= 11
    names: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), names)
    pd.testing.assert_frame_equal(names["ranked"].ranking, run.explanation.ranking)
    pd.testing.assert_frame_equal(names["knockouts"], run.knockouts)
    assert (tmp_path / "report.html").stat().st_size > 1_000_000


def test_the_numbers_of_readme_come_from_a_run(demo: tuple[Run, str]) -> None:
    text = README.read_text(encoding="utf-8")
    for arm, words in (
        ("graph", "network on the graph"),
        ("baseline", "linear baseline"),
        ("rewired", "rewired graphs"),
    ):
        found = re.search(rf"{words}[^0-9\n]*(?:\(n = \d\))?[^0-9\n]*(0\.\d+) \[", text)
        assert found, f"README does not say how the {words} did"
        value = next(a for a in demo[0].metrics["arms"] if a["arm"] == arm)["metrics"]["balanced_accuracy"]["mean"]
        # Other processors round otherwise, and training magnifies it.
        assert float(found[1]) == pytest.approx(value, abs=0.02)


def test_its_json_is_strict(demo: tuple[Run, str]) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    files = list(demo[0].path.glob("*.json"))
    assert files
    for file in files:
        json.loads(file.read_text(encoding="utf-8"), parse_constant=refuse)
