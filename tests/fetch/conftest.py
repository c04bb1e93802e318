"""A server to break, and waiting that takes no time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from kgreg.fetch import Patience
from tests.fetch.broken_server import BrokenServer, serving


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of whoever runs the tests must not lead loopback elsewhere."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[BrokenServer]:
    with serving() as running:
        yield running


@dataclass
class Waits:
    """Notes the seconds that would have been slept."""

    seconds: list[float] = field(default_factory=list)

    def patience(self, **others: object) -> Patience:
        return replace(Patience(attempts=4, sleep=self.seconds.append, jitter=lambda: 0.0, timeout=5.0), **others)


@pytest.fixture
def waits() -> Waits:
    return Waits()
