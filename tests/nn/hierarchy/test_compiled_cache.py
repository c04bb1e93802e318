"""Compiled kernels must not outlive the code that they were made from.

numba caches a compiled function by the content of the file that it stands in, and does not look at what it calls or at
the fields of the program that it reads. So every such file states a digest of those: its content changes with them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import ModuleType

import pytest

from kgreg.nn import laplacian_kernels
from kgreg.nn.hierarchy import Program, adjoints, changes, features, kernels, rows, settings


@pytest.mark.parametrize(
    ("module", "calls"),
    [
        (kernels, [rows]),
        (features, [rows]),
        (changes, [rows, kernels]),
        (adjoints, [rows, kernels]),
        (settings, [rows, kernels, changes]),
    ],
    ids=lambda m: str(m)[:40],
)
def test_a_file_of_kernels_states_what_it_calls(module: ModuleType, calls: list[ModuleType]) -> None:
    digest = hashlib.sha256(",".join(Program._fields).encode())
    for called in calls:
        digest.update(Path(str(called.__file__)).read_text(encoding="utf-8").encode())
    expected = digest.hexdigest()[:12]
    assert expected == module.MADE_WITH, f'write MADE_WITH = "{expected}" in {module.__file__}'


def test_a_file_of_kernels_without_a_digest_calls_no_other() -> None:
    for module in (laplacian_kernels, rows):
        assert "import kgreg" not in (text := Path(str(module.__file__)).read_text(encoding="utf-8"))
        assert "from kgreg" not in text
