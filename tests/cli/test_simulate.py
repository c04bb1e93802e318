"""``kgreg simulate``: data, knowledge and an experiment that runs on them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from kgreg.cli import app
from kgreg.data.simulate import simulators
from kgreg.runs import run_experiment


@pytest.mark.parametrize("name", sorted(simulators()))
def test_what_is_simulated_can_be_compiled_at_once(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    done = CliRunner().invoke(app, ["simulate", name, "--output", str(folder), "--seed", "1"])
    assert done.exit_code == 0, done.output
    assert "Next" in done.output
    run = run_experiment(folder / "experiment.toml", until="compile")
    truth = pd.read_csv(folder / "truth.csv")
    planted = set(truth.loc[truth["planted"], "node"])
    assert planted & set(run.blueprint.nodes["label"])


def test_the_simulators_are_listed() -> None:
    done = CliRunner().invoke(app, ["simulate", "list"])
    assert done.exit_code == 0
    for name in simulators():
        assert name in done.output


def test_nothing_is_overwritten_and_unknown_names_are_answered(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    done = CliRunner().invoke(app, ["simulate", "modules", "--output", str(tmp_path)])
    assert done.exit_code != 0
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]
    done = CliRunner().invoke(app, ["simulate", "module", "--output", str(tmp_path / "new")])
    assert done.exit_code != 0
    assert "modules" in str(done.exception) + str(getattr(done.exception, "hint", ""))
