"""Autoencoders with Laplacian penalties against the loop, and what they refuse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from kgreg.blueprint.model import no_interactions
from kgreg.errors import FitError
from kgreg.nn.factorization import (
    FactorizationDesign,
    FactorizationNetwork,
    LaplacianAutoencoder,
    Multiview,
    view_similarity,
)
from kgreg.nn.guided import Given
from kgreg.nn.modalities import modalities_of
from tests.nn.laplacian.slow_factorization import slow_pass, small_blueprint


@pytest.fixture(autouse=True)
def doubles() -> Any:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def task_loss(outputs: Tensor, target: Tensor) -> Tensor:
    return torch.nn.functional.cross_entropy(outputs.t(), target)


DESIGNS: dict[str, FactorizationDesign] = {
    "multiview": Multiview(hidden=(4, 3)),
    "cat, dense": Multiview(hidden=(4, 2, 3), fuse="cat", connections="dense", similarity=0.3, task=2.0),
    "residual, normalised": Multiview(hidden=(4, 4), connections="residual", graph="normalised", unit_rows=False),
    "plain weights": Multiview(hidden=(3,), scaled_graph=False, unit_rows=False, laplacian=0.1, reconstruction=2.0),
    "no Laplacian": Multiview(hidden=(4, 3), laplacian=0.0, similarity=0.0),
    "single view": LaplacianAutoencoder(hidden=(4, 3), supervision="joint"),
    "single view, probe": LaplacianAutoencoder(hidden=(4, 3), graph="normalised", laplacian=2.0),
}


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("missing", [False, True])
def test_outputs_loss_gradients_and_three_steps_equal_those_of_the_loop(name: str, missing: bool) -> None:
    design = DESIGNS[name]
    single = isinstance(design, LaplacianAutoencoder)
    blueprint = small_blueprint(("rna",) if single else ("rna", "protein"))
    torch.manual_seed(1)
    covariates = ["age"] if name == "multiview" else []
    networks = [design.build(blueprint, 3, covariates=covariates) for _ in range(2)]
    fast, slow = networks
    slow.load_state_dict(fast.state_dict())
    x, target = torch.randn(6, len(blueprint.inputs)), torch.tensor([0, 1, 2, 0, 1, 2])
    present = None
    if missing:
        have = torch.tensor([[1, 1], [1, 0], [0, 1], [1, 1], [0, 1], [1, 0]], dtype=x.dtype)
        present = have[:, :1] if single else have
        code = torch.from_numpy(blueprint.inputs["modality"].factorize()[0])
        x = x * present[:, code]
    given = Given(x, torch.randn(6, 1) if covariates else None, present)
    optimisers = [
        torch.optim.Adam(list(network.parameters()), lr=5e-4, weight_decay=1e-4, amsgrad=True) for network in networks
    ]
    for _ in range(3):
        for optimiser in optimisers:
            optimiser.zero_grad()
        passed = fast.compute(given)
        found = fast.loss(passed, given, target, task_loss)
        outputs, expected = slow_pass(slow, blueprint, x, present, given.covariates)
        if slow.supervised:
            expected = expected + design.task * task_loss(outputs.t(), target)
        torch.testing.assert_close(passed.outputs, outputs, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
        found.backward()
        expected.backward()
        for (key, one), two in zip(fast.named_parameters(), slow.parameters(), strict=True):
            if key.startswith("head") and not fast.supervised:
                assert one.grad is None
                continue
            torch.testing.assert_close(one.grad, two.grad, rtol=1e-9, atol=1e-10, msg=key)
        for optimiser in optimisers:
            optimiser.step()


def test_one_view_of_several_modalities_counts_only_what_is_there() -> None:
    blueprint = small_blueprint()
    torch.manual_seed(0)
    network = LaplacianAutoencoder(hidden=(3,), laplacian=0.0).build(blueprint, 2)
    x = torch.randn(2, len(blueprint.inputs))
    code = torch.from_numpy(blueprint.inputs["modality"].factorize()[0])
    present = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    x = x * present[:, code]
    given = Given(x, None, present)
    error = (network.decoders[0](network.encoders[0](x)) - x) ** 2
    expected = (error * present[:, code]).sum() / present[:, code].sum()
    torch.testing.assert_close(network.loss(network.compute(given), given, torch.zeros(2), task_loss), expected)


def test_the_levels_lie_on_the_way_to_the_outputs() -> None:
    for design in DESIGNS.values():
        blueprint = small_blueprint(("rna",) if isinstance(design, LaplacianAutoencoder) else ("rna", "protein"))
        network = design.build(blueprint, 2)
        x = torch.randn(4, len(blueprint.inputs), requires_grad=True)
        out, levels = network.trace(x)
        through = network.through(torch.autograd.grad(out.outputs[:, 0].sum(), levels))
        assert through.abs().sum() > 0
        assert out.hidden.shape == (len(network.term_ids), 4) == through.shape
        assert len(set(network.term_ids)) == len(network.term_ids)


def test_views_are_modalities_and_the_size_is_that_of_the_network() -> None:
    blueprint = small_blueprint(("rna", "protein", "methylation"))
    assert list(modalities_of(blueprint)) == ["rna", "protein", "methylation"]
    for design in (Multiview(hidden=(7, 4), fuse="cat"), Multiview(hidden=(5, 4, 3), connections="dense", fuse="cat")):
        network = design.build(blueprint, 2)
        assert isinstance(network, FactorizationNetwork)
        assert design.size(blueprint, 2)[0] == network.n_parameters()


def test_views_that_agree_are_rewarded() -> None:
    torch.manual_seed(0)
    h, other = torch.randn(8, 3), torch.randn(8, 3)
    assert view_similarity([h, 5 * h]) < view_similarity([h, other])
    assert view_similarity([h, h], torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat(4, 1)) < 0


def test_a_graph_without_interactions_is_refused_unless_nothing_is_asked_of_it() -> None:
    blueprint = replace(small_blueprint(), interactions=no_interactions())
    with pytest.raises(FitError, match="needs interactions"):
        Multiview().build(blueprint, 2)
    assert Multiview(laplacian=0.0).build(blueprint, 2).n_parameters() > 0


@pytest.mark.parametrize(
    "keys", [{"hidden": ()}, {"hidden": (0,)}, {"laplacian": -1.0}, {"fuse": "sum"}, {"dropout": 1.0}, {"other": 1}]
)
def test_wrong_options_are_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Multiview(**keys)
