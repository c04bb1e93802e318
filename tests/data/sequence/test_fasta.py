"""FASTA files: what is read, what is mended and counted, what is refused with its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgreg.data.sequence.codes import IUPAC, LOWER_CASE, NOT_KNOWN, URACIL, decode, encode_text, fit_length
from kgreg.data.sequence.fasta import CUT, EMPTY, NO_FIT, PADDED, REPEATED, FastaFile, read_fasta
from kgreg.data.sequence.tally import Tally
from kgreg.errors import DataError, KgregError
from tests.data.sequence.files import write_text


def fasta(path: Path, text: str, name: str = "x.fa") -> Path:
    return write_text(path / name, text)


@pytest.mark.parametrize("name", ["x.fa", "x.fa.gz"])
def test_records_over_several_lines(tmp_path: Path, name: str) -> None:
    path = fasta(tmp_path, ">one first\nACG\nTN\n\n;a comment\n>two\r\nacgu\r\n", name)
    tally = Tally()
    records = list(read_fasta(path, tally))
    assert [(record.name, record.line, decode(record.codes)) for record in records] == [
        ("one", 1, "ACGTN"),
        ("two", 6, "ACGT"),
    ]
    assert tally.repairs == {LOWER_CASE: 4, URACIL: 1, NOT_KNOWN: 1}


def test_codes_of_several_nucleotides_are_unknown_and_counted(tmp_path: Path) -> None:
    tally = Tally()
    (record,) = read_fasta(fasta(tmp_path, ">x\nACRYSWKMBDHVT\n"), tally)
    assert record.codes.tolist() == [0, 1, *[4] * 10, 3]
    assert tally.repairs[IUPAC] == 10


def test_empty_records_are_left_out_and_counted(tmp_path: Path) -> None:
    file = FastaFile(fasta(tmp_path, ">a\n>b\nACGT\n>c\n\n"))
    assert (file.names, file.tally.left_out) == (["b"], {EMPTY: 2})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ACGT\n", "line 1: 'ACGT' stands before"),
        (">a\nACGT\n> \nACGT\n", "line 3: a header without a name"),
        (">a\nACGT\nACZT\n", "line 3, column 3: 'Z' in 'a'"),
        (">a\nAC-T\n", "line 2, column 3: '-'"),
        (">a\nACéT\n", "line 2, column 3: 'é'"),
        ("\n\n", "holds no sequence"),
        ("", "is empty"),
        (">a\n>b\n", "all 2 records are without a letter"),
        (">a\nACGT\n>b\nAC\n>a\nACGG\n", "line 5: 'a' names another sequence in line 1"),
    ],
)
def test_what_is_no_fasta_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = fasta(tmp_path, text)
    with pytest.raises(KgregError, match=said.replace("(", r"\(")) as caught:
        FastaFile(path)
    assert str(path) in caught.value.message


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(KgregError, match=r"no file .*none\.fa"):
        FastaFile(tmp_path / "none.fa")


def test_a_record_that_comes_twice_counts_once(tmp_path: Path) -> None:
    file = FastaFile(fasta(tmp_path, ">a\nACGT\n>b\nAA\n>a\nacgt\n"))
    assert (file.names, file.tally.left_out) == (["a", "b"], {REPEATED: 1})
    assert [decode(row[0]) for row in file.rows(4)] == ["ACGT", "NAAN"]


def test_coordinates_are_those_that_fit_the_length(tmp_path: Path) -> None:
    names = ["chr1:10-14", "chr2:10-13(-)", "x::chr3:0-4(+)", "chrX:5-50", "peak", "chr4:0-3"]
    file = FastaFile(fasta(tmp_path, "".join(f">{name}\nACGT\n" for name in names)))
    assert file.intervals(4).to_numpy().tolist() == [
        ["chr1", 10, 14, ""],
        ["chr2", 9, 13, "-"],  # from 1, the end included
        ["chr3", 0, 4, "+"],
        ["chrX", -1, -1, ""],
        ["", -1, -1, ""],
        ["chr4", -1, -1, ""],
    ]
    assert file.tally.repairs[NO_FIT] == 2


@pytest.mark.parametrize("length", [3, 4, 5, 6, 9, 10])
def test_windows_hold_the_letters_that_their_coordinates_say(tmp_path: Path, length: int) -> None:
    genome = "ACGGTCATTGCAAGCTTACG"
    complement = str.maketrans("ACGTN", "TGCAN")
    forward, reverse = genome[6:12], genome[5:12].translate(complement)[::-1]
    file = FastaFile(fasta(tmp_path, f">c:6-12\n{forward}\n>c:5-12(-)\n{reverse}\n"))
    windows = file.intervals(length)
    for row, codes in enumerate(file.rows(length)):
        start, end = windows.loc[row, ["start", "end"]]
        assert end - start == length
        expected = "".join(genome[at] if 0 <= at < 20 else "N" for at in range(start, end))
        if row:
            expected = expected.translate(complement)[::-1]
        pairs = [(a, b) for a, b in zip(decode(codes[0]), expected, strict=True) if a != "N"]
        assert len(pairs) == min(length, 6 + row)
        assert all(a == b for a, b in pairs)


def test_padding_and_cutting_are_counted(tmp_path: Path) -> None:
    file = FastaFile(fasta(tmp_path, ">a\nACGT\n>b\nACGTA\n>c\nA\n"))
    file.fit(4, "pad")
    assert file.tally.repairs == {PADDED: 1, CUT: 1}
    assert file.lengths.tolist() == [4, 5, 1]


@given(st.text("ACGTN", max_size=12), st.integers(1, 12))
def test_the_middle_stays_the_middle(letters: str, length: int) -> None:
    codes = encode_text(letters)
    fitted = decode(fit_length(codes, length))
    assert len(fitted) == length
    for at in range(length):
        origin = at - length // 2 + len(letters) // 2
        assert fitted[at] == (letters[origin] if 0 <= origin < len(letters) else "N")


def test_a_letter_that_is_none_has_its_position() -> None:
    with pytest.raises(DataError, match="b'X' at position 3"):
        encode_text("ACXT")


def test_text_comes_back() -> None:
    assert decode(encode_text("acgtnACGTR")) == "ACGTNACGTN"
    assert encode_text("").dtype == np.uint8
