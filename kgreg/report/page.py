"""The page itself: figures and tables put into the template, and written in one step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from kgreg.disk import replace_text
from kgreg.errors import OutputError
from kgreg.report import (
    control_tables,
    edge_tables,
    figures,
    inventory,
    knockout_figures,
    motif_section,
    summary,
    tables,
    task_figures,
)
from kgreg.report.contents import ReportContents
from kgreg.report.embed import asset, figure_json, plotly_script, safe_json, script_hash, script_text
from kgreg.report.explorer import explorer_data
from kgreg.report.hierarchy_view import hierarchy_plot
from kgreg.report.numbers import count, fixed, name_of_arm, name_of_metric, plural

_TEMPLATES = ("report.html.j2", "macros.html.j2", "motifs.html.j2")


def write_report(contents: ReportContents, path: Path) -> Path:
    """Write one self-contained HTML file; it needs no network to be read.

    Parameters
    ----------
    path
        The file to write. An existing report is replaced, and only once the new one is whole.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    text = render_report(contents)
    try:
        replace_text(Path(path), text)
    except OSError as error:
        raise OutputError(
            f"The report {path} cannot be written: {error.strerror or error}.",
            "Choose a path in a folder that exists and that you may write to, and check that the disk is not full.",
        ) from error
    return path


def render_report(contents: ReportContents) -> str:
    """Return the report as HTML text."""
    drawn = _figures(contents)
    script = script_text(asset("report.js"))
    environment = Environment(
        loader=DictLoader({name: asset(name) for name in _TEMPLATES}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(count=count, fixed=fixed, plural=plural, metric=name_of_metric)
    return environment.get_template("report.html.j2").render(
        **_context(contents),
        figures=drawn,
        figures_json=safe_json({name: figure_json(figure) for name, figure in drawn.items()}),
        explorer_json=safe_json(explorer_data(contents)),
        style=Markup(asset("style.css")),
        plotly=Markup(plotly_script()),
        script=Markup(script),
        hashes=[script_hash(plotly_script()), script_hash(script)],
    )


def _figures(contents: ReportContents) -> dict[str, Any]:
    """Return every figure of the page by its name."""
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
    if len(contents.blueprint.terms):
        drawn["levels"] = figures.level_plot(contents.blueprint)
    if contents.has_terms:
        first = tables.outputs_of(contents.ranking)
        drawn["hierarchy"] = hierarchy_plot(contents.blueprint, contents.ranking, first[0] if first else "all")
    knockouts = contents.knockouts
    if len(knockouts):
        if knockouts["knockout"].nunique() > 1:
            drawn["knockouts"] = knockout_figures.knockout_overview(knockouts)
        for i, panel in enumerate(tables.knockout_panels(knockouts)):
            for j, group in enumerate(panel["groups"]):
                drawn[f"knockout-{i}-{j}"] = knockout_figures.knockout_bars(knockouts, panel["knockout"], group["name"])
            if len(panel["groups"]) > 1:
                drawn[f"knockout-{i}-map"] = knockout_figures.knockout_map(knockouts, panel["knockout"])
    return drawn


def _context(contents: ReportContents) -> dict[str, Any]:
    """Return what the template names."""
    metrics = contents.metrics
    knockouts = contents.knockouts
    return {
        "title": contents.title,
        "asked": summary.asked(contents),
        "guide": summary.guide(contents),
        "verdict": summary.verdict(metrics),
        "tiles": summary.tiles(contents),
        "has_terms": contents.has_terms,
        "has_genes": not contents.of_dna,
        "of_dna": contents.of_dna,
        "network_name": name_of_arm("graph", metrics.get("arm_names")),
        "metrics": metrics,
        "metric_table": summary.metric_table(metrics),
        "comparisons": summary.comparison_table(metrics),
        "chance": summary.chance(metrics),
        "nulls": {arm["arm"]: arm["draws"] for arm in metrics["arms"] if arm["arm"] in tables.DRAWN},
        "terms": tables.ranking_panels(contents, "term"),
        "genes": tables.ranking_panels(contents, "gene"),
        "measure": contents.experiment.get("decode", {}).get("measure", "activation"),
        "controls": control_tables.control_panels(contents.controls),
        "edges": edge_tables.edge_panels(contents),
        "motifs": motif_section.motif_section(contents),
        "knockouts": tables.knockout_panels(knockouts) if len(knockouts) else [],
        "n_knockouts": int(knockouts["knockout"].nunique()) if len(knockouts) else 0,
        "data": contents.data,
        "classes": inventory.class_rows(contents.data["classes"]),
        "labels": inventory.label_rows(contents.data.get("labels", {})),
        "label_scores": summary.label_table(metrics),
        "most_labels": task_figures.MOST_LABELS,
        "concordance": summary.concordance(metrics) if contents.data["task"] == "survival" else "",
        "matching": inventory.matching_rows(contents.matching),
        "network": inventory.network_figures(contents),
        "n_roots": len(contents.blueprint.roots),
        "dropped": inventory.dropped_rows(contents),
        "n_dropped": len(contents.blueprint.dropped),
        "options": inventory.options(contents),
        "stability": contents.stability,
        "networks": int(contents.ranking["n"].max()) if len(contents.ranking) else 0,
        "sources": inventory.sources(contents),
        "queries": inventory.queries(contents),
        "experiment": inventory.experiment_text(contents.experiment),
        "run": inventory.run_rows(contents),
        "started": str(contents.run.get("started", "")),
        "version": str(contents.run.get("kgreg", "")),
        "seed": metrics["seed"],
    }
