"""One self-contained HTML file that says what was asked, what was found and how far it can be believed.

The figures are usable on their own: each takes tables or JSON values and returns a plotly Figure.
"""

from kgreg.report.contents import ReportContents
from kgreg.report.effect_figures import epistasis_map, volcano_plot
from kgreg.report.figures import (
    comparison_plot,
    confusion_plot,
    forest_plot,
    level_plot,
    metric_plot,
    regression_plot,
)
from kgreg.report.hierarchy_view import hierarchy_plot
from kgreg.report.knockout_figures import knockout_bars, knockout_map, knockout_overview
from kgreg.report.methods import citations, methods_paragraph
from kgreg.report.network_figures import node_link_plot, sankey_plot
from kgreg.report.page import render_report, write_report
from kgreg.report.stability_figures import (
    agreement_plot,
    degree_plot,
    method_plot,
    null_histogram,
    null_plot,
    rank_plot,
)
from kgreg.report.survival import kaplan_meier
from kgreg.report.task_figures import label_plot, survival_plot
from kgreg.report.training_figures import training_plot

__all__ = [
    "ReportContents",
    "agreement_plot",
    "citations",
    "comparison_plot",
    "confusion_plot",
    "degree_plot",
    "epistasis_map",
    "forest_plot",
    "hierarchy_plot",
    "kaplan_meier",
    "knockout_bars",
    "knockout_map",
    "knockout_overview",
    "label_plot",
    "level_plot",
    "method_plot",
    "methods_paragraph",
    "metric_plot",
    "node_link_plot",
    "null_histogram",
    "null_plot",
    "rank_plot",
    "regression_plot",
    "render_report",
    "sankey_plot",
    "survival_plot",
    "training_plot",
    "volcano_plot",
    "write_report",
]
