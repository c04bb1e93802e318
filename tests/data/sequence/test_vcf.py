"""Variants: what is read, what is left out and counted, and the sequences around them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("pyfaidx")

from kgreg.data.sequence.codes import decode
from kgreg.data.sequence.genome import Genome
from kgreg.data.sequence.tally import Tally
from kgreg.data.sequence.vcf import (
    MISMATCH,
    NO_ALTERNATIVE,
    NO_CHROMOSOME,
    RENAMED,
    SYMBOLIC,
    read_variants,
    variant_windows,
)
from kgreg.errors import DataError
from tests.data.sequence.files import random_letters, write_fasta, write_text

HEADER = "##fileformat=VCFv4.2\n##contig=<ID=1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
CHROMOSOME = random_letters(np.random.default_rng(5), 60)
CHROMOSOME = CHROMOSOME[:30] + "N" + CHROMOSOME[31:]


@pytest.fixture(scope="module")
def genome_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("genome") / "g.fa"
    return write_fasta(path, [("chr1", CHROMOSOME.lower()), ("chr2", "ACGT")])


def vcf(path: Path, *rows: tuple[str, int, str, str], header: str = HEADER, name: str = "x.vcf") -> Path:
    lines = [f"{chrom}\t{pos}\tid{i}\t{ref}\t{alt}\t.\tPASS\t." for i, (chrom, pos, ref, alt) in enumerate(rows)]
    return write_text(path / name, header + "\n".join(lines) + "\n")


def at(pos: int, length: int = 1) -> str:
    return CHROMOSOME[pos - 1 : pos - 1 + length]


@pytest.mark.parametrize("name", ["x.vcf", "x.vcf.gz"])
def test_unsorted_sites_with_several_alleles(tmp_path: Path, genome_path: Path, name: str) -> None:
    tally = Tally()
    rows = [
        ("chr1", 20, at(20, 3), "t,<DEL>," + at(20)),
        ("1", 5, at(5).lower(), "*,ACGT"),
        ("chr1", 9, at(9), "."),
        ("chrX", 9, "A", "C"),
        ("chr1", 31, "G", "T"),  # the genome has N
        ("chr1", 3, "N", "A"),
        ("chr2", 1, "A", "A]chr1:5]"),
    ]
    with Genome(genome_path) as genome:
        table = read_variants(vcf(tmp_path, *rows, name=name), genome, tally=tally)
    assert table.drop(columns="ref").to_numpy().tolist() == [
        ["chr1", 20, "id0", "T", 4],
        ["chr1", 20, "id0", at(20), 4],
        ["chr1", 5, "id1", "ACGT", 5],
        ["chr1", 31, "id4", "T", 8],
        ["chr1", 3, "id5", "A", 9],
    ]
    assert tally.left_out == {SYMBOLIC: 3, NO_ALTERNATIVE: 1, NO_CHROMOSOME: 1}
    assert tally.repairs == {RENAMED: 1}


def other(letter: str) -> str:
    return "C" if letter != "C" else "G"


def test_a_reference_that_is_not_the_genome_s(tmp_path: Path, genome_path: Path) -> None:
    wrong = other(at(7))
    rows = [("chr1", 4, at(4), "T"), ("chr1", 7, wrong, "T"), ("chr1", 60, at(60) + "A", "T"), ("chr2", 9, "A", "T")]
    path = vcf(tmp_path, *rows)
    with Genome(genome_path) as genome:
        with pytest.raises(DataError) as caught:
            read_variants(path, genome)
        tally = Tally()
        table = read_variants(path, genome, "skip", tally)
    said = f"{path}, line 5: REF of chr1:7 is {wrong}, and the genome has {at(7)} (3 of 4 sites do not agree)."
    assert caught.value.message == said
    assert (table["pos"].tolist(), tally.left_out) == ([4], {MISMATCH: 3})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chr1\t4\t.\tA\tC\n", "line 1: there is no header line"),
        ("##fileformat=VCFv4.2\n", "has no header line"),
        ("#CHROM POS ID REF ALT\n", "line 1: the header does not begin"),
        (HEADER + "chr1\t4\t.\tA\n", "line 4: 4 columns"),
        (HEADER + "chr1\tx\t.\tA\tC\n", "line 4: the position is 'x'"),
        (HEADER + "chr1\t4\t.\tA/C\tC\n", "line 4: the REF allele is 'A/C'"),
        (HEADER + f"chr1\t4\t.\t{at(4)}\tC;T\n", "line 4: the ALT allele is 'C;T'"),
        (HEADER + f"chr1\t4\t.\t{at(4)}\t<DEL>\n", "no variant that can be used: 1 alleles"),
        (HEADER, "no variant that can be used."),
    ],
)
def test_what_is_no_vcf_is_refused_with_its_line(tmp_path: Path, genome_path: Path, text: str, said: str) -> None:
    path = write_text(tmp_path / "x.vcf", text)
    with Genome(genome_path) as genome, pytest.raises(DataError, match=said) as caught:
        read_variants(path, genome)
    assert str(path) in caught.value.message


@given(st.integers(1, 60), st.integers(1, 5), st.text("ACGT", min_size=1, max_size=6), st.integers(6, 21))
def test_windows_are_the_genome_with_the_allele_in_the_middle(
    genome_path: Path, tmp_path_factory: pytest.TempPathFactory, pos: int, size: int, alt: str, length: int
) -> None:
    ref = at(pos, min(size, 61 - pos))
    path = vcf(tmp_path_factory.mktemp("vcf"), ("chr1", pos, ref, alt))
    with Genome(genome_path) as genome:
        found = variant_windows(read_variants(path, genome), genome, length)
    padding = "N" * 40
    for codes, allele in zip(found, (ref, alt), strict=True):
        changed = padding + CHROMOSOME[: pos - 1] + allele + CHROMOSOME[pos - 1 + len(ref) :] + padding
        middle = len(padding) + pos - 1 + len(allele) // 2
        assert decode(codes[0]) == changed[middle - length // 2 :][:length]


def test_substitutions_move_nothing(tmp_path: Path, genome_path: Path) -> None:
    path = vcf(tmp_path, ("chr1", 20, at(20), other(at(20))))
    with Genome(genome_path) as genome:
        ref, alt = variant_windows(read_variants(path, genome), genome, 11)
    assert np.flatnonzero(ref[0] != alt[0]).tolist() == [5]


def test_an_allele_that_is_longer_than_the_window(tmp_path: Path, genome_path: Path) -> None:
    path = vcf(tmp_path, ("chr1", 20, at(20), "ACGTACGT"))
    with Genome(genome_path) as genome, pytest.raises(DataError, match="Line 4: an allele of chr1:20 has 8 letters"):
        variant_windows(read_variants(path, genome), genome, 6)
