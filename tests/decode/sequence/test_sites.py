"""The scan finds what scoring every window one by one finds."""

from __future__ import annotations

import numpy as np
import pytest

from kgreg.decode.sequence import sites as module
from kgreg.decode.sequence.matching import probabilities
from kgreg.decode.sequence.sites import SCAN_COLUMNS, scan
from kgreg.errors import DataError


@pytest.fixture(scope="module")
def motifs() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {f"M{width}": rng.dirichlet([0.2] * 4, size=width) * 100 for width in (5, 8, 12)}


@pytest.fixture(scope="module")
def sequences() -> list[tuple[str, np.ndarray]]:
    rng = np.random.default_rng(2)
    found = [(f"s{i}", rng.integers(0, 4, size).astype(np.uint8)) for i, size in enumerate((400, 3, 150, 700))]
    found[3][1][100:104] = 4
    return found


def window_by_window(
    sequences: list[tuple[str, np.ndarray]], motifs: dict[str, np.ndarray], least: float
) -> set[tuple[str, str, int, int, str]]:
    """Return motif, sequence, start, stop and strand of every window that scores at least so many bits."""
    found = set()
    for motif, counts in motifs.items():
        forward = np.log2(probabilities(counts, 0.1) + 1e-4) + 2
        for strand, weights in (("+", forward), ("-", forward[::-1, ::-1])):
            padded = np.concatenate([weights, np.zeros((len(weights), 1))], axis=1)
            for name, codes in sequences:
                for at in range(len(codes) - len(weights) + 1):
                    score = padded[np.arange(len(weights)), codes[at : at + len(weights)]].sum()
                    if score >= least:
                        found.add((motif, name, at + 1, at + len(weights), strand))
    return found


def places(hits: object) -> set[tuple[str, str, int, int, str]]:
    columns = ["motif_id", "sequence_name", "start", "stop", "strand"]
    return {tuple(row) for row in hits[columns].to_numpy().tolist()}  # type: ignore[index]


def test_hits_are_the_best_windows(sequences: list[tuple[str, np.ndarray]], motifs: dict[str, np.ndarray]) -> None:
    hits = scan(sequences, motifs, {"M8": "eight"}, threshold=2e-3)
    assert list(hits.columns) == list(SCAN_COLUMNS)
    assert len(hits) > 5
    for motif, own in hits.groupby("motif_id"):
        assert places(own) == window_by_window(sequences, {motif: motifs[motif]}, own["score"].min() - 1e-6)
    assert set(hits.query("motif_id == 'M8'")["motif_alt_id"]) == {"eight"}
    assert (hits["p-value"] <= hits["q-value"]).all()
    assert hits["p-value"].is_monotonic_increasing


def test_the_matched_letters_are_those_of_the_strand(
    sequences: list[tuple[str, np.ndarray]], motifs: dict[str, np.ndarray]
) -> None:
    hits = scan(sequences, motifs, threshold=2e-3)
    for hit in hits.itertuples():
        weights = np.log2(probabilities(motifs[hit.motif_id], 0.1) + 1e-4) + 2
        word = ["ACGTN".index(letter) for letter in hit.matched_sequence]
        padded = np.concatenate([weights, np.zeros((len(weights), 1))], axis=1)
        assert padded[np.arange(len(word)), word].sum() == pytest.approx(hit.score, abs=1e-3)


def test_long_sequences_in_pieces(
    sequences: list[tuple[str, np.ndarray]], motifs: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = scan(sequences, motifs, threshold=2e-3)
    monkeypatch.setattr(module, "_PIECE", 64)
    pieces = scan(iter(sequences), motifs, threshold=2e-3)
    np.testing.assert_array_equal(pieces.to_numpy(), whole.to_numpy())


def test_no_window_is_rarer_than_a_word(motifs: dict[str, np.ndarray]) -> None:
    best = probabilities(motifs["M5"]).argmax(axis=1).astype(np.uint8)
    certain = [("s", np.tile(best, 10))]
    assert scan(certain, {"M5": motifs["M5"]}, threshold=1e-4).empty  # 4^-5 is 1e-3
    assert scan(certain, {"M5": motifs["M5"]}, threshold=1e-3)["p-value"].min() >= 4.0**-5


def test_nothing_to_scan(motifs: dict[str, np.ndarray]) -> None:
    with pytest.raises(DataError, match="no sequences"):
        scan([], motifs)
    with pytest.raises(DataError, match="no motifs"):
        scan([("s", np.zeros(10, dtype=np.uint8))], {})
    with pytest.raises(DataError, match="p value"):
        scan([("s", np.zeros(10, dtype=np.uint8))], motifs, threshold=0)
    assert scan([("s", np.zeros(3, dtype=np.uint8))], motifs).empty
