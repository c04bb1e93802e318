"""HumanNet from its table of links."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgreg.errors import SourceError
from kgreg.sources import humannet


def written(folder: Path, text: str) -> dict[str, Path]:
    file = folder / "HumanNet-FN.tsv"
    file.write_text(text, encoding="utf-8")
    return {"links": file}


def test_links_come_once_with_the_larger_score(tmp_path: Path) -> None:
    text = "#gene1\tgene2\tLLS\n7157\t672\t2.5\n672\t7157\t3.5\n672\t672\t9\n672\t99999999\t4\n675\t672\t1.25\n"
    source = humannet.read_official(written(tmp_path, text), min_score=2)
    assert source.relations["INTERACTS"].to_pylist() == [
        {"from": "NCBIGene:672", "to": "NCBIGene:7157", "score": 3.5, "evidence": "FN", "source": "humannet"}
    ]
    assert source.provenance.dropped == {
        "pairs given twice with unequal scores": 1,
        "links of a gene with itself": 1,
        "links with lower scores than asked for": 1,
        "links with a gene that was not found": 1,
        "names that stand for no known gene": 1,
    }
    assert sorted(source.nodes["Gene"]["symbol"].to_pylist()) == ["BRCA1", "TP53"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("672\t7157\n", "line 1: expected 3 columns"),
        ("672\t7157\t1\nBRCA1\t7157\t1\n", "line 2: 'BRCA1' is not an Entrez number"),
        ("672\t7157\tinf\n", "line 1: the score 'inf' is not a number"),
    ],
)
def test_faults_are_named_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        humannet.read_official(written(tmp_path, text))


def test_the_least_score_is_a_number(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="'high' is not a number"):
        humannet.read_official(written(tmp_path, "672\t7157\t1\n"), min_score="high")  # type: ignore[arg-type]


def test_it_is_about_human(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="human genes only"):
        humannet.read_official(written(tmp_path, "672\t7157\t1\n"), species="mouse")
