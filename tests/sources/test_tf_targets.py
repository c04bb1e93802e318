"""Targets of transcription factors from tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kgreg.errors import SourceError
from kgreg.sources import tf_targets

COLLECTRI = (
    "source,target,weight,resources,sign_decision\n"
    'MYC,TERT,1,"ExTRI;HTRI",PMID\nTP53,MYC,-1.0,"ExTRI, again",PMID\nAP1,CCND1,1,x,y\nMYC,NOSUCHGENE,1,x,y\n'
)
DOROTHEA = "tf\tconfidence\ttarget\tmor\nTP53\tA\tCDKN1A\t1\nTP53\tE\tMYC\t-0.5\nTP53\tB\tMYC\t1\n"
OMNIPATH = (
    "source\ttarget\tsource_genesymbol\ttarget_genesymbol\tis_stimulation\tis_inhibition\n"
    "P04637\tP38936\tTP53\tCDKN1A\t1\t0\nP04637\tP01106\tTP53\tMYC\tFalse\tTrue\nP01106\tO14746\tMYC\tTERT\t1\t1\n"
)


def rows(folder: Path, text: str, **options: Any) -> tuple[dict[tuple[str, str], tuple[Any, ...]], dict[str, int]]:
    (folder / "targets").write_text(text, encoding="utf-8")
    source = tf_targets.read_official({"targets": folder / "targets"}, **options)
    symbol = {row["id"]: row["symbol"] for row in source.nodes["Gene"].to_pylist()}
    found = {
        (symbol[row["from"]], symbol[row["to"]]): (row["sign"], row["weight"], row["confidence"])
        for row in source.relations["TARGETS"].to_pylist()
    }
    return found, dict(source.provenance.dropped)


def test_collectri(tmp_path: Path) -> None:
    found, dropped = rows(tmp_path, COLLECTRI)
    assert found[("MYC", "TERT")] == (1, 1, None)
    assert found[("TP53", "MYC")] == (-1, -1, None)
    assert ("MYC", "NOSUCHGENE") not in found
    assert dropped["regulations with a gene that was not found"] >= 1


def test_dorothea_keeps_the_larger_weight_and_counts_the_contradiction(tmp_path: Path) -> None:
    found, dropped = rows(tmp_path, DOROTHEA)
    assert found == {("TP53", "CDKN1A"): (1, 1, "A"), ("TP53", "MYC"): (1, 1, "B")}
    assert dropped == {"pairs given again with the opposite sign": 1}
    found, dropped = rows(tmp_path, DOROTHEA, confidences=["A", "E"])
    assert found[("TP53", "MYC")] == (-1, -0.5, "E")
    assert rows(tmp_path, DOROTHEA, confidences="A,E")[0] == found
    assert dropped == {"regulations of other levels of confidence": 1}


def test_omnipath_says_signs_by_two_columns(tmp_path: Path) -> None:
    found, _ = rows(tmp_path, OMNIPATH)
    assert found == {
        ("TP53", "CDKN1A"): (1, 1, None),
        ("TP53", "MYC"): (-1, -1, None),
        ("MYC", "TERT"): (0, None, None),
    }


def test_words_are_signs_too(tmp_path: Path) -> None:
    found, _ = rows(tmp_path, "tf,target,sign\nMYC,TERT,activation\nTP53,MYC,Repression\nTP53,MDM2,unknown\n")
    assert [found[pair][0] for pair in (("MYC", "TERT"), ("TP53", "MYC"), ("TP53", "MDM2"))] == [1, -1, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "line 1: there is no column 'source_genesymbol or tf or source"),
        ("tf,target,mor\nMYC,TERT\n", "line 2: expected 3 columns, found 2"),
        ("tf,target,mor\nMYC,TERT,nan\n", "line 2: 'nan' is neither a weight"),
        ("tf,target,mor\nMYC,TERT,1\nMYC,,1\n", "line 3: a factor or a target is missing"),
        ('tf,target,mor\nMYC,"TERT,1\n', "line 2: the quotes do not match"),
    ],
)
def test_faults_are_named_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        rows(tmp_path, text)


def test_confidence_cannot_be_asked_of_a_file_without(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="has no levels of confidence"):
        rows(tmp_path, COLLECTRI, confidences=["A"])
