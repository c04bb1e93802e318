"""Which figures a page has, by name."""

from __future__ import annotations

from typing import Any

from kgreg.report import figures, knockout_figures, task_figures
from kgreg.report.contents import ReportContents
from kgreg.report.effect_figures import epistasis_map, volcano_plot
from kgreg.report.effect_tables import effects_with_p, epistasis_panels
from kgreg.report.hierarchy_view import hierarchy_plot
from kgreg.report.knockout_tables import knockout_panels
from kgreg.report.network_figures import node_link_plot, sankey_plot
from kgreg.report.ranked import null_draws
from kgreg.report.stability_figures import (
    agreement_plot,
    degree_plot,
    method_plot,
    null_histogram,
    null_plot,
    rank_plot,
)
from kgreg.report.tables import ALL, name_of_output, outputs_of
from kgreg.report.training_figures import training_plot

#: Of more outputs than this, the first have figures of their own; all have tables.
MOST_OUTPUTS = 24


def all_figures(contents: ReportContents) -> dict[str, Any]:
    """Return every figure of the page by its name; those of an output end in its number."""
    drawn = _of_prediction(contents) | _of_network(contents)
    for number, output in enumerate(outputs_of(contents.ranking)[:MOST_OUTPUTS]):
        drawn |= {f"{name}-{number}": figure for name, figure in _of_output(contents, output).items()}
    return drawn | _of_stability(contents) | _of_knockouts(contents)


def _of_prediction(contents: ReportContents) -> dict[str, Any]:
    metrics, data = contents.metrics, contents.data
    time = contents.experiment.get("data", {}).get("time")
    names = list(dict.fromkeys(name for arm in metrics["arms"] for name in arm["metrics"]))
    drawn: dict[str, Any] = {f"metric-{name}": figures.metric_plot(metrics, name) for name in names}
    if metrics.get("comparisons"):
        drawn["comparisons"] = figures.comparison_plot(metrics)
    if data["task"] == "classification":
        drawn["confusion"] = figures.confusion_plot(contents.predictions, list(data["classes"]))
    elif data["task"] == "multilabel":
        drawn["labels"] = task_figures.label_plot(metrics["labels"], names=metrics.get("arm_names"))
    elif data["task"] == "survival":
        drawn["survival"] = task_figures.survival_plot(contents.predictions, time or "time")
    else:
        drawn["regression"] = figures.regression_plot(contents.predictions, data["label"])
    return drawn


def _of_network(contents: ReportContents) -> dict[str, Any]:
    drawn: dict[str, Any] = {}
    if len(contents.blueprint.terms):
        drawn["levels"] = figures.level_plot(contents.blueprint)
    if contents.has_terms:
        first = outputs_of(contents.ranking)
        drawn["hierarchy"] = hierarchy_plot(contents.blueprint, contents.ranking, first[0] if first else ALL)
    training = contents.tables.get("training")
    if training is not None and len(training):
        drawn["training"] = training_plot(training)
    return drawn


def _of_output(contents: ReportContents, output: str) -> dict[str, Any]:
    ranking, blueprint = contents.ranking, contents.blueprint
    ranking = ranking[ranking["output"] == output]
    drawn: dict[str, Any] = {}
    for kind in [kind for kind in ("term", "gene") if (ranking["kind"] == kind).any()]:
        drawn[f"dots-{kind}"] = figures.forest_plot(ranking, kind, output)
        if "rank_low" in ranking and ranking.loc[ranking["kind"] == kind, "rank_low"].notna().any():
            drawn[f"ranks-{kind}"] = rank_plot(ranking, kind, output)
    if contents.has_terms:
        outcome = name_of_output(output, contents.data["task"])
        drawn["links"] = node_link_plot(blueprint, ranking, output)
        if (ranking["kind"] == "gene").any():
            drawn["sankey"] = sankey_plot(blueprint, ranking, output, outcome=outcome)
    return drawn


def _of_stability(contents: ReportContents) -> dict[str, Any]:
    drawn: dict[str, Any] = {}
    kind = contents.main_kind or "gene"
    ranking, given = contents.ranking, contents.tables
    ranking = ranking[ranking["output"] == ALL]
    agreement = given.get("agreement")
    if agreement is not None and agreement["kendall_w"].notna().any():
        drawn["agreement"] = agreement_plot(agreement)
    scores = given.get("node_scores")
    null = next((n for n in ranking.loc[ranking["kind"] == kind, "null"] if n != "none"), None)
    if scores is not None and len(scores) and null:
        draws = null_draws(scores, null)
        drawn["null-top"] = null_plot(ranking, draws, kind)
        drawn["null-all"] = null_histogram(ranking, draws, kind)
    degree = given.get("degree")
    if degree is not None and len(degree):
        drawn["degree"] = degree_plot(degree)
    methods = given.get("methods")
    if methods is not None and ((methods["kind"] == kind) & (methods["output"] == ALL)).any():
        drawn["methods"] = method_plot(ranking, methods, kind)
    return drawn


def _of_knockouts(contents: ReportContents) -> dict[str, Any]:
    knockouts, drawn = contents.knockouts, {}
    if len(knockouts):
        if knockouts["knockout"].nunique() > 1:
            drawn["knockouts"] = knockout_figures.knockout_overview(knockouts)
        for i, panel in enumerate(knockout_panels(knockouts)):
            for j, group in enumerate(panel["groups"]):
                drawn[f"knockout-{i}-{j}"] = knockout_figures.knockout_bars(knockouts, panel["knockout"], group["name"])
            if len(panel["groups"]) > 1:
                drawn[f"knockout-{i}-map"] = knockout_figures.knockout_map(knockouts, panel["knockout"])
    effects = effects_with_p(contents)
    targets = list(dict.fromkeys(effects["target"])) if len(effects) else []
    for i, target in enumerate(targets[:MOST_OUTPUTS]):
        drawn[f"volcano-{i}"] = volcano_plot(effects, target, unit=knockout_figures.change_of(targets))
    epistasis = contents.tables.get("epistasis")
    if epistasis is not None and len(epistasis):
        for i, (target, model) in enumerate(epistasis_panels(epistasis)[:MOST_OUTPUTS]):
            drawn[f"epistasis-{i}"] = epistasis_map(epistasis, target, model)
    return drawn
