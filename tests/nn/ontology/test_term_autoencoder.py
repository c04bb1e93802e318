"""Term autoencoders against loops over terms and genes, written from the equations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given as over
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats
from torch import Tensor

from kgreg.blueprint import Blueprint
from kgreg.errors import FitError
from kgreg.nn.guided import Given
from kgreg.nn.ontology import TermAutoencoder, TermAutoencoderDesign
from kgreg.nn.ontology.likelihood import negative_binomial
from tests.nn.ontology import hierarchies
from tests.nn.ontology.test_ontology_autoencoder import adamw, beside, sgd, task_loss
from tests.nn.ontology.twin import Twin, step_both


class SlowTermAutoencoder:
    """One weight a term and gene, one value at a time."""

    def __init__(self, network: TermAutoencoder, blueprint: Blueprint) -> None:
        self.network, self.design, self.twin = network, network.design, Twin()
        self.terms = blueprint.terms["id"].tolist()
        self.genes = blueprint.inputs["node"].tolist()
        self.sets = {term: set(genes) for term, genes in blueprint.gene_sets().items()}
        layers = [layer for layer in network.encoder.layers if isinstance(layer, torch.nn.Linear)]
        self.n_hidden = len(layers)
        for i, layer in enumerate(layers):
            self.twin.linear(f"hidden {i}", layer)
        self.twin.linear("mean", network.encoder.mean)
        assert network.encoder.log_variance is not None
        self.twin.linear("log variance", network.encoder.log_variance)
        for t, term in enumerate(self.terms):
            for g, gene in enumerate(self.genes):
                if self.design.soft_membership or gene in self.sets[term]:
                    self.twin.take(f"{term} -> {g}", lambda of, t=t, g=g: self.dense(of)[g, t])
        self.twin.take("bias", lambda of: of(network.bias))
        if network.log_dispersion is not None:
            self.twin.take("log dispersion", lambda of: of(network.log_dispersion))  # type: ignore[arg-type]
        for name, linear in (("free", network.free), ("shift", network.shift)):
            if linear is not None:
                self.twin.linear(name, linear)
        self.twin.linear("head", network.head)

    def dense(self, of: Any) -> Tensor:
        decoder = self.network.decoder
        if decoder.links is None:
            return of(decoder.dense)  # type: ignore[no-any-return]
        return decoder.links.pattern.to_dense(of(decoder.links.weight))

    def compute(self, given: Given) -> dict[str, Tensor]:
        leaves, counts = self.twin.leaves, self.design.likelihood == "nb"
        h = torch.log(1 + given.x) if counts else given.x
        if given.covariates is not None:
            h = torch.cat([h, given.covariates], dim=1)
        for i in range(self.n_hidden):
            z = self.twin.apply(f"hidden {i}", h)
            if self.design.norm == "layer":
                centred = z - z.mean(dim=1, keepdim=True)
                z = centred / torch.sqrt((centred**2).mean(dim=1, keepdim=True) + 1e-5)
            h = torch.where(z > 0, z, torch.zeros_like(z))
        mean, log_variance = self.twin.apply("mean", h), self.twin.apply("log variance", h)
        latent = mean
        if self.network.training:
            latent = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        columns = []
        for g in range(len(self.genes)):
            total = leaves["bias"][g].expand(len(h))
            for t, term in enumerate(self.terms):
                if f"{term} -> {g}" in leaves:
                    total = total + leaves[f"{term} -> {g}"] * latent[:, t]
            columns.append(total)
        decoded = torch.stack(columns, dim=1)
        if self.design.free:
            decoded = decoded + self.twin.apply("free", latent[:, len(self.terms) :])
        if given.covariates is not None:
            decoded = decoded + self.twin.apply("shift", given.covariates)
        if counts:
            share = torch.exp(decoded) / torch.exp(decoded).sum(dim=1, keepdim=True)
            decoded = share * given.x.sum(dim=1, keepdim=True)
        on = torch.tensor([self.norm(term) > 0 for term in self.terms])
        activities = latent[:, : len(self.terms)] * on
        return {
            "decoded": decoded, "mean": mean, "log_variance": log_variance, "activities": activities,
            "outputs": self.twin.apply("head", beside(activities, given)),
        }  # fmt: skip

    def norm(self, term: str) -> float:
        names = [f"{term} -> {g}" for g in range(len(self.genes))]
        return math.sqrt(sum(float(self.twin.leaves[n].detach()) ** 2 for n in names if n in self.twin.leaves))

    def loss(self, given: Given, target: Tensor, kl: float) -> Tensor:
        found = self.compute(given)
        total = torch.zeros((), dtype=torch.float64)
        for i in range(len(given.x)):
            for g in range(len(self.genes)):
                x, y = given.x[i, g], found["decoded"][i, g]
                if self.design.likelihood == "gaussian":
                    total = total + (x - y) ** 2
                else:
                    r = torch.exp(self.twin.leaves["log dispersion"][g])
                    likely = torch.lgamma(x + r) - torch.lgamma(r) - torch.lgamma(x + 1)
                    total = total - likely - r * torch.log(r / (r + y)) - x * torch.log(y / (r + y))
            m, v = found["mean"][i], found["log_variance"][i]
            total = total + kl * sum(0.5 * (torch.exp(b) + a**2 - 1 - b) for a, b in zip(m, v, strict=True))
        total = total / len(given.x)
        if self.design.head == "joint":
            total = total + self.design.task_weight * task_loss(found["outputs"].t(), target)
        return total

    def restrain(self, rate: float) -> None:
        """The proximal step, weight by weight."""
        for term in self.terms:
            own = {
                g: self.twin.leaves[f"{term} -> {g}"]
                for g in range(len(self.genes))
                if f"{term} -> {g}" in self.twin.leaves
            }
            if self.design.soft_membership:
                for g, weight in own.items():
                    if self.genes[g] not in self.sets[term]:
                        size = max(abs(float(weight)) - rate * self.design.soft_penalty, 0.0)
                        weight.fill_(math.copysign(size, float(weight)))
            norm = self.norm(term)
            for weight in own.values():
                if norm > 0:
                    weight.mul_(max(1 - rate * self.design.lasso / norm, 0.0))
                if self.design.non_negative:
                    weight.fill_(max(float(weight), 0.0))


def make(covariates: bool = False, **options: Any) -> tuple[TermAutoencoder, SlowTermAutoencoder]:
    torch.manual_seed(4)
    plan = hierarchies.blueprint()
    design = TermAutoencoderDesign(hidden=(6, 5), **options)
    network = design.build(plan, 3, covariates=hierarchies.COVARIATES if covariates else ()).double()
    return network, SlowTermAutoencoder(network, plan)


OPTIONS: dict[str, dict[str, Any]] = {
    "expimap": {"likelihood": "nb", "lasso": 8.0, "covariates": True},
    "soft": {"likelihood": "nb", "soft_membership": True, "soft_penalty": 0.4, "lasso": 2.0, "kl": 1.0},
    "vega": {"non_negative": True, "free": 2, "kl": 0.1, "norm": "none"},
    "joint": {"head": "joint", "task_weight": 2.0, "kl_epochs": 4},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_three_steps_equal_those_of_the_loop(name: str) -> None:
    network, slow = make(**OPTIONS[name])
    design = network.design
    given = hierarchies.given(covariates="covariates" in OPTIONS[name], counts=design.likelihood == "nb")
    target = torch.arange(7) % 3
    network.at_epoch(1)
    kl = design.kl * (0.25 if design.kl_epochs else 1.0)
    step_both(
        slow.twin,
        network,
        lambda: network.loss(network.compute(given), given, target, task_loss),
        lambda: slow.loss(given, target, kl),
        sgd if name == "joint" else adamw,
        lambda: network.after_step(0.02),
        lambda: slow.restrain(0.02),
    )
    network.eval()
    found, expected = network.compute(given), slow.compute(given)
    decoded = found.extra.decoded.exp() if design.likelihood == "nb" else found.extra.decoded
    assert torch.allclose(decoded, expected["decoded"], rtol=0, atol=1e-9)
    assert torch.allclose(found.levels[0], expected["activities"], rtol=0, atol=1e-9)
    assert torch.allclose(found.outputs, expected["outputs"], rtol=0, atol=1e-9)
    full = network.loss(found, given, target, task_loss)
    assert full.item() == pytest.approx(slow.loss(given, target, design.kl).item(), rel=1e-10)


@over(st.integers(0, 300), st.floats(-6, 6), st.floats(-4, 6))
def test_negative_binomial_is_that_of_scipy(x: int, log_mean: float, log_dispersion: float) -> None:
    mean, r = math.exp(log_mean), math.exp(log_dispersion)
    values = [torch.tensor([[v]], dtype=torch.float64) for v in (float(x), log_mean)]
    found = negative_binomial(*values, torch.tensor([log_dispersion], dtype=torch.float64))
    assert found.item() == pytest.approx(-stats.nbinom.logpmf(x, r, r / (r + mean)), rel=1e-6, abs=1e-8)


def test_terms_that_are_switched_off_are_named_and_not_read() -> None:
    network, _ = make(lasso=1.0)
    with torch.no_grad():
        for _ in range(3):
            network.decoder.restrain(0.0, 1.0, 0.0)
        assert network.switched_off() == []
        assert network.decoder.links is not None
        network.decoder.links.weight[network.decoder.links.col == network.term_ids.index("middle")] *= 1e-3
        network.decoder.restrain(1e-2, 1.0, 0.0)
    assert network.switched_off() == ["middle"]
    network.eval()
    passed = network.compute(hierarchies.given())
    off = network.term_ids.index("middle")
    assert float(passed.levels[0].detach()[:, off].abs().max()) == 0
    assert float(network.read(passed).detach()[:, off].abs().max()) == 0


def test_the_head_is_fitted_to_draws_that_are_always_the_same() -> None:
    network, _ = make()
    network.eval()
    passed = network.compute(hierarchies.given())
    read = network.read(passed)
    assert torch.equal(read, network.read(passed))
    spread = torch.exp(passed.extra.log_variance / 2)
    noise = (read - passed.levels[0]) / spread
    assert 0.5 < float(noise.detach().std()) < 1.6


def test_the_proximal_step_minimises_penalty_and_distance() -> None:
    """Of ``|v - w|^2 / 2 + s lasso |v| + s soft |outside of v|_1`` no other point is lower."""
    network, _ = make(soft_membership=True, soft_penalty=0.6, lasso=0.9)
    decoder, rng = network.decoder, np.random.default_rng(0)
    assert decoder.dense is not None
    with torch.no_grad():
        decoder.dense.copy_(torch.from_numpy(rng.normal(0, 0.5, decoder.dense.shape)))
        before = decoder.dense.clone()
        decoder.restrain(0.5, 0.9, 0.6)
    member: Tensor = decoder.member  # type: ignore[assignment]

    def cost(w: Tensor) -> Tensor:
        outside = (w.abs() * ~member).sum(dim=0)
        return ((w - before) ** 2).sum(dim=0) / 2 + 0.5 * 0.9 * w.norm(dim=0) + 0.5 * 0.6 * outside

    best = cost(decoder.dense.detach())
    for _ in range(50):
        near = decoder.dense.detach() + torch.from_numpy(rng.normal(0, 0.02, before.shape))
        assert bool((cost(near) >= best).all())
    assert bool((decoder.dense[~member] == 0).any())


@pytest.mark.parametrize("wrong", [-1.0, 0.5])
def test_negative_binomials_refuse_what_is_no_count(wrong: float) -> None:
    network, _ = make(likelihood="nb")
    given = hierarchies.given(counts=True)
    with torch.no_grad():
        network.begin(given, torch.zeros(0))
        given.x[2, 3] = wrong
        with pytest.raises(FitError, match="needs counts") as caught:
            network.begin(given, torch.zeros(0))
    assert 'scale = "none"' in str(caught.value)


def test_samples_without_counts_are_computed() -> None:
    network, _ = make(likelihood="nb")
    given = hierarchies.given(counts=True)
    given.x[0] = 0
    passed = network.compute(given)
    loss = network.loss(passed, given, torch.zeros(7, dtype=torch.int64), task_loss)
    loss.backward()
    assert bool(torch.isfinite(loss))
    assert all(bool(torch.isfinite(p.grad).all()) for p in network.parameters() if p.grad is not None)


def test_soft_membership_needs_a_penalty() -> None:
    with pytest.raises(ValidationError, match="joins every gene to every term"):
        TermAutoencoderDesign(soft_membership=True, soft_penalty=0.0)


@pytest.mark.parametrize("name", OPTIONS)
def test_size_is_about_the_number_of_parameters(name: str) -> None:
    network, _ = make(**{key: value for key, value in OPTIONS[name].items() if key != "covariates"})
    predicted, _ = network.design.size(hierarchies.blueprint(), 3)
    assert 0.6 * network.n_parameters() <= predicted <= 1.4 * network.n_parameters()
