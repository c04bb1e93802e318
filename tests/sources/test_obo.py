"""The ontology that is read is the one in the file, or an error says where the file is wrong."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import obonet
import pytest
from hypothesis import given

from kgreg.errors import KgregError, SourceError
from kgreg.sources import go
from kgreg.sources.obo import read_obo
from tests.sources.broken_files import broken, harmless, mutated
from tests.sources.graph_schema import check_fits_schema
from tests.sources.shared_data import shared

TEXT = b"""\
format-version: 1.2
data-version: releases/2025-10-10
subsetdef: slim "A \\"slim\\", of terms"
default-namespace: test

! a comment

[Term]
id: X:1
name: root {source="X"} ! not part of the name
namespace: process
def: "What \\"all\\" are.\\nAnd a second line." [GOC:x]
alt_id: X:9
alt_id: X:8

[Term]
id: X:2
name: child\\, one
subset: slim
is_a: X:1 {source="Y"} ! root
relationship: part_of X:1 ! root
relationship: has_part X:3
[Term]
id: X:3
name: grandchild

is_a: X:2 ! child
is_a: X:2
relationship: regulates X:1

[Term]
id: X:4
name: obsolete thing
is_obsolete: true
replaced_by: X:9

[Term]
id: X:5
name: obsolete other
is_obsolete: true
is_a: X:999
consider: X:2

[Typedef]
id: part_of
name: part of
is_a: nothing_to_do_with_terms

[Instance]
id: X:1
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "test.obo"


def test_terms_and_relations(file: Path) -> None:
    file.write_bytes(TEXT)
    ontology = read_obo(file)
    assert list(ontology.terms) == ["X:1", "X:2", "X:3", "X:4", "X:5"]
    root, child = ontology.terms["X:1"], ontology.terms["X:2"]
    assert (root.name, root.namespace, root.alt_ids, root.line) == ("root", "process", ["X:9", "X:8"], 8)
    assert root.definition == 'What "all" are.\nAnd a second line.'
    assert (child.name, child.namespace, child.definition, child.subsets) == ("child, one", "test", None, ["slim"])
    assert ontology.terms["X:4"].obsolete
    assert ontology.terms["X:4"].replaced_by == ["X:9"]
    assert set(ontology.relations) == {
        ("X:2", "X:1", "is_a"),
        ("X:2", "X:1", "part_of"),
        ("X:2", "X:3", "has_part"),
        ("X:3", "X:2", "is_a"),
        ("X:3", "X:1", "regulates"),
    }
    assert ontology.data_version == "releases/2025-10-10"
    assert ontology.subsets == {"slim": 'A "slim", of terms'}
    assert [(finding.kind, finding.line) for finding in ontology.findings] == [("relations given twice", 28)]


@harmless
def test_compression_and_line_ends_make_no_difference(file: Path, change) -> None:
    file.write_bytes(TEXT)
    expected = read_obo(file)
    file.write_bytes(change(TEXT))
    assert read_obo(file) == expected


@broken
def test_a_broken_file_is_refused(file: Path, change, message: str) -> None:
    file.write_bytes(change(TEXT))
    with pytest.raises(SourceError, match=message) as caught:
        read_obo(file)
    assert str(file) in caught.value.message


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (b"id: X:2\n", b"id: X:1\n", r"line 16: the id X:1 was given before, at line 8"),
        (b"is_a: X:1 {", b"is_a: X:77 {", r"line 20: X:2 is_a X:77, but the file has no term X:77"),
        (b"alt_id: X:8", b"is_a: X:3", r"line \d+: a cycle of is_a and part_of: X:\d -> X:\d -> X:\d"),
        (b"alt_id: X:8", b"relationship: part_of X:2", r"line \d+: a cycle of is_a and part_of: X:\d -> X:\d -> X:\d"),
        (b"alt_id: X:8", b"is_a: X:1", r"line 8: a cycle of is_a and part_of: X:1 -> X:1"),
        (b"alt_id: X:8", b"alternative", r"line 14: expected 'tag: value', found 'alternative'"),
        (b"id: X:3\n", b"", r"line 23: a \[Term\] without an id"),
        (b"id: X:3\n", b"id: X:3\nid: X:33\n", "line 25: a second id in the stanza of X:3"),
        (b"is_a: X:1 {source", b"is_a: {source", "line 20: 'is_a' names no id"),
        (b"relationship: regulates X:1", b"relationship: regulates", "'relationship' names no id"),
        (b' line." [GOC:x]', b"", "line 12: the definition is not in quotes"),
        (b"[Typedef]", b"[Typed", r"line \d+: the stanza '\[Typed' has no closing bracket"),
        (TEXT[TEXT.index(b"[Term]") :], b"", r"holds no \[Term\]"),
        (b"id: part_of\n" + TEXT.partition(b"id: part_of\n")[2], b"id: part_", "line 45: the last line has no end"),
    ],
)
def test_faults_are_named_with_their_line(file: Path, before: bytes, after: bytes, message: str) -> None:
    assert before in TEXT
    file.write_bytes(TEXT.replace(before, after, 1))
    with pytest.raises(SourceError, match=message) as caught:
        read_obo(file)
    assert str(file) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (b"has_part X:3", b"has_part CL:0000001", "relations to terms that the file lacks"),
        (b"is_a: X:2 ! child", b"is_a: X:4", "relations to obsolete terms"),
        (b"name: grandchild\n", b"", "terms without a name"),
    ],
)
def test_oddities_are_counted(file: Path, before: bytes, after: bytes, kind: str) -> None:
    file.write_bytes(TEXT.replace(before, after, 1))
    assert kind in [finding.kind for finding in read_obo(file).findings]
    assert go.read_official({"ontology": file}).provenance.dropped[kind] == 1


