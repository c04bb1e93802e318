"""Every network against loops: outputs, losses, gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given as tried
from hypothesis import settings
from hypothesis import strategies as st

from kgreg.fit.losses import loss_function
from kgreg.nn.integration import BottleneckDesign, BottleneckNetwork, LateDesign, LateNetwork, MoliDesign, MoliNetwork
from kgreg.nn.integration.encoders import BatchNorm
from kgreg.nn.integration.late import average_outputs
from kgreg.nn.integration.triplets import triplet_loss
from tests.nn.integration import slow
from tests.nn.integration.cases import blueprint_of, given

BLUEPRINT = blueprint_of()
CLOSE: dict[str, float] = {"rtol": 0, "atol": 1e-10}
WAYS = [(0.0, 0), (0.4, 2)]
CLASSES = torch.tensor([0, 1, 2, 0, 1] * 4)


def gradients(loss: torch.Tensor, network: torch.nn.Module) -> dict[str, torch.Tensor]:
    named = dict(network.named_parameters())
    found = torch.autograd.grad(loss, list(named.values()), allow_unused=True, retain_graph=True)
    return {name: torch.zeros_like(p) if g is None else g for (name, p), g in zip(named.items(), found, strict=True)}


def same_gradients(fast: torch.Tensor, looped: torch.Tensor, network: torch.nn.Module) -> None:
    left, right = gradients(fast, network), gradients(looped, network)
    for name in left:
        torch.testing.assert_close(left[name], right[name], msg=name, **CLOSE)


def task_loss(task: Any) -> Any:
    return lambda outputs, target: loss_function(task)(outputs, target, None)


@pytest.mark.parametrize(("missing", "covariates"), WAYS)
@pytest.mark.parametrize("options", [{}, {"normalise": False, "presence": True, "norm": False}])
def test_moli(missing: float, covariates: int, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    design = MoliDesign(width=3, widths={"protein": 4}, dropout=0, triplet=0.7, margin=0.6, **options)
    network = design.build(BLUEPRINT, 3, covariates=["c"] * covariates, link="softmax").double()
    assert isinstance(network, MoliNetwork)
    samples = given(BLUEPRINT, missing=missing, covariates=covariates)
    passed = network.compute(samples)
    outputs, joined = slow.moli(network, samples)
    torch.testing.assert_close(passed.outputs, outputs, **CLOSE)
    loss = network.loss(passed, samples, CLASSES, task_loss("classification"))
    looped = F.cross_entropy(outputs, CLASSES) + 0.7 * slow.triplets(joined, CLASSES.tolist(), 0.6)
    torch.testing.assert_close(loss, looped, **CLOSE)
    same_gradients(loss, looped, network)


@settings(max_examples=30, deadline=None)
@tried(st.integers(2, 9), st.integers(1, 3), st.floats(0.1, 3), st.integers(0, 10**6))
def test_triplets(n: int, classes: int, margin: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    embedded = torch.randn(n, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    target = torch.randint(classes, (n,), generator=generator)
    loss = triplet_loss(embedded, target, margin)
    counts = torch.bincount(target)
    if len(counts.nonzero()) < 2 or counts.max() < 2:
        assert loss == 0
        return
    looped = slow.triplets(embedded, target.tolist(), margin)
    torch.testing.assert_close(loss, looped, **CLOSE)
    for left, right in zip(torch.autograd.grad(loss, embedded), torch.autograd.grad(looped, embedded), strict=True):
        torch.testing.assert_close(left, right, **CLOSE)


def test_samples_in_one_place_have_a_triplet_loss_with_finite_gradients() -> None:
    embedded = torch.zeros(4, 2, requires_grad=True)
    triplet_loss(embedded, torch.tensor([0, 0, 1, 1]), 1.0).backward()
    assert embedded.grad is not None
    assert torch.isfinite(embedded.grad).all()


@pytest.mark.parametrize(("missing", "covariates"), WAYS)
@pytest.mark.parametrize(
    ("link", "task", "n_outputs"),
    [("softmax", "classification", 3), ("sigmoid", "multilabel", 2), ("identity", "survival", 1)],
)
def test_late(missing: float, covariates: int, link: Any, task: str, n_outputs: int) -> None:
    torch.manual_seed(1)
    design = LateDesign(first="dense", widths=(4, 3), dropout=0)
    network = design.build(BLUEPRINT, n_outputs, covariates=["c"] * covariates, link=link).double()
    assert isinstance(network, LateNetwork)
    samples = given(BLUEPRINT, missing=missing, covariates=covariates)
    n = len(samples.x)
    targets = {
        "classification": CLASSES,
        "multilabel": (torch.arange(2 * n).reshape(n, 2) % 3 == 0).double(),
        "survival": torch.stack([torch.arange(n) + 1.0, (torch.arange(n) % 2).double()], dim=1).double(),
    }
    passed = network.compute(samples)
    predicted, own = slow.late(network, samples)
    apply = {"softmax": lambda o: torch.softmax(o, dim=1), "sigmoid": torch.sigmoid, "identity": lambda o: o}[link]
    torch.testing.assert_close(apply(passed.outputs), predicted, **CLOSE)
    loss = network.loss(passed, samples, targets[task], task_loss(task))
    each = []
    for m, outputs in enumerate(own):
        rows = [i for i in range(n) if samples.present is None or samples.present[i, m] > 0]
        each.append(task_loss(task)(outputs[rows].t(), targets[task][rows]))
    looped = sum(each) / len(each)
    torch.testing.assert_close(loss, looped, **CLOSE)
    same_gradients(loss, looped, network)
    same_gradients(apply(passed.outputs).square().sum(), predicted.square().sum(), network)


@pytest.mark.parametrize(("missing", "covariates"), WAYS)
def test_bottleneck(missing: float, covariates: int) -> None:
    torch.manual_seed(2)
    design = BottleneckDesign(widths=(5, 3), dropout=0, weight_l1=0.01, activity_l2=0.02)
    network = design.build(BLUEPRINT, 2, covariates=["c"] * covariates).double()
    assert isinstance(network, BottleneckNetwork)
    samples = given(BLUEPRINT, n=8, missing=missing, covariates=covariates)
    passed = network.compute(samples)
    outputs, factors, looped = slow.bottleneck(network, samples)
    torch.testing.assert_close(passed.outputs, outputs, **CLOSE)
    torch.testing.assert_close(passed.levels[0], factors, **CLOSE)
    loss = network.loss(passed, samples, CLASSES[:8], task_loss("classification"))
    torch.testing.assert_close(loss, looped, **CLOSE)
    same_gradients(loss, looped, network)


@pytest.mark.parametrize("model", [MoliDesign(first="terms", width=4, dropout=0), LateDesign(widths=(4,), dropout=0)])
@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_neurons_of_terms_read_the_genes_of_the_term_as_one_modality_measured_them(
    model: MoliDesign | LateDesign, missing: float
) -> None:
    torch.manual_seed(3)
    network = model.build(BLUEPRINT, 3, link="softmax").double().eval()
    samples = given(BLUEPRINT, missing=missing)
    below = BLUEPRINT.gene_sets()
    names = list(dict.fromkeys(BLUEPRINT.inputs["modality"]))
    (level,) = network.compute(samples).levels
    assert network.term_ids == BLUEPRINT.terms["id"].tolist()
    x = samples.x.clone().requires_grad_()
    for neuron in range(level.shape[1]):
        term, modality = network.term_ids[neuron // len(names)], names[neuron % len(names)]
        own = network.views(type(samples)(x, None, samples.present))[1]
        (slope,) = torch.autograd.grad(own[:, neuron].sum(), x, allow_unused=True)
        read = (slope != 0).any(dim=0).numpy()
        may = (BLUEPRINT.inputs["node"].isin(below[term]) & (BLUEPRINT.inputs["modality"] == modality)).to_numpy()
        assert not (read & ~may).any(), (term, modality)
        if not may.any():
            assert (level[:, neuron] == 0).all()
        if samples.present is not None:
            assert (level[samples.present[:, neuron % len(names)] == 0, neuron] == 0).all()


def test_what_a_sample_lacks_does_not_matter() -> None:
    for design in (MoliDesign(width=4), MoliDesign(first="terms", width=4), LateDesign(), LateDesign(first="dense")):
        network = design.build(BLUEPRINT, 3, link="softmax").double().eval()
        samples = given(BLUEPRINT, missing=0.5)
        number = torch.tensor([["expression", "mutation", "protein"].index(m) for m in BLUEPRINT.inputs["modality"]])
        assert samples.present is not None
        lacking = samples.present[:, number] == 0
        changed = type(samples)(torch.where(lacking, 7.0, samples.x), None, samples.present)
        torch.testing.assert_close(network.compute(samples).outputs, network.compute(changed).outputs, rtol=0, atol=0)


def test_a_batch_with_one_sample_of_a_modality_can_be_trained_on() -> None:
    network = MoliDesign(width=4).build(BLUEPRINT, 2, link="softmax").double().train()
    samples = given(BLUEPRINT, n=3)
    present = torch.tensor([[1.0, 0, 0], [1, 1, 0], [1, 0, 0]], dtype=torch.float64)
    samples = type(samples)(samples.x, None, present)
    loss = network.loss(network.compute(samples), samples, torch.tensor([0, 1, 0]), task_loss("classification"))
    loss.backward()
    assert torch.isfinite(loss)
    norm = BatchNorm(3).train()
    assert torch.equal(norm(torch.ones(1, 3)), norm.eval()(torch.ones(1, 3)))


def test_where_no_network_has_a_say_all_have() -> None:
    outputs = torch.randn(3, 2, 4, dtype=torch.float64)
    none = average_outputs(outputs, torch.zeros(2, 3, dtype=torch.float64), "softmax")
    torch.testing.assert_close(none, average_outputs(outputs, None, "softmax"))
