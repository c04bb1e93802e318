"""Both stages over windows that contacts join: what is planted is found, and only by the contacts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from kgreg.data.contacts import ContactGraph, Windows
from kgreg.errors import DataError, FitError
from kgreg.fit.contacts import ContactSettings, WindowFit, WindowSettings, fit_contacts, fit_windows
from kgreg.nn.contacts import WindowClassifier

N_CHROMOSOMES, N_WINDOWS = 8, 80


def simulated(seed: int = 0) -> tuple[np.ndarray, np.ndarray, ContactGraph, np.ndarray]:
    """Windows in cliques of four that share a label, of which each window's own features tell a part."""
    rng = np.random.default_rng(seed)
    chrom = np.repeat([f"chr{i + 1}" for i in range(N_CHROMOSOMES)], N_WINDOWS)
    start = np.tile(np.arange(N_WINDOWS) * 1000, N_CHROMOSOMES)
    windows = Windows(pd.DataFrame({"chrom": chrom, "start": start, "end": start + 1000}))
    clique = np.concatenate([1000 * c + rng.permutation(N_WINDOWS) // 4 for c in range(N_CHROMOSOMES)])
    label = (rng.random(clique.max() + 1) < 0.5)[clique].astype(np.float32)
    features = rng.normal(size=(len(chrom), 6)).astype(np.float32)
    features[:, 0] += 1.2 * label
    members = [np.flatnonzero(clique == one) for one in np.unique(clique)]
    pairs = np.array([(own[i], own[j]) for own in members for j in range(4) for i in range(j)])
    contacts = ContactGraph(windows, pairs[:, 0], pairs[:, 1], np.ones(len(pairs)))
    parts = np.repeat(["train"] * 4 + ["valid"] * 2 + ["test"] * 2, N_WINDOWS)
    return features, label, contacts, parts


@pytest.fixture(scope="module")
def first_stage() -> tuple[WindowFit, np.ndarray, ContactGraph, np.ndarray]:
    features, label, contacts, parts = simulated()
    fit = fit_windows(nn.Linear(6, 6), features, label, parts, WindowSettings(learning_rate=0.05, max_epochs=20))
    return fit, label, contacts, parts


def test_contacts_carry_what_a_window_does_not_have(
    first_stage: tuple[WindowFit, np.ndarray, ContactGraph, np.ndarray],
) -> None:
    fit, label, contacts, parts = first_stage
    assert fit.features.shape == (len(label), 1, 6)
    settings = ContactSettings(max_epochs=40, patience=15)
    arms = ("none", "rewired", "shifted", "contacts")
    found = fit_contacts(
        fit.features, label, contacts, parts, fit.classifier, settings, arms=arms, seeds=(0, 1), labels=["active"],
        resamples=200,
    )  # fmt: skip
    table = found.metrics.query("metric == 'auroc' and label == 'all'").set_index("arm")
    assert list(table.index) == ["window", *arms]
    assert table.loc["window", "value"] == pytest.approx(fit.metrics["auroc"])
    assert 0.7 < table.loc["window", "value"] < 0.9
    assert table.loc["contacts", "value"] > table["value"].drop("contacts").max() + 0.05
    assert (table["low"] <= table["high"]).all()
    assert set(table["n"]) == {2}
    against = found.comparisons.query("metric == 'auroc'").set_index("arm")
    assert against.loc["shifted", "difference"] == pytest.approx(
        table.loc["contacts", "value"] - table.loc["shifted", "value"]
    )
    assert found.predictions["contacts"].shape == (2, 2 * N_WINDOWS, 1)
    assert found.gates.shape == (2 * N_WINDOWS, 2)
    assert ((found.gates > 0) & (found.gates < 1)).all()
    assert found.graphs["contacts"]["pairs"] == len(contacts)


def test_seeds_decide_and_the_order_of_windows_does_not(
    first_stage: tuple[WindowFit, np.ndarray, ContactGraph, np.ndarray],
) -> None:
    fit, label, contacts, parts = first_stage
    settings = ContactSettings(max_epochs=3, dropout=0.0)

    def predicted(order: np.ndarray) -> np.ndarray:
        place = np.argsort(order)
        ends = place[np.stack([contacts.one, contacts.two])]
        graph = ContactGraph(
            Windows(contacts.windows.table.iloc[order]), ends.min(axis=0), ends.max(axis=0), contacts.weight
        )
        found = fit_contacts(
            fit.features[order], label[order], graph, parts[order], fit.classifier, settings, arms=("contacts",),
            seeds=(3,), units="windows", resamples=10,
        )  # fmt: skip
        values = np.full(len(label), np.nan)
        values[order[found.test]] = found.predictions["contacts"][0, :, 0]
        return values

    straight = predicted(np.arange(len(label)))
    np.testing.assert_array_equal(straight, predicted(np.arange(len(label))))
    # Windows of a chromosome in another order, chromosomes as they were: training visits these in the same order.
    rng = np.random.default_rng(0)
    within = np.concatenate([c * N_WINDOWS + rng.permutation(N_WINDOWS) for c in range(N_CHROMOSOMES)])
    np.testing.assert_allclose(straight, predicted(within), atol=1e-4)


def test_the_encoder_that_is_given_is_not_trained() -> None:
    features, label, _, parts = simulated()
    encoder = nn.Linear(6, 3)
    before = encoder.weight.clone()
    fit = fit_windows(encoder, features, label, parts, WindowSettings(max_epochs=1))
    torch.testing.assert_close(encoder.weight, before)
    assert not torch.equal(fit.encoder.weight, before)


Change = dict[str, Any]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": np.full(N_CHROMOSOMES * N_WINDOWS, 2.0)}, "Label 1 of window 1 is 2"),
        ({"target": np.zeros(3)}, "There are 640 windows, but labels of the shape"),
        ({"parts": np.repeat("train", 640)}, "no window is in valid, test"),
        ({"parts": np.array(["train", "valid", "test", "holdout"])[np.arange(640) % 4]}, "there are holdout"),
        (
            {"parts": np.array(["train", "valid", "test"])[np.arange(640) % 3]},
            "Windows of chr1, chr2.* lie in two parts",
        ),
        ({"features": np.zeros((640, 2))}, "a classifier of 6 features, but features of the shape"),
        ({"arms": ("contacts", "magic")}, "There is no arm 'magic'"),
        ({"arms": ("none",)}, 'the arm "contacts" are needed'),
        (
            {"parts": np.repeat(["train"] * 4 + ["valid"] * 3 + ["test"], N_WINDOWS)},
            "Only one chromosome is tested",
        ),
    ],
)
def test_what_does_not_fit_is_refused(change: Change, message: str) -> None:
    features, label, contacts, parts = simulated()
    given: Change = {"features": features, "target": label, "parts": parts, **change}
    arms = given.pop("arms", ("contacts",))
    with pytest.raises((DataError, FitError), match=message):
        fit_contacts(**given, contacts=contacts, classifier=WindowClassifier(6, 1), arms=arms)


def test_contacts_between_parts_are_refused() -> None:
    features, label, contacts, parts = simulated()
    across = ContactGraph(contacts.windows, np.array([0]), np.array([639]), np.ones(1))
    with pytest.raises(DataError, match="1 contacts join windows of two parts"):
        fit_contacts(features, label, across, parts, WindowClassifier(6, 1))
