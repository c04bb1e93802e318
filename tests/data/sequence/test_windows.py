"""BED files over a genome, against slices of the text."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("pyfaidx")

from kgreg.data.sequence.bed import HEADER, REPEATED, is_bed, read_bed
from kgreg.data.sequence.chromosomes import RENAMED, match_chromosome
from kgreg.data.sequence.codes import LOWER_CASE, decode
from kgreg.data.sequence.genome import Genome
from kgreg.data.sequence.tally import Tally
from kgreg.data.sequence.windows import DROPPED, NO_CHROMOSOME, OUTSIDE, PADDED, BedFile, read_windows
from kgreg.errors import DataError, KgregError
from tests.data.sequence.files import random_letters, write_fasta, write_text

LENGTHS = {"chr1": 150, "chr2": 90}
COMPLEMENT = str.maketrans("ACGTN", "TGCAN")


@pytest.fixture(scope="module")
def letters() -> dict[str, str]:
    random = np.random.default_rng(3)
    return {name: random_letters(random, length) for name, length in LENGTHS.items()}


@pytest.fixture(scope="module")
def genome_path(tmp_path_factory: pytest.TempPathFactory, letters: dict[str, str]) -> Path:
    lower = {"chr1": letters["chr1"][:10].lower() + letters["chr1"][10:], "chr2": letters["chr2"]}
    return write_fasta(tmp_path_factory.mktemp("genome") / "g.fa", lower.items(), width=40)


def bed(path: Path, text: str, name: str = "x.bed") -> Path:
    return write_text(path / name, text)


def texts(file: BedFile, length: int) -> list[str]:
    return [decode(row) for block in file.rows(length) for row in block]


@pytest.mark.parametrize("length", [9, 10, 21])
def test_windows_are_slices_of_the_genome(
    tmp_path: Path, genome_path: Path, letters: dict[str, str], length: int
) -> None:
    rows = [
        ("chr2", 40, 50, "+"),
        ("chr1", 60, 71, "-"),
        ("chr1", 20, 30, "."),
        ("chr2", 0, 4, "."),
        ("chr1", 141, 150, "-"),
    ]
    path = bed(tmp_path, "".join(f"{c}\t{s}\t{e}\tn{i}\t0\t{strand}\n" for i, (c, s, e, strand) in enumerate(rows)))
    with Genome(genome_path) as genome:
        file = BedFile(path, genome)
        file.fit(length, "pad")
        found, windows = texts(file, length), file.intervals(length)
    for (chrom, start, end, strand), text, window in zip(rows, found, windows.itertuples(), strict=True):
        begin = start + (end - start) // 2 - length // 2
        text_of = "".join(
            letters[chrom][at] if 0 <= at < LENGTHS[chrom] else "N" for at in range(begin, begin + length)
        )
        assert text == (text_of.translate(COMPLEMENT)[::-1] if strand == "-" else text_of)
        assert (window.chrom, window.start, window.end) == (chrom, begin, begin + length)
    assert file.names == ["n0", "n1", "n2", "n3", "n4"]


def test_headers_comments_and_repeats(tmp_path: Path) -> None:
    tally = Tally()
    text = (
        "browser position chr1\ntrack name=peaks\n# a comment\nchrom\tstart\tend\tname\n\n"
        "chr2\t5\t9\t.\nchr1\t1\t4\tp\nchr2\t5\t9\tagain\n"
    )
    table = read_bed(bed(tmp_path, text, "x.bed.gz"), tally)
    assert table[["chrom", "start", "end", "name", "line"]].to_numpy().tolist() == [
        ["chr2", 5, 9, "", 6],
        ["chr1", 1, 4, "p", 7],
    ]
    assert (tally.repairs, tally.left_out) == ({HEADER: 1}, {REPEATED: 1})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chr1\t5\n", "line 1: 2 columns"),
        ("chr1\t5\t9\nchr1\t5\t9\tx\n", "line 2: 4 columns, where the lines before have 3"),
        ("chr1\t5\t9\nchr1\t9\t5\n", "line 2: the interval chr1:9-5 ends before it begins"),
        ("chr1\t5\t5\n", "line 1: the interval chr1:5-5"),
        ("chr1\t-5\t5\n", "line 1, column 2: '-5' is no position"),
        ("chr1\t5\t9.5\n", "line 1, column 3: '9.5'"),
        ("chrom\tstart\tend\nchr1\tx\ty\n", "line 2: 'x' is no position"),
        ("chr1\t5\t9\tn\t0\tforward\n", "line 1, column 6: the strand is 'forward'"),
        ("# nothing\ntrack x\n", "holds no interval"),
    ],
)
def test_what_is_no_bed_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = bed(tmp_path, text)
    with pytest.raises(DataError, match=said) as caught:
        read_bed(path)
    assert str(path) in caught.value.message


def test_chromosomes_named_otherwise_are_found_and_counted(tmp_path: Path, genome_path: Path) -> None:
    with Genome(genome_path) as genome:
        file = BedFile(bed(tmp_path, "1\t0\t10\nchr2\t0\t10\nchrUn\t0\t10\n"), genome)
        counts = Counter[str]()
        assert (next(file.rows(10, counts))[0] == genome.read("chr1", 0, 10)).all()
    assert file.names == ["chr1:0-10", "chr2:0-10"]
    assert file.tally.repairs[RENAMED] == 1
    assert counts == {LOWER_CASE: 10}
    assert file.tally.left_out == {NO_CHROMOSOME: 1}


@pytest.mark.parametrize(
    ("name", "known", "found"),
    [
        ("1", ["chr1"], "chr1"),
        ("chr1", ["1"], "1"),
        ("MT", ["chrM"], "chrM"),
        ("chrM", ["MT"], "MT"),
        ("3", ["chr1"], None),
    ],
)
def test_names_of_chromosomes(name: str, known: list[str], found: str | None) -> None:
    assert match_chromosome(name, known) == found


def test_ends_are_padded_or_dropped_and_counted(tmp_path: Path, genome_path: Path) -> None:
    path = bed(tmp_path, "chr1\t0\t10\nchr1\t50\t60\nchr2\t85\t95\nchr2\t200\t210\n")
    with Genome(genome_path) as genome:
        padded, dropped = BedFile(path, genome), BedFile(path, genome)
        padded.fit(20, "pad")
        dropped.fit(20, "drop")
        assert [text.count("N") for text in texts(padded, 20)] == [5, 0, 10]
        assert [text.count("N") for text in texts(dropped, 20)] == [0]
    assert padded.tally.repairs[PADDED] == 2
    assert dropped.tally.left_out == {OUTSIDE: 1, DROPPED: 2}
    assert dropped.names == ["chr1:50-60"]


@pytest.mark.parametrize(
    ("text", "said"), [("chrX\t0\t10\n", "of which .* has none"), ("chr1\t900\t910\n", "line 1: chr1:900-910")]
)
def test_another_assembly_is_refused(tmp_path: Path, genome_path: Path, text: str, said: str) -> None:
    with Genome(genome_path) as genome, pytest.raises(DataError, match=said) as caught:
        BedFile(bed(tmp_path, text), genome)
    assert "assembly" in caught.value.hint


def test_windows_around_summits(tmp_path: Path, genome_path: Path, letters: dict[str, str]) -> None:
    rest = "\tp\t0\t.\t1\t1\t1\t"
    path = bed(tmp_path, f"chr1\t20\t60{rest}5\nchr2\t10\t50{rest}39\n", "x.narrowPeak")
    with Genome(genome_path) as genome:
        assert texts(BedFile(path, genome, "summit"), 7) == [letters["chr1"][22:29], letters["chr2"][46:53]]
        assert texts(BedFile(path, genome), 7) == [letters["chr1"][37:44], letters["chr2"][27:34]]
        for text, said in ((f"chr1\t20\t60{rest}-1\n", "line 1: there is no summit"), ("chr1\t20\t60\n", "1 of 1")):
            with pytest.raises(DataError, match=said):
                BedFile(bed(tmp_path, text, "y.narrowPeak"), genome, "summit")
    with pytest.raises(DataError, match="line 1, column 10: the summit lies 40 letters"):
        read_bed(bed(tmp_path, f"chr1\t20\t60{rest}40\n", "z.narrowPeak.gz"))


def test_no_window_fits(tmp_path: Path, genome_path: Path) -> None:
    with Genome(genome_path) as genome, pytest.raises(DataError, match="every window of 500"):
        BedFile(bed(tmp_path, "chr1\t0\t10\n"), genome).fit(500, "drop")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("g.fa", ">a\nACGT\n>a\nACGT\n"),
        ("g.fa", ">a\nACGT\nAC\nACGT\n"),
        ("g.fa", "no genome\n"),
        ("g.fa.gz", ">a\nACGT\n"),
    ],
)
def test_what_is_no_genome_is_refused(tmp_path: Path, name: str, text: str) -> None:
    path = write_text(tmp_path / name, text)
    with pytest.raises(DataError, match="cannot be read as a genome") as caught:
        Genome(path)
    assert caught.value.hint


def test_a_genome_that_holds_other_letters_or_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(KgregError, match="is not a file"):
        Genome(tmp_path / "none.fa")
    with Genome(write_text(tmp_path / "p.fa", ">a\nMKLEQ\n")) as genome:
        with pytest.raises(DataError, match="a:0-5"):
            genome.read("a", 0, 5)
        with pytest.raises(DataError, match="no chromosome 'b'"):
            genome.read("b", 0, 5)


def test_the_index_of_a_genome_in_a_folder_that_cannot_be_written_is_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KGREG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "access", lambda *_: False)
    with Genome(write_text(tmp_path / "g.fa", ">a\nACGT\n")) as genome:
        assert decode(genome.read("a", -1, 5)) == "NACGTN"
    assert not (tmp_path / "g.fa.fai").exists()
    assert len(list((tmp_path / "cache" / "genomes").iterdir())) == 1


def test_windows_of_several_lengths_are_refused(genome_path: Path) -> None:
    windows = pd.DataFrame({"chrom": "chr1", "start": [0, 5], "end": [10, 10], "strand": ""})
    with Genome(genome_path) as genome, pytest.raises(DataError, match="different lengths: 5, 10"):
        next(read_windows(genome, windows))


def test_files_that_are_called_bed() -> None:
    assert [is_bed(name) for name in ("a.bed", "a.narrowPeak.gz", "A.BED", "a.fa")] == [True, True, True, False]
