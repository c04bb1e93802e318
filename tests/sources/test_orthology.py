"""Orthologs, and annotations that are transferred between species."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgreg.errors import SourceError
from kgreg.sources import orthology
from kgreg.sources.orthology import transfer_annotations


def table(columns: list[str], rows: list[tuple[str, ...]]) -> pa.Table:
    return pa.table({name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(columns)})


def test_orthologs_of_human_and_mouse(tmp_path: Path) -> None:
    file = tmp_path / "orthologs"
    file.write_text("#human\tmouse\nTP53\tTrp53\nTP53\tTrp53\nENSG00000012048\tMGI:104537\nNOSUCHGENE\tX\n")
    source = orthology.read_official({"orthologs": file})
    assert {(row["from"], row["to"]) for row in source.relations["ORTHOLOG_OF"].to_pylist()} == {
        ("NCBIGene:7157", "Symbol:Trp53"),
        ("NCBIGene:672", "MGI:104537"),
    }
    species = {row["id"]: row["species"] for row in source.nodes["Gene"].to_pylist()}
    assert species["NCBIGene:7157"] == "Homo sapiens"
    assert species["Symbol:Trp53"] == "mouse"
    assert source.provenance.dropped == {"names that stand for no known gene": 1}


@pytest.mark.parametrize(
    ("text", "message"), [("TP53\n", "line 1: expected 2 columns"), ("A\tB\nTP53\t\n", "line 2: a gene is missing")]
)
def test_faults_are_named_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "orthologs"
    file.write_text(text)
    with pytest.raises(SourceError, match=message):
        orthology.read_official({"orthologs": file})


def test_annotations_of_experiments_are_transferred_and_marked() -> None:
    orthologs = table(["from", "to"], [("h1", "m1"), ("h2", "m1"), ("h3", "m3"), ("h3", "m4")])
    annotations = table(
        ["from", "to", "evidence"],
        [("m1", "t1", "IDA"), ("m1", "t1", "IMP"), ("m3", "t2", "IEA"), ("m4", "t3", "EXP"), ("m9", "t1", "IDA")],
    )
    done = transfer_annotations(annotations, orthologs, species="mouse")
    assert [tuple(row.values()) for row in done.annotations.to_pylist()] == [
        ("h1", "t1", "ISO", "orthology:mouse"),
        ("h2", "t1", "ISO", "orthology:mouse"),
        ("h3", "t3", "ISO", "orthology:mouse"),
    ]
    assert done.one_to_many == 1
    assert done.dropped == {"annotations by other evidence": 1, "annotations of genes without an ortholog": 1}


letters = st.sampled_from("abcd")


@given(
    orthologs=st.lists(st.tuples(letters, letters), max_size=8),
    annotations=st.lists(st.tuples(letters, letters, st.sampled_from(["IDA", "IEA"])), max_size=8),
)
def test_the_transfer_is_a_join(orthologs: list[tuple[str, str]], annotations: list[tuple[str, str, str]]) -> None:
    done = transfer_annotations(
        table(["from", "to", "evidence"], annotations), table(["from", "to"], orthologs), species="mouse", evidence=None
    )
    expected = {(ours, term) for gene, term, _ in annotations for ours, theirs in orthologs if theirs == gene}
    pairs = list(zip(done.annotations["from"].to_pylist(), done.annotations["to"].to_pylist(), strict=True))
    assert pairs == sorted(expected)
