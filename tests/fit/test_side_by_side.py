"""Several fits trained as one wider network against each of them trained by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from kgreg.data import Samples
from kgreg.data.samples import Task
from kgreg.fit import FittedModel, Readings, TrainSettings, fit_networks
from kgreg.nn.architecture import Architecture
from tests.fit.cases import BLUEPRINT, assert_alike, same
from tests.small_data import FAST, small_samples, uneven_splits, with_alterations, with_extras

#: Three folds that differ in size, the second with a replicate.
SPLITS = [*uneven_splits(120), uneven_splits(120)[1]]
SEEDS = [11, 12, 13, 14]
STEPS = 3


class Case(NamedTuple):
    task: Task = "classification"
    network: dict[str, Any] = {}  # noqa: RUF012 (never changed)
    training: dict[str, Any] = {}  # noqa: RUF012
    make: Callable[[Samples], Samples] = lambda samples: samples


BLOCK = {"blocks": {"drug": (4, 2)}}
CASES = {
    "classes": Case(),
    "mse": Case("regression"),
    "ccc": Case("regression", training={"loss": "ccc"}),
    "labels": Case("multilabel"),
    "survival": Case("survival"),
    "no normalisation": Case(network={"norm": "none"}),
    "dropout of inputs": Case(network={"dropout": 0.2}),
    "dropout of genes": Case(network={"gene_layer": True, "gene_dropout": 0.2, "norm": "none"}),
    "dropout of terms": Case("survival", network={"term_dropout": 0.2, "norm": "after"}),
    "dropout before activation": Case(network={"term_dropout": 0.2, "dropout_before_activation": True}),
    "dropout of edges": Case("multilabel", network={"edge_dropout": 0.2, "edge_dropout_from": 2}),
    "layer heads": Case(network={"heads": "layer", "readout": "heads"}, training={"layer_weights": (1.0, 2.0, 3.0)}),
    "covariates and a block": Case(network=BLOCK, training={"interactions": ("lab",)}, make=with_extras),
    "covariates at genes": Case(
        "regression",
        {**BLOCK, "covariates_at": "genes", "readout": "joined", "heads": "tanh-linear"},
        make=with_extras,
    ),
    "covariates at terms": Case("multilabel", {**BLOCK, "covariates_at": "terms"}, make=with_extras),
    "shared rows": Case("regression", make=with_alterations),
    "shared rows and blocks": Case(network=BLOCK, make=lambda samples: with_extras(with_alterations(samples))),
    "burdens": Case("regression", {"burden": 0.5}, make=with_alterations),
    "published optimiser": Case(
        "regression", {"norm": "after", "gene_scaling": True}, {"optimiser": "adam", "decay": 0.5, "decay_every": 3}
    ),
    "no stopping": Case(training={"stopping": "none", "max_epochs": 5}),
}


def settings_of(case: Case) -> TrainSettings:
    own = {"learning_rate": 0.03, "max_epochs": 9, "patience": 2, **case.training}
    return replace(FAST, architecture=Architecture(**case.network), **own)


def fit(samples: Samples, settings: TrainSettings, which: list[int]) -> list[FittedModel]:
    splits, seeds = [SPLITS[i] for i in which], [SEEDS[i] for i in which]
    return fit_networks(BLUEPRINT, samples, splits, settings, seeds, steps=STEPS)


@pytest.mark.parametrize("name", CASES)
def test_fits_side_by_side_are_those_of_each_by_itself(name: str) -> None:
    case = CASES[name]
    samples, settings = case.make(small_samples(case.task)), settings_of(case)
    together = fit(samples, settings, [0, 1, 2, 3])
    readings = Readings.of(samples, BLUEPRINT)
    for i, model in enumerate(together):
        (alone,) = fit(samples, settings, [i])
        assert_alike(model, alone, rtol=1e-4)
        predicted, expected = (one.predict(readings.rows(SPLITS[i].test)) for one in (model, alone))
        np.testing.assert_allclose(predicted, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    assert len({str(model.history[-1]) for model in together}) == len(SEEDS)


def test_fits_that_stop_at_different_epochs_do_not_change_each_other() -> None:
    samples = small_samples()
    settings = replace(FAST, learning_rate=0.1, patience=1, max_epochs=20)
    together = fit(samples, settings, [0, 1, 2, 3])
    assert len({len(model.history) for model in together}) > 2
    for i, model in enumerate(together):
        assert len(model.history) == model.best_epoch + 2 < 20
        assert_alike(model, fit(samples, settings, [i])[0])


def test_any_grouping_gives_the_same_numbers() -> None:
    samples, settings = small_samples(), replace(FAST, max_epochs=5)
    whole = fit(samples, settings, [0, 1, 2, 3])
    for groups in ([[0, 1], [2, 3]], [[3, 2, 1, 0]], [[0], [1, 3, 2]]):
        for group in groups:
            for i, model in zip(group, fit(samples, settings, group), strict=True):
                assert_alike(model, whole[i])


def test_fits_of_one_size_repeated_are_the_same_to_the_last_bit() -> None:
    samples, settings, seeds = small_samples(), replace(FAST, max_epochs=5), [1, 2, 3]
    both = [fit_networks(BLUEPRINT, samples, [SPLITS[0]] * 3, settings, seeds) for _ in range(2)]
    assert all(same(a, b) for a, b in zip(*both, strict=True))


@pytest.mark.parametrize("readout", ["linear", "joined"])
def test_biases_that_normalisation_takes_away_stay_where_they_began(readout: Any) -> None:
    samples = with_extras(small_samples())
    architecture = Architecture(readout=readout, **BLOCK)
    settings = replace(FAST, architecture=architecture, weight_decay=0.0, max_epochs=3)
    (model,) = fit(samples, settings, [0])
    network = model.network
    trained = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    torch.manual_seed(SEEDS[0])
    network.reset_parameters()
    n_terms = network.term_rows.stop
    torch.testing.assert_close(trained["hierarchy.bias"][:, :n_terms], network.hierarchy.bias[:, :n_terms].detach())
    torch.testing.assert_close(trained["branches.drug.bias"][:, :6], network.branches["drug"].bias[:, :6].detach())
    moved = [name for name, tensor in network.state_dict().items() if not torch.equal(tensor, trained[name])]
    assert {"hierarchy.bias", "hierarchy.input_weight", "hierarchy.shift", "readout.bias"} <= set(moved), "heads learn"
    if readout == "joined":
        assert "readout.joined.bias" not in moved
        assert "readout.joined.input_weight" in moved