@given(content=mutated(TEXT))
def test_whatever_the_bytes_only_a_source_error_is_raised(tmp_path_factory, content: bytes) -> None:
    file = tmp_path_factory.mktemp("obo") / "x.obo"
    file.write_bytes(content)
    try:
        ontology = read_obo(file)
    except KgregError as error:
        message = error.message
    else:
        message = str(file)
        assert all(child in ontology.terms and parent in ontology.terms for child, parent, _ in ontology.relations)
        go.read_official({"ontology": file})
    assert str(file) in message


def test_the_tables_of_the_graph(file: Path) -> None:
    file.write_bytes(TEXT)
    tables = go.read_official({"ontology": file}, release="unused")
    check_fits_schema(tables)
    assert tables.nodes["Term"].to_pylist()[1] == {
        "id": "X:2",
        "name": "child, one",
        "namespace": "test",
        "definition": None,
        "source": "go",
    }
    assert [row["id"] for row in tables.nodes["Term"].to_pylist()] == ["X:1", "X:2", "X:3"]
    retired = {row["id"]: (row["name"], row["status"]) for row in tables.nodes["RetiredTerm"].to_pylist()}
    assert retired == {
        "X:9": ("root", "alternative"),
        "X:8": ("root", "alternative"),
        "X:4": ("obsolete thing", "obsolete"),
        "X:5": ("obsolete other", "obsolete"),
    }
    # The replacement of X:4 is an alternative id, which stands for X:1.
    replaced = {(row["from"], row["to"]) for row in tables.relations["REPLACED_BY"].to_pylist()}
    assert replaced == {("X:9", "X:1"), ("X:8", "X:1"), ("X:4", "X:1")}
    assert tables.nodes["Subset"].to_pylist() == [{"id": "slim", "name": 'A "slim", of terms', "source": "go"}]
    assert tables.relations["IN_SUBSET"].to_pylist() == [{"from": "X:2", "to": "slim", "source": "go"}]
    assert tables.relations["REGULATES"].to_pylist() == [{"from": "X:3", "to": "X:1", "source": "go"}]
    assert tables.provenance.release == "releases/2025-10-10"
    assert tables.provenance.date == "2025-10-10"
    assert tables.provenance.dropped == {"relations given twice": 1, "relations of kind has_part": 1}


def test_alternative_ids_that_are_terms_are_not_retired(file: Path) -> None:
    file.write_bytes(TEXT.replace(b"alt_id: X:8", b"alt_id: X:2"))
    tables = go.read_official({"ontology": file})
    assert "X:2" not in tables.nodes["RetiredTerm"]["id"].to_pylist()
    assert tables.provenance.dropped["alternative ids that are terms themselves"] == 1


def test_ids_and_names_are_text_and_nothing_else(file: Path) -> None:
    hostile = "x'})DETACH_DELETE_n//"
    file.write_bytes(TEXT.replace(b"X:5", hostile.encode()).replace(b"name: grandchild", b"name: '); DROP\\n\\"))
    tables = go.read_official({"ontology": file})
    assert hostile in tables.nodes["RetiredTerm"]["id"].to_pylist()
    assert tables.nodes["Term"]["name"].to_pylist()[2] == "'); DROP\n\\"


def test_the_official_slim_reads_as_obonet_reads_it() -> None:
    file = shared("go/goslim_generic.obo")
    ours = read_obo(file)
    theirs: nx.MultiDiGraph = obonet.read_obo(file, ignore_obsolete=False)
    assert set(ours.terms) == set(theirs)
    assert set(ours.relations) == set(theirs.edges(keys=True))
    for term, properties in theirs.nodes(data=True):
        found = ours.terms[term]
        assert found.name == properties["name"]
        assert found.namespace == properties["namespace"]
        assert found.alt_ids == properties.get("alt_id", [])
        assert found.subsets == properties.get("subset", [])
        assert properties["def"].startswith('"' + (found.definition or "")[:20].replace('"', '\\"'))
    tables = go.read_official({"ontology": file}, release="slim")
    check_fits_schema(tables)
    assert tables.nodes["Term"].num_rows == 149
    assert tables.relations["IS_A"].num_rows == 148
    assert tables.provenance.release == "slim"


def test_the_snapshot_written_as_obo_comes_back_the_same(tmp_path: Path) -> None:
    bundled = go.read()
    stanzas = {
        row["id"]: [f"[Term]\nid: {row['id']}\nname: {row['name']}\nnamespace: {row['namespace']}"]
        for row in bundled.nodes["Term"].to_pylist()
    }
    for name, kind in go.RELATIONS.items():
        for row in bundled.relations[kind].to_pylist():
            tag = "is_a:" if name == "is_a" else f"relationship: {name}"
            stanzas[row["from"]].append(f"{tag} {row['to']}")
    file = tmp_path / "go.obo"
    file.write_text("ontology: go\n\n" + "\n\n".join("\n".join(lines) for lines in stanzas.values()) + "\n")
    tables = go.read_official({"ontology": file})
    columns = ["id", "name", "namespace", "source"]
    assert tables.nodes["Term"].select(columns).equals(bundled.nodes["Term"].select(columns))
    order = [("from", "ascending"), ("to", "ascending")]
    for kind, links in bundled.relations.items():
        assert tables.relations[kind].sort_by(order).equals(links.sort_by(order)), kind
