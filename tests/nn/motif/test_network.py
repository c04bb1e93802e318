"""The motif network: what it computes, how it learns, through the fits that every network has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kgreg.blueprint.motifs import compile_motifs
from kgreg.blueprint.null import rewire
from kgreg.data import Samples
from kgreg.data.samples import Task
from kgreg.errors import FitError
from kgreg.fit import FittedModel, Readings, TrainSettings, fit_network, load_fitted, save_fitted, score
from kgreg.fit.metrics import MAIN_METRIC
from kgreg.nn.guided import Given
from kgreg.nn.motif.design import MotifDesign
from kgreg.nn.motif.filters import motif_filter
from kgreg.nn.motif.network import MotifNetwork
from kgreg.nn.motif.thresholds import score_thresholds
from kgreg.nn.sequence.encoding import one_hot, reverse_complement
from tests.fit.cases import TASKS, first_split, interrupt_at, same
from tests.nn.motif.small_motifs import planted_samples, small_motifs

BLUEPRINT = small_motifs()
FAST = TrainSettings(learning_rate=0.01, batch_size=32, max_epochs=6, patience=6, accelerator="cpu")
FULL: dict[str, Any] = {
    "activation": "relu",
    "threshold": 1e-2,
    "hidden": (4,),
    "dropout": 0.1,
    "de_novo": 3,
    "de_novo_width": 6,
    "jitter": 2,
    "round_epochs": 2,
}


def given_of(samples: Samples) -> Given:
    assert samples.sequences is not None
    return Given(torch.zeros(len(samples.names), 0), sequences=torch.from_numpy(np.asarray(samples.sequences)))


def begun(samples: Samples, **options: Any) -> MotifNetwork:
    """Return a network in evaluation mode, as training begins with it."""
    torch.manual_seed(0)
    network = MotifDesign(**{"head_start": "ridge"} | options).build(BLUEPRINT, 2, link="softmax")
    network.begin(given_of(samples), torch.from_numpy(samples.target))
    return network.eval()


def fit(samples: Samples, folder: Path | None = None, blueprint: Any = BLUEPRINT, **options: Any) -> FittedModel:
    settings = replace(FAST, architecture=MotifDesign(**{"head_start": "zero"} | options))
    return fit_network(blueprint, samples, first_split(samples), settings, 0, folder)


def quality(model: FittedModel, samples: Samples) -> float:
    rows = first_split(samples).test
    found = score(samples.task, samples.target[rows], model.predict(Readings.of(samples, BLUEPRINT).rows(rows)))
    return found[MAIN_METRIC[samples.task]]


@pytest.mark.parametrize("activation", ["none", "relu", "exp", "sigmoid"])
def test_activations_and_outputs_are_what_the_equations_say(activation: str) -> None:
    samples = planted_samples(n=20)
    network = begun(samples, activation=activation, threshold=0.01, pseudocount=2.0).double()
    filters = [motif_filter(counts, pseudocount=2.0) for counts in BLUEPRINT.motif_matrices().values()]
    thresholds = score_thresholds(filters, 0.01)
    codes = np.asarray(samples.sequences)
    z = np.zeros((20, 6))
    for i, sequence in enumerate(codes):
        for m, values in enumerate(filters):
            best = max(
                values[np.arange(len(values)), strand[p : p + len(values)]].sum()
                for strand in (sequence, 3 - sequence[::-1])
                for p in range(len(sequence) - len(values) + 1)
            )
            x = best - thresholds[m]
            z[i, m] = {"none": x, "relu": max(x, 0), "exp": 2**x, "sigmoid": 1 / (1 + np.exp(-x))}[activation]
    z = (z - z.mean(axis=0)) / np.where(z.std(axis=0) > 1e-6, z.std(axis=0), 1)
    passed = network.compute(given_of(samples))
    np.testing.assert_allclose(passed.levels[0].detach().numpy(), z, atol=1e-3)
    weight = (network.head.weight * network.scale).detach().numpy()
    expected = z @ weight.T + network.head.bias.detach().numpy()
    np.testing.assert_allclose(passed.outputs.detach().numpy(), expected, atol=1e-3)


@pytest.mark.parametrize("options", [{}, FULL, {"mode": "frozen"}, {"pooling": "logsumexp"}, {"initial": "random"}])
def test_a_sequence_and_its_reverse_complement_have_the_same_outputs(options: dict[str, Any]) -> None:
    samples = planted_samples(n=30)
    network, given = begun(samples, **options), given_of(samples)
    assert given.sequences is not None
    other = Given(given.x, sequences=reverse_complement(given.sequences))
    one, two = network.compute(given).outputs, network.compute(other).outputs
    if options.get("pooling", "max") == "max":
        assert torch.equal(one, two)
    torch.testing.assert_close(one, two, rtol=0, atol=1e-5)


@pytest.mark.parametrize("options", [{}, FULL, {"mode": "frozen", "pooling": "top"}])
def test_outputs_of_one_hot_are_those_of_codes(options: dict[str, Any]) -> None:
    samples = planted_samples(n=10)
    network, given = begun(samples, **options), given_of(samples)
    assert given.sequences is not None
    x = one_hot(given.sequences).requires_grad_()
    outputs = network.from_one_hot(x)
    torch.testing.assert_close(outputs, network.compute(given).outputs, rtol=0, atol=1e-4)
    (slope,) = torch.autograd.grad(outputs[:, 1].sum(), x)
    assert slope.abs().sum() > 0


@pytest.mark.parametrize("task", TASKS)
def test_every_task_is_learned_saved_and_read_again(task: Task, tmp_path: Path) -> None:
    samples = planted_samples(task)
    model = fit(samples, head_start="adaptive")
    assert quality(model, samples) > {"regression": 0.7, "survival": 0.6}.get(task, 0.9)
    save_fitted(model, replace(FAST, architecture=MotifDesign()), tmp_path)
    again = load_fitted(tmp_path, BLUEPRINT)
    readings = Readings.of(samples, BLUEPRINT)
    np.testing.assert_array_equal(again.predict(readings), model.predict(readings))


def test_permuted_motifs_and_random_filters_do_worse() -> None:
    samples = planted_samples(n=90)
    real = quality(fit(samples, head_start="ridge"), samples)
    assert real > 0.95
    assert quality(fit(samples, blueprint=rewire(BLUEPRINT, 1), head_start="ridge"), samples) < real - 0.1
    assert quality(fit(samples, initial="random", head_start="ridge"), samples) < real - 0.1


def test_random_filters_have_the_widths_and_norms_of_the_motifs() -> None:
    real, random = (
        MotifDesign(initial=initial).build(BLUEPRINT, 2, link="softmax").bank for initial in ("motifs", "random")
    )
    assert random.widths.tolist() == real.widths.tolist()
    for one, two in zip(real.filters(), random.filters(), strict=True):
        assert one.norm().item() == pytest.approx(two.norm().item(), rel=1e-5)
        assert not torch.allclose(one, two)


def test_modes_say_how_far_filters_go() -> None:
    samples = planted_samples()

    def moved(**options: Any) -> float:
        bank = fit(samples, **options).network.bank
        return (bank.weight - bank.start).square().sum().item()

    frozen, held, regularised, free = (
        moved(mode="frozen"),
        moved(strength=10.0),
        moved(strength=1e-3),
        moved(mode="free"),
    )
    assert frozen == 0
    assert held < regularised < free


def test_head_penalties_leave_zeros_and_signs() -> None:
    samples = planted_samples()
    model = fit(samples, head_l1=0.3, positive=True, mode="frozen")
    weight = model.network.head.weight.detach()
    assert (weight == 0).float().mean() > 0.2
    assert torch.equal(weight[0], -weight[1])
    assert (weight[1] >= 0).all()
    assert quality(model, samples) > 0.8


def test_penalties_of_filters_lower_what_they_penalise() -> None:
    samples = planted_samples()
    free, small, plain = (
        fit(samples, mode="free", **options).network.bank.weight.detach()
        for options in ({}, {"filter_l1": 1.0}, {"information": 1.0})
    )
    assert small.abs().sum() < free.abs().sum()
    assert plain.square().sum() < free.square().sum()


@pytest.mark.parametrize("options", [{}, FULL])
def test_an_interrupted_fit_ends_as_one_that_was_not(options: dict[str, Any], tmp_path: Path) -> None:
    samples = planted_samples(n=60)
    settings = replace(FAST, architecture=MotifDesign(head_start="ridge", **options))
    split = first_split(samples)
    whole = fit_network(BLUEPRINT, samples, split, settings, 3, tmp_path / "whole")
    stop = interrupt_at(3, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        fit_network(BLUEPRINT, samples, split, settings, 3, tmp_path / "halves", on_epoch=stop)
    resumed = fit_network(BLUEPRINT, samples, split, settings, 3, tmp_path / "halves")
    assert same(resumed, whole)


def test_a_motif_that_no_database_holds_is_found() -> None:
    samples = planted_samples(n=300)
    motifs = BLUEPRINT.nodes[BLUEPRINT.nodes["kind"] == "motif"]
    others = {name: counts for name, counts in BLUEPRINT.motif_matrices().items() if name != "MA1.1"}
    table = motifs[motifs["id"] != "MA1.1"].rename(columns={"id": "motif", "label": "name"})
    lacking = compile_motifs(table[["motif", "name"]], others)
    settings = replace(FAST, max_epochs=40, patience=40, learning_rate=0.02)
    found = {}
    for new in (0, 8):
        rounds: dict[str, Any] = {"de_novo": new, "de_novo_width": 8, "round_epochs": 10, "tolerance": 0.002}
        design = MotifDesign(mode="frozen", head_start="zero", **rounds)
        model = fit_network(lacking, samples, first_split(samples), replace(settings, architecture=design), 1)
        found[new] = quality(model, samples)
    assert found[0] < 0.8
    assert found[8] > 0.9


def test_a_length_that_does_not_fit_names_the_motif() -> None:
    with pytest.raises(FitError, match=r"motif MA3\.1 is 10 bases wide, the sequences have 9"):
        fit(planted_samples(length=9, n=30))


def test_data_without_sequences_are_refused() -> None:
    network = MotifDesign().build(BLUEPRINT, 2, link="softmax")
    with pytest.raises(FitError, match="reads sequences"):
        network.compute(Given(torch.zeros(2, 0)))


def test_knowledge_without_motifs_is_refused() -> None:
    with pytest.raises(FitError, match="no motifs"):
        MotifDesign().build(replace(BLUEPRINT, motifs=BLUEPRINT.motifs.iloc[:0]), 2)


@pytest.mark.parametrize("options", [{}, FULL | {"threshold": None, "activation": "none"}])
def test_the_design_counts_what_the_network_has(options: dict[str, Any]) -> None:
    design = MotifDesign(**options)
    assert design.size(BLUEPRINT, 2)[0] == design.build(BLUEPRINT, 2, link="softmax").n_parameters()


def test_motifs_that_are_not_needed_fall_silent() -> None:
    samples = planted_samples()
    model = fit(samples, head_start="ridge", mode="frozen", prune="all", round_epochs=2, tolerance=0.01)
    network = model.network
    assert isinstance(network, MotifNetwork)
    assert 1 <= network.kept.sum() < 6
    assert network.kept[0] == 1
    levels = network.compute(given_of(samples)).levels[0]
    assert (levels[:, network.kept == 0] == 0).all()
    assert quality(model, samples) > 0.9


@pytest.mark.parametrize("mode", ["frozen", "free"])
def test_motifs_have_derivatives_in_every_mode(mode: str) -> None:
    samples = planted_samples(n=30)
    network = begun(samples, mode=mode)
    passed = network.compute(given_of(samples))
    (slope,) = torch.autograd.grad(passed.outputs[:, 1].sum(), passed.levels[0])
    weight = (network.head.weight * network.scale)[1].detach()
    torch.testing.assert_close(slope, weight.expand_as(slope))
