"""Every figure is a plotly Figure that stands on its own and shows the numbers it was given."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from kgreg.report import (
    comparison_plot,
    confusion_plot,
    forest_plot,
    hierarchy_plot,
    knockout_bars,
    knockout_map,
    knockout_overview,
    label_plot,
    level_plot,
    metric_plot,
    regression_plot,
    survival_plot,
)
from kgreg.report.figures import confusion
from kgreg.report.hierarchy_view import SHAPES, spread
from tests.report.contents import CLASSES, HOSTILE, SAMPLES, contents


def test_every_figure_can_be_written_alone() -> None:
    made = contents()
    figures = [
        metric_plot(made.metrics),
        metric_plot(made.metrics, "auroc"),
        comparison_plot(made.metrics),
        confusion_plot(made.predictions, CLASSES),
        forest_plot(made.ranking, "gene", "B cell"),
        level_plot(made.blueprint),
        hierarchy_plot(made.blueprint, made.ranking),
        knockout_bars(made.knockouts, "CD79A", "T cell"),
        knockout_map(made.knockouts, "CD79A"),
        knockout_overview(made.knockouts),
        regression_plot(contents(task="regression").predictions, "age"),
        survival_plot(contents(task="survival").predictions, "months"),
        label_plot(contents(task="multilabel").metrics["labels"]),
    ]
    for figure in figures:
        assert isinstance(figure, go.Figure)
        assert "NaN" not in figure.to_json()


def test_confusion_counts_every_sample_once_with_replicates_averaged() -> None:
    predictions = contents().predictions
    again = predictions.assign(replicate=1)
    counts = confusion(pd.concat([predictions, again]), CLASSES)
    assert counts.sum() == SAMPLES
    own = predictions[predictions["arm"] == "graph"]
    likeliest = own[list(CLASSES)].to_numpy().argmax(axis=1)
    assert counts[1, 2] == ((own["target"] == CLASSES[1]).to_numpy() & (likeliest == 2)).sum()


def test_knockouts_of_a_regression_are_compared_as_bars() -> None:
    bars = knockout_overview(contents(task="regression").knockouts).data[0]
    assert bars.type == "bar"
    assert len(bars.x) == 2
    assert min(bars.error_x.array) == pytest.approx(0.05)


def test_what_a_knockout_changes_is_named() -> None:
    for task, name in (
        ("regression", "change of the predicted value"),
        ("survival", "change of the log hazard"),
        ("multilabel", "change of probability"),
    ):
        bars = knockout_bars(contents(task=task).knockouts, "CD79A")
        assert bars.layout.xaxis.title.text == name


def test_tertiles_of_risk_are_drawn_with_their_counts() -> None:
    predictions = contents(task="survival").predictions
    plot = survival_plot(predictions)
    curves = [trace for trace in plot.data if trace.name]
    assert [trace.name.split(":")[0] for trace in curves] == ["low risk", "middle risk", "high risk"]
    own = predictions[predictions["arm"] == "graph"]
    assert sum(int(trace.name.split()[2]) for trace in curves) == own["event"].sum()
    assert all("in 20 samples" in trace.name for trace in curves)
    assert all(list(trace.y) == sorted(trace.y, reverse=True) for trace in curves)


def test_labels_are_drawn_for_every_arm_and_capped() -> None:
    labels = contents(task="multilabel").metrics["labels"]
    plot = label_plot(labels)
    assert [trace.name for trace in plot.data] == ["Graph network", "Linear baseline"]
    assert list(plot.layout.yaxis.ticktext) == list(CLASSES)
    assert len(label_plot(labels * 20).layout.yaxis.tickvals) == 40


def test_chance_is_drawn_where_labels_were_permuted() -> None:
    assert len(metric_plot(contents().metrics).layout.shapes) == 1
    assert not metric_plot(contents(nulls=["rewired"]).metrics).layout.shapes


def test_forest_draws_the_null_where_the_ranking_has_it() -> None:
    ranking = contents().ranking
    assert len(forest_plot(ranking).data) == 1
    assert len(forest_plot(ranking.assign(null_mean=0.01)).data) == 2


def test_tree_has_every_term_once_under_its_smallest_parent() -> None:
    blueprint = contents().blueprint
    tree = spread(blueprint).set_index("id")
    assert set(tree.index) == set(blueprint.terms["id"])
    assert tree.index.is_unique
    assert set(tree.index[tree["parent"] == ""]) == set(blueprint.roots)
    # GO:0000005 has the parents GO:0000002 (two children) and GO:0000003
    sizes = {term: len(genes) for term, genes in blueprint.gene_sets().items()}
    both = ["GO:0000002", "GO:0000003"]
    assert tree.loc["GO:0000005", "parent"] == min(both, key=lambda t: (sizes[t], t))
    assert tree.loc["GO:0000005", "parents"] == 2


@pytest.mark.parametrize("shape", SHAPES)
def test_areas_of_children_fit_into_their_parent(shape: str) -> None:
    made = contents()
    trace = hierarchy_plot(made.blueprint, made.ranking, shape=shape).data[0]
    value = dict(zip(trace.ids, trace.values, strict=True))
    assert len(value) == len(trace.ids) == len(made.blueprint.terms) + 1
    inside = pd.Series(trace.values).groupby(np.asarray(trace.parents)).sum()
    for parent, total in inside.drop("").items():
        assert total <= value[parent]
    assert min(trace.values) > 0


def test_hierarchy_is_coloured_by_score_without_a_null() -> None:
    made = contents(nulls=[])
    figure = hierarchy_plot(made.blueprint, made.ranking)
    assert figure.layout.coloraxis.colorbar.title.text == "score"
    assert figure.layout.coloraxis.cmin == -figure.layout.coloraxis.cmax


def test_the_id_of_the_whole_is_not_that_of_a_term() -> None:
    made = contents()
    nodes = made.blueprint.nodes.replace("GO:0000001", "all")
    edges = made.blueprint.edges.replace("GO:0000001", "all")
    outputs = made.blueprint.outputs.replace("GO:0000001", "all")
    blueprint = type(made.blueprint)(nodes, edges, made.blueprint.inputs, outputs)
    ids = hierarchy_plot(blueprint, made.ranking.replace({"node": {"GO:0000001": "all"}})).data[0].ids
    assert len(set(ids)) == len(ids)


def test_markup_in_names_is_shown_and_not_read() -> None:
    made = contents(label=HOSTILE, classes=("<b>B</b>", "T"))
    for figure in (
        confusion_plot(made.predictions, ["<b>B</b>", "T"]),
        hierarchy_plot(made.blueprint, made.ranking),
        forest_plot(made.ranking),
        knockout_map(made.knockouts, "CD79A"),
    ):
        text = figure.to_json()
        assert "<script" not in text
        assert "<b>B" not in text
        assert "&lt;" in text


def test_an_unknown_metric_leaves_a_gap() -> None:
    metrics = contents().metrics
    auroc = next(arm for arm in metrics["arms"] if arm["arm"] == "baseline")["metrics"]["auroc"]
    assert math.isnan(auroc["mean"])
    assert metric_plot(metrics, "auroc").data
