"""Recipes of published sequence models: parameters as published, equal to plain twins, trained one step.

Totals that were published are those of DeepSEA, DanQ, DanQ-JASPAR and Xpresso, as remembered; every total is also
the sum of the shapes, written out.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from kgreg.experiment import read_recipe
from kgreg.nn.sequence.encoding import one_hot
from kgreg.nn.sequence.network import SequenceNetwork
from kgreg.nn.sequence.profile import ProfileTower, counts_loss, multinomial_profile_loss
from tests.nn.sequence.cases import PLAIN, codes, design, inputs, motif_blueprint, squares
from tests.nn.sequence.plain import BPNet, DanQ, basset, copy_weights, deepsea


def conv(n: int, width: int, filters: int) -> int:
    return (n * width + 1) * filters


def dense(n: int, units: int) -> int:
    return (n + 1) * units


def lstm(n: int, units: int) -> int:
    """Parameters of both directions."""
    return 2 * 4 * ((n + units) * units + units)


BASENJI_TOWER = [288, 339, 399, 470, 554, 652, 768]

#: Recipe -> outputs, covariates, and the parameters that these make.
PARAMETERS = {
    "deepbind": (1, 0, conv(4, 24, 16) + dense(16, 32) + dense(32, 1), None),
    "deepsea": (
        919,
        0,
        conv(4, 8, 320) + conv(320, 8, 480) + conv(480, 8, 960) + dense(53 * 960, 925) + dense(925, 919),
        52_843_119,
    ),
    "basset": (
        164,
        0,
        conv(4, 19, 300)
        + conv(300, 11, 200)
        + conv(200, 7, 200)
        + dense(2000, 1000)
        + dense(1000, 1000)
        + dense(1000, 164)
        + 2 * (300 + 200 + 200 + 1000 + 1000),
        None,
    ),
    "danq": (919, 0, conv(4, 26, 320) + lstm(320, 320) + dense(75 * 640, 925) + dense(925, 919), 46_926_479),
    "danq-jaspar": (
        919,
        0,
        conv(4, 30, 1024) + lstm(1024, 512) + dense(64 * 1024, 925) + dense(925, 919),
        67_892_175,
    ),
    "bpnet": (1, 0, conv(4, 21, 64) + 8 * conv(64, 3, 64) + dense(64, 1), None),
    "basenji": (
        5313,
        0,
        # No biases before a normalisation, which has two parameters a filter.
        (4 * 15 + 2) * 288
        + sum((5 * n + 2) * m for n, m in pairwise(BASENJI_TOWER))
        + 11 * ((3 * 768 + 2) * 384 + (384 + 2) * 768)
        + (768 + 2) * 1536
        + dense(1536, 5313),
        None,
    ),
    "deepcpg": (
        5,
        0,
        conv(4, 11, 128)
        + conv(128, 3, 256)
        + dense(122 * 256, 128)
        + dense(100, 256)
        + 2 * 3 * (2 * 256 * 256 + 2 * 256)
        + dense(128 + 512, 512)
        + dense(512, 512)
        + dense(512, 5),
        None,
    ),
    "xpresso": (
        1,
        8,
        conv(4, 6, 128) + conv(128, 9, 32) + dense(35 * 32 + 8, 64) + dense(64, 2) + dense(2, 1),
        112_485,
    ),
    "chromegcn": (
        100,
        0,
        4 * 5
        + conv(5, 8, 320)
        + conv(320, 8, 320)
        + conv(320, 8, 480)
        + conv(480, 8, 480)
        + conv(480, 8, 960)
        + conv(960, 8, 960)
        + 2 * (320 + 480 + 960 + 128)
        + dense(106 * 960, 128)
        + dense(128, 100),
        None,
    ),
    "koo": (
        12,
        0,
        (4 * 19 + 2) * 32
        + (32 * 7 + 2) * 48
        + (48 * 7 + 2) * 96
        + (96 * 3 + 2) * 128
        + (3 * 128 + 2) * 512
        + dense(512, 12),
        None,
    ),
}


def built(
    name: str, n_outputs: int, n_covariates: int = 0, units: int | None = None, **changed: Any
) -> SequenceNetwork:
    blueprint = motif_blueprint({"M1": 12, "M2": 8}) if name == "danq-jaspar" else PLAIN
    return design(name, units, **changed).build(blueprint, n_outputs, covariates=["c"] * n_covariates)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_as_many_as_the_shapes_of_the_paper_make(name: str) -> None:
    n_outputs, n_covariates, by_hand, published = PARAMETERS[name]
    with torch.device("meta"):
        network = built(name, n_outputs, n_covariates)
    assert network.n_parameters() == by_hand
    assert published in (None, by_hand)
    counted, _ = design(name).size(motif_blueprint({"M1": 12}), n_outputs)
    assert counted == pytest.approx(by_hand, rel=0.01)


def small(name: str) -> dict[str, Any]:
    """Return changes that make a step quick: dense layers of 25; of Basenji, fewer bins and fewer of them cropped; of
    ChromeGCN, shorter windows."""
    if name == "chromegcn":
        return {"units": 25, "length": 400}
    if name != "basenji":
        return {"units": 25}
    layers = [
        layer | ({"each": 2} if layer["kind"] == "crop" else {}) for layer in read_recipe(name)["network"]["layers"]
    ]
    return {"length": 128 * 6, "layers": layers}


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_recipe_is_trained_one_step(name: str) -> None:
    n_covariates = PARAMETERS[name][1]
    torch.manual_seed(0)
    network = built(name, 2, n_covariates, **small(name)).train()
    given = network.given(
        inputs(
            codes(3, network.design.length or 120),
            torch.randn(3, n_covariates) if n_covariates else None,
            {"cpg": torch.randn(3, 400)} if name == "deepcpg" else None,
        )
    )
    optimiser = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=1e-3)
    before = [p.detach().clone() for p in network.parameters()]
    loss = network.loss(network.compute(given), given, torch.zeros(3, 2), squares)
    loss.backward()
    optimiser.step()
    with torch.no_grad():
        network.after_step(1e-3)
    for parameter, was in zip(network.parameters(), before, strict=True):
        assert parameter.isfinite().all()
        # What leads to a branch that starts as nothing has no gradient yet; a bias before a normalisation never has.
        waits = name == "basenji" and (parameter.grad is None or not parameter.grad.any())
        assert waits or parameter.dim() == 1 or not torch.equal(parameter, was)


@pytest.mark.parametrize(
    ("name", "twin"),
    [("deepsea", lambda: deepsea(25, 5)), ("danq", lambda: DanQ(25, 5)), ("basset", lambda: basset(5))],
)
def test_a_recipe_equals_plain_modules(name: str, twin: Callable[[], nn.Module]) -> None:
    """The same outputs, and the same weights after a step with dropout and the largest norm; dense layers of 25."""
    torch.manual_seed(1)
    units = None if name == "basset" else 25
    one = design(name, units, strands="one", turned=0.0, l2=0.0, activity_l1=0.0, max_norm=0.4)
    network = one.build(PLAIN, 5).double()
    other = twin().double()
    copy_weights(network, other)
    sequences = codes(3, one.length or 0)
    given, x = network.given(inputs(sequences)), one_hot(sequences, dtype=torch.float64)
    network.eval(), other.eval()
    with torch.no_grad():
        torch.testing.assert_close(network.compute(given).outputs, other(x), rtol=0, atol=1e-10)
    network.train(), other.train()
    target = torch.randn(3, 5, dtype=torch.float64)
    for model in (network, other):
        optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
        torch.manual_seed(2)
        outputs = network.compute(given).outputs if model is network else other(x)
        (outputs - target).square().mean().backward()
        optimiser.step()
    with torch.no_grad():
        network.after_step(0.1)
        for part in other.modules():
            if isinstance(part, (nn.Conv1d, nn.Linear)):
                for row in part.weight:
                    row.mul_(min(1.0, 0.4 / float(row.norm())))
    for a, b in zip(network.state_dict().values(), other.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10)


@pytest.mark.parametrize("controls", [0, 2])
def test_bpnet_equals_its_equations(controls: int) -> None:
    torch.manual_seed(3)
    tower = ProfileTower.of(design("bpnet"), positions=60, controls=controls).double()
    assert sum(p.numel() for p in tower.parameters()) == (114_224 if controls else 113_923)
    twin = BPNet(60, controls=controls).double()
    copy_weights(tower, twin)
    x = one_hot(codes(3, 300), dtype=torch.float64)
    control = torch.poisson(torch.full((3, controls, 300), 0.3, dtype=torch.float64)) if controls else None
    observed = torch.poisson(torch.full((3, 2, 60), 0.5, dtype=torch.float64))
    found = []
    for model in (tower, twin):
        logits, counts = model(x, control)
        (multinomial_profile_loss(logits, observed) + 2 * counts_loss(counts, observed)).backward()
        found.append([logits, counts, *(p.grad for p in model.parameters())])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10)
