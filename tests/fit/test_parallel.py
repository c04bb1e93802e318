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
from kgreg.fit import cross_validate
from kgreg.fit.threads import limit_threads
from tests.small_data import FAST, small_blueprint, small_samples


@pytest.mark.slow
def test_several_processes_give_the_numbers_of_one(tmp_path: Path) -> None:
    samples = small_samples(n=60)
    splits = split_folds(samples, 2)
    options = {"rewired": 2, "labels": 1, "seed": 3}
    alone = cross_validate(small_blueprint(), samples, splits, FAST, **options)
    seen: list[float] = []
    together = cross_validate(
        small_blueprint(),
        samples,
        splits,
        FAST,
        **options,
        folder=tmp_path,
        workers=2,
        progress=lambda text, share: seen.append(share),
    )
    pd.testing.assert_frame_equal(alone.predictions, together.predictions)
    assert [job.name for job in alone.jobs] == list(together.models)
    assert np.all(np.diff(seen) >= 0)
    again = cross_validate(small_blueprint(), samples, splits, FAST, **options, folder=tmp_path, workers=2)
    pd.testing.assert_frame_equal(alone.predictions, again.predictions)


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
