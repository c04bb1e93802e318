"""Simulated grammar: sites of two motifs, drawn from JASPAR, at one distance; decoys at any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kgreg.data.simulate import Simulation, simulate
from kgreg.data.simulate.grammar import simulate_grammar
from kgreg.errors import DataError
from kgreg.sources import jaspar


def read(made: Simulation) -> dict[str, str]:
    lines = [line for text in made.files.values() for line in text.splitlines()]
    return dict(zip((line[1:] for line in lines[::2]), lines[1::2], strict=True))


def site(sequence: str, start: int, width: int, strand: str) -> str:
    found = sequence[start : start + width]
    return found if strand == "+" else found[::-1].translate(str.maketrans("ACGT", "TGCA"))


@pytest.fixture(scope="module")
def pfm() -> dict[str, np.ndarray]:
    table = jaspar.read().nodes["Motif"].to_pydict()
    return {name: np.reshape(counts, (-1, 4)) for name, counts in zip(table["id"], table["pfm"], strict=True)}


@pytest.mark.parametrize("decoys", [0.0, 0.5])
def test_sites_are_drawn_from_the_motifs_and_stand_at_one_distance(pfm: dict[str, np.ndarray], decoys: float) -> None:
    made = simulate_grammar(n_samples=600, first="CTCF", second="MA0107.1", spacing=11, decoys=decoys, seed=1)
    first, second = made.about["first"], made.about["second"]
    assert second == "MA0107.1"
    assert made.about["names"] == ["CTCF", "RELA"]
    sequences, sites = read(made), made.tables["sites"]
    assert set(map(len, sequences.values())) == {200}
    for motif in (first, second):
        counts = np.zeros_like(pfm[motif], dtype=float)
        for row in sites[sites["motif"] == motif].itertuples():
            letters = site(sequences[row.sequence], row.start, len(counts), row.strand)
            counts[np.arange(len(counts)), ["ACGT".index(letter) for letter in letters]] += 1
        expected = pfm[motif] / pfm[motif].sum(axis=1, keepdims=True)
        assert np.abs(counts / counts.sum(axis=1, keepdims=True) - expected).max() < 0.12
    pairs = sites.pivot(index="sequence", columns="motif", values="start").join(
        sites.drop_duplicates("sequence").set_index("sequence")["strand"]
    )
    wide, narrow = len(pfm[first]), len(pfm[second])
    apart = np.where(
        pairs["strand"] == "+",
        pairs[second] - pairs[first] - wide,
        pairs[first] - pairs[second] - narrow,
    )
    planted = pairs.index.str.startswith("planted")
    assert planted.sum() == 300
    assert set(apart[planted]) == {11}
    assert abs((~planted).sum() - 300 * decoys) < 40 * (decoys > 0) + 1
    assert 11 not in apart[~planted]
    assert 0.4 < (pairs["strand"] == "+").mean() < 0.6


def test_background_has_the_composition_asked_for() -> None:
    made = simulate_grammar(gc=0.6, n_samples=200, seed=3)
    text = "".join(line for line in made.files["background.fa"].splitlines() if not line.startswith(">"))
    assert abs(sum(text.count(letter) for letter in "GC") / len(text) - 0.6) < 0.02


def test_the_seed_decides_what_is_planted() -> None:
    one, two, other = (simulate("grammar", seed=seed) for seed in (1, 1, 2))
    assert one.files == two.files
    assert one.about == two.about
    assert other.about["first"] != one.about["first"]
    assert one.truth.loc[one.truth["planted"], "motif"].isin([one.about["first"], one.about["second"]]).all()


def test_files_are_written(tmp_path: Path) -> None:
    simulate_grammar(n_samples=8, seed=0).write(tmp_path / "new")
    names = {file.name for file in (tmp_path / "new").iterdir()}
    assert names == {"planted.fa", "background.fa", "sites.csv", "truth.csv", "about.json"}
    assert pd.read_csv(tmp_path / "new" / "truth.csv")["planted"].sum() == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"first": "NOSUCH"}, "no vertebrate CORE motif 'NOSUCH'"),
        ({"length": 30, "first": "CTCF", "second": "RELA", "spacing": 9}, "do not fit"),
        ({"length": 12}, "No informative motif fits"),
        ({"decoys": 2.0}, "decoys = 2.0"),
        ({"n_samples": 1}, "n_samples = 1"),
    ],
)
def test_what_cannot_be_simulated_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        simulate_grammar(**options)  # type: ignore[arg-type]
