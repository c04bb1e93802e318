"""Complete official files, where a checkout has them beside it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("KGREG_SHARED", Path(__file__).parents[2].parent / "shared" / "data"))


def shared(name: str) -> Path:
    """Return the path of a file of the shared data; skip the test where there is none."""
    file = FOLDER / name
    if not file.exists():
        pytest.skip(f"{file} is not there; set KGREG_SHARED to a folder that holds {name}")
    return file
