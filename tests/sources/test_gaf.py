"""Annotations that hold, of the taxon asked for, under genes of the graph; everything else is counted or refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from kgreg.errors import KgregError, SourceError
from kgreg.sources import goa
from kgreg.sources.gaf import EVIDENCE_CODES, read_annotations
from kgreg.sources.snapshot import read_table
from tests.sources.broken_files import broken, harmless, mutated
from tests.sources.graph_schema import check_fits_schema


def gaf(
    object_id: str = "P04637",
    term: str = "GO:0006915",
    *,
    database: str = "UniProtKB",
    symbol: str = "TP53",
    qualifier: str = "involved_in",
    evidence: str = "IDA",
    taxon: str = "taxon:9606",
) -> str:
    """One line of GAF 2.2."""
    start = [database, object_id, symbol, qualifier, term, "PMID:1", evidence, "", "P", "a name", "", "protein"]
    return "\t".join([*start, taxon, "20250101", "UniProt", "", ""]) + "\n"


GAF = (
    "!gaf-version: 2.2\n!date-generated: 2025-10-12T03:04\n!remark: anything\n"
    + gaf()
    + gaf(evidence="IEA")
    + gaf(evidence="IEA")
    + gaf(qualifier="NOT|involved_in")
    + gaf(qualifier="NOT")
    + gaf(qualifier="NOTABLE|acts_upstream_of", term="GO:0000003")
    + gaf(taxon="taxon:10090")
    + gaf(taxon="taxon:9606|taxon:5833", term="GO:0000002")
    + gaf(evidence="XYZ")
    + gaf("URS000", database="RNAcentral")
    + gaf("P00000", symbol="NOPE")
).encode()

GPAD_1 = (
    b"!gpa-version: 1.2\n!generated: 2025-10-11 10:00\n"
    b"UniProtKB\tP04637\tinvolved_in\tGO:1\tPMID:1\tECO:0000314\t\t\t20250101\tX\t\tgo_evidence=IMP|id=7\n"
    b"UniProtKB\tP04637-2\tNOT|enables\tGO:2\tPMID:1\tECO:0000314\t\t\t20250101\tX\t\tgo_evidence=IDA\n"
    b"UniProtKB\tP04637-2\tenables\tGO:3\tPMID:1\tECO:0000314\t\t9606\t20250101\tX\t\t\n"
)

GPAD_2 = (
    b"!gpad-version: 2.0\n!date-generated: 2025-10-10\n"
    b"UniProtKB:P04637\t\tRO:0002331\tGO:1\tPMID:1\tECO:0000315\t\t\t2025-01-01\tX\t\t\n"
    b"UniProtKB:P04637\tNOT\tRO:0002331\tGO:2\tPMID:1\tECO:0000314\t\t\t2025-01-01\tX\t\t\n"
    b"UniProtKB:P04637:PRO_1\t\tRO:0002327\tGO:3\tPMID:1\tECO:0000314\t\t\t2025-01-01\tX\t\tid=1\n"
    b"UniProtKB:P04637\t\tRO:0002327\tGO:4\tPMID:1\tECO:9999999\t\t\t2025-01-01\tX\t\t\n"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "goa_human.gaf"


def test_annotations_that_hold_are_read_and_the_others_counted(file: Path) -> None:
    file.write_bytes(GAF)
    reader = read_annotations(file, taxon=9606)
    rows = list(reader)
    assert [(row.line, row.object_id, row.term, row.evidence) for row in rows] == [
        (4, "P04637", "GO:0006915", "IDA"),
        (5, "P04637", "GO:0006915", "IEA"),
        (6, "P04637", "GO:0006915", "IEA"),
        (9, "P04637", "GO:0000003", "IDA"),
        (11, "P04637", "GO:0000002", "IDA"),
        (13, "URS000", "GO:0006915", "IDA"),
        (14, "P00000", "GO:0006915", "IDA"),
    ]
    assert (rows[0].symbol, rows[0].name, rows[0].type, rows[0].taxon) == ("TP53", "a name", "protein", 9606)
    assert (reader.version, reader.date) == ("GAF 2.2", "2025-10-12T03:04")
    assert reader.dropped == {
        "annotations that say NOT": 2,
        "annotations of another taxon": 1,
        "annotations with an unknown evidence code": 1,
    }
    assert len(list(reader)) == len(rows), "a second pass finds the same"
    assert reader.dropped.total() == 4
    assert len(list(read_annotations(file))) == len(rows) + 1, "without a taxon all are taken"


@pytest.mark.parametrize(
    ("content", "version", "expected", "dropped"),
    [
        (GPAD_1, "GPAD 1.2", [("P04637", "GO:1", "IMP"), ("P04637-2", "GO:3", "IDA")], {"annotations that say NOT": 1}),
        (
            GPAD_2,
            "GPAD 2.0",
            [("P04637", "GO:1", "IMP"), ("P04637:PRO_1", "GO:3", "IDA")],
            {"annotations that say NOT": 1, "annotations with an unknown evidence code": 1},
        ),
    ],
)
def test_gpad(file: Path, content: bytes, version: str, expected: list[tuple[str, str, str]], dropped: dict) -> None:
    file.write_bytes(content)
    reader = read_annotations(file, taxon=9606)
    assert [(row.object_id, row.term, row.evidence) for row in reader] == expected
    assert reader.version == version
    assert reader.dropped == dropped
    genes = goa.read_official({"annotations": file}).relations["ANNOTATED_TO"].to_pylist()
    assert {(row["from"], row["to"]) for row in genes} == {("NCBIGene:7157", "GO:1"), ("NCBIGene:7157", "GO:3")}


@harmless
def test_compression_and_line_ends_make_no_difference(file: Path, change) -> None:
    file.write_bytes(GAF)
    expected = list(read_annotations(file))
    file.write_bytes(change(GAF))
    assert list(read_annotations(file)) == expected


@broken
def test_a_broken_file_is_refused(file: Path, change, message: str) -> None:
    file.write_bytes(change(GAF))
    with pytest.raises(SourceError, match=message) as caught:
        goa.read_official({"annotations": file})
    assert str(file) in caught.value.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GAF + b"UniProtKB\tP1\n", "line 15: expected 17 columns of GAF 2.2, found 2"),
        (GAF.replace(b"taxon:10090", b"mouse"), "line 10: 'mouse' is no taxon"),
        (GAF.replace(b"taxon:10090", b"taxon:-1"), "line 10: 'taxon:-1' is no taxon"),
        (GAF.replace(b"GO:0000002", b"apoptosis"), "line 11: 'apoptosis' is no id of a term"),
        (GAF.replace(b"\tURS000\t", b"\t\t"), "line 13: the gene product or the term is empty"),
        (GAF.replace(b"gaf-version: 2.2", b"gaf-version: 3.0"), "line 4: the version 'GAF 3.0' is not known"),
        (GPAD_1.replace(b"!gpa-version", b"!version"), "line 3: no line says which version"),
        (b"!gaf-version: 2.2\n!nothing else\n", "holds no annotations"),
    ],
)
def test_faults_are_named_with_their_line(file: Path, content: bytes, message: str) -> None:
    file.write_bytes(content)
    with pytest.raises(SourceError, match=message) as caught:
        list(read_annotations(file))
    assert str(file) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("text", [GAF, GPAD_1, GPAD_2], ids=["GAF", "GPAD 1", "GPAD 2"])
def test_whatever_the_bytes_only_a_source_error_is_raised(tmp_path_factory, text: bytes) -> None:
    file = tmp_path_factory.mktemp("gaf") / "x.gaf"

    @given(content=mutated(text))
    def check(content: bytes) -> None:
        file.write_bytes(content)
        try:
            rows = list(read_annotations(file))
        except KgregError as error:
            assert str(file) in error.message  # noqa: PT017
        else:
            assert all(row.evidence in EVIDENCE_CODES and ":" in row.term for row in rows)

    check()


def test_a_file_without_header_but_of_17_columns_is_gaf(file: Path) -> None:
    file.write_text(gaf())
    assert [row.symbol for row in read_annotations(file)] == ["TP53"]


def test_human_genes_are_those_of_the_graph(file: Path) -> None:
    file.write_bytes(GAF)
    tables = goa.read_official({"annotations": file})
    check_fits_schema(tables)
    assert not tables.nodes
    assert tables.relations["ANNOTATED_TO"].to_pylist() == [
        {"from": "NCBIGene:7157", "to": term, "evidence": evidence, "source": "goa_human"}
        for term, evidence in [
            ("GO:0006915", "IDA"),
            ("GO:0006915", "IEA"),
            ("GO:0000003", "IDA"),
            ("GO:0000002", "IDA"),
        ]
    ]
    assert tables.provenance.source == "goa_human"
    assert (tables.provenance.release, tables.provenance.date) == ("2025-10-12T03:04", "2025-10-12")
    assert tables.provenance.dropped == {
        "annotations that say NOT": 2,
        "annotations of another taxon": 1,
        "annotations with an unknown evidence code": 1,
        "annotations of RNAcentral objects without a known gene": 1,
        "annotations of UniProtKB objects without a known gene": 1,
    }


def test_genes_may_be_given(file: Path) -> None:
    file.write_bytes(GAF)
    genes_of = {"P04637": ["A", "B"], "RNAcentral:URS000": ["C"]}
    rows = goa.read_official({"annotations": file}, genes_of=genes_of).relations["ANNOTATED_TO"].to_pylist()
    assert {row["from"] for row in rows if row["to"] == "GO:0006915"} == {"A", "B", "C"}


def test_genes_of_other_species_are_made_from_the_file(file: Path) -> None:
    hostile = "x'}) DETACH DELETE n //"
    file.write_text(
        "!gaf-version: 2.2\n"
        + gaf("MGI:98834", database="MGI", symbol="Trp53", taxon="taxon:10090")
        + gaf("MGI:98834", "GO:2", database="MGI", symbol="Trp53", taxon="taxon:10090")
        + gaf(hostile, "GO:2", database="MGI", symbol=hostile, taxon="taxon:10090")
        + gaf()
    )
    tables = goa.read_official({"annotations": file}, species="mouse", release="2025-10")
    check_fits_schema(tables)
    assert tables.nodes["Gene"].to_pylist() == [
        {
            "id": gene,
            "symbol": symbol,
            "name": "a name",
            "type": "protein",
            "species": "Mus musculus",
            "source": "goa_mouse",
        }
        for gene, symbol in [("MGI:98834", "Trp53"), (f"MGI:{hostile}", hostile)]
    ]
    assert tables.relations["ANNOTATED_TO"]["from"].to_pylist() == ["MGI:98834", "MGI:98834", f"MGI:{hostile}"]
    assert tables.provenance.release == "2025-10"
    with pytest.raises(SourceError, match="'marsian' is not known"):
        goa.read_official({"annotations": file}, species="marsian")


def test_with_the_ontology_terms_are_checked(file: Path, tmp_path: Path) -> None:
    file.write_text("!gaf-version: 2.2\n" + "".join(gaf(term=term) for term in ["X:1", "X:2", "X:3", "X:4"]))
    ontology = tmp_path / "x.obo"
    ontology.write_text(
        "[Term]\nid: X:1\nname: a\nalt_id: X:2\n\n[Term]\nid: X:3\nname: b\nis_obsolete: true\nalt_id: X:4\n"
    )
    tables = goa.read_official({"annotations": file, "ontology": ontology})
    assert tables.relations["ANNOTATED_TO"]["to"].to_pylist() == ["X:1"]
    assert tables.provenance.dropped == {"annotations to terms that the ontology lacks or calls obsolete": 2}


def test_the_snapshot_written_as_gaf_comes_back_the_same(file: Path) -> None:
    rows = read_table(goa.NAME, "annotations").slice(0, 5000).to_pylist()
    lines = [gaf(row["gene"], row["term"], database="NCBI", evidence=row["evidence"]) for row in rows]
    file.write_text("!gaf-version: 2.2\n" + "".join(lines))
    genes_of = {f"NCBI:{row['gene']}": [row["gene"]] for row in rows}
    tables = goa.read_official({"annotations": file}, genes_of=genes_of)
    found = tables.relations["ANNOTATED_TO"].select(["from", "to", "evidence"]).to_pylist()
    assert found == [{"from": row["gene"], "to": row["term"], "evidence": row["evidence"]} for row in rows]
