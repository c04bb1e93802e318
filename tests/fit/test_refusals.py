"""Fits that cannot be made, and fits that go wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import kgreg.fit.memory
import kgreg.fit.train
from kgreg.data import Samples
from kgreg.errors import FitError
from kgreg.fit import FittedModel, fit_network, fit_networks, load_fitted
from kgreg.fit.memory import estimate_bytes
from kgreg.nn.architecture import Architecture
from tests.fit.cases import BLUEPRINT, assert_alike, first_split, same
from tests.small_data import FAST, small_blueprint, small_samples, uneven_splits, with_extras


@pytest.fixture(scope="module")
def samples() -> Samples:
    return small_samples()


# ---- what is asked for -----------------------------------------------------------------------------------------------


def test_cuda_that_is_not_there_is_refused_and_finished_models_are_read(
    samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kgreg.fit.train.torch.cuda, "is_available", lambda: False)
    settings = replace(FAST, max_epochs=1)
    with pytest.raises(FitError, match="no CUDA device") as caught:
        fit_network(BLUEPRINT, samples, first_split(samples), replace(settings, accelerator="cuda"), 1, tmp_path)
    assert 'accelerator = "auto"' in caught.value.hint
    trained = fit_network(BLUEPRINT, samples, first_split(samples), settings, 1, tmp_path)
    again = fit_network(BLUEPRINT, samples, first_split(samples), replace(settings, accelerator="cuda"), 1, tmp_path)
    assert same(trained, again)


@pytest.mark.parametrize("weights", [(1.0,), (1.0,) * 4])
def test_layer_weights_of_another_length_are_refused(samples: Samples, weights: tuple[float, ...]) -> None:
    settings = replace(FAST, architecture=Architecture(heads="layer", readout="heads"), layer_weights=weights)
    with pytest.raises(FitError, match=f"{len(weights)} numbers for 3 layers") as caught:
        fit_network(BLUEPRINT, samples, first_split(samples), settings, 1)
    assert "from the genes up" in caught.value.hint


def test_interactions_with_what_is_no_covariate_are_refused(samples: Samples) -> None:
    settings = replace(FAST, interactions=("lab", "batch"), architecture=Architecture(blocks={"drug": (3,)}))
    with pytest.raises(FitError, match=r"name batch, no covariate"):
        fit_network(BLUEPRINT, with_extras(samples), first_split(samples), settings, 1)
    with pytest.raises(FitError, match=r"lab, batch"):
        fit_network(BLUEPRINT, samples, first_split(samples), replace(settings, architecture=Architecture()), 1)


def test_blocks_that_the_data_or_the_network_lack_are_refused(samples: Samples) -> None:
    settings = replace(FAST, architecture=Architecture(blocks={"drug": (3,)}))
    with pytest.raises(FitError, match="The data have the blocks none"):
        fit_network(BLUEPRINT, samples, first_split(samples), settings, 1)
    with pytest.raises(FitError, match="the network none"):
        fit_network(BLUEPRINT, with_extras(samples), first_split(samples), FAST, 1)


# ---- memory ----------------------------------------------------------------------------------------------------------


def test_a_network_too_large_for_memory_is_refused_before_it_is_built(
    samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*_: object, **__: object) -> None:
        raise AssertionError("built")

    needed = estimate_bytes(BLUEPRINT, 2, FAST, 2)
    free = SimpleNamespace(available=needed - 1)
    monkeypatch.setattr(kgreg.fit.memory.psutil, "virtual_memory", lambda: free)
    with monkeypatch.context() as patch:
        patch.setattr(kgreg.fit.train, "build_network", build)
        with pytest.raises(FitError, match=r"5 terms, .* 2 fits side by side\), but this machine has") as caught:
            fit_networks(BLUEPRINT, samples, uneven_splits(120)[:2], FAST, [1, 2])
    for word in ("Prune", "min_genes", "max_genes", "width", "batch_size", "together"):
        assert word in caught.value.hint
    fit_network(BLUEPRINT, samples, first_split(samples), replace(FAST, max_epochs=1), 1)  # one of them fits
    free.available = needed
    fit_networks(BLUEPRINT, samples, uneven_splits(120)[:2], replace(FAST, max_epochs=1), [1, 2])


def test_the_memory_that_counts_is_that_of_the_gpu_where_there_is_one(
    samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuda = kgreg.fit.memory.torch.cuda
    monkeypatch.setattr(cuda, "is_available", lambda: True)
    monkeypatch.setattr(cuda, "mem_get_info", lambda: (100, 2**40))
    with pytest.raises(FitError, match=r"the GPU has 0\.0 GiB free"):
        fit_network(BLUEPRINT, samples, first_split(samples), replace(FAST, accelerator="auto"), 1)
    fit_network(BLUEPRINT, samples, first_split(samples), replace(FAST, max_epochs=1), 1)  # on the CPU


def test_the_estimate_grows_with_what_the_hint_says_to_lower() -> None:
    base = estimate_bytes(BLUEPRINT, 2, FAST, 1)
    assert estimate_bytes(BLUEPRINT, 2, FAST, 3) == 3 * base
    assert estimate_bytes(BLUEPRINT, 2, replace(FAST, batch_size=64), 1) > base
    assert estimate_bytes(small_blueprint(width=9), 2, FAST, 1) > base


# ---- losses that are no numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [1e30, 1e38])
@pytest.mark.parametrize("norm", ["before", "none"])
def test_a_loss_that_is_never_finite_is_an_error(samples: Samples, tmp_path: Path, rate: float, norm: str) -> None:
    architecture = Architecture(norm=norm, activation="relu")
    settings = replace(FAST, learning_rate=rate, architecture=architecture)
    with pytest.raises(FitError, match=r"never a finite number in 1 of 1 fits \(fold 1 with seed 7\)") as caught:
        fit_network(BLUEPRINT, samples, first_split(samples), settings, 7, tmp_path)
    assert "learning rate" in caught.value.hint
    assert not list(tmp_path.rglob("*.*")), "a checkpoint of it would be of no use"


def test_a_fit_that_fails_harms_no_other(tmp_path: Path) -> None:
    samples, splits, seeds = small_samples("regression"), uneven_splits(120), [1, 2, 3]
    row = int(np.setdiff1d(splits[1].train, np.concatenate([splits[0].train, splits[2].train]))[0])
    target = samples.target.copy()
    target[row] = np.nan
    broken = replace(samples, target=target)
    folders = [tmp_path / str(i) for i in range(3)]
    expected = fit_networks(BLUEPRINT, samples, splits, FAST, seeds, steps=2)
    for _ in range(2):  # the second time, the others are read
        with pytest.raises(FitError, match=r"in 1 of 3 fits \(fold 2 with seed 2\)"):
            fit_networks(BLUEPRINT, broken, splits, FAST, seeds, folders, steps=2)
        for i in (0, 2):
            assert_alike(load_fitted(folders[i], BLUEPRINT), expected[i])
        assert not list(tmp_path.rglob("*.ckpt"))
        assert not (folders[1] / "model.json").exists()


def test_a_fit_whose_loss_turns_into_no_number_keeps_its_best_epoch(samples: Samples) -> None:
    def fit(epochs: int) -> FittedModel:
        settings = replace(FAST, decay=1e38, decay_every=3, max_epochs=epochs)
        return fit_network(BLUEPRINT, samples, first_split(samples), settings, 1)

    best, whole = fit(3), fit(20)
    assert len(whole.history) == 4, "there is nothing to wait for"
    assert not np.isfinite(whole.history[-1]["stop_loss"])
    assert same(best, replace(whole, history=whole.history[:3]))
    assert np.isfinite(whole.predict(samples.columns(BLUEPRINT.inputs))).all()
