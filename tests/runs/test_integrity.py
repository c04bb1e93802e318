"""Files of a run that are missing are made again; files that were altered are refused; a run may be moved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from kgreg.cli import app
from kgreg.errors import OutputError
from kgreg.runs import Run, continue_run, open_run, run_experiment, trained_networks
from tests.cells import small_experiment

#: A file of every stage but the report.
FILES = {
    "compile": "matching.parquet",
    "train": "predictions.parquet",
    "explain": "ranking.parquet",
    "knockout": "knockouts.parquet",
}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, knowledge_store_path: Path) -> Run:
    """A whole run of few epochs; tests work on copies."""
    asked = small_experiment(tmp_path_factory.mktemp("whole"), knowledge_store_path)
    return run_experiment(asked.replace("training", max_epochs=2).replace("nulls", rewired=0, labels=0))


@pytest.fixture
def folder(original: Run, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original.path, tmp_path / "moved"))


def test_every_file_but_networks_and_reports_has_its_digest(original: Run) -> None:
    record = json.loads((original.path / "run.json").read_text())
    known = {name for stage in record["stages"].values() for name in stage.get("files", {})}
    written = {path.relative_to(original.path).as_posix() for path in original.path.rglob("*") if path.is_file()}
    rest = {name for name in written - known if not name.startswith("models/")}
    assert rest == {"run.json", "report.html"}
    for stage, name in FILES.items():
        assert name in record["stages"][stage]["files"]


@pytest.mark.parametrize(("stage", "name"), FILES.items())
def test_altered_files_are_refused_by_name(folder: Path, stage: str, name: str) -> None:
    table = pd.read_parquet(folder / name)
    table.iloc[::-1].to_parquet(folder / name)
    for read in (open_run, continue_run, trained_networks):
        with pytest.raises(OutputError, match=name) as caught:
            read(folder)
        assert "SHA-256" in str(caught.value)
        assert ("--force" if stage == "compile" else f"kgreg report {folder}") in caught.value.hint
    done = CliRunner().invoke(app, ["report", str(folder)])
    assert isinstance(done.exception, OutputError)


@pytest.mark.parametrize("name", ["predictions.parquet", "ranking.parquet", "knockouts.parquet"])
def test_what_is_missing_is_made_again_as_it_was(folder: Path, original: Run, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(OutputError, match=name):
        open_run(folder)
    continue_run(folder)
    pd.testing.assert_frame_equal(pd.read_parquet(folder / name), pd.read_parquet(original.path / name))
    open_run(folder)


def test_what_only_a_new_run_can_make_is_refused(folder: Path) -> None:
    (folder / "splits.parquet").unlink()
    with pytest.raises(OutputError, match=r"splits.parquet: missing") as caught:
        continue_run(folder)
    assert "--force" in caught.value.hint


def test_runs_without_digests_still_open(folder: Path) -> None:
    record = json.loads((folder / "run.json").read_text())
    for stage in record["stages"].values():
        stage.pop("files", None)
    (folder / "run.json").write_text(json.dumps(record))
    assert len(open_run(folder).explanation.ranking)


def test_a_run_is_read_elsewhere_without_its_data_and_networks(folder: Path, original: Run) -> None:
    shutil.rmtree(folder / "models")
    data = Path(original.experiment.data.file or "")
    hidden = data.rename(data.with_suffix(".hidden"))
    try:
        run = continue_run(folder, again=["report"])
        assert "</html>" in run.report.read_text(encoding="utf-8")
        assert len(run.activities) == 60
    finally:
        hidden.rename(data)


def test_files_of_others_in_the_folder_are_left_alone(folder: Path) -> None:
    (folder / "notes.json").write_text("{}")
    continue_run(folder, again=["report"])
    (folder / "notes.json").write_text('{"more": 1}')
    open_run(folder)
