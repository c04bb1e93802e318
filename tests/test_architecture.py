"""Packages import only from left to right, and the light ones stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import kgreg

PACKAGE = Path(kgreg.__file__).parent
ORDER = ["sources", "fetch", "store", "blueprint", "nn", "data", "fit", "decode", "report", "runs"]


def imported(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


@pytest.mark.parametrize("package", ORDER)
def test_imports_point_left(package: str) -> None:
    right = {f"kgreg.{name}" for name in [*ORDER[ORDER.index(package) + 1 :], "cli", "console"]}
    for file in (PACKAGE / package).rglob("*.py"):
        wrong = {name for name in imported(file) if ".".join(name.split(".")[:2]) in right}
        assert not wrong, f"{file.name} imports {wrong}"


@pytest.mark.parametrize(
    ("package", "never"),
    [
        ("sources", ["torch", "ladybug"]),
        ("fetch", ["torch", "ladybug"]),
        ("store", ["torch"]),
        ("blueprint", ["torch"]),
    ],
)
def test_light_packages_stay_light(package: str, never: list[str]) -> None:
    code = f"import sys, kgreg.{package}; print([name for name in {never!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_files_stay_short() -> None:
    long = {file.name: n for file in PACKAGE.rglob("*.py") if (n := len(file.read_text().splitlines())) > 420}
    assert not long
