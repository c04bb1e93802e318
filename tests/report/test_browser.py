"""The page in a real browser without a network: it asks for nothing, draws everything and answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kgreg.report import ReportContents, write_report
from kgreg.report.hierarchy_view import spread
from tests.chromium import launched, needs_chromium
from tests.report.contents import HOSTILE, contents

pytestmark = [pytest.mark.browser, needs_chromium]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as chromium:
        yield chromium


class Visit:
    """An open report, with what the browser asked for and complained about."""

    def __init__(self, browser: Any, made: ReportContents, folder: Path, **options: Any) -> None:
        path = write_report(made, folder / "report.html")
        self.context = browser.new_context(offline=True, **{"viewport": {"width": 1280, "height": 900}, **options})
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-ready]")
        self.page.wait_for_timeout(50)
        self.own = path.as_uri()

    def select(self, selector: str, index: int) -> None:
        self.page.select_option(selector, str(index))
        self.page.wait_for_timeout(150)

    def check_quiet(self) -> None:
        outside = [url for url in self.requests if url != self.own and not url.startswith(("data:", "blob:"))]
        assert not outside
        assert not self.complaints


@pytest.fixture
def visit(browser: Any, tmp_path: Path) -> Iterator[Any]:
    opened: list[Visit] = []

    def open_report(made: ReportContents, **options: Any) -> Visit:
        opened.append(Visit(browser, made, tmp_path, **options))
        return opened[-1]

    yield open_report
    for one in opened:
        one.context.close()


def test_asks_for_nothing_and_draws_all_that_is_seen(visit: Any) -> None:
    report = visit(contents())
    page = report.page
    visible = page.locator(".plot:visible")
    assert visible.count() >= 7
    for i in range(visible.count()):
        assert visible.nth(i).get_attribute("data-drawn") == "light"
        assert visible.nth(i).locator("svg.main-svg").first.bounding_box()["width"] > 200
    assert page.locator('.plot[data-figure="hierarchy"] .slice').count() == 8
    for summary in page.locator("summary:visible").all():
        summary.click()
    page.wait_for_timeout(200)
    assert page.locator('.plot[data-figure="metric-auroc"][data-drawn]').count() == 1
    assert page.locator('[data-title*="hare"]').count() == 0  # no button that hands the data to a server
    report.check_quiet()


def test_choosing_an_output_changes_tables_and_picture_together(visit: Any) -> None:
    report = visit(contents())
    page = report.page
    rows = "#subsystems [data-panel]:visible tbody tr"
    before = page.locator(rows).all_inner_texts()
    colour = page.evaluate("document.querySelector('[data-figure=hierarchy]').data[0].marker.colors[1]")
    report.select("#choose-terms", 2)
    assert page.locator(rows).all_inner_texts() != before
    assert page.input_value("#choose-genes") == page.input_value("#choose-hierarchy") == "2"
    assert page.locator("#genes [data-panel]:visible caption").inner_text().startswith("Top 12 of 12 for T cell")
    assert page.evaluate("document.querySelector('[data-figure=hierarchy]').data[0].marker.colors[1]") != colour
    report.check_quiet()


def test_knockouts_groups_and_shapes(visit: Any) -> None:
    report = visit(contents())
    page = report.page
    report.select("#choose-knockout", 1)
    assert page.locator('.plot[data-figure="knockout-1-0"]').get_attribute("data-drawn")
    report.select("#choose-group-1", 3)
    assert page.locator('.plot[data-figure="knockout-1-3"]').get_attribute("data-drawn")
    assert not page.locator('.plot[data-figure="knockout-1-0"]').is_visible()
    for shape in ("icicle", "sunburst", "treemap"):
        page.select_option("#choose-shape", shape)
        page.wait_for_timeout(150)
        assert page.locator('.plot[data-figure="hierarchy"] .slice').count() >= 4
    report.check_quiet()


def test_search_finds_terms_and_the_terms_of_a_gene(visit: Any) -> None:
    made = contents()
    report = visit(made)
    page = report.page
    page.fill("#search", "process 5")
    results = page.locator("#search-results tbody tr")
    assert results.count() == 1
    assert results.locator("a").get_attribute("href") == "https://www.ebi.ac.uk/QuickGO/term/GO:0000005"
    parent = spread(made.blueprint).set_index("id").loc["GO:0000005", "parent"]
    results.get_by_role("button").click()
    page.wait_for_timeout(300)
    assert page.evaluate("document.querySelector('[data-figure=hierarchy]')._fullData[0].level") == parent
    page.fill("#search", "SYM0")
    page.locator("#search-results").get_by_role("button", name="its 2 terms").click()
    assert results.count() == 2
    page.fill("#search", "no such thing")
    assert page.locator("#search-count").inner_text() == "Nothing found."
    report.check_quiet()


def test_hostile_names_do_not_run(visit: Any) -> None:
    report = visit(contents(label=HOSTILE, classes=(HOSTILE, "T"), knockouts=(HOSTILE,)))
    page = report.page
    report.select("#choose-terms", 1)
    page.fill("#search", "script")
    assert page.locator("#search-results tbody tr").count() == 7
    page.locator('.plot[data-figure="hierarchy"] .slice').nth(3).hover(force=True)
    page.wait_for_timeout(200)
    assert page.evaluate("window.hacked === undefined")
    assert page.locator("img").count() == 0
    report.check_quiet()


@pytest.mark.parametrize("made", [contents(task="regression"), contents(nulls=[], knockouts=[])])
def test_other_shapes_of_results(visit: Any, made: ReportContents) -> None:
    report = visit(made)
    assert report.page.locator(".plot:visible:not([data-drawn])").count() == 0
    report.check_quiet()


def test_narrow_and_dark(visit: Any) -> None:
    report = visit(contents(), viewport={"width": 400, "height": 800}, color_scheme="dark")
    page = report.page
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.locator('.plot[data-drawn="dark"]').count() >= 7
    page.emulate_media(color_scheme="light")
    page.wait_for_timeout(400)
    assert page.locator('.plot[data-drawn="dark"]:visible').count() == 0
    report.check_quiet()
