"""DNA as data."""

from kgreg.data.sequence.rows import SequenceRows

__all__ = ["SequenceRows"]
