"""``python -m kgreg``."""

from kgreg.cli import main

main()
