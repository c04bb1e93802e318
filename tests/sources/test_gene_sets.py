"""Gene sets of GMT files: every set with its genes, or the line that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from kgreg.errors import KgregError, SourceError
from kgreg.sources import gene_sets
from kgreg.sources.gene_sets import read_gmt
from tests.sources.broken_files import broken, harmless, mutated
from tests.sources.graph_schema import check_fits_schema
from tests.sources.shared_data import shared

TEXT = b"""\
SET_A\thttps://example.org/a\tTP53\tMDM2\tTP53
SET B, with spaces\t\tMDM2\t\tx'}) DETACH DELETE n //\t
EMPTY\tnothing in it
"""
HOSTILE = "x'}) DETACH DELETE n //"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sets.gmt"


def test_sets_and_members(file: Path) -> None:
    file.write_bytes(TEXT)
    tables = gene_sets.read_official({"gene_sets": file}, name="mine", species="human", release="7")
    check_fits_schema(tables)
    assert tables.nodes["GeneSet"].to_pylist() == [
        {"id": "mine:SET_A", "name": "SET_A", "source": "mine"},
        {"id": "mine:SET B, with spaces", "name": "SET B, with spaces", "source": "mine"},
    ]
    assert tables.nodes["Gene"]["symbol"].to_pylist() == ["TP53", "MDM2", HOSTILE]
    assert [(row["from"], row["to"]) for row in tables.relations["MEMBER_OF"].to_pylist()] == [
        ("Symbol:TP53", "mine:SET_A"),
        ("Symbol:MDM2", "mine:SET_A"),
        ("Symbol:MDM2", "mine:SET B, with spaces"),
        (f"Symbol:{HOSTILE}", "mine:SET B, with spaces"),
    ]
    assert tables.provenance.dropped == {"sets without genes": 1, "genes given twice in a set": 1}


def test_symbols_become_the_genes_given(file: Path) -> None:
    file.write_bytes(TEXT)
    tables = gene_sets.read_official({"gene_sets": file}, genes_of={"TP53": ["g1", "g2"]})
    assert set(tables.nodes) == {"GeneSet"}
    assert tables.relations["MEMBER_OF"]["from"].to_pylist() == ["g1", "g2"]
    assert tables.provenance.dropped["members of unknown symbols"] == 3


@harmless
def test_compression_and_line_ends_make_no_difference(file: Path, change) -> None:
    file.write_bytes(TEXT)
    expected = list(read_gmt(file))
    file.write_bytes(change(TEXT))
    assert list(read_gmt(file)) == expected


@broken
def test_a_broken_file_is_refused(file: Path, change, message: str) -> None:
    file.write_bytes(change(TEXT))
    with pytest.raises(SourceError, match=message) as caught:
        gene_sets.read_official({"gene_sets": file})
    assert str(file) in caught.value.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TEXT + b"SET_C TP53 MDM2\n", "line 4: expected a name, a description and genes, found 1 column"),
        (TEXT + b"\tno name\tTP53\n", "line 4: a set without a name"),
        (TEXT + b"SET_A\tagain\tTP53\n", "line 4: the set 'SET_A' was given before, at line 1"),
        (b"EMPTY\tnothing in it\n", "holds no set with genes"),
    ],
)
def test_faults_are_named_with_their_line(file: Path, content: bytes, message: str) -> None:
    file.write_bytes(content)
    with pytest.raises(SourceError, match=message) as caught:
        gene_sets.read_official({"gene_sets": file})
    assert str(file) in caught.value.message
    assert caught.value.hint


@given(content=mutated(TEXT))
def test_whatever_the_bytes_only_a_source_error_is_raised(tmp_path_factory, content: bytes) -> None:
    file = tmp_path_factory.mktemp("gmt") / "sets.gmt"
    file.write_bytes(content)
    try:
        tables = gene_sets.read_official({"gene_sets": file})
    except KgregError as error:
        message = error.message
    else:
        message = str(file)
        members = tables.relations["MEMBER_OF"]
        assert set(members["to"].to_pylist()) == set(tables.nodes["GeneSet"]["id"].to_pylist())
        assert set(members["from"].to_pylist()) == set(tables.nodes["Gene"]["id"].to_pylist())
    assert str(file) in message


def test_the_pathways_of_reactome() -> None:
    file = shared("reactome/ReactomePathways.gmt")
    tables = gene_sets.read_official({"gene_sets": file}, name="Reactome")
    check_fits_schema(tables)
    lines = [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()]
    assert tables.nodes["GeneSet"]["name"].to_pylist() == [line[0] for line in lines]
    assert tables.relations["MEMBER_OF"].num_rows == sum(len(line) - 2 for line in lines) == 120_605
    assert not tables.provenance.dropped
