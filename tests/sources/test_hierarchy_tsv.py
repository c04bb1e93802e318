"""Hierarchies of three columns: the links of the file, each once, or the line that is wrong."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given

from kgreg.errors import KgregError, SourceError
from kgreg.sources import hierarchy_tsv
from kgreg.sources.base import SourceTables
from tests.sources.broken_files import broken, harmless, mutated
from tests.sources.graph_schema import check_fits_schema
from tests.sources.shared_data import shared

TEXT = b"""\
ROOT\tA\tdefault
ROOT\tB\tdefault
A\tC\tdefault
B\tC\tdefault
C\tTP53\tgene
C\tx'}) DETACH DELETE n //\tgene
B\tTP53\tgene
B\tTP53\tgene
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ontology.txt"


def links(tables: SourceTables, kind: str) -> set[tuple[str, str]]:
    return {(row["from"], row["to"]) for row in tables.relations[kind].to_pylist()}


def test_terms_genes_and_links(file: Path) -> None:
    file.write_bytes(TEXT)
    tables = hierarchy_tsv.read_official({"hierarchy": file}, name="mine", release="1")
    check_fits_schema(tables)
    assert set(tables.nodes["Term"]["id"].to_pylist()) == {"ROOT", "A", "B", "C"}
    assert set(tables.nodes["Term"]["namespace"].to_pylist()) == {"mine"}
    assert links(tables, "IS_A") == {("A", "ROOT"), ("B", "ROOT"), ("C", "A"), ("C", "B")}
    hostile = "Symbol:x'}) DETACH DELETE n //"
    assert links(tables, "ANNOTATED_TO") == {("Symbol:TP53", "C"), (hostile, "C"), ("Symbol:TP53", "B")}
    assert tables.nodes["Gene"]["id"].to_pylist() == ["Symbol:TP53", hostile]
    assert tables.nodes["Gene"]["symbol"].to_pylist() == ["TP53", hostile.removeprefix("Symbol:")]
    assert tables.provenance.dropped == {"links given twice": 1}
    assert (tables.provenance.source, tables.provenance.release) == ("mine", "1")


def test_symbols_become_the_genes_given(file: Path) -> None:
    file.write_bytes(TEXT)
    tables = hierarchy_tsv.read_official({"hierarchy": file}, genes_of={"TP53": ["NCBIGene:7157"]})
    assert "Gene" not in tables.nodes
    assert links(tables, "ANNOTATED_TO") == {("NCBIGene:7157", "C"), ("NCBIGene:7157", "B")}
    assert tables.provenance.dropped["gene links of unknown symbols"] == 1


@harmless
def test_compression_and_line_ends_make_no_difference(file: Path, change) -> None:
    file.write_bytes(TEXT)
    expected = hierarchy_tsv.read_official({"hierarchy": file})
    file.write_bytes(change(TEXT))
    assert hierarchy_tsv.read_official({"hierarchy": file}) == expected


@broken
def test_a_broken_file_is_refused(file: Path, change, message: str) -> None:
    file.write_bytes(change(TEXT))
    with pytest.raises(SourceError, match=message) as caught:
        hierarchy_tsv.read_official({"hierarchy": file})
    assert str(file) in caught.value.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TEXT + b"B\tTP53\n", r"line 9: expected 3 columns \(parent, child, default\|gene\), found 2"),
        (TEXT + b"B\tTP53\tprotein\n", "line 9: expected 'default' or 'gene' in column 3, found 'protein'"),
        (TEXT + b"\tTP53\tgene\n", "line 9: an empty name"),
        (TEXT + b"C\tROOT\tdefault\n", r"line \d: a cycle: \w+ -> \w+ -> \w+ -> \w+"),
        (TEXT + b"C\tC\tdefault\n", "line 9: a cycle: C -> C"),
        (b"ROOT\tA\tdefault\n", "links no term to a gene"),
    ],
)
def test_faults_are_named_with_their_line(file: Path, content: bytes, message: str) -> None:
    file.write_bytes(content)
    with pytest.raises(SourceError, match=message) as caught:
        hierarchy_tsv.read_official({"hierarchy": file})
    assert str(file) in caught.value.message
    assert caught.value.hint


@given(content=mutated(TEXT))
def test_whatever_the_bytes_only_a_source_error_is_raised(tmp_path_factory, content: bytes) -> None:
    file = tmp_path_factory.mktemp("hierarchy") / "ontology.txt"
    file.write_bytes(content)
    try:
        tables = hierarchy_tsv.read_official({"hierarchy": file})
    except KgregError as error:
        message = error.message
    else:
        message = str(file)
        assert nx.is_directed_acyclic_graph(nx.DiGraph(links(tables, "IS_A")))
        terms, genes = (set(tables.nodes[label]["id"].to_pylist()) for label in ("Term", "Gene"))
        assert all(gene in genes and term in terms for gene, term in links(tables, "ANNOTATED_TO"))
    assert str(file) in message


def test_the_hierarchy_of_nest() -> None:
    tables = hierarchy_tsv.read_official({"hierarchy": shared("nest_palbociclib/ontology.txt")}, name="NeST")
    check_fits_schema(tables)
    assert tables.nodes["Term"].num_rows == 131
    assert tables.nodes["Gene"].num_rows == 718
    assert len(links(tables, "IS_A")) == 150
    assert len(links(tables, "ANNOTATED_TO")) == 1366
    graph = nx.DiGraph(links(tables, "IS_A"))
    assert [term for term in graph if graph.out_degree(term) == 0] == ["NEST"]
    assert not tables.provenance.dropped
