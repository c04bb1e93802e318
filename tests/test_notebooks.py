"""The notebooks run from end to end, and what is kept of their output is fit to be read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

#: Packages that a notebook needs, and data that do not ship.
NEEDS = {"blood_cells": ["scanpy"], "motif_convolution": ["tangermeme", "memelite"]}
SHARED = Path(os.environ.get("KGREG_SHARED") or ROOT.parent / "shared" / "data")


def test_there_are_notebooks() -> None:
    assert {path.stem for path in NOTEBOOKS} == {
        "blood_cells",
        "motif_convolution",
        "own_hierarchy",
        "palbociclib",
    }


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs(path: Path, knowledge_store_path: Path, tmp_path: Path) -> None:
    """As a user with nbmake: ``pytest --nbmake notebooks``."""
    for package in NEEDS.get(path.stem, []):
        pytest.importorskip(package)
    if path.stem == "palbociclib" and not (SHARED / "nest_palbociclib").is_dir():
        pytest.skip("the palbociclib data are not here; set KGREG_SHARED")
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "KGREG_STORE": str(knowledge_store_path),
        "KGREG_SHARED": str(SHARED.resolve()),
        "TMPDIR": str(tmp_path),
        "MPLBACKEND": "agg",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbmake", "--nbmake-timeout=600"]
    done = subprocess.run([*command, str(path)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_kept_is_fit_to_be_read(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "run once, in order"
    text = "".join(_shown(output) for cell in cells for output in cell.outputs)
    assert len(text) > 300
    for unwanted in ("Warning", "Traceback", "/tmp", "/work", "/home", "/root", "site-packages"):
        assert unwanted not in text


def _shown(output: Any) -> str:
    assert output.output_type != "error"
    assert output.get("name") != "stderr"
    if output.output_type == "stream":
        return str(output.text)
    return "".join(str(value) for kind, value in output.data.items() if kind.startswith("text"))
