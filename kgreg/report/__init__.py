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
from kgreg.report.page import render_report, write_report

__all__ = [
    "ReportContents",
    "comparison_plot",
    "confusion_plot",
    "forest_plot",
    "hierarchy_plot",
    "knockout_bars",
    "knockout_map",
    "knockout_overview",
    "level_plot",
    "metric_plot",
    "regression_plot",
    "render_report",
    "write_report",
]
