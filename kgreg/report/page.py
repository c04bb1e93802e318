"""The page itself: figures and tables put into the template, and written in one step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from kgreg.disk import replace_text
from kgreg.errors import OutputError
from kgreg.report import (
    confidence,
    control_tables,
    edge_tables,
    effect_tables,
    inventory,
    motif_section,
    summary,
    tables,
    task_figures,
)
from kgreg.report.answers import answers
from kgreg.report.contents import ReportContents
from kgreg.report.downloads import download_rows, remove_beside, write_beside
from kgreg.report.drawing import MOST_OUTPUTS, all_figures
from kgreg.report.embed import asset, figure_json, packed_json, packed_plotly, page_script, plotly_script, script_hash
from kgreg.report.explorer import explorer_data
from kgreg.report.knockout_tables import knockout_panels
from kgreg.report.methods import citations, methods_paragraph
from kgreg.report.numbers import count, fixed, name_of_arm, name_of_metric, plural

_TEMPLATES = (
    "report.html.j2", "macros.html.j2", "motifs.html.j2", "sure.html.j2", "knockouts.html.j2", "closing.html.j2",
)  # fmt: skip

#: A page above this size (bytes) has its tables in files beside it.
LARGEST_PAGE = 50_000_000


def write_report(contents: ReportContents, path: Path, *, largest: int = LARGEST_PAGE) -> Path:
    """Write one self-contained HTML file; it needs no network to be read.

    Parameters
    ----------
    path
        The file to write. An existing report is replaced, and only once the new one is whole.
    largest
        A page of more bytes leaves the tables that can be taken from it out, and has them as CSV files in
        ``<page>_tables/`` beside it; it says so.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    path = Path(path)
    text = render_report(contents)
    try:
        if len(text.encode()) > largest:
            text = render_report(contents, beside=write_beside(contents, path))
        else:
            remove_beside(path)
        replace_text(path, text)
    except OSError as error:
        raise OutputError(
            f"The report {path} cannot be written: {error.strerror or error}.",
            "Choose a path in a folder that exists and that you may write to, and check that the disk is not full.",
        ) from error
    return path


def render_report(contents: ReportContents, *, beside: Mapping[str, str] | None = None) -> str:
    """Return the report as HTML text.

    Parameters
    ----------
    beside
        Table -> address of its CSV file; by default the page carries the tables itself.
    """
    drawn = all_figures(contents)
    script = page_script()
    explorer = explorer_data(contents)
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
        known=frozenset(explorer["ids"]),
        downloads=download_rows(contents, beside),
        beside=beside is not None,
        figures=drawn,
        figures_json=packed_json({name: figure_json(figure) for name, figure in drawn.items()}),
        explorer_json=packed_json(explorer),
        style=Markup(asset("style.css")),
        plotly=packed_plotly(),
        script=Markup(script),
        hashes=[script_hash(plotly_script()), script_hash(script)],
    )


def _context(contents: ReportContents) -> dict[str, Any]:
    """Return what the template names."""
    metrics = contents.metrics
    knockouts = contents.knockouts
    outputs = tables.ranking_options(contents)
    networks = int(contents.ranking["n"].max()) if len(contents.ranking) else 0
    return {
        "title": contents.title,
        "asked": summary.asked(contents),
        "guide": summary.guide(contents),
        "verdict": summary.verdict(metrics),
        "answers": answers(contents),
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
        "outputs": outputs,
        "most_outputs": MOST_OUTPUTS,
        "terms": tables.ranking_panels(contents, "term"),
        "genes": tables.ranking_panels(contents, "gene"),
        "measure": contents.experiment.get("decode", {}).get("measure", "activation"),
        "controls": control_tables.control_panels(contents.controls),
        "edges": edge_tables.edge_panels(contents),
        "motifs": motif_section.motif_section(contents),
        "sureness": confidence.sureness(contents),
        "agreement": confidence.agreement_rows(contents),
        "degree": confidence.degree_rows(contents),
        "methods": confidence.method_rows(contents),
        "can_search": bool(outputs) and len(contents.ranking) > 0,
        "searched": _searched(contents),
        "methods_text": methods_paragraph(contents),
        "citations": citations(contents),
        "one_network": confidence.ONE_NETWORK if networks == 1 else "",
        "main_kind": contents.main_kind or "gene",
        "knockouts": knockout_panels(knockouts) if len(knockouts) else [],
        "n_knockouts": int(knockouts["knockout"].nunique()) if len(knockouts) else 0,
        "sweep": effect_tables.sweep_panels(contents),
        "volcano": effect_tables.volcano_options(contents),
        "epistasis": effect_tables.epistasis_rows(contents),
        "enrichment": effect_tables.enrichment_panels(contents),
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
        "networks": networks,
        "sources": inventory.sources(contents),
        "queries": inventory.queries(contents),
        "experiment": inventory.experiment_text(contents.experiment),
        "run": inventory.run_rows(contents),
        "started": str(contents.run.get("started", "")),
        "version": str(contents.run.get("kgreg", "")),
        "seed": metrics["seed"],
    }


def _searched(contents: ReportContents) -> str:
    """Say what the search box finds."""
    if contents.of_dna:
        return "motif or factor"
    return "subsystem or gene" if contents.has_terms else "gene"
