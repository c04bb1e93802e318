"""One self-contained HTML file that says what was asked, what was found and how far it can be believed."""

from kgreg.report.contents import ReportContents

__all__ = ["ReportContents"]
