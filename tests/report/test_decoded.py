"""Figures, tables and sentences of what is read out of networks besides the ranking."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from kgreg.report import (
    agreement_plot,
    degree_plot,
    epistasis_map,
    forest_plot,
    method_plot,
    node_link_plot,
    null_histogram,
    null_plot,
    rank_plot,
    render_report,
    sankey_plot,
    training_plot,
    volcano_plot,
    write_report,
)
from kgreg.report import node_details as details
from kgreg.report.answers import answers
from kgreg.report.confidence import ONE_NETWORK, sureness
from kgreg.report.downloads import csv_text, download_tables
from kgreg.report.drawing import all_figures
from kgreg.report.explorer import explorer_data
from kgreg.report.ranked import alike, leads, null_draws
from tests.report.contents import HOSTILE, contents, decoded
from tests.report.test_page import embedded, words


@pytest.fixture(scope="module")
def made() -> object:
    return decoded(contents())


@pytest.fixture(scope="module")
def html(made) -> str:
    return render_report(made)


def test_every_figure_can_be_written_alone(made) -> None:
    ranking, tables, blueprint = made.ranking, made.tables, made.blueprint
    draws = null_draws(tables["node_scores"], "rewired")
    for figure in (
        rank_plot(ranking, "gene", "T cell"),
        agreement_plot(tables["agreement"]),
        null_plot(ranking, draws),
        null_histogram(ranking, draws),
        degree_plot(tables["degree"]),
        method_plot(ranking, tables["methods"]),
        training_plot(tables["training"]),
        training_plot(tables["training"].drop(columns=["stop_loss", "best"])),
        node_link_plot(blueprint, ranking, "B cell"),
        sankey_plot(blueprint, ranking, "B cell"),
        volcano_plot(tables["sweep"], "T cell"),
        epistasis_map(tables["epistasis"], "T cell"),
    ):
        assert isinstance(figure, go.Figure)
        assert "NaN" not in figure.to_json()


def test_markup_in_names_is_shown_and_not_read() -> None:
    made = decoded(contents(label=HOSTILE, classes=("<b>B</b>", "T")))
    for name, figure in all_figures(made).items():
        text = figure.to_json()
        assert "<script" not in text, name
        assert "<b>B" not in text, name


# ---- what a list shows -----------------------------------------------------------------------------------------------


def test_of_near_identical_subsystems_lists_show_the_best(made, html) -> None:
    mine = made.ranking[(made.ranking["kind"] == "term") & (made.ranking["output"] == "all")]
    shown = leads(made.ranking, "term", "all")
    folded = alike(made.ranking, "term", "all")
    assert len(shown) == len(mine) - 1
    assert {node for rows in folded.values() for node in rows["node"]} == set(mine["node"]) - set(shown["node"])
    assert list(shown["rank"]) == sorted(shown["rank"])
    assert "+1 alike" in words(html)
    assert len(forest_plot(made.ranking).data[0].x) == len(shown)
    assert alike(contents().ranking, "term", "all") == {}  # a run of an earlier version


def test_draws_of_a_null_are_means_over_folds(made) -> None:
    scores = made.tables["node_scores"]
    table = null_draws(scores, "labels")
    assert list(table.columns) == ["labels-0", "labels-1"]
    for node, output, arm in (("G03", "T cell", "labels-1"), ("GO:0000002", "all", "labels-0")):
        mine = [row.score for row in scores.itertuples() if (row.node, row.output, row.arm) == (node, output, arm)]
        assert table.loc[(output, node), arm] == pytest.approx(sum(mine) / len(mine))
    assert null_draws(scores.iloc[:0], "labels").empty


# ---- pictures of the network -----------------------------------------------------------------------------------------


def test_links_lead_from_left_to_right_and_ancestors_are_there(made) -> None:
    figure = node_link_plot(made.blueprint, made.ranking, n=1)
    lines, points = figure.data
    assert set(points.ids) >= set(leads(made.ranking, "term", "all")["node"].head(1))
    at = dict(zip(points.ids, zip(points.x, points.y, strict=True), strict=True))
    edges = {(s, t) for s, t in zip(made.blueprint.edges["source"], made.blueprint.edges["target"], strict=True)}
    drawn = {(child, parent) for child in at for parent in at if (child, parent) in edges}
    assert len(lines.x) == 3 * len(drawn)
    assert all(at[parent][0] < at[child][0] for child, parent in drawn)
    assert len(set(at.values())) == len(at), "no two nodes in one place"
    many = node_link_plot(made.blueprint, made.ranking, n=7, most=3)
    assert len(many.data[1].ids) < 7


def test_what_flows_into_a_subsystem_flows_out_of_it(made) -> None:
    sankey = sankey_plot(made.blueprint, made.ranking, n=5, genes=2).data[0]
    into, out = {}, {}
    for source, target, value in zip(sankey.link.source, sankey.link.target, sankey.link.value, strict=True):
        out[source] = out.get(source, 0.0) + value
        into[target] = into.get(target, 0.0) + value
    middle = [i for i in into if i in out]
    assert len(middle) == 5
    for i in middle:
        assert into[i] == pytest.approx(out[i], rel=2e-3)
    assert into[0] == pytest.approx(1.0, rel=2e-3)  # the outcome


# ---- effects ---------------------------------------------------------------------------------------------------------


def test_a_volcano_colours_what_leaves_out_zero_and_is_capped(made, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = made.tables["sweep"]
    rows = sweep[(sweep["target"] == "B cell") & (sweep["group"] == "all")]
    points = volcano_plot(sweep, "B cell").data[0]
    assert list(points.x) == pytest.approx(list(rows["delta"]), rel=1e-3)
    assert list(points.y) == pytest.approx(list(-np.log10(rows["p"])), abs=1e-3)
    clear = (rows["low"] > 0) | (rows["high"] < 0)
    assert [size == 9 for size in points.marker.size] == list(clear)
    monkeypatch.setattr("kgreg.report.effect_figures.MOST_POINTS", 4)
    few = volcano_plot(sweep, "B cell").data[0]
    assert len(few.x) <= 4
    assert max(map(abs, few.x)) == pytest.approx(rows["delta"].abs().max(), rel=1e-3)


def test_bold_is_what_leaves_out_zero(made) -> None:
    html = render_report(replace(made, knockouts=made.knockouts.assign(low=-1.0, high=1.0)))
    table = html[html.index("Over all samples, seed") :]
    assert 'class="passes"' not in table[: table.index("</table>")]
    html = render_report(replace(made, knockouts=made.knockouts.assign(low=0.1, high=1.0)))
    table = html[html.index("Over all samples, seed") :]
    assert table[: table.index("</table>")].count('class="passes"') == 3


def test_epistasis_is_the_same_from_both_sides(made) -> None:
    heat = epistasis_map(made.tables["epistasis"], "B cell").data[0]
    values = [list(row) for row in heat.z]
    assert values == [list(row) for row in zip(*values, strict=True)]
    assert sum(value is not None for row in values for value in row) == 4
    assert sum(star == "★" for row in heat.text for star in row) == 4


def test_training_draws_a_line_a_fit_and_a_mean_an_arm(made) -> None:
    training = made.tables["training"]
    lines = [trace for trace in training_plot(training).data if trace.mode == "lines"]
    assert len(lines) == 1 + training.loc[training["arm"] == "graph", "fold"].nunique()
    loss = training_plot(training, "train_loss").data[0]
    assert list(loss.y) == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4], rel=1e-4)


# ---- words -----------------------------------------------------------------------------------------------------------


def test_four_questions_are_answered_before_anything_else(made, html) -> None:
    asked = [entry["question"] for entry in answers(made)]
    assert asked == [
        "Did the knowledge help?", "Which subsystems matter?", "How sure is that?", "What if a gene is knocked out?",
    ]  # fmt: skip
    text = words(html)
    for entry in answers(made):
        assert entry["answer"] in text
        assert f'id="{entry["place"]}"' in html
        assert text.index(entry["answer"]) < text.index("How well does it predict?")
    plain = answers(contents(nulls=[], knockouts=[]))
    assert "Not tested: there is no null" in plain[1]["answer"]
    assert plain[-1]["answer"] == "No knockout was asked for."


def test_the_knockout_with_the_largest_clear_effect_is_told_first() -> None:
    made = contents()
    table = made.knockouts.assign(low=-1.0, high=1.0)
    outputs = table.index[(table["kind"] == "output") & (table["knockout"] == "two genes")]
    table.loc[outputs[0], ["delta", "low", "high"]] = (0.3, 0.2, 0.4)
    clear = answers(replace(made, knockouts=table))[-1]["answer"]
    assert clear.startswith("two genes: ")
    assert answers(replace(made, knockouts=table.assign(low=-1.0)))[-1]["answer"].startswith("CD79A: ")


def test_one_network_has_no_interval_and_it_is_said() -> None:
    made = decoded(contents())
    unknown = {
        "n": 1,
        "low": np.nan,
        "high": np.nan,
        "top_probability": np.nan,
        "rank_low": np.nan,
        "rank_high": np.nan,
    }
    alone = replace(made, ranking=made.ranking.assign(**unknown), tables={"activity": made.tables["activity"]})
    assert sureness(alone) == [ONE_NETWORK]
    html = render_report(alone)
    assert words(html).count("so no interval is given") >= 4  # the head, both lists, how sure, knockouts
    assert not [name for name in embedded(html, "figures") if name.startswith("ranks-")]


def test_a_run_of_an_earlier_version_leaves_sections_out(html) -> None:
    earlier = render_report(contents())
    for part in ("Effect against evidence", "Pairs of genes", "Do other methods agree?", "Did training converge?"):
        assert part not in words(earlier)
        assert part in words(html)
    assert 'id="enrichment"' not in earlier


def test_the_methods_and_citations_are_ready_to_copy(html) -> None:
    assert 'data-copy="methods-text"' in html
    assert 'data-copy="citations"' in html
    assert "Gene Ontology" in words(html)


# ---- one node --------------------------------------------------------------------------------------------------------


def test_details_name_evidence_null_activity_and_what_was_merged(made) -> None:
    merged = pd.DataFrame(
        [{"step": "redundancy", "kind": "term", "id": "GO:9", "label": "twin",
          "reason": "its only child GO:0000002 holds 6 of its 6 genes"}]
    )  # fmt: skip
    store = explorer_data(replace(made, blueprint=replace(made.blueprint, dropped=merged)))
    i = store["ids"].index("GO:0000002")
    assert store["merged"] == {i: ["twin (GO:9)"]}
    draws = null_draws(made.tables["node_scores"], "rewired").loc[("all", "GO:0000002")]
    assert store["nulls"]["rows"][0][i] == pytest.approx(list(draws), rel=1e-2)
    assert len(store["activity"]["rows"][i][0]) == len(store["activity"]["groups"]) == 4
    children = {store["ids"][child] for child, parents in store["parents_of"].items() if i in parents}
    assert children == {"GO:0000004", "GO:0000005"}
    gene = store["ids"].index("G00")
    assert {store["ids"][term] for term in store["terms_of"][gene]} == {"GO:0000004", "GO:0000006"}
    assert len(store["terms_of"][gene]) == len(store["relation_of"][gene])
    assert len(store["sweep"]["rows"][gene]) == 6  # three classes, over all samples and in their own


def test_a_page_carries_the_details_of_the_best_if_not_all_have_room(made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(details, "MOST_VALUES", 40)
    store = explorer_data(made)
    assert len(store["activity"]["rows"]) == 3  # of 12 numbers each
    best = made.ranking[made.ranking["kind"] == "term"].groupby("node")["rank"].min().sort_values()
    ranks = sorted(best[store["ids"][i]] for i in store["activity"]["rows"])
    assert ranks == sorted(best.iloc[:3])


# ---- to take along ---------------------------------------------------------------------------------------------------


def test_csv_is_read_back_as_it_was() -> None:
    table = pd.DataFrame(
        {"name": ['a "b", c', "x\ny", None, "=1+1", "-5", "é"], "value": [0.1, np.nan, -1e-9, np.inf, 123456.7, 0.0],
         "n": pd.array([1, 2, None, 4, 5, 6], dtype="Int64"), "+flag": [True, False, True, False, True, False]}
    )  # fmt: skip
    back = pd.read_csv(io.StringIO(csv_text(table)), keep_default_na=False, na_values=[""])
    assert list(back.columns) == ["name", "value", "n", "'+flag"]
    assert back["name"].tolist()[:2] == ['a "b", c', "x\ny"]
    assert pd.isna(back["name"][2])
    assert back["name"].tolist()[3:] == ["'=1+1", "'-5", "é"]
    assert back["value"].tolist() == pytest.approx([0.1, np.nan, -1e-9, np.inf, 123460.0, 0.0], nan_ok=True)
    assert back["n"].isna().tolist() == [False, False, True, False, False, False]


def test_a_page_that_is_too_large_has_its_tables_beside_it(made, tmp_path: Path) -> None:
    path = write_report(made, tmp_path / "report.html", largest=100_000)
    html = path.read_text(encoding="utf-8")
    names = set(download_tables(made))
    assert {file.stem for file in (tmp_path / "report_tables").iterdir()} == names
    (tmp_path / "report_tables" / "mine.txt").write_text("kept")
    assert 'href="report_tables/ranking.csv"' in html
    assert "they lie as CSV files in the folder beside it" in words(html)
    assert 'id="table-ranking"' not in html
    assert len(pd.read_csv(tmp_path / "report_tables" / "ranking.csv")) == len(made.ranking)
    write_report(made, path)
    assert [file.name for file in (tmp_path / "report_tables").iterdir()] == ["mine.txt"]
    assert 'id="table-ranking"' in path.read_text(encoding="utf-8")
