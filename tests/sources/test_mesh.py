"""MeSH: descriptors by their tree numbers, or the line that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from kgreg.errors import KgregError, SourceError
from kgreg.sources import mesh
from kgreg.sources.base import SourceTables
from tests.sources.broken_files import broken, harmless, mutated
from tests.sources.graph_schema import check_fits_schema

TEXT = b"""\
*NEWRECORD
RECTYPE = D
MH = Neoplasms
AQ = BL BS CF
ENTRY = Cancer|T191|NON|EQV|UNK (19XX)|741111|abbcdef
MN = C04
MS = New abnormal growth of tissue = neoplasia.
UI = D009369

*NEWRECORD
RECTYPE = D
MH = Neoplasms by Site
MN = C04.588
MN = X01.111
UI = D009371

*NEWRECORD
RECTYPE = D
MH = Breast Neoplasms
MN = C04.588.180
MN = C17.800.090.500
UI = D001943

*NEWRECORD
RECTYPE = Q
SH = abnormalities
UI = Q000002

*NEWRECORD
RECTYPE = D
MH = Female
UI = D005260
"""
TREE = b"""\
Neoplasms;C04
Neoplasms by Site;C04.588
Breast Neoplasms;C04.588.180
Breast Neoplasms;C17.800.090.500
"""
XML = b"""\
<?xml version="1.0"?>
<!DOCTYPE DescriptorRecordSet SYSTEM "https://example.org/descriptorrecordset.dtd">
<DescriptorRecordSet LanguageCode = "eng">
<DescriptorRecord DescriptorClass = "1">
  <DescriptorUI>D009369</DescriptorUI>
  <DescriptorName><String>Neoplasms</String></DescriptorName>
  <AllowableQualifiersList><AllowableQualifier>
    <QualifierReferredTo><QualifierUI>Q000002</QualifierUI></QualifierReferredTo>
  </AllowableQualifier></AllowableQualifiersList>
  <TreeNumberList><TreeNumber>C04</TreeNumber></TreeNumberList>
</DescriptorRecord>
<DescriptorRecord DescriptorClass = "1">
  <DescriptorUI>D009371</DescriptorUI>
  <DescriptorName><String>Neoplasms by Site &amp; more</String></DescriptorName>
  <TreeNumberList><TreeNumber>C04.588</TreeNumber><TreeNumber>X01.111</TreeNumber></TreeNumberList>
  <SeeRelatedList><SeeRelatedDescriptor><DescriptorReferredTo><DescriptorUI>D000001</DescriptorUI>
  </DescriptorReferredTo></SeeRelatedDescriptor></SeeRelatedList>
</DescriptorRecord>
</DescriptorRecordSet>
"""
LAUGHS = b"""\
<!DOCTYPE DescriptorRecordSet [
<!ENTITY a "ha">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
]>
<DescriptorRecordSet><DescriptorRecord><DescriptorUI>&b;</DescriptorUI></DescriptorRecord></DescriptorRecordSet>
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "d2025.bin"


def links(tables: SourceTables) -> set[tuple[str, str]]:
    return {(row["from"], row["to"]) for row in tables.relations["BROADER"].to_pylist()}


def test_descriptors_and_what_is_broader(file: Path) -> None:
    file.write_bytes(TEXT)
    tables = mesh.read_official({"descriptors": file}, release="2025")
    check_fits_schema(tables)
    assert [(row["id"], row["name"]) for row in tables.nodes["Descriptor"].to_pylist()] == [
        ("MESH:D009369", "Neoplasms"),
        ("MESH:D009371", "Neoplasms by Site"),
        ("MESH:D001943", "Breast Neoplasms"),
        ("MESH:D005260", "Female"),
    ]
    assert links(tables) == {("MESH:D009371", "MESH:D009369"), ("MESH:D001943", "MESH:D009371")}
    assert tables.provenance.dropped == {"tree numbers whose parent is missing": 2}
    assert tables.provenance.release == "2025"


def test_the_tree_file_alone(file: Path) -> None:
    file.write_bytes(TREE)
    tables = mesh.read_official({"tree": file})
    check_fits_schema(tables)
    assert links(tables) == {
        ("MESH:Neoplasms by Site", "MESH:Neoplasms"),
        ("MESH:Breast Neoplasms", "MESH:Neoplasms by Site"),
    }
    assert tables.nodes["Descriptor"].num_rows == 3
    with pytest.raises(SourceError, match="needs one of the files"):
        mesh.read_official({})


