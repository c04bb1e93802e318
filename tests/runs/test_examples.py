"""The examples do what they say, from the store and FASTA files to the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgreg.data.sequence.fasta import read_fasta
from kgreg.data.simulate.grammar import simulate_grammar
from kgreg.experiment import read_experiment
from kgreg.runs import Run, run_experiment
from tests.chromium import launched, needs_chromium

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, knowledge_store_path: Path) -> Run:
    """The example with fewer folds and draws, so that it takes seconds."""
    asked = read_experiment(EXAMPLES / "motif_conv.toml").replace("knowledge", store=str(knowledge_store_path))
    asked = asked.replace("training", folds=2).replace("nulls", rewired=2, labels=0)
    return run_experiment(asked, output=tmp_path_factory.mktemp("example") / "run", workers=1)


def test_planted_factors_lead(finished: Run) -> None:
    ranking = finished.explanation.ranking
    planted = ranking[ranking["output"] == "planted"].sort_values("rank").groupby("kind")["label"].agg(list)
    assert set(planted["tf"][:3]) == {"CTCF", "POU5F1", "SOX2"}
    assert set(planted["motif"][:2]) == {"CTCF", "Pou5f1::Sox2"}
    assert "POU domain factors" in planted["family"][:3]


def test_the_motifs_helped_and_the_report_says_so(finished: Run) -> None:
    assert finished.metrics["verdict"].endswith("The knowledge helped prediction.")
    page = finished.report.read_text(encoding="utf-8")
    assert "permuted motifs" in page
    assert "rewired graph" not in page
    assert page.count('<svg class="logo"') > 10
    assert "CTCF" in page


@needs_chromium
def test_the_report_works_in_a_browser_and_asks_for_nothing(finished: Run) -> None:
    said: list[str] = []
    with launched() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url) if request.url.startswith("http") else None)
        page.goto(finished.report.as_uri())
        assert page.locator('.plot[data-figure="comparisons"] svg.main-svg').count() >= 1
        first = "#motifs [data-panel]:visible tbody tr"
        before = page.locator(first).all_inner_texts()
        page.select_option("#choose-motifs", "2")
        assert page.locator(first).all_inner_texts() != before
        assert page.locator("#motifs svg.logo").count() > 10
        assert page.locator("nav a").all_inner_texts() == [
            "Verdict", "Prediction", "Motifs", "Search", "How sure", "Data", "Network", "How to read it",
            "Text and tables", "Provenance",
        ]  # fmt: skip
        page.set_viewport_size({"width": 420, "height": 900})
        page.wait_for_timeout(500)  # the figures are drawn again
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert said == []


def test_the_sequences_are_those_that_the_page_says() -> None:
    simulated = simulate_grammar(n_samples=300, first="MA0139.2", second="MA0142.1", spacing=8, seed=0)
    for name, text in simulated.files.items():
        file = EXAMPLES / "motif_conv" / name
        assert file.read_text() == text
        assert len(list(read_fasta(file))) == 150
