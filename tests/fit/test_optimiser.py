"""The optimiser's settings against a plain loop of torch on the same batches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from kgreg.data import Samples, Split
from kgreg.fit import Preprocessing, Readings, TrainSettings, fit_networks
from kgreg.fit.feeding import ShuffledBatches
from kgreg.fit.fitted import build_network
from kgreg.nn.architecture import Architecture
from kgreg.nn.visible import VisibleNetwork
from tests.fit.cases import BLUEPRINT
from tests.small_data import FAST, small_samples, uneven_splits, with_extras

STEPS = 3
#: Without biases that normalisation takes away: of their gradient there is only rounding.
BASE = replace(
    FAST,
    architecture=Architecture(norm="after", blocks={"drug": (3,)}),
    stopping="none",
    max_epochs=6,
    learning_rate=0.01,
    weight_decay=0.05,
)


def plain_loop(samples: Samples, split: Split, settings: TrainSettings, seed: int) -> VisibleNetwork:
    readings = Readings.of(samples, BLUEPRINT)
    preprocessing = Preprocessing.fit(readings.rows(split.train), settings.scale)
    scaled = preprocessing.apply(readings.rows(split.train))
    target = samples.target[split.train]
    target = torch.from_numpy((target - target.mean()) / target.std())
    torch.manual_seed(seed)
    network = build_network(BLUEPRINT, settings, "regression", 1, preprocessing.encoder, {"drug": 10})
    torch.manual_seed(seed)
    network.reset_parameters()
    weights, shifts, covariates = [], [], []
    for name, parameter in network.named_parameters():
        if "covariate_weight" in name and settings.covariate_rate != 1:
            covariates.append(parameter)
        elif "weight" in name:
            weights.append(parameter)
        else:
            shifts.append(parameter)
    rate = settings.learning_rate
    groups = [
        {"params": weights, "lr": rate, "weight_decay": settings.weight_decay},
        {"params": shifts, "lr": rate, "weight_decay": settings.weight_decay if settings.decay_biases else 0.0},
        {"params": covariates, "lr": rate * settings.covariate_rate, "weight_decay": 0.0},
    ]
    used = [g for g in groups if g["params"]]
    optimiser: torch.optim.Optimizer
    if settings.optimiser == "rmsprop":
        optimiser = torch.optim.RMSprop(used, alpha=settings.betas[1], eps=settings.epsilon)
    else:
        make = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.optimiser]
        optimiser = make(used, betas=settings.betas, eps=settings.epsilon, fused=False)
    start = [group["lr"] for group in optimiser.param_groups]
    order = ShuffledBatches([len(target)], STEPS, [seed])
    network.train()
    for epoch in range(settings.max_epochs):
        factor = settings.decay ** (epoch // settings.decay_every) if settings.decay_every else 1.0
        for group, initial in zip(optimiser.param_groups, start, strict=True):
            group["lr"] = initial * factor
        order.set_epoch(epoch)
        for (rows,) in order:
            out = network(scaled.take(rows[None]))
            loss = F.mse_loss(out.outputs[:, 0], target[rows])
            heads = [F.mse_loss(head[0], target[rows]) for head in out.auxiliary]
            optimiser.zero_grad()
            (loss + settings.auxiliary * sum(heads) / len(heads)).backward()
            optimiser.step()
    return network.eval()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimiser": "adam"},
        {"optimiser": "rmsprop", "betas": (0.5, 0.8), "learning_rate": 1e-3},
        {"betas": (0.5, 0.7), "epsilon": 1e-3},
        {"optimiser": "adam", "epsilon": 1e-5, "decay": 0.3, "decay_every": 2},
        {"decay": 0.5, "decay_every": 1},
        {"decay_biases": False},
        {"covariate_rate": 20.0},
        {"optimiser": "adam", "decay_biases": False, "covariate_rate": 5.0, "decay": 0.9, "decay_every": 4},
    ],
    ids=str,
)
def test_a_fit_is_a_plain_loop_of_torch(options: dict[str, Any]) -> None:
    samples = with_extras(small_samples("regression"))
    split, settings = uneven_splits(120)[0], replace(BASE, **options)
    (model,) = fit_networks(BLUEPRINT, samples, [split], settings, [3], steps=STEPS)
    expected = plain_loop(samples, split, settings, 3).state_dict()
    for name, tensor in model.network.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-4, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")
    assert len(model.history) == settings.max_epochs == model.best_epoch + 1


@pytest.mark.parametrize(
    "options",
    [
        *({"optimiser": "adam"}, {"betas": (0.5, 0.7)}, {"epsilon": 1e-3}, {"decay": 0.3, "decay_every": 2}),
        *({"decay_biases": False}, {"covariate_rate": 20.0}, {"weight_decay": 0.5}),
    ],
    ids=str,
)
def test_every_setting_of_the_optimiser_matters(options: dict[str, Any]) -> None:
    samples = with_extras(small_samples("regression"))
    models = [
        fit_networks(BLUEPRINT, samples, uneven_splits(120)[:1], settings, [3], steps=STEPS)[0]
        for settings in (replace(BASE, max_epochs=3), replace(BASE, max_epochs=3, **options))
    ]
    x = Readings.of(samples, BLUEPRINT)
    assert np.abs(models[0].predict(x) - models[1].predict(x)).max() > 1e-4
