"""Fits side by side, and finished fits that are met again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from kgreg.data import split_folds
from kgreg.errors import FitError
from kgreg.fit import CrossValidation, cross_validate, plan
from kgreg.fit.parallel import group_jobs
from kgreg.fit.threads import limit_threads
from tests.fit.cases import assert_alike
from tests.small_data import FAST, small_blueprint, small_samples

SAMPLES = small_samples(n=70)
SPLITS = split_folds(SAMPLES, 2)
ARMS = {"replicates": 2, "rewired": 1, "labels": 1, "seed": 3}


@pytest.fixture(scope="module")
def alone() -> CrossValidation:
    """Every network trained by itself."""
    return cross_validate(small_blueprint(), SAMPLES, SPLITS, replace(FAST, together=1), **ARMS)


@pytest.mark.parametrize("together", [0, 3])
def test_fits_side_by_side_give_the_numbers_of_one_after_the_other(alone: CrossValidation, together: int) -> None:
    seen: list[tuple[str, float]] = []
    settings = replace(FAST, together=together)
    result = cross_validate(
        small_blueprint(), SAMPLES, SPLITS, settings, **ARMS, progress=lambda text, share: seen.append((text, share))
    )
    pd.testing.assert_frame_equal(result.predictions, alone.predictions, rtol=1e-4)
    for name, model in result.models.items():
        assert_alike(model, alone.models[name])
    assert any(f"graph to labels-0, {together or 8} fits side by side" in text for text, _ in seen)
    shares = [share for _, share in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1


@pytest.mark.slow
def test_several_processes_give_the_numbers_of_one(alone: CrossValidation, tmp_path: Path) -> None:
    seen: list[float] = []
    result = cross_validate(
        *(small_blueprint(), SAMPLES, SPLITS, FAST),
        **ARMS,
        folder=tmp_path,
        workers=2,
        progress=lambda text, share: seen.append(share),
    )
    pd.testing.assert_frame_equal(result.predictions, alone.predictions, rtol=1e-4)
    assert [job.name for job in alone.jobs] == list(result.models)
    assert np.all(np.diff(seen) >= 0)
    again = cross_validate(small_blueprint(), SAMPLES, SPLITS, FAST, **ARMS, folder=tmp_path, workers=1)
    pd.testing.assert_frame_equal(result.predictions, again.predictions)


@pytest.mark.parametrize(
    ("together", "workers", "expected"),
    [(0, 1, [4, 4]), (0, 3, [2, 2, 2, 2]), (3, 1, [3, 1, 3, 1]), (1, 2, [1] * 8), (0, 9, [1] * 8), (2, 2, [2] * 4)],
)
def test_groups_hold_fits_of_one_arm_and_keep_all_workers_busy(
    together: int, workers: int, expected: list[int]
) -> None:
    jobs = plan(SPLITS, replicates=2, rewired=1, labels=0, seed=0)
    groups = group_jobs(jobs, together, workers)
    assert [len(group) for group in groups] == expected
    assert all(len({job.arm for job in group}) == 1 for group in groups)
    assert [job for group in groups for job in group] == jobs
    assert group_jobs([], together, workers) == []


def test_permuted_labels_and_controls_go_with_the_graph() -> None:
    jobs = plan(SPLITS, replicates=1, rewired=2, labels=2, seed=0, controls=1)
    groups = group_jobs(jobs, 0, 1)
    assert [[job.arm.name for job in group[::2]] for group in groups] == [
        ["graph", "labels-0", "labels-1", "control-0"], ["rewired-0"], ["rewired-1"],
    ]  # fmt: skip
    assert sorted(len(group) for group in group_jobs(jobs, 0, 2)) == [2, 2, 2, 6]
    assert max(len(group) for group in group_jobs(jobs, 0, 4)) == 3  # nobody waits for a third of all fits


@pytest.mark.parametrize("what", ["settings", "seed"])
def test_a_finished_model_of_other_settings_is_not_taken_for_this_one(tmp_path: Path, what: str) -> None:
    samples = small_samples(n=60)
    splits = split_folds(samples, 2)
    settings = replace(FAST, max_epochs=2)
    cross_validate(small_blueprint(), samples, splits, settings, rewired=0, labels=0, folder=tmp_path)
    other = replace(settings, learning_rate=0.5) if what == "settings" else settings
    seed = 0 if what == "settings" else 1
    with pytest.raises(FitError, match="learning_rate" if what == "settings" else "seed"):
        cross_validate(small_blueprint(), samples, splits, other, rewired=0, labels=0, folder=tmp_path, seed=seed)


def divide_by_zero_on_one_thread() -> None:
    with limit_threads(1):
        assert torch.get_num_threads() == 1
        _ = 1 / 0


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError):
        divide_by_zero_on_one_thread()
    assert torch.get_num_threads() == before


@pytest.mark.slow
def test_what_killed_workers_wrote_aside_is_cleared_away(tmp_path: Path) -> None:
    def stop(text: str, share: float) -> None:
        if text.startswith("trained"):
            (tmp_path / ".model.json.1.part").write_text("half of it")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cross_validate(small_blueprint(), SAMPLES, SPLITS, FAST, **ARMS, folder=tmp_path, workers=2, progress=stop)
    assert not list(tmp_path.rglob("*.part"))
    assert list(tmp_path.rglob("model.json"))
