"""One self-contained HTML file that says what was asked, what was found and how far it can be believed.

The figures are usable on their own: each takes tables or JSON values and returns a plotly Figure.
"""

from kgreg.report.contents import ReportContents
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
from kgreg.report.page import render_report, write_report
from kgreg.report.survival import kaplan_meier
from kgreg.report.task_figures import label_plot, survival_plot

__all__ = [
    "ReportContents",
    "citations",
    "comparison_plot",
    "confusion_plot",
    "forest_plot",
    "hierarchy_plot",
    "kaplan_meier",
    "knockout_bars",
    "knockout_map",
    "knockout_overview",
    "label_plot",
    "level_plot",
    "methods_paragraph",
    "metric_plot",
    "regression_plot",
    "render_report",
    "survival_plot",
    "write_report",
]
