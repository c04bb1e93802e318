"""Motifs from text, against Biopython and JASPAR."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgreg.errors import SourceError
from kgreg.sources import jaspar, motif_files
from kgreg.sources.motif_files import TextMotif, read_motifs

motifs = pytest.importorskip("Bio.motifs")

JASPAR = """>MA0001.1 AGL3
A  [ 0  3 79 40 ]
C  [94 75  4  3 ]
G  [ 1  0  3  4 ]
T  [ 2 19 11 50 ]
>MA0002.1\tRUNX1
A  [10 12]
C  [ 2  2]
G  [ 3  1]
T  [11 11]
"""
MEME = """MEME version 4

ALPHABET= ACGT

strands: + -

Background letter frequencies
A 0.25 C 0.25 G 0.25 T 0.25

MOTIF crp alternative
letter-probability matrix: alength= 4 w= 2 nsites= 17 E= 4.1e-009
 0.000000  0.176471  0.000000  0.823529
 0.000000  0.058824  0.647059  0.294118

MOTIF lexA
letter-probability matrix: alength= 4 w= 1
 0.5 0.5 0 0
URL http://example.org
"""
TRANSFAC = """VV  EXAMPLE January 15, 2013
XX
//
AC  M0001
XX
ID  motif1
NA  first
P0      A      C      G      T
01      1      2      2      0      S
02      2      1      2      0      R
XX
//
ID  motif2
CC  tf_family:bHLH
CC  tf_class:a class
P0      A      C      G      T
01      2      1      2      0      R
//
"""


def written(folder: Path, text: str, name: str = "motifs.txt") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def matrices(found: list[TextMotif]) -> list[list[list[float]]]:
    return [motif.counts for motif in found]


def twin(text: str, form: str) -> list[list[list[float]]]:
    """Counts as Biopython reads them."""
    return [
        [[one.counts[base][i] for base in "ACGT"] for i in range(one.length)]
        for one in motifs.parse(io.StringIO(text), form)
    ]


@pytest.mark.parametrize(("text", "form"), [(JASPAR, "jaspar"), (TRANSFAC.partition("//\n")[2], "transfac")])
def test_counts_are_those_of_biopython(tmp_path: Path, text: str, form: str) -> None:
    assert matrices(read_motifs(written(tmp_path, text))) == twin(text, form)


def test_probabilities_of_meme_become_counts(tmp_path: Path) -> None:
    found = read_motifs(written(tmp_path, MEME))
    assert [(motif.id, motif.name) for motif in found] == [("crp", "alternative"), ("lexA", "lexA")]
    expected = twin(MEME.replace("w= 1", "w= 1 nsites= 20 E= 0"), "minimal")
    assert [row for motif in found for row in motif.counts] == [
        pytest.approx(row, abs=0.51) for matrix in expected for row in matrix
    ], "Biopython rounds to whole counts"
    assert found[0].counts[0][3] == pytest.approx(14, abs=1e-4)
    assert found[1].counts == [[10, 10, 0, 0]]


def test_transfac_gives_names_families_and_classes(tmp_path: Path) -> None:
    table = motif_files.read_official({"motifs": written(tmp_path, TRANSFAC)}).nodes["Motif"].to_pylist()
    assert [(row["id"], row["name"], row["family"], row["class"], row["width"]) for row in table] == [
        ("M0001", "first", "", "", 2),
        ("motif2", "motif2", "bHLH", "a class", 1),
    ]
    assert table[0]["pfm"] == [1, 2, 2, 0, 2, 1, 2, 0]


def test_a_bare_pfm_takes_the_name_of_its_file(tmp_path: Path) -> None:
    (motif,) = read_motifs(written(tmp_path, "1 2\n3 4\n5 6\n7 8.5\n", "mine.v2.pfm"))
    assert (motif.id, motif.counts) == ("mine.v2", [[1, 3, 5, 7], [2, 4, 6, 8.5]])


def test_jaspar_written_as_text_reads_back_the_same(tmp_path: Path) -> None:
    table = jaspar.read().nodes["Motif"].to_pylist()
    lines = []
    for row in table:
        lines.append(f">{row['id']} {row['name']}")
        lines += [f"{base} [ {' '.join(map(str, row['pfm'][i::4]))} ]" for i, base in enumerate("ACGT")]
    read = motif_files.read_official({"motifs": written(tmp_path, "\n".join(lines))}).nodes["Motif"].to_pylist()
    columns = ("id", "name", "width", "pfm")
    assert [[row[column] for column in columns] for row in read] == [
        [row[column] for column in columns] for row in table
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (JASPAR.replace("MA0002.1", "MA0001.1"), "lines 1 and 6: the motif MA0001.1 comes twice"),
        (JASPAR.replace("C  [ 2  2]", "C  [ 2  2 2]"), "line 8: 3 counts of C, but 2 of A"),
        (JASPAR.replace("C  [ 2  2]", "T  [ 2  2]"), "line 8: expected the counts of C"),
        (JASPAR.replace("C  [ 2  2]", "C  [ 2 -2]"), "line 8: '-2' is not a count"),
        (JASPAR.replace("T  [11 11]\n", ""), "line 6: the motif has 3 rows of counts instead of 4"),
        (JASPAR + "T  [11 11]\n", "line 11: a fifth row"),
        (JASPAR.replace(">MA0002.1\tRUNX1", ">"), "line 6: the motif has no id"),
        (">a\n0 1\n0 1\n0 1\n0 1\n", "line 1: position 1 of the motif a has no counts"),
        (">a\n1e999 1\n0 1\n0 1\n0 1\n", "line 2: '1e999' is not a count"),
        (MEME.replace("ALPHABET= ACGT", "ALPHABET= ACDEFGHIKLMNPQRSTVWY"), "line 3: the alphabet"),
        (MEME.replace("0.823529", "0.9"), r"line 12: the probabilities sum to 1\.076"),
        (MEME.replace("w= 2", "w= 3"), "line 15: .*not a count|line 15: expected 4 probabilities"),
        (MEME.replace("w= 2", ""), "line 11: the matrix does not give its width"),
        (MEME.replace("MOTIF lexA", "MOTIF"), "line 15: the motif has no id"),
        ("MEME version 4\n", "holds no motif"),
        (TRANSFAC.replace("P0      A      C", "P0      C      A", 1), "line 8: expected the columns A C G T"),
        (TRANSFAC.replace("02      2", "07      2"), "line 10: position 07 follows 1"),
        (TRANSFAC[: -len("//\n")], "line 17: the last entry is cut off"),
        ("Once upon a time\n", "line 1: 'Once upon a time' begins no motif"),
    ],
)
def test_faults_are_named_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read_motifs(written(tmp_path, text))


numbers = st.integers(1, 10**6) | st.floats(0.001, 1e6)


@given(columns=st.lists(st.lists(numbers, min_size=4, max_size=4), min_size=1, max_size=20))
def test_any_counts_come_back(tmp_path_factory: pytest.TempPathFactory, columns: list[list[float]]) -> None:
    rows = [" ".join(str(column[i]) for column in columns) for i in range(4)]
    text = ">x'}) DETACH DELETE n //\n" + "\n".join(rows)
    (motif,) = read_motifs(written(tmp_path_factory.mktemp("motifs"), text))
    assert motif.id == "x'})"
    assert motif.name == "DETACH DELETE n //"
    assert motif.counts == columns
