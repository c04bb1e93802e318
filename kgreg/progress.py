"""How slow work says how far it is."""

from __future__ import annotations

from collections.abc import Callable

#: Called with (what is being done, share done from 0 to 1).
Progress = Callable[[str, float], None]


def no_progress(text: str, share: float) -> None:
    """Take no notice."""
