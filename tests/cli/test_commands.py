"""The commands, as a user meets them: in a process of their own."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from kgreg import console as kgreg_console
from kgreg.cli import main
from tests.cells import small_record


def to_toml(record: dict[str, dict[str, object]]) -> str:
    lines = []
    for section, values in record.items():
        lines.append(f"[{section}]")
        for key, value in values.items():
            if isinstance(value, dict):
                inside = ", ".join(f"{json.dumps(k)} = {json.dumps(v)}" for k, v in value.items())
                lines.append(f"{key} = {{ {inside} }}")
            else:
                lines.append(f"{key} = {json.dumps(value)}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def experiment(tmp_path: Path, knowledge_store_path: Path) -> Path:
    """A small experiment file."""
    path = tmp_path / "experiment.toml"
    path.write_text(to_toml(small_record(tmp_path, knowledge_store_path)), encoding="utf-8")
    return path


def kgreg(*arguments: object, store: Path | None = None, check: int | None = 0) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "160", "NO_COLOR": "1"}
    if store is not None:
        environment["KGREG_STORE"] = str(store)
    done = subprocess.run(
        [sys.executable, "-m", "kgreg", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
    )
    assert "Traceback" not in done.stderr or "--debug" in arguments, done.stderr
    if check is not None:
        assert done.returncode == check, done.stdout + done.stderr
    return done


def kgreg_here(*arguments: object, check: int | None = 0) -> subprocess.CompletedProcess[str]:
    """As :func:`kgreg`, in this process: starting one and importing torch takes longer than most commands do."""
    printed, said, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), redirect_stderr(said):
        patch.setattr(sys, "argv", ["kgreg", *map(str, arguments)])
        for console in (kgreg_console.out, kgreg_console.err):
            patch.setattr(console, "_width", 160)
        try:
            main()
        except SystemExit as stopped:
            code = int(stopped.code or 0)
    done = subprocess.CompletedProcess(sys.argv, code, printed.getvalue(), said.getvalue())
    assert "Traceback" not in done.stderr
    assert check is None or done.returncode == check, done.stdout + done.stderr
    return done


@pytest.mark.parametrize(
    "command", ["demo", "run", "load", "query", "compile", "train", "explain", "knockout", "report", "sweep"]
)
def test_every_command_has_help_with_an_example(command: str) -> None:
    assert f"kgreg {command}" in re.sub(r"\s+", " ", kgreg(command, "--help").stdout).split("Example:")[1]


def test_query_prints_a_table_csv_or_json(knowledge_store_path: Path) -> None:
    cypher = "MATCH (g:Gene) WHERE g.symbol = $s RETURN g.id AS id, g.symbol AS symbol"
    asked = ("query", cypher, "-p", "s=CD79A")
    assert "NCBIGene:973" in kgreg(*asked, store=knowledge_store_path).stdout
    assert kgreg(*asked, "--format", "csv", store=knowledge_store_path).stdout == "id,symbol\nNCBIGene:973,CD79A\n"
    said = kgreg(*asked, "--format", "json", store=knowledge_store_path).stdout
    assert json.loads(said) == [{"id": "NCBIGene:973", "symbol": "CD79A"}]


def test_query_reads_only_unless_told_otherwise(knowledge_store_path: Path) -> None:
    refused = kgreg("query", "CREATE (:Alias {id: 'x', source: 'me'})", store=knowledge_store_path, check=1)
    assert "--write" in refused.stderr


def test_query_without_a_store_says_how_to_make_one(tmp_path: Path) -> None:
    assert "kgreg load" in kgreg("query", "MATCH (n) RETURN n", store=tmp_path / "none.lbug", check=1).stderr


@pytest.mark.parametrize("cypher", ["MATCH (g:Gene", "RETURN $x", ""])
def test_a_query_that_is_wrong_is_told_in_words(knowledge_store_path: Path, cypher: str) -> None:
    assert kgreg("query", cypher, store=knowledge_store_path, check=1).stderr.startswith("Error:")


def test_load_says_what_it_loaded(tmp_path: Path) -> None:
    said = kgreg("load", "reactome", "--store", tmp_path / "small.lbug")
    assert "2,751" in said.stdout
    assert "PARTICIPATES_IN" in said.stdout
    assert "'gwas'" in kgreg("load", "gwas", "--store", tmp_path / "small.lbug", check=1).stderr


@pytest.mark.slow
def test_the_stages_one_by_one(experiment: Path, tmp_path: Path) -> None:
    run = tmp_path / "stages"
    assert "gene links" in kgreg("compile", experiment, "-o", run).stdout
    assert "no trained networks" in kgreg_here("knockout", run, "CD19", check=1).stderr
    assert "balanced accuracy" in kgreg_here("train", run).stdout
    table = kgreg_here("explain", run, "--for", "B", "--top", 2, "--format", "csv").stdout.splitlines()
    assert len(table) == 1 + 2 + 2
    assert "Choose one of: B, T, other, all" in kgreg_here("explain", run, "--for", "C", check=1).stderr
    knocked = json.loads(kgreg_here("knockout", run, "CD19", "--set", "two=CD3D,CD3E", "--format", "json").stdout)
    assert {row["knockout"] for row in knocked} == {"CD19", "two"}
    assert "report.html" in kgreg_here("report", run).stdout
    assert (run / "report.html").is_file()
    assert "already holds a run" in kgreg_here("compile", experiment, "-o", run, check=1).stderr


@pytest.mark.slow
def test_run_prints_everything_the_main_job_promises(experiment: Path, tmp_path: Path) -> None:
    said = kgreg_here("run", experiment, "-o", tmp_path / "whole", "--seed", 3, "--replicates", 2).stdout
    for words in ("linear baseline", "rewired graphs", "seed 3", "n = 4 networks", "CD79A", "report.html"):
        assert words in said
    assert "knowledge" in said


@pytest.mark.slow
def test_ctrl_c_is_clean_and_the_run_goes_on(experiment: Path, tmp_path: Path) -> None:
    run = tmp_path / "stopped"
    text = experiment.read_text(encoding="utf-8").replace("folds = 2", "folds = 5")
    experiment.write_text(text.replace("rewired = 2", "rewired = 1").replace("labels = 2", "labels = 1"), "utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "kgreg", "run", str(experiment), "-o", str(run)],
        env={**os.environ, "LOKY_MAX_CPU_COUNT": "2"},  # workers are to be stopped too
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not list(run.glob("models/*/*/model.json")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert f"kgreg report {run}" in re.sub(r"\s+", " ", said)
    assert not list(run.rglob("*.part"))
    kept = {path: path.stat().st_mtime_ns for path in run.glob("models/*/*/model.json")}
    kgreg_here("run", experiment, "-o", run, "--resume")
    assert kept
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())


def test_a_mistake_in_the_file_is_an_error_and_no_traceback(experiment: Path) -> None:
    experiment.write_text(experiment.read_text(encoding="utf-8") + "\n[nulls2]\n", encoding="utf-8")
    said = kgreg("run", experiment, check=1).stderr
    assert "nulls2" in said
    assert "line" in said


def test_debug_shows_where_an_error_came_from(tmp_path: Path) -> None:
    said = kgreg("run", tmp_path / "none.toml", "--debug", check=1).stderr
    assert "Traceback" in said
    assert "none.toml cannot be read" in re.sub(r"\s+", " ", said)


def test_version_is_printed() -> None:
    from kgreg import __version__

    assert kgreg("--version").stdout.strip() == f"kgreg {__version__}"


def test_help_is_quick_because_it_imports_no_torch() -> None:
    code = "import sys, kgreg.cli; print(sorted({'torch', 'anndata', 'ladybug', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
