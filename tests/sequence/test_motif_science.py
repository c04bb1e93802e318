"""What known motifs bring on real peaks, and whether what was planted is found; in full in the benchmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.motif_network import (
    DESIGN,
    FROZEN,
    RELEVANT,
    TEST,
    auroc,
    drawn,
    found_spacing,
    halved,
    leading,
    motifs,
)
from kgreg.blueprint import Blueprint
from kgreg.data import Samples
from kgreg.data.sequence import read_sequences
from kgreg.data.simulate.grammar import simulate_grammar
from kgreg.fit import FittedModel, Readings, fit_network
from tests.sources.shared_data import shared


@pytest.fixture(scope="module")
def oct4_mafk() -> Samples:
    files = {name: [shared(f"oct4_mafk/{name}.{part}.fa") for part in ("train", "test")] for name in ("oct4", "mafk")}
    return read_sequences(files, test_chromosomes=TEST)


def rows_of(samples: Samples, part: str) -> np.ndarray:
    return np.flatnonzero(samples.parts == part)


def fitted(blueprint: Blueprint, samples: Samples, n: int, n_test: int = 200) -> tuple[FittedModel, float]:
    """Fit frozen motifs to ``n`` sequences; return the model and its AUROC on ``n_test``."""
    test = drawn(samples, rows_of(samples, "test"), n_test, 0)
    split = halved(samples, drawn(samples, rows_of(samples, "train"), n, 0), test)
    model = fit_network(blueprint, samples, split, FROZEN.settings(DESIGN, 1, "none"), 0)
    predicted = model.predict(Readings.of(samples, blueprint).rows(test))[:, 1]
    return model, auroc(samples, test, predicted)


def first_families(samples: Samples, n: int) -> dict[str, list[str]]:
    """Return the families that lead, by output."""
    model, _ = fitted(motifs(), samples, n)
    test = drawn(samples, rows_of(samples, "test"), min(60, len(rows_of(samples, "test")) // 2), 1)
    split = halved(samples, drawn(samples, rows_of(samples, "train"), n, 0), test)
    found: dict[str, list[str]] = {}
    for output, kind, label, _ in leading(model, samples, Readings.of(samples, motifs()), split):
        if kind == "family":
            found.setdefault(output, []).append(label)
    return found


def test_known_motifs_beat_permuted_ones_and_it_is_the_right_ones_that_help(oct4_mafk: Samples) -> None:
    known = fitted(motifs(), oct4_mafk, 100)[1]
    permuted = fitted(motifs().rewire(0), oct4_mafk, 100)[1]
    others = fitted(motifs(RELEVANT), oct4_mafk, 100)[1]
    assert known > 0.96
    assert known > permuted + 0.05
    assert others < known - 0.08


def test_families_of_both_factors_lead(oct4_mafk: Samples) -> None:
    found = first_families(oct4_mafk, 240)
    assert found["mafk"][0] == "Maf-related"
    assert {"POU domain factors", "SOX-related factors"} & set(found["oct4"][:2])


@pytest.mark.parametrize(
    ("file", "family"),
    [
        ("Gm12878.CTCF.top500.w200.fa", "More than 3 adjacent zinc fingers"),
        ("TAp73alpha.fa", "p53-related factors"),
    ],
)
def test_the_family_of_the_factor_leads_against_shuffled_peaks(file: str, family: str) -> None:
    pytest.importorskip("tangermeme")
    samples = read_sequences({"peak": shared(f"chip_seq/{file}")}, negatives="dinucleotide", test_chromosomes=TEST)
    assert first_families(samples, 200)["peak"][0] == family


@pytest.mark.parametrize("seed", [0, 1])
def test_a_planted_motif_is_first_and_its_distance_is_found(tmp_path: Path, seed: int) -> None:
    made = simulate_grammar(n_samples=240, seed=seed)
    made.write(tmp_path / "made")
    samples = read_sequences({name: tmp_path / "made" / f"{name}.fa" for name in ("background", "planted")})
    rows = np.arange(len(samples))
    split = halved(samples, rows[:160], rows[160:])
    model = fit_network(motifs(), samples, split, FROZEN.settings(DESIGN, 1, "none"), seed)
    best = [
        label.split()[-1]
        for output, kind, label, _ in leading(model, samples, Readings.of(samples, motifs()), split)
        if output == "planted" and kind == "motif"
    ]
    pair = [made.about["first"], made.about["second"]]
    assert best[0] in pair
    assert found_spacing(model, samples, split.test, pair) == made.about["spacing"]
