"""The simulated windows and contacts: what they say of themselves is true."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kgreg.data.contacts import Windows, read_contacts
from kgreg.data.samples import Columns
from kgreg.data.sequence import read_sequences
from kgreg.data.simulate.contacts import simulate_contacts
from kgreg.errors import DataError
from kgreg.sources.motif_files import read_motifs


def test_the_strongest_contacts_are_those_of_hubs_and_carry_the_signal(tmp_path: Path) -> None:
    simulation = simulate_contacts(n_chromosomes=4, n_windows=60, length=80, seed=2)
    folder = tmp_path / "contacts"
    simulation.write(folder)
    samples = read_sequences(folder / "windows.fa", Columns(["open", "bound", "touched"]), labels=folder / "labels.csv")
    assert samples.sequences is not None
    assert samples.sequences.shape == (240, 80)
    contacts = read_contacts(
        folder / "contacts.bedpe", Windows(samples.intervals), strongest=simulation.about["strongest"]
    )
    assert set(contacts.degrees()) == {3}
    opened, bound, touched = samples.target.T.astype(bool)
    assert (opened[contacts.one] == opened[contacts.two]).all()
    np.testing.assert_array_equal(touched, contacts.adjacency() @ bound > 0)
    motifs = read_motifs(folder / "motifs.jaspar")
    assert [motif.id for motif in motifs] == simulation.truth["node"].tolist()
    best = []
    for motif in motifs[:2]:
        odds = np.log2(np.asarray(motif.counts) / 25)
        both = [odds, odds[::-1, ::-1]]
        width = len(odds)
        scores = [
            sum(strand[j, samples.sequences[:, i + j]] for j in range(width))
            for strand in both
            for i in range(80 - width + 1)
        ]
        best.append(np.max(scores, axis=0) > 11)
    assert best[0][opened].mean() > 0.5 > 0.2 > best[0][~opened].mean()
    assert best[1][bound].mean() > 0.8 > 0.1 > best[1][~bound].mean()


def test_the_same_seed_gives_the_same_windows() -> None:
    one, two, other = (simulate_contacts(3, 20, 60, seed=seed) for seed in (1, 1, 2))
    assert one.files == two.files
    pd.testing.assert_frame_equal(one.tables["labels"], two.tables["labels"])
    assert one.files["windows.fa"] != other.files["windows.fa"]


@pytest.mark.parametrize("options", [{"n_chromosomes": 2}, {"hub": 1}, {"n_windows": 5}, {"length": 20}])
def test_numbers_that_make_no_windows_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(DataError, match="There is nothing to simulate"):
        simulate_contacts(**options)
