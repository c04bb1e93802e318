"""Fixtures that the tests of several packages share."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgreg.store import load


@pytest.fixture(scope="session")
def knowledge_store_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with every source; tests open it read-only. Each worker of pytest-xdist builds its own in two seconds."""
    path = tmp_path_factory.mktemp("knowledge") / "knowledge.lbug"
    load(path)
    return path
