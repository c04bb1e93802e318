"""k-mer counts against a dictionary, and GC content."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kgreg.data.sequence.kmers import gc_content, kmer_counts, kmer_names
from kgreg.errors import DataError

CODES = arrays.arrays(np.uint8, st.tuples(st.integers(0, 4), st.integers(0, 12)), elements=st.integers(0, 4))


def by_dictionary(codes: np.ndarray, k: int, canonical: bool) -> list[dict[str, int]]:
    complement = {"A": "T", "C": "G", "G": "C", "T": "A"}
    tables = []
    for row in codes:
        text, counts = "".join("ACGTN"[code] for code in row), {}
        for start in range(len(text) - k + 1):
            word = text[start : start + k]
            if "N" in word:
                continue
            if canonical:
                word = min(word, "".join(complement[letter] for letter in reversed(word)))
            counts[word] = counts.get(word, 0) + 1
        tables.append(counts)
    return tables


@settings(max_examples=60)
@given(CODES, st.integers(1, 4), st.booleans())
def test_counts_are_those_of_a_dictionary(codes: np.ndarray, k: int, canonical: bool) -> None:
    names = kmer_names(k, canonical)
    counts = kmer_counts(codes, k, canonical)
    assert counts.shape == (len(codes), len(names))
    assert counts.dtype == np.float32
    found = [{name: int(n) for name, n in zip(names, row, strict=True) if n} for row in counts]
    assert found == by_dictionary(codes, k, canonical)


def test_canonical_counts_do_not_know_the_strand() -> None:
    codes = np.random.default_rng(0).integers(0, 5, (20, 60)).astype(np.uint8)
    reverse = np.where(codes < 4, 3 - codes, 4).astype(np.uint8)[:, ::-1]
    np.testing.assert_array_equal(kmer_counts(codes), kmer_counts(reverse))
    assert kmer_counts(codes).shape[1] == 512
    assert len(kmer_names(4)) == (4**4 + 4**2) // 2


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = np.random.default_rng(1).integers(0, 5, (23, 40)).astype(np.uint8)
    whole, share = kmer_counts(codes, 3), gc_content(codes)
    monkeypatch.setattr("kgreg.data.sequence.kmers._BLOCK", 100)
    np.testing.assert_array_equal(kmer_counts(codes, 3), whole)
    np.testing.assert_array_equal(gc_content(codes), share)


def test_gc_content_is_of_the_known_letters() -> None:
    codes = np.array([[0, 1, 2, 3], [1, 2, 4, 4], [4, 4, 4, 4], [0, 0, 3, 1]], dtype=np.uint8)
    assert gc_content(codes).tolist() == [0.5, 1.0, 0.5, 0.25]


@pytest.mark.parametrize("k", [0, 11])
def test_other_lengths_are_refused(k: int) -> None:
    with pytest.raises(DataError, match=f"length {k}"):
        kmer_counts(np.zeros((1, 20), dtype=np.uint8), k)


def test_one_sequence_is_no_matrix() -> None:
    with pytest.raises(DataError, match="matrix"):
        gc_content(np.zeros(5, dtype=np.uint8))
