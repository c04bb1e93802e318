"""Fits of profiles: a planted motif is found, resumable draws, windows on both strands, bad data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from kgreg.data.sequence.profile_data import ProfileData
from kgreg.data.splits import Split
from kgreg.errors import FitError
from kgreg.fit.profiles import ProfileSettings, _augmented, fit_profiles
from kgreg.nn.sequence.design import SequenceDesign
from kgreg.nn.sequence.encoding import reverse_complement
from kgreg.nn.sequence.profile import ProfileTower

LENGTH, POSITIONS = 80, 48
SETTINGS = ProfileSettings(learning_rate=0.01, batch_size=32, max_epochs=12, jitter=2)
#: TGACTCA as codes; reads pile up 6 positions downstream on the strand that carries it.
MOTIF = np.array([3, 2, 0, 1, 3, 1, 0], dtype=np.uint8)


def planted(n: int = 240, seed: int = 0) -> ProfileData:
    """Return sequences of which two thirds carry the motif, on either strand, with reads beside it."""
    rng = np.random.default_rng(seed)
    wide, out = LENGTH + 2 * SETTINGS.jitter, POSITIONS + 2 * SETTINGS.jitter
    sequences = rng.integers(0, 4, (n, wide)).astype(np.uint8)
    rates = np.full((n, 2, out), 0.05)
    margin = (wide - out) // 2
    for i in range(n):
        if i % 3 == 0:
            continue
        start, strand = int(rng.integers(margin + 8, wide - margin - 16)), i % 2
        site = MOTIF if strand == 0 else (3 - MOTIF)[::-1]
        sequences[i, start : start + 7] = site
        peak = start + (12 if strand == 0 else -6) - margin
        rates[i, strand, peak - 1 : peak + 2] += 15
    return ProfileData(sequences, rng.poisson(rates).astype(np.float32))


def tower(seed: int = 0, **options: Any) -> ProfileTower:
    torch.manual_seed(seed)
    same = {"kind": "conv", "filters": 12, "padding": "same"}
    layers = [
        {**same, "width": 9},
        {"kind": "tower", "repeat": 2, "residual": True, "dilation_growth": 2, "layers": [{**same, "width": 3}]},
        {"kind": "pool", "how": "mean"},
    ]
    return ProfileTower.of(SequenceDesign(layers=layers), POSITIONS, width=21, **options)


def split(n: int) -> Split:
    rows = np.arange(n)
    return Split(0, rows[: n * 6 // 10], rows[n * 6 // 10 : n * 8 // 10], rows[n * 8 // 10 :])


def test_a_planted_motif_is_learned() -> None:
    data = planted()
    parts = split(len(data))
    network = tower()
    fitted = fit_profiles(network, data, parts, SETTINGS, seed=1)
    found = fitted.score(data, parts.test)
    assert found["profile_loss"] < 0.6 * found["uniform_loss"]
    assert found["profile_correlation"] > 0.5
    assert found["counts_correlation"] > 0.6
    assert fitted.history[fitted.best_epoch]["stop_loss"] == min(epoch["stop_loss"] for epoch in fitted.history)
    # The network that was given is left alone; the same seed gives the same network.
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), tower().parameters(), strict=True))


def test_the_same_seed_gives_the_same_fit_with_control_tracks() -> None:
    data = planted(40)
    control = np.random.default_rng(3).poisson(0.2, (40, 1, data.sequences.shape[1])).astype(np.float32)
    data = replace(data, control=control)
    short = replace(SETTINGS, max_epochs=2)
    first, again, other = (fit_profiles(tower(controls=1), data, split(40), short, seed) for seed in (1, 1, 2))
    assert first.history == again.history
    assert first.history != other.history
    assert first.predict(data, np.arange(5)).logits.shape == (5, 2, POSITIONS)


def test_windows_on_the_other_strand_have_their_tracks_reversed_and_exchanged() -> None:
    torch.manual_seed(0)
    sequences = torch.arange(40).remainder(4).to(torch.uint8)[None]
    observed = torch.arange(2 * 20, dtype=torch.float32).reshape(1, 2, 20)
    cut, reads, control = _augmented(sequences, observed, observed[:, :1], ProfileSettings(jitter=3, turned=1.0))
    assert control is not None
    first = int(reads[0, 1, -1])  # what is read last on the other strand lies first on the one that was given
    assert 0 <= first <= 6
    torch.testing.assert_close(reads[0], observed[0, :, first : first + 14].flip(0, 1))
    torch.testing.assert_close(control[0], observed[0, :1, first : first + 14].flip(1))
    torch.testing.assert_close(cut[0], reverse_complement(sequences[0, first : first + 34]))


def test_data_of_another_size_than_the_network_predicts_are_refused() -> None:
    with pytest.raises(FitError, match="predicts 2 tracks of 48 positions, the data have 2 of 52"):
        fit_profiles(tower(), planted(10), split(10), replace(SETTINGS, jitter=0))


def test_a_loss_that_is_never_finite_is_told() -> None:
    with pytest.raises(FitError, match="never a finite number"):
        fit_profiles(tower(), planted(20), split(20), replace(SETTINGS, learning_rate=1e30, max_epochs=3))
