"""BioGRID from TAB 3."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgreg.errors import SourceError
from kgreg.sources import biogrid

HEADER = (
    "#BioGRID Interaction ID\tEntrez Gene Interactor A\tEntrez Gene Interactor B\tOfficial Symbol Interactor A\t"
    "Official Symbol Interactor B\tExperimental System\tExperimental System Type\tOrganism ID Interactor A\t"
    "Organism ID Interactor B\tScore\n"
)
ROWS = [
    "1\t7157\t672\tTP53\tBRCA1\tTwo-hybrid\tphysical\t9606\t9606\t-",
    "2\t672\t7157\tBRCA1\tTP53\tTwo-hybrid\tphysical\t9606\t9606\t0.5",
    "3\t672\t7157\tBRCA1\tTP53\tCo-localization\tphysical\t9606\t9606\t-",
    "4\t672\t7157\tBRCA1\tTP53\tSynthetic Lethality\tgenetic\t9606\t9606\t-",
    "5\t672\t22059\tBRCA1\tTrp53\tTwo-hybrid\tphysical\t9606\t10090\t-",
    "6\t672\t672\tBRCA1\tBRCA1\tTwo-hybrid\tphysical\t9606\t9606\t-",
    "7\t-\t672\tx\tBRCA1\tTwo-hybrid\tphysical\t9606\t9606\t-",
    "8\t672\t99999999\tBRCA1\tGONE\tTwo-hybrid\tphysical\t9606\t9606\t-",
    "9\t22059\t12189\tTrp53\tBrca1\tTwo-hybrid\tphysical\t10090\t10090\t2",
]


def written(folder: Path, text: str) -> dict[str, Path]:
    file = folder / "BIOGRID-ALL-4.4.230.tab3.txt"
    file.write_text(text, encoding="utf-8")
    return {"interactions": file}


def test_a_pair_comes_once_for_each_experimental_system(tmp_path: Path) -> None:
    source = biogrid.read_official(written(tmp_path, HEADER + "\n".join(ROWS)))
    assert source.relations["INTERACTS"].to_pylist() == [
        {
            "from": "NCBIGene:672",
            "to": "NCBIGene:7157",
            "score": score,
            "evidence": system,
            "source": "biogrid",
        }
        for system, score in (("Co-localization", None), ("Two-hybrid", 0.5))
    ]
    assert source.provenance.release == "4.4.230"
    assert source.provenance.dropped == {
        "interactions that are not physical": 1,
        "interactions with or within other species": 2,
        "interactions of a gene with itself": 1,
        "interactors without an Entrez number": 1,
        "interactions with a gene that was not found": 1,
        "names that stand for no known gene": 1,
    }


def test_genes_of_mouse_take_their_names_from_the_file(tmp_path: Path) -> None:
    source = biogrid.read_official(written(tmp_path, HEADER + "\n".join(ROWS)), species="mouse")
    assert {row["id"]: row["symbol"] for row in source.nodes["Gene"].to_pylist()} == {
        "NCBIGene:22059": "Trp53",
        "NCBIGene:12189": "Brca1",
    }


def test_genetic_interactions_on_request(tmp_path: Path) -> None:
    given = written(tmp_path, HEADER + "\n".join(ROWS))
    systems = biogrid.read_official(given, kind="genetic").relations["INTERACTS"]["evidence"].to_pylist()
    assert systems == ["Synthetic Lethality"]
    assert biogrid.read_official(given, kind="all").relations["INTERACTS"].num_rows == 3
    with pytest.raises(SourceError, match="kind 'social'"):
        biogrid.read_official(given, kind="social")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + ROWS[0] + "\n" + ROWS[1].replace("0.5", "high"), "line 3: the score 'high' is not a number"),
        (HEADER + ROWS[0].replace("7157", "TP53"), "line 2: 'TP53' is not an Entrez number"),
        (HEADER + ROWS[0] + "\tmore", "line 2: expected 10 columns, found 11"),
        (HEADER.replace("Score", "S") + ROWS[0], "line 1: there is no column 'Score'"),
    ],
)
def test_faults_are_named_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        biogrid.read_official(written(tmp_path, text))
