"""One fit: what it learns, that it can be repeated and resumed, and what it leaves on disk."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open

import kgreg.fit.train
from kgreg.data import Samples, Scaler, Split, split_folds
from kgreg.data.samples import Task
from kgreg.errors import DataError, FitError
from kgreg.fit import FittedModel, fit_network, load_fitted, score
from kgreg.fit.checkpoints import SafetensorsIO
from kgreg.fit.losses import LossName, binary_cross_entropy, cox
from kgreg.fit.module import ShuffledBatches
from tests.small_data import FAST, small_blueprint, small_samples

BLUEPRINT = small_blueprint()


def first_split(samples: Samples) -> Split:
    return split_folds(samples, 3)[0]


def inputs(samples: Samples, split_part: np.ndarray) -> np.ndarray:
    return samples.columns(BLUEPRINT.inputs["feature"].tolist())[split_part]


def same(a: FittedModel, b: FittedModel) -> bool:
    """Whether two models hold the same numbers, bit for bit."""
    left, right = a.network.state_dict(), b.network.state_dict()
    return (
        left.keys() == right.keys()
        and all(torch.equal(left[name], right[name]) for name in left)
        and np.array_equal(a.scaler.mean, b.scaler.mean)
        and np.array_equal(a.scaler.sd, b.scaler.sd)
        and a.history == b.history
        and (a.best_epoch, a.seed, a.task, a.target_scale) == (b.best_epoch, b.seed, b.task, b.target_scale)
    )


@pytest.fixture(scope="module")
def samples() -> Samples:
    return small_samples()


@pytest.fixture(scope="module")
def fitted(samples: Samples) -> FittedModel:
    return fit_network(BLUEPRINT, samples, first_split(samples), FAST, seed=1)


# ---- learning --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("classes", "least"), [(2, 0.85), (3, 0.6)])
def test_classes_that_follow_from_a_subsystem_are_learned(classes: int, least: float) -> None:
    samples = small_samples(n=240, classes=classes)
    split = first_split(samples)
    model = fit_network(BLUEPRINT, samples, split, FAST, seed=0)
    predicted = model.predict(inputs(samples, split.test))
    assert predicted.shape == (len(split.test), classes)
    np.testing.assert_allclose(predicted.sum(axis=1), 1, atol=1e-5)
    assert score("classification", samples.target[split.test], predicted)["balanced_accuracy"] > least


def test_values_that_follow_from_a_subsystem_are_learned_in_their_own_units() -> None:
    samples = small_samples("regression", n=240)
    split = first_split(samples)
    model = fit_network(BLUEPRINT, samples, split, FAST, seed=0)
    predicted = model.predict(inputs(samples, split.test))
    assert predicted.shape == (len(split.test), 1)
    scores = score("regression", samples.target[split.test], predicted)
    assert scores["pearson_r"] > 0.85
    assert scores["r2"] > 0.6
    assert model.target_scale[0] == pytest.approx(float(samples.target[split.train].mean()))


def test_labels_that_follow_from_subsystems_are_learned() -> None:
    samples = small_samples("multilabel", n=300)
    split = first_split(samples)
    model = fit_network(BLUEPRINT, samples, split, FAST, seed=0)
    predicted = model.predict(inputs(samples, split.test))
    assert predicted.shape == (len(split.test), 2)
    assert ((predicted > 0) & (predicted < 1)).all()
    assert score("multilabel", samples.target[split.test], predicted)["auroc"] > 0.85


def test_survival_that_follows_from_a_subsystem_is_learned() -> None:
    samples = small_samples("survival", n=300)
    split = first_split(samples)
    model = fit_network(BLUEPRINT, samples, split, FAST, seed=0)
    predicted = model.predict(inputs(samples, split.test))
    assert predicted.shape == (len(split.test), 1)
    assert score("survival", samples.target[split.test], predicted)["concordance"] > 0.7
    assert model.predict(inputs(samples, split.train)).mean() == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("loss", ["ccc", "huber"])
def test_a_regression_learns_by_other_losses(loss: LossName) -> None:
    samples = small_samples("regression", n=240)
    split = first_split(samples)
    model = fit_network(BLUEPRINT, samples, split, replace(FAST, loss=loss), seed=0)
    scores = score("regression", samples.target[split.test], model.predict(inputs(samples, split.test)))
    assert scores["pearson_r"] > 0.85
    assert scores["r2"] > 0.6, "predicted in the units of the target"


@pytest.mark.parametrize(
    "options", [{"order": "tanh-norm"}, {"auxiliary": 0.0}, {"class_weight": "none"}, {"dropout": 0.1}]
)
def test_every_setting_trains(samples: Samples, options: dict[str, object]) -> None:
    settings = replace(FAST, **options)
    split = first_split(samples)
    model = fit_network(BLUEPRINT, samples, split, settings, seed=0)
    assert (model.network.heads is None) == (settings.auxiliary == 0)
    assert model.network.order == settings.order
    assert model.history[-1]["train_loss"] < model.history[0]["train_loss"]
    assert (
        score("classification", samples.target[split.test], model.predict(inputs(samples, split.test)))["auroc"] > 0.8
    )


def test_rare_classes_weigh_as_much_as_common_ones() -> None:
    samples = small_samples(n=200)
    # Make class 1 rare by moving most of it out, and remove the signal: only the prior is left to learn.
    rng = np.random.default_rng(0)
    target = (rng.random(200) < 0.15).astype(np.int64)
    samples = replace(samples, target=target)
    split = first_split(samples)

    def mean_probability(class_weight: str) -> float:
        settings = replace(FAST, class_weight=class_weight, max_epochs=6, weight_decay=1.0)
        return float(
            fit_network(BLUEPRINT, samples, split, settings, 0).predict(inputs(samples, split.stop))[:, 1].mean()
        )

    assert mean_probability("none") < 0.3 < mean_probability("balanced")


# ---- the same numbers ------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_model_whatever_ran_before(samples: Samples, fitted: FittedModel) -> None:
    torch.manual_seed(12345)
    np.random.seed(1)
    torch.rand(7)
    assert same(fit_network(BLUEPRINT, samples, first_split(samples), FAST, seed=1), fitted)


def test_another_seed_gives_another_model(samples: Samples, fitted: FittedModel) -> None:
    other = fit_network(BLUEPRINT, samples, first_split(samples), FAST, seed=2)
    assert not torch.equal(other.network.bias, fitted.network.bias)
    assert other.history != fitted.history


def test_columns_are_found_by_name(samples: Samples, fitted: FittedModel) -> None:
    turned = replace(samples, x=samples.x[:, ::-1].copy(), features=samples.features[::-1])
    assert same(fit_network(BLUEPRINT, turned, first_split(samples), FAST, seed=1), fitted)


def test_data_without_a_gene_of_the_blueprint_are_refused(samples: Samples) -> None:
    lacking = replace(samples, features=["renamed" if f == "g05.data" else f for f in samples.features])
    with pytest.raises(DataError, match=r"g05\.data"):
        fit_network(BLUEPRINT, lacking, first_split(samples), FAST, seed=1)


@pytest.mark.parametrize("task", ["classification", "regression", "multilabel", "survival"])
def test_test_samples_have_no_influence(task: Task) -> None:
    samples = small_samples(task)
    split = first_split(samples)
    x, target = samples.x.copy(), samples.target.copy()
    x[split.test] = x[split.test] * 1000 + 5
    target[split.test] = target[split.test][::-1] if task == "classification" else -1e6
    altered = replace(samples, x=x, target=target)
    assert not np.array_equal(altered.target, samples.target)
    model, other = (fit_network(BLUEPRINT, data, split, FAST, seed=3) for data in (samples, altered))
    assert same(model, other)
    own = Scaler.fit(inputs(samples, split.train))
    np.testing.assert_array_equal(model.scaler.mean, own.mean)
    np.testing.assert_array_equal(model.scaler.sd, own.sd)


# ---- stopping --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["classification", "regression", "multilabel", "survival"])
def test_the_weights_are_those_of_the_epoch_with_the_least_stopping_loss(task: Task) -> None:
    samples = small_samples(task)
    split = first_split(samples)
    model = fit_network(BLUEPRINT, samples, split, replace(FAST, learning_rate=0.1, max_epochs=10, patience=9), seed=0)
    losses = [row["stop_loss"] for row in model.history]
    assert [row["epoch"] for row in model.history] == list(range(len(losses)))
    assert model.best_epoch == int(np.argmin(losses))
    assert model.best_epoch < len(losses) - 1, "the last epoch must not be the best for this to tell anything"
    with torch.no_grad():
        outputs = model.network.predict(torch.from_numpy(model.scaler.transform(inputs(samples, split.stop))))
    target = samples.target[split.stop]
    if task == "classification":
        counts = np.bincount(samples.target[split.fit])
        weight = torch.tensor(len(split.fit) / (2 * counts), dtype=torch.float32)
        loss = F.cross_entropy(outputs, torch.from_numpy(target), weight=weight)
    elif task == "multilabel":
        positive, negative = ((samples.target[split.fit] == value).sum(axis=0) for value in (1, 0))
        weight = torch.tensor(negative / positive, dtype=torch.float32)
        loss = binary_cross_entropy(outputs.t(), torch.from_numpy(target), weight)
    elif task == "survival":
        loss = cox(outputs.t(), torch.from_numpy(target))
    else:
        centre, spread = model.target_scale
        loss = F.mse_loss(outputs[:, 0], torch.from_numpy((target - centre) / spread))
    assert float(loss) == pytest.approx(min(losses), rel=1e-4)
    assert not model.network.training


def test_training_stops_when_patience_is_spent() -> None:
    rng = np.random.default_rng(0)
    samples = replace(small_samples(), target=rng.integers(0, 2, 120))
    model = fit_network(BLUEPRINT, samples, first_split(samples), replace(FAST, max_epochs=60, patience=3), seed=0)
    assert len(model.history) == model.best_epoch + 1 + 3 < 60


def test_progress_is_told_after_every_epoch(samples: Samples) -> None:
    calls: list[tuple[int, int]] = []
    settings = replace(FAST, max_epochs=3)
    fit_network(BLUEPRINT, samples, first_split(samples), settings, 0, on_epoch=lambda *now: calls.append(now))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_a_loss_that_is_never_finite_is_an_error(samples: Samples) -> None:
    with pytest.raises(FitError, match="never a finite number") as caught:
        fit_network(BLUEPRINT, samples, first_split(samples), replace(FAST, learning_rate=1e38), seed=0)
    assert "learning rate" in caught.value.hint


# ---- interrupted and resumed -----------------------------------------------------------------------------------------


def interrupt_at(epoch: int, error: BaseException) -> Callable[[int, int], None]:
    def on_epoch(now: int, most: int) -> None:
        if now == epoch:
            raise error

    return on_epoch


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("the machine went away")], ids=["ctrl-c", "error"])
@pytest.mark.parametrize("epoch", [1, 2, 5])
def test_a_resumed_fit_equals_one_that_was_not_interrupted(
    samples: Samples, tmp_path: Path, error: BaseException, epoch: int
) -> None:
    settings, split = replace(FAST, dropout=0.2, max_epochs=8, patience=8), first_split(samples)
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


def test_a_damaged_checkpoint_is_refused(samples: Samples, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit_network(BLUEPRINT, samples, first_split(samples), FAST, 1, tmp_path, interrupt_at(3, KeyboardInterrupt()))
    (checkpoint,) = (tmp_path / "checkpoints").iterdir()
    checkpoint.write_bytes(checkpoint.read_bytes()[:200])
    with pytest.raises(FitError, match="is not a checkpoint of kgreg") as caught:
        fit_network(BLUEPRINT, samples, first_split(samples), FAST, 1, tmp_path)
    assert "Remove it" in caught.value.hint


# ---- on disk ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(samples: Samples, tmp_path: Path) -> Path:
    fit_network(BLUEPRINT, samples, first_split(samples), replace(FAST, max_epochs=3), 1, tmp_path / "fold-0")
    return tmp_path / "fold-0"


@pytest.mark.parametrize("task", ["classification", "regression", "multilabel", "survival"])
def test_a_loaded_model_predicts_what_the_saved_one_did(tmp_path: Path, task: Task) -> None:
    samples = small_samples(task)
    model = fit_network(BLUEPRINT, samples, first_split(samples), replace(FAST, max_epochs=3), 1, tmp_path)
    back = load_fitted(tmp_path, BLUEPRINT)
    assert same(model, back)
    x = inputs(samples, np.arange(20))
    np.testing.assert_array_equal(back.predict(x), model.predict(x))


def test_a_finished_fit_is_loaded_and_not_trained_again(samples: Samples, folder: Path) -> None:
    calls: list[int] = []
    again = fit_network(
        *(BLUEPRINT, samples, first_split(samples), replace(FAST, max_epochs=3), 1, folder),
        on_epoch=lambda now, most: calls.append(now),
    )
    assert not calls
    assert same(again, load_fitted(folder, BLUEPRINT))


def test_nothing_on_disk_is_a_pickle(samples: Samples, folder: Path, tmp_path: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "model.safetensors"]
    with pytest.raises(KeyboardInterrupt):
        fit_network(
            *(BLUEPRINT, samples, first_split(samples), FAST, 1, tmp_path / "cut"),
            interrupt_at(3, KeyboardInterrupt()),
        )
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".ckpt" for path in files)
    for path in files:
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        else:
            with safe_open(path, framework="np") as tensors:
                assert list(tensors.keys())


@pytest.mark.parametrize(
    "damage", ["no json", "no weights", "half the json", "half the weights", "other weights", "a key less", "a list"]
)
def test_a_damaged_model_is_refused(folder: Path, damage: str) -> None:
    record, weights = folder / "model.json", folder / "model.safetensors"
    if damage == "no json":
        record.unlink()
    elif damage == "no weights":
        weights.unlink()
    elif damage == "half the json":
        record.write_text(record.read_text()[:100])
    elif damage == "half the weights":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "other weights":
        data = bytearray(weights.read_bytes())
        data[-5] ^= 1
        weights.write_bytes(bytes(data))
    elif damage == "a list":
        record.write_text("[]")
    else:
        record.write_text(json.dumps({k: v for k, v in json.loads(record.read_text()).items() if k != "settings"}))
    with pytest.raises(FitError):
        load_fitted(folder, BLUEPRINT)


def test_a_model_of_another_blueprint_is_refused(folder: Path) -> None:
    for other in (small_blueprint(width=2), BLUEPRINT.rewire(3), BLUEPRINT.shuffle_genes(1)):
        assert other.content_hash() != BLUEPRINT.content_hash()
        with pytest.raises(FitError, match="another blueprint"):
            load_fitted(folder, other)


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


# ---- batches ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "size", "expected"), [(10, 4, [4, 4, 2]), (9, 4, [4, 5]), (8, 4, [4, 4]), (3, 64, [3])])
def test_an_epoch_sees_every_row_once_and_no_batch_of_one(n: int, size: int, expected: list[int]) -> None:
    batches = ShuffledBatches(n, size, seed=0)
    drawn = list(batches)
    assert [len(batch) for batch in drawn] == expected
    assert len(batches) == len(expected)
    assert sorted(row for batch in drawn for row in batch) == list(range(n))


def test_the_order_of_rows_follows_from_seed_and_epoch() -> None:
    def rows(seed: int, epoch: int) -> list[list[int]]:
        batches = ShuffledBatches(30, 7, seed)
        batches.set_epoch(epoch)
        return list(batches)

    assert rows(1, 4) == rows(1, 4)
    assert rows(1, 4) != rows(1, 5)
    assert rows(1, 4) != rows(2, 4)
