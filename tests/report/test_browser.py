"""The page in a real browser without a network: it asks for nothing, draws everything and answers."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from kgreg.report import ReportContents, write_report
from kgreg.report.hierarchy_view import spread
from tests.chromium import launched, needs_chromium
from tests.report.contents import HOSTILE, contents, decoded

pytestmark = [pytest.mark.browser, needs_chromium]

#: What axe-core is asked for: the guidelines (WCAG 2.1, A and AA), and its own best practices.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]


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
        self.own = path.as_uri()

    def settle(self) -> None:
        """Wait until the address has been followed and every figure that is seen is drawn."""
        self.page.wait_for_timeout(60)
        self.page.wait_for_function(
            "Array.from(document.querySelectorAll('.plot'))"
            ".every(p => p.offsetParent === null || p.dataset.drawn !== undefined)"
        )

    def select(self, selector: str, index: int) -> None:
        self.page.select_option(selector, str(index))
        self.settle()

    def open(self, node: str) -> Any:
        """Go to the address of a node and return its panel."""
        self.page.evaluate("id => { location.hash = '#node=' + encodeURIComponent(id); }", node)
        self.settle()
        return self.page.locator("dialog#node")

    def check_quiet(self) -> None:
        outside = [url for url in self.requests if url != self.own and not url.startswith(("data:", "blob:"))]
        assert not outside
        assert not self.complaints

    def check_accessible(self) -> None:
        if self.page.evaluate("typeof axe === 'undefined'"):
            self.page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
        # what plotly draws has a name of its own and a table beside it; thousands of shapes need no look each
        asked = "rules => axe.run({ exclude: ['.main-svg'] }, { runOnly: rules, resultTypes: ['violations'] })"
        found = self.page.evaluate(asked, RULES)["violations"]
        assert not [(fault["id"], [node["html"][:120] for node in fault["nodes"][:3]]) for fault in found]


@pytest.fixture(scope="module")
def made() -> ReportContents:
    return decoded(contents())


@pytest.fixture(scope="module")
def full(browser: Any, made: ReportContents, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visit]:
    visit = Visit(browser, made, tmp_path_factory.mktemp("full"))
    yield visit
    visit.context.close()


@pytest.fixture
def report(full: Visit) -> Iterator[Visit]:
    """The full report, as if just opened; complaints are looked at after every test."""
    full.page.evaluate("history.replaceState(null, '', location.href.split('#')[0])")
    full.page.evaluate("document.querySelectorAll('dialog[open]').forEach(d => d.close())")
    full.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = false; })")
    full.select("#choose-hierarchy", 0)
    yield full
    full.check_quiet()


@pytest.fixture
def visit(browser: Any, tmp_path: Path) -> Iterator[Any]:
    opened: list[Visit] = []

    def open_report(made: ReportContents, **options: Any) -> Visit:
        opened.append(Visit(browser, made, tmp_path, **options))
        return opened[-1]

    yield open_report
    for one in opened:
        one.context.close()


def test_draws_all_that_is_seen(report: Visit) -> None:
    page = report.page
    for summary in page.locator("summary:visible").all():
        summary.click()
    report.settle()
    visible = page.locator(".plot:visible")
    drawn = {visible.nth(i).get_attribute("data-figure") for i in range(visible.count())}
    assert {
        "metric-auroc", "hierarchy", "dots-term-0", "links-0", "sankey-0", "ranks-term-0", "agreement", "null-top",
        "null-all", "degree", "methods", "training", "volcano-0", "epistasis-0", "knockouts",
    } <= drawn  # fmt: skip
    for i in range(visible.count()):
        assert visible.nth(i).get_attribute("data-drawn") == "light"
        assert visible.nth(i).locator("svg.main-svg").first.bounding_box()["width"] > 200
    assert page.locator('.plot[data-figure="hierarchy"] .slice').count() == 8
    assert page.locator('[data-title*="hare"]').count() == 0  # no button that hands the data to a server


def test_is_accessible_in_light_and_dark_and_on_a_phone(report: Visit) -> None:
    page = report.page
    for summary in page.locator("summary:visible").all():
        summary.click()
    report.settle()
    report.check_accessible()
    report.open("GO:0000005")
    try:
        page.emulate_media(color_scheme="dark")
        page.set_viewport_size({"width": 420, "height": 800})
        page.wait_for_function("document.querySelector('dialog .plot').dataset.drawn === 'dark'")
        page.wait_for_function("document.querySelector('dialog').scrollWidth <= 420")
        report.check_accessible()
        page.keyboard.press("Escape")
        report.check_accessible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 420
        assert page.locator('.plot[data-drawn="light"]:visible').count() == 0
    finally:
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 1280, "height": 900})


def test_choosing_an_output_changes_tables_and_pictures_together(report: Visit) -> None:
    page = report.page
    rows = "#subsystems [data-panel]:visible table.ranking > tbody > tr"
    before = page.locator(rows).all_inner_texts()
    colour = page.evaluate("document.querySelector('[data-figure=hierarchy]').data[0].marker.colors[1]")
    report.select("#choose-terms", 2)
    assert page.locator(rows).all_inner_texts() != before
    assert page.input_value("#choose-genes") == page.input_value("#choose-hierarchy") == "2"
    assert page.locator("#genes [data-panel]:visible caption").inner_text().startswith("Top 12 of 12 for T cell")
    assert page.evaluate("document.querySelector('[data-figure=hierarchy]').data[0].marker.colors[1]") != colour
    assert page.locator('[data-figure="sankey-2"][data-drawn]').is_visible()
    assert not page.locator('[data-figure="sankey-0"]').is_visible()


def test_knockouts_groups_and_shapes(report: Visit) -> None:
    page = report.page
    report.select("#choose-knockout", 1)
    assert page.locator('.plot[data-figure="knockout-1-0"]').get_attribute("data-drawn")
    report.select("#choose-group-1", 3)
    assert page.locator('.plot[data-figure="knockout-1-3"]').get_attribute("data-drawn")
    assert not page.locator('.plot[data-figure="knockout-1-0"]').is_visible()
    report.select("#choose-sweep", 1)
    assert page.locator('.plot[data-figure="volcano-1"][data-drawn]').is_visible()
    for shape in ("icicle", "sunburst", "treemap"):
        page.select_option("#choose-shape", shape)
        report.settle()
        assert page.locator('.plot[data-figure="hierarchy"] .slice').count() >= 4


def test_a_subsystem_shows_all_that_is_known_of_it(report: Visit, made: ReportContents) -> None:
    panel = report.open("GO:0000002")
    text = panel.inner_text()
    row = made.ranking.set_index(["node", "output"]).loc[("GO:0000002", "all")]
    assert f"Rank {row['rank']} of 7 subsystems for all classes together." in text
    assert "among the best with a probability of 80 %; 95 % of the draws rank it between 1 and 5" in text
    for part in ("process 1", "process 4", "process 5", "SYM0", "From GO.", "CD79A"):
        assert part in text, part
    assert panel.locator('.plot[data-figure="node-null"][data-drawn]').is_visible()
    drawn = report.page.evaluate("document.querySelector('[data-figure=node-null]').data.map(t => t.x.length)")
    assert drawn == [2, 1]  # two draws of the null, one real
    groups = report.page.evaluate("document.querySelector('[data-figure=node-activity]').data[0].y.length")
    assert groups == 4
    report.page.select_option("#choose-node", "1")
    report.settle()
    assert "for B cell." in panel.inner_text()


def test_a_gene_shows_what_its_loss_does(report: Visit, made: ReportContents) -> None:
    text = report.open("G00").inner_text()
    assert "What if it is knocked out?" in text
    sweep = made.tables["sweep"]
    row = sweep[(sweep["node"] == "G00") & (sweep["group"] == "all")].iloc[0]
    assert f"{row['target']}\t{'+' if row['delta'] > 0 else '−'}{abs(row['delta']):.3f}" in text
    assert "Subsystems that read it" in text


def test_addresses_the_back_button_and_the_keyboard(report: Visit) -> None:
    page, panel = report.page, report.page.locator("dialog#node")
    link = page.locator("#subsystems th a").first
    link.focus()
    page.keyboard.press("Enter")
    report.settle()
    first = page.locator("#node-name").inner_text()
    assert panel.is_visible()
    assert page.evaluate("document.activeElement.id") == "node-name"
    panel.locator("svg.links a:not(.own)").first.focus()
    page.keyboard.press("Enter")
    report.settle()
    second = page.locator("#node-name").inner_text()
    assert second != first
    page.go_back()
    report.settle()
    assert page.locator("#node-name").inner_text() == first
    page.keyboard.press("Escape")
    report.settle()
    assert not panel.is_visible()
    assert "#" not in page.url
    page.go_back()
    report.settle()
    assert panel.is_visible(), "an address that was kept is shown again"
    page.evaluate("location.hash = '#node=no%20such'")
    report.settle()
    assert not panel.is_visible()


def test_figures_open_what_is_clicked(report: Visit) -> None:
    page = report.page

    def click(figure: str, point: str) -> None:
        page.evaluate(f"document.querySelector('[data-figure={figure}]').emit('plotly_click', {{points: [{point}]}})")
        report.settle()

    click("hierarchy", "{id: 'GO:0000002'}")
    assert page.locator("#chosen").inner_text().startswith("Chosen: process 2, rank")
    assert not page.locator("dialog#node").is_visible(), "it zooms, and the line links to the panel"
    click("hierarchy", "{id: 'GO:0000007'}")
    assert page.locator("#node-name").inner_text() == "process 7", "there is nothing to zoom into"
    click("sankey-0", "{customdata: 'G01'}")
    assert page.locator("#node-name").inner_text() == "SYM1"
    click("volcano-0", "{id: 'G02'}")
    assert page.locator("#node-name").inner_text() == "SYM2"


def test_search_finds_terms_and_the_terms_of_a_gene(report: Visit, made: ReportContents) -> None:
    page = report.page
    page.fill("#search", "process 5")
    results = page.locator("#search-results tbody tr")
    assert results.count() == 1
    assert results.locator(".id a").get_attribute("href") == "https://www.ebi.ac.uk/QuickGO/term/GO:0000005"
    parent = spread(made.blueprint).set_index("id").loc["GO:0000005", "parent"]
    results.get_by_role("button").click()
    page.wait_for_timeout(300)
    assert page.evaluate("document.querySelector('[data-figure=hierarchy]')._fullData[0].level") == parent
    page.fill("#search", "SYM0")
    page.locator("#search-results").get_by_role("button", name="its 2 terms").click()
    assert results.count() == 2
    page.fill("#search", "no such thing")
    assert page.locator("#search-count").inner_text() == "Nothing found."


def test_tables_and_texts_can_be_taken(report: Visit, made: ReportContents, tmp_path: Path) -> None:
    page = report.page
    with page.expect_download() as download:
        page.get_by_role("button", name="ranking.csv").press("Enter")
    download.value.save_as(tmp_path / "ranking.csv")
    with (tmp_path / "ranking.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(made.ranking)
    assert [row["node"] for row in rows] == list(made.ranking["node"])
    assert [float(row["score"]) for row in rows] == pytest.approx(made.ranking["score"].tolist(), rel=1e-4)
    button = page.locator('button[data-copy="methods-text"]')
    button.click()
    page.wait_for_timeout(100)
    assert button.locator("xpath=following-sibling::span").inner_text().startswith(("Copied", "Selected"))


def test_prints_without_what_only_a_screen_can_do(report: Visit) -> None:
    page = report.page
    page.emulate_media(media="print")
    try:
        assert not page.locator("nav.contents").is_visible()
        assert not page.locator("button[data-table]").first.is_visible()
        assert len(page.pdf(format="A4")) > 20_000
    finally:
        page.emulate_media(media="screen")


def test_hostile_names_do_not_run(visit: Any) -> None:
    made = decoded(contents(label=HOSTILE, classes=(HOSTILE, "T"), knockouts=(HOSTILE,)))
    report = visit(made)
    page = report.page
    report.select("#choose-terms", 1)
    page.fill("#search", "script")
    assert page.locator("#search-results tbody tr").count() == 7
    page.locator('.plot[data-figure="hierarchy"] .slice').nth(3).hover(force=True)
    assert HOSTILE in report.open("GO:0000005").inner_text()
    page.locator('.plot[data-figure="node-activity"] .point').first.hover(force=True)
    report.open("G00")
    page.wait_for_timeout(100)
    assert page.evaluate("window.hacked === undefined")
    assert page.locator("img").count() == 0
    report.check_quiet()


@pytest.mark.parametrize("made", [decoded(contents(task="regression")), contents(nulls=[], knockouts=[])])
def test_other_shapes_of_results(visit: Any, made: ReportContents) -> None:
    report = visit(made)
    assert report.page.locator(".plot:visible:not([data-drawn])").count() == 0
    assert report.open("GO:0000005").is_visible()
    report.check_quiet()
