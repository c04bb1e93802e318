"""Fits that were interrupted, and their checkpoints."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import kgreg.fit.checkpoints
import kgreg.fit.train
from kgreg.blueprint import Blueprint
from kgreg.data import Samples
from kgreg.errors import FitError
from kgreg.fit import FittedModel, TrainSettings, fit_network, fit_networks, save_fitted
from kgreg.fit.checkpoints import SafetensorsIO
from kgreg.nn.architecture import Architecture
from tests.fit.cases import BLUEPRINT, assert_alike, first_split, interrupt_at, same
from tests.small_data import FAST, small_blueprint, small_samples, uneven_splits


@pytest.fixture(scope="module")
def samples() -> Samples:
    return small_samples()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("the machine went away")], ids=["ctrl-c", "error"])
@pytest.mark.parametrize("epoch", [1, 2, 5])
def test_a_resumed_fit_equals_one_that_was_not_interrupted(
    samples: Samples, tmp_path: Path, error: BaseException, epoch: int
) -> None:
    settings = replace(FAST, architecture=Architecture(dropout=0.2), max_epochs=8, patience=8)
    split = first_split(samples)
    whole = fit_network(BLUEPRINT, samples, split, settings, seed=5)
    with pytest.raises(type(error)):
        fit_network(BLUEPRINT, samples, split, settings, 5, tmp_path, interrupt_at(epoch, error))
    torch.manual_seed(999)
    epochs: list[int] = []
    resumed = fit_network(BLUEPRINT, samples, split, settings, 5, tmp_path, lambda now, most: epochs.append(now))
    assert same(resumed, whole)
    assert epochs == list(range(epoch, 9)), "finished epochs are not trained again"


def test_a_fit_interrupted_twice_still_equals_the_whole_one(samples: Samples, tmp_path: Path) -> None:
    split = first_split(samples)
    for epoch in (2, 4):
        with pytest.raises(KeyboardInterrupt):
            fit_network(BLUEPRINT, samples, split, FAST, 1, tmp_path, interrupt_at(epoch, KeyboardInterrupt()))
    whole = fit_network(BLUEPRINT, samples, split, FAST, seed=1)
    assert same(fit_network(BLUEPRINT, samples, split, FAST, 1, tmp_path), whole)


@pytest.mark.parametrize("patience", [2, 12], ids=["stopped early", "all epochs"])
def test_a_fit_lost_between_its_last_epoch_and_saving_is_not_trained_on(
    samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: int
) -> None:
    split, settings = first_split(samples), replace(FAST, patience=patience, learning_rate=0.1)
    whole = fit_network(BLUEPRINT, samples, split, settings, seed=1)

    def full_disk(*_: object) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(kgreg.fit.train, "save_fitted", full_disk)
        with pytest.raises(OSError, match="No space"):
            fit_network(BLUEPRINT, samples, split, settings, 1, tmp_path)
    assert same(fit_network(BLUEPRINT, samples, split, settings, 1, tmp_path), whole)


def test_ctrl_c_works_again_after_an_interrupted_fit(samples: Samples, tmp_path: Path) -> None:
    handler = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(KeyboardInterrupt):
            fit_network(
                BLUEPRINT, samples, first_split(samples), FAST, 1, tmp_path, interrupt_at(1, KeyboardInterrupt())
            )
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, handler)


def test_a_kill_while_a_checkpoint_is_written_leaves_the_one_before(
    samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = first_split(samples)
    written: list[str] = []

    def replace_file(source: object, target: str) -> None:
        written.append(target)
        if len(written) == 3:
            raise KeyboardInterrupt
        os.rename(str(source), target)

    with monkeypatch.context() as patch:
        patch.setattr(kgreg.fit.checkpoints.os, "replace", replace_file)
        with pytest.raises(KeyboardInterrupt):
            fit_network(BLUEPRINT, samples, split, FAST, 1, tmp_path)
    epochs: list[int] = []
    resumed = fit_network(BLUEPRINT, samples, split, FAST, 1, tmp_path, lambda now, most: epochs.append(now))
    assert epochs[0] == 3, "two epochs were on disk"
    assert same(resumed, fit_network(BLUEPRINT, samples, split, FAST, seed=1))


# ---- several fits side by side ---------------------------------------------------------------------------------------

SPLITS = uneven_splits(120)
SEEDS = [21, 22, 23]
TOGETHER = replace(FAST, architecture=Architecture(dropout=0.1), learning_rate=0.1, patience=2, max_epochs=14)


def fit_three(samples: Samples, folder: Path | None = None, **options: object) -> list[FittedModel]:
    folders = None if folder is None else [folder / str(i) for i in range(3)]
    settings = options.pop("settings", TOGETHER)
    return fit_networks(BLUEPRINT, samples, SPLITS, settings, SEEDS, folders, steps=3, **options)


def test_fits_side_by_side_resume_after_any_epoch(samples: Samples, tmp_path: Path) -> None:
    whole = fit_three(samples)
    lengths = sorted(len(model.history) for model in whole)
    assert lengths[0] < lengths[-1] - 1, "one must run out of patience while others learn for this to tell anything"
    for epoch in range(1, lengths[-1] + 1):
        folder = tmp_path / str(epoch)
        with pytest.raises(KeyboardInterrupt):
            fit_three(samples, folder, on_epoch=interrupt_at(epoch, KeyboardInterrupt()))
        resumed = fit_three(samples, folder)
        assert all(same(a, b) for a, b in zip(resumed, whole, strict=True)), epoch
        assert not list(folder.rglob("*.ckpt"))


def test_models_finished_earlier_are_read_and_the_rest_trained_with_the_same_numbers(
    samples: Samples, tmp_path: Path
) -> None:
    whole = fit_three(samples)
    first = fit_networks(BLUEPRINT, samples, SPLITS[1:2], TOGETHER, SEEDS[1:2], [tmp_path / "1"], steps=3)
    before = (tmp_path / "1" / "model.json").stat().st_mtime_ns
    models = fit_three(samples, tmp_path)
    assert (tmp_path / "1" / "model.json").stat().st_mtime_ns == before
    assert same(models[1], first[0])
    for model, expected in zip(models, whole, strict=True):
        assert_alike(model, expected)
    assert all(same(a, b) for a, b in zip(fit_three(samples, tmp_path), models, strict=True))


def test_a_kill_between_two_models_that_are_saved_loses_nothing(
    samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[Path] = []

    def save(model: FittedModel, settings: TrainSettings, folder: Path) -> None:
        if len(saved) == 2:
            raise KeyboardInterrupt
        saved.append(folder)
        save_fitted(model, settings, folder)

    with monkeypatch.context() as patch:
        patch.setattr(kgreg.fit.train, "save_fitted", save)
        with pytest.raises(KeyboardInterrupt):
            fit_three(samples, tmp_path)
    for model, expected in zip(fit_three(samples, tmp_path), fit_three(samples), strict=True):
        assert_alike(model, expected)
    assert not list(tmp_path.rglob("*.ckpt")), "nothing is left behind"


@pytest.mark.parametrize("groups", [[[0], [1, 2]], [[0, 1], [2]]])
def test_an_interruption_may_be_followed_by_another_grouping(
    samples: Samples, tmp_path: Path, caplog: pytest.LogCaptureFixture, groups: list[list[int]]
) -> None:
    whole = fit_three(samples)
    with pytest.raises(KeyboardInterrupt):
        fit_three(samples, tmp_path, on_epoch=interrupt_at(4, KeyboardInterrupt()))
    for group in groups:
        splits, seeds, folders = ([part[i] for i in group] for part in (SPLITS, SEEDS, [tmp_path / c for c in "012"]))
        models = fit_networks(BLUEPRINT, samples, splits, TOGETHER, seeds, folders, steps=3)
        for i, model in zip(group, models, strict=True):
            assert_alike(model, whole[i])
    assert "another grouping" in caplog.text
    assert not list(tmp_path.rglob("*.ckpt"))


# ---- checkpoints that are not those of the fit -----------------------------------------------------------------------


@pytest.fixture
def interrupted(samples: Samples, tmp_path: Path) -> Path:
    with pytest.raises(KeyboardInterrupt):
        fit_network(BLUEPRINT, samples, first_split(samples), FAST, 1, tmp_path, interrupt_at(3, KeyboardInterrupt()))
    return tmp_path


@pytest.mark.parametrize(
    ("blueprint", "change", "seed", "message"),
    [
        (small_blueprint(width=5), {}, 1, "another blueprint"),
        (BLUEPRINT.rewire(3), {}, 1, "another blueprint"),
        (BLUEPRINT, {}, 2, "other fits"),
        (BLUEPRINT, {"learning_rate": 0.5}, 1, r"other settings \(learning_rate\)"),
        (BLUEPRINT, {"max_epochs": 30, "patience": 9}, 1, r"other settings \(max_epochs, patience\)"),
        (BLUEPRINT, {"architecture": Architecture(norm="after")}, 1, r"other settings \(architecture\)"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(
    samples: Samples, interrupted: Path, blueprint: Blueprint, change: dict[str, Any], seed: int, message: str
) -> None:
    with pytest.raises(FitError, match=message) as caught:
        fit_network(blueprint, samples, first_split(samples), replace(FAST, **change), seed, interrupted)
    assert "last.ckpt" in str(caught.value)
    assert "another folder" in caught.value.hint
    whole = fit_network(BLUEPRINT, samples, first_split(samples), FAST, seed=1)
    unharmed = fit_network(BLUEPRINT, samples, first_split(samples), replace(FAST, together=1), 1, interrupted)
    assert same(unharmed, whole)


@pytest.mark.parametrize("damage", ["cut", "cut late", "garbage", "empty", "other tensors", "other json"])
def test_a_damaged_checkpoint_is_refused(samples: Samples, interrupted: Path, damage: str) -> None:
    (checkpoint,) = (interrupted / "checkpoints").iterdir()
    data = checkpoint.read_bytes()
    if damage == "other tensors":
        save_file({"weight": torch.zeros(3)}, checkpoint)
    elif damage == "other json":
        save_file({"weight": torch.zeros(3)}, checkpoint, metadata={"kgreg": '{"items": []}'})
    else:
        changed = {"cut": data[:200], "cut late": data[:-9], "garbage": b"\x07" * 3000, "empty": b""}[damage]
        checkpoint.write_bytes(changed)
    with pytest.raises(FitError, match=r"last\.ckpt is not a checkpoint of kgreg") as caught:
        fit_network(BLUEPRINT, samples, first_split(samples), FAST, 1, interrupted)
    assert "Remove it" in caught.value.hint


def test_checkpoints_bring_back_every_kind_of_value(tmp_path: Path) -> None:
    shared = torch.arange(6.0)
    value = {
        "tensors": [shared, shared.view(2, 3), shared.view(2, 3).t(), torch.tensor(3), torch.zeros(0)],
        **{"none": None, "float": float("inf"), "text": "é", "pair": (1, [2.5, True])},
        3: {"nested": {}},
    }
    io, path = SafetensorsIO(), tmp_path / "deep" / "last.ckpt"
    io.save_checkpoint(value, path)
    back = io.load_checkpoint(path)
    for before, after in zip(value.pop("tensors"), back.pop("tensors"), strict=True):
        assert torch.equal(before, after)
    assert back == value
    assert isinstance(back["pair"], tuple)
    with pytest.raises(FitError, match="cannot hold a set"):
        io.save_checkpoint({"bad": {1, 2}}, path)
    io.remove_checkpoint(path)
    io.remove_checkpoint(path)
    assert not path.exists()
