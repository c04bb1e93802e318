"""Sweeps over seeds and settings: what is run, what is kept, what is compared."""

from __future__ import annotations

import importlib.util
import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kgreg.data.simulate import experiment_of, simulate
from kgreg.errors import ExperimentError, KgregError, OutputError
from kgreg.experiment import Experiment, read_experiment
from kgreg.runs.sweep import Sweep, plan_sweep, sweep_experiment
from kgreg.spread import over_processes, over_ray
from tests.cells import small_experiment


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """Two folds of one epoch or two, nothing else."""
    folder = tmp_path_factory.mktemp("simulated")
    simulate("drivers", 0).write(folder)
    (folder / "experiment.toml").write_text(experiment_of("drivers"))
    asked = read_experiment(folder / "experiment.toml")
    asked = asked.replace("training", folds=2, replicates=1, max_epochs=2)
    return asked.replace("nulls", rewired=0, labels=0).replace("decode", bootstrap=0)


@pytest.fixture(scope="module")
def swept(experiment: Experiment, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Sweep]:
    """Two seeds at two learning rates, of which one is hopeless; interrupted after the first run."""
    folder = tmp_path_factory.mktemp("sweep")

    def stop(text: str, share: float) -> None:
        if text.startswith("finished"):
            raise KeyboardInterrupt

    asked = {"seeds": 2, "values": {"training.learning_rate": [0.01, 1e35]}, "workers": 1}
    with pytest.raises(KeyboardInterrupt):
        sweep_experiment(experiment, folder, **asked, progress=stop)
    (first,) = folder.glob("*/run.json")
    before = first.read_text()
    result = sweep_experiment(experiment, folder, **asked)
    assert first.read_text() == before  # not done again
    return folder, result


def test_every_combination_is_a_run_with_every_seed(tmp_path: Path) -> None:
    asked = small_experiment(tmp_path, tmp_path / "store").replace("training", seed=3)
    cases = plan_sweep(asked, tmp_path, 2, {"network.width": [2, 4], "training.loss": ["auto"]})
    assert [case.name for case in cases] == [
        f"width={width},loss=auto,seed={seed}" for width in (2, 4) for seed in (3, 4)
    ]
    for case in cases:
        assert case.experiment.training.seed == case.values["training.seed"]
        assert case.experiment.network.width == case.values["network.width"]
        assert case.folder == tmp_path / case.name


@pytest.mark.parametrize(
    ("seeds", "values", "message"),
    [
        (1, {}, "nothing to sweep over"),
        (1, {"network.width": []}, "nothing to sweep over"),
        (1, {"width": [2, 4]}, "'width' is not of the form section.key"),
        (1, {"title.x": ["a"]}, "'title.x' is not of the form"),
        (1, {"training.lerning_rate": [0.1]}, "no key 'lerning_rate'"),
        (1, {"training.learning_rate": [-1]}, "learning_rate"),
        (2, {"training.seed": [0, 1]}, "given twice"),
        (1, {"data.label": ["a b", "a/b"]}, "same name"),
    ],
)
def test_what_cannot_be_swept_over_is_said(
    tmp_path: Path, seeds: int, values: dict[str, list[object]], message: str
) -> None:
    asked = small_experiment(tmp_path, tmp_path / "store")
    with pytest.raises(ExperimentError, match=message):
        plan_sweep(asked, tmp_path, seeds, values)


def test_one_that_fails_does_not_stop_the_others(swept: tuple[Path, Sweep]) -> None:
    folder, result = swept
    assert sorted(case.name for case in result.runs) == ["learning_rate=0.01,seed=0", "learning_rate=0.01,seed=1"]
    assert sorted(result.failed) == ["learning_rate=1e+35,seed=0", "learning_rate=1e+35,seed=1"]
    assert all("finite" in problem for problem in result.failed.values())
    for case, run in result.runs.items():
        assert run.report.is_file()
        graph = next(arm for arm in run.metrics["arms"] if arm["arm"] == "graph")
        own = result.metrics.query("run == @case.name and arm == 'graph'").set_index("metric")
        assert own["mean"].to_dict() == {name: metric["mean"] for name, metric in graph["metrics"].items()}
        assert set(own["training.seed"]) == {case.values["training.seed"]}
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "sweep.parquet"), result.metrics)


def test_agreement_is_that_of_the_ranks(swept: tuple[Path, Sweep]) -> None:
    _, result = swept
    row = result.agreement.query("among == 'all' and kind == 'gene' and output == 'all'").iloc[0]
    ranks = [
        run.explanation.ranking.query("kind == 'gene' and output == 'all'").set_index("node")["rank"].astype(float)
        for run in result.runs.values()
    ]
    pairs = [stats.spearmanr(a, b.loc[a.index]).statistic for a, b in combinations(ranks, 2)]
    assert row["runs"] == 2
    assert row["rank_correlation"] == pytest.approx(np.mean(pairs))


def test_a_sweep_of_another_experiment_is_refused(swept: tuple[Path, Sweep], experiment: Experiment) -> None:
    with pytest.raises(OutputError, match="another experiment"):
        sweep_experiment(
            experiment.replace("network", width=3), swept[0], seeds=2, values={"training.learning_rate": [0.01]}
        )


def test_the_command_reads_values_and_names_what_failed(swept: tuple[Path, Sweep], tmp_path: Path) -> None:
    from tests.cli.test_commands import kgreg_here

    folder, result = swept
    file = tmp_path / "experiment.json"
    file.write_text(json.dumps(next(iter(result.runs)).experiment.to_dict()))
    keys = ("--seeds", 2, "--set", "training.learning_rate=1e-2,1e35", "--workers", 1)
    done = kgreg_here("sweep", file, "--output", folder, *keys, check=1)
    assert "How far the rankings agree" in done.stdout
    assert done.stderr.count("Failed: learning_rate=1e+35") == 2
    assert "is not of the form" in kgreg_here("sweep", file, "--set", "network.width", check=1).stderr


def test_tasks_on_processes() -> None:
    assert sorted(over_processes(lambda i: 2 * i, [(i,) for i in range(5)], 2)) == [0, 2, 4, 6, 8]


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
def test_tasks_on_ray() -> None:
    assert sorted(over_ray(lambda i: 2 * i, [(i,) for i in range(5)], "local", 1)) == [0, 2, 4, 6, 8]


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="ray is installed")
def test_without_ray_it_is_said_what_brings_it() -> None:
    with pytest.raises(KgregError, match="ray is not installed"):
        list(over_ray(abs, [(1,)], "local", 1))
