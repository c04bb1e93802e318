"""Backgrounds: windows of the genome with the same GC content, and shuffled sequences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("pyfaidx")

from kgreg.data.sequence.codes import UNKNOWN
from kgreg.data.sequence.genome import Genome
from kgreg.data.sequence.kmers import gc_content, kmer_counts
from kgreg.data.sequence.negatives import FAR, NONE_FREE, draw_gc_matched
from kgreg.data.sequence.shuffling import dinucleotide_shuffle
from kgreg.data.sequence.tally import Tally
from kgreg.data.sequence.windows import read_windows
from kgreg.errors import DataError
from tests.data.sequence.files import random_letters, write_fasta

LENGTH = 50


@pytest.fixture(scope="module")
def genome_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(1)
    # Stretches of different composition, and one of unknown letters.
    stretches = ["".join(random_letters(random, 500, gc) for gc in random.uniform(0.3, 0.7, 40)) for _ in range(2)]
    chromosomes = [("chr1", stretches[0] + "N" * 5000), ("chr2", stretches[1]), ("chr3", "ACGT" * 20)]
    return write_fasta(tmp_path_factory.mktemp("genome") / "g.fa", chromosomes)


def windows(starts: dict[str, np.ndarray]) -> pd.DataFrame:
    parts = [pd.DataFrame({"chrom": chrom, "start": at, "end": at + LENGTH}) for chrom, at in starts.items()]
    return pd.concat(parts, ignore_index=True).assign(strand="+")


def codes_of(genome: Genome, table: pd.DataFrame) -> np.ndarray:
    return np.concatenate(list(read_windows(genome, table)))


def test_negatives_match_and_overlap_nothing(genome_path: Path) -> None:
    random = np.random.default_rng(2)
    positives = windows({chrom: random.choice(19_000, 60, replace=False) for chrom in ("chr1", "chr2")})
    with Genome(genome_path) as genome:
        gc = gc_content(codes_of(genome, positives))
        tally = Tally()
        drawn = draw_gc_matched(genome, positives, gc, seed=4, tally=tally)
        again = draw_gc_matched(genome, positives, gc, seed=4)
        other = draw_gc_matched(genome, positives, gc, seed=5)
        codes = codes_of(genome, drawn)
    pd.testing.assert_frame_equal(drawn, again)
    assert not drawn.equals(other)
    assert drawn["positive"].tolist() == list(range(120))
    assert (drawn["chrom"] == positives["chrom"]).all()
    assert (drawn["end"] - drawn["start"] == LENGTH).all()
    far = np.abs(gc_content(codes) - gc)
    assert (far > 0.02 + 1e-6).sum() == tally.repairs[FAR] <= 3
    assert (codes == UNKNOWN).mean(axis=1).max() <= 0.1
    for _, group in pd.concat([positives, drawn]).groupby("chrom"):
        for start in drawn.loc[drawn["chrom"] == group["chrom"].iloc[0], "start"]:
            assert (np.abs(group["start"] - start) < LENGTH).sum() == 1  # itself


def test_where_nothing_is_like_it_the_nearest_is_taken_and_where_nothing_is_free_none(genome_path: Path) -> None:
    positives = windows({"chr2": np.array([100]), "chr3": np.array([10])})
    tally = Tally()
    with Genome(genome_path) as genome:
        drawn = draw_gc_matched(genome, positives, np.array([0.99, 0.5], dtype=np.float32), tally=tally)
        assert drawn["positive"].tolist() == [0]
        assert gc_content(codes_of(genome, drawn))[0] > 0.7
    assert (tally.repairs, tally.left_out) == ({FAR: 1}, {NONE_FREE: 1})


def test_places_must_be_known_and_free(genome_path: Path) -> None:
    unknown = pd.DataFrame({"chrom": ["chr1", ""], "start": [0, -1], "end": [50, -1], "strand": ""})
    with Genome(genome_path) as genome:
        with pytest.raises(DataError, match="Of 1 of 2 sequences the place") as caught:
            draw_gc_matched(genome, unknown, np.full(2, 0.5, dtype=np.float32))
        assert "dinucleotide" in caught.value.hint
        with pytest.raises(DataError, match="no free window"):
            draw_gc_matched(genome, windows({"chr3": np.array([10])}), np.full(1, 0.5, dtype=np.float32))


def test_shuffled_sequences_keep_their_dinucleotides() -> None:
    pytest.importorskip("tangermeme")
    random = np.random.default_rng(0)
    codes = random.integers(0, 4, (40, 60)).astype(np.uint8)
    codes[3, 20:24] = UNKNOWN
    codes[4, :7], codes[4, -5:] = UNKNOWN, UNKNOWN
    codes[5] = UNKNOWN
    codes[6, 3:] = UNKNOWN
    shuffled = dinucleotide_shuffle(codes, seed=3)
    assert shuffled.dtype == np.uint8
    np.testing.assert_array_equal(kmer_counts(shuffled, 2, canonical=False), kmer_counts(codes, 2, canonical=False))
    np.testing.assert_array_equal((shuffled == UNKNOWN).sum(axis=1), (codes == UNKNOWN).sum(axis=1))
    np.testing.assert_array_equal(shuffled[4:7] == UNKNOWN, codes[4:7] == UNKNOWN)
    np.testing.assert_array_equal(shuffled[:, [0, -1]], codes[:, [0, -1]])
    assert (shuffled[:3] != codes[:3]).mean() > 0.5
    # A row does not depend on those after it.
    np.testing.assert_array_equal(dinucleotide_shuffle(codes[:10], seed=3), shuffled[:10])
    assert (dinucleotide_shuffle(codes[:3], seed=4) != shuffled[:3]).any()
