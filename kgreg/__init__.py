"""kgreg: knowledge-graph-guided neural networks for omics data."""

__version__ = "0.1.0"