def test_the_xml_file(file: Path) -> None:
    file.write_bytes(XML)
    tables = mesh.read_official({"descriptors_xml": file})
    check_fits_schema(tables)
    assert [(row["id"], row["name"]) for row in tables.nodes["Descriptor"].to_pylist()] == [
        ("MESH:D009369", "Neoplasms"),
        ("MESH:D009371", "Neoplasms by Site & more"),
    ]
    assert links(tables) == {("MESH:D009371", "MESH:D009369")}
    assert tables.provenance.dropped == {"tree numbers whose parent is missing": 1}


def test_nothing_is_broader_than_itself(file: Path) -> None:
    file.write_bytes(TEXT.replace(b"MN = X01.111", b"MN = C04.588.999"))
    tables = mesh.read_official({"descriptors": file})
    assert tables.provenance.dropped["descriptors broader than themselves"] == 1
    assert all(below != above for below, above in links(tables))


@harmless
@pytest.mark.parametrize(("role", "text"), [("descriptors", TEXT), ("descriptors_xml", XML), ("tree", TREE)])
def test_compression_and_line_ends_make_no_difference(file: Path, role: str, text: bytes, change) -> None:
    file.write_bytes(text)
    expected = mesh.read_official({role: file})
    file.write_bytes(change(text))
    assert mesh.read_official({role: file}) == expected


@broken
@pytest.mark.parametrize(("role", "text"), [("descriptors", TEXT), ("tree", TREE)])
def test_a_broken_file_is_refused(file: Path, role: str, text: bytes, change, message: str) -> None:
    file.write_bytes(change(text))
    with pytest.raises(SourceError, match=message) as caught:
        mesh.read_official({role: file})
    assert str(file) in caught.value.message


@pytest.mark.parametrize(
    ("role", "content", "message"),
    [
        ("descriptors", TEXT.replace(b"D009371", b"D009369"), "line 10: the UI D009369 was given before, at line 1"),
        ("descriptors", TEXT.replace(b"UI = D009371\n", b""), "line 10: a record without unique identifier"),
        ("descriptors", TEXT.replace(b"MH = Female\n", b""), "line 29: a record without name"),
        ("descriptors", TEXT.replace(b"AQ = BL BS CF", b"AQ"), "line 4: expected ELEMENT = value"),
        ("descriptors", TEXT.partition(b"\n")[2], r"line 1: expected \*NEWRECORD"),
        (
            "descriptors",
            TEXT.replace(b"X01.111", b"C04"),
            "line 14: the tree number C04 of 'Neoplasms by Site' was given to 'Neoplasms' at line 6",
        ),
        ("descriptors", TEXT.replace(b"RECTYPE = D", b"RECTYPE = C"), "holds no descriptors"),
        ("descriptors_xml", LAUGHS, "line 2: the XML declares an entity"),
        ("descriptors_xml", XML[:-40], r"line 1[89]: malformed XML \(no element found\)|line 1\d: malformed XML"),
        ("descriptors_xml", XML.replace(b"D009371", b"D009369"), "line 12: the UI D009369 was given before, at line 4"),
        ("descriptors_xml", XML.replace(b"<String>Neoplasms</String>", b""), "line 4: a record without name"),
        ("descriptors_xml", XML.replace(b"by Site", b"\xdf"), "line 14: malformed XML"),
        ("descriptors_xml", b"<html/>", "line 1: this is an HTML page"),
        ("descriptors_xml", b"<a/>", "holds no descriptors"),
        ("tree", TREE + b"Female;\n", "line 5: an empty name or tree number"),
        ("tree", TREE + b"Female\n", r"line 5: expected 2 columns \(name, tree number\), found 1"),
        ("tree", TREE + b"Female;C04\n", "line 5: the tree number C04 of 'Female' was given to 'Neoplasms' at line 1"),
    ],
)
def test_faults_are_named_with_their_line(file: Path, role: str, content: bytes, message: str) -> None:
    file.write_bytes(content)
    with pytest.raises(SourceError, match=message) as caught:
        mesh.read_official({role: file})
    assert str(file) in caught.value.message
    assert caught.value.hint


@given(content=mutated(TEXT), xml=mutated(XML), tree=mutated(TREE))
def test_whatever_the_bytes_only_a_source_error_is_raised(
    tmp_path_factory, content: bytes, xml: bytes, tree: bytes
) -> None:
    file = tmp_path_factory.mktemp("mesh") / "mesh.bin"
    for role, text in [("descriptors", content), ("descriptors_xml", xml), ("tree", tree)]:
        file.write_bytes(text)
        try:
            tables = mesh.read_official({role: file})
        except KgregError as error:
            message = error.message
        else:
            message = str(file)
            known = tables.nodes["Descriptor"]["id"].to_pylist()
            assert len(set(known)) == len(known)
            assert all(below in known and above in known for below, above in links(tables))
        assert str(file) in message
