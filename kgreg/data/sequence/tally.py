"""What was mended and what was left out while sequences were read, counted for the report."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Tally:
    """Counts in words.

    Attributes
    ----------
    repairs
        What was read otherwise than it stands in the file -> how often.
    left_out
        Reason -> how many sequences (or variants) were left out.
    """

    repairs: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Add what another file gave."""
        self.repairs.update(other.repairs)
        self.left_out.update(other.left_out)
