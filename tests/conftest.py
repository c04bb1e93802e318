"""Fixtures that the tests of several packages share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import torch

from kgreg.store import load

# The workers of pytest keep the cores busy already: a run that starts processes of its own only waits for them.
# Commands that tests start inherit this.
os.environ.setdefault("LOKY_MAX_CPU_COUNT", "1")

# Properties are tried on the same examples every time; ``--hypothesis-profile=explore`` looks for new ones.
hypothesis.settings.register_profile("explore", derandomize=False)
hypothesis.settings.register_profile("same", derandomize=True, max_examples=35)
hypothesis.settings.load_profile("same")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the main job, so that with several workers nobody waits for it at the end."""
    items.sort(key=lambda item: item.path.name != "test_main_job.py")


def pytest_configure() -> None:
    """Hear Ctrl-C even when started in the background, where shells switch it off: some tests press it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors: one thread is faster than several that wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def knowledge_store_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with every source; tests open it read-only. Each worker of pytest-xdist builds its own in two seconds."""
    path = tmp_path_factory.mktemp("knowledge") / "knowledge.lbug"
    load(path)
    return path
