"""STRING from its official files."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgreg.errors import SourceError
from kgreg.sources import string
from kgreg.sources.string_links import read_links
from tests.sources.shared_data import shared

SAMPLE = "string/9606.protein.links.detailed.v11.0.sample.txt.gz"
HEADER = "protein1 protein2 experimental combined_score\n"


def links(folder: Path, text: str, header: str = HEADER) -> dict[str, Path]:
    file = folder / "9606.protein.links.v12.0.txt"
    file.write_text(header + text, encoding="utf-8")
    return {"links": file}


def test_the_official_sample_agrees_with_a_loop_over_its_lines() -> None:
    expected: dict[tuple[str, str], tuple[int, int, int]] = {}
    with gzip.open(shared(SAMPLE), "rt", encoding="utf-8") as file:
        names = next(file).split()
        for line in file:
            row = dict(zip(names, line.split(), strict=True))
            one, other = sorted((f"STRING:{row['protein1']}", f"STRING:{row['protein2']}"))
            values = int(row["combined_score"]), int(row["database"]), int(row["cooccurence"])
            if values[0] >= 400 and int(row["experimental"]) >= 100:
                expected[one, other] = max(values, expected.get((one, other), values))
    source = string.read_official({"links": shared(SAMPLE)}, min_score=400, channels={"experimental": 100})
    rows = source.relations["INTERACTS_WITH"].to_pylist()
    assert len(rows) > 500
    assert {(row["from"], row["to"]): (row["score"], row["database"], row["cooccurrence"]) for row in rows} == expected
    assert source.provenance.release == "11.0"
    proteins = set(source.nodes["Protein"]["id"].to_pylist())
    assert proteins == {name for pair in expected for name in pair}


def test_channels_that_a_file_lacks_are_null(tmp_path: Path) -> None:
    table = string.read_official(links(tmp_path, "9606.B 9606.A 41 900\n")).relations["INTERACTS_WITH"]
    assert table.select(["from", "to", "score", "experimental"]).to_pylist() == [
        {"from": "STRING:9606.A", "to": "STRING:9606.B", "score": 900, "experimental": 41}
    ]
    assert table["database"].null_count == 1


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    text = (
        "9606.B 9606.A 0 900\n9606.A 9606.B 0 950\n9606.A 9606.A 0 999\n9606.C 9606.A 0 300\n"
        "10090.C 10090.A 0 990\n9606.C 9606.B 0 700\n9606.B 9606.C 0 700\n"
    )
    source = string.read_official(links(tmp_path, text))
    assert source.relations["INTERACTS_WITH"]["score"].to_pylist() == [950, 700]
    assert source.provenance.dropped == {
        "rows of other species": 1,
        "rows with lower scores than asked for": 1,
        "rows that pair a protein with itself": 1,
        "pairs given twice with unequal scores": 1,
        "proteins without a known gene (they stay)": 3,
    }


def test_genes_come_from_aliases_then_names(tmp_path: Path) -> None:
    given_files = links(tmp_path, "9606.P1 9606.P2 0 900\n9606.P2 9606.P3 0 900\n9606.P3 9606.P4 0 900\n")
    aliases = tmp_path / "aliases"
    aliases.write_text(
        "#string_protein_id\talias\tsource\n"
        "9606.P1\tBRCA1\tsomebody's opinion\n9606.P1\tTP53\tEnsembl_HGNC_symbol\n9606.P2\t672\tEnsembl_EntrezGene\n"
        "9606.P2\tTP53\tEnsembl_HGNC_symbol\n",
        encoding="utf-8",
    )
    info = tmp_path / "info"
    info.write_text(
        "#string_protein_id\tpreferred_name\tprotein_size\tannotation\n"
        '9606.P3\tEGFR\t10\ta "quoted" word\n9606.P4\tnothing known\t10\tx\n9606.P9\tMYC\t1\tx\n',
        encoding="utf-8",
    )
    source = string.read_official({**given_files, "aliases": aliases, "info": info})
    symbols = {row["id"]: row["symbol"] for row in source.nodes["Gene"].to_pylist()}
    encodes = {row["to"]: symbols[row["from"]] for row in source.relations["ENCODES"].to_pylist()}
    assert encodes == {"STRING:9606.P1": "TP53", "STRING:9606.P2": "BRCA1", "STRING:9606.P3": "EGFR"}
    assert source.provenance.dropped == {"proteins without a known gene (they stay)": 1}
    assert source.nodes["ProteinName"]["id"].to_pylist() == ["EGFR", "nothing known"]
    assert source.relations["NAME_OF"].num_rows == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("9606.A 9606.B 1 900\n9606.A 9606.B 900\n", "line 3: expected 4 columns, found 3"),
        ("9606.A 9606.B 1 900\n9606.A 9606.B 1 9e2\n", "line 3: '9e2' under combined_score"),
        ("9606.A 9606.B 1 900\n9606.A 9606.B 1 1001\n", "line 3: '1001' under combined_score"),
        ("9606.A 9606.B -1 900\n", "line 2: '-1' under experimental"),
        ("9606.A 9606.B 99999999999999999999 900\n", "line 2: '9999"),
        ("9606.A 9606.B  900\n", "line 2: '' under experimental"),
        ("10090.A 10090.B 1 900\n", "no pair of proteins of taxon 9606"),
        ("", "no pair of proteins of taxon 9606"),
    ],
)
def test_faults_are_named_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        string.read_official(links(tmp_path, text))


def test_a_fault_far_into_the_file_is_named_with_its_line(tmp_path: Path) -> None:
    rows = [f"9606.A{i} 9606.B{i} 1 900\n" for i in range(400_000)]
    rows[399_000] = "9606.A 9606.B 1 x\n"
    with pytest.raises(SourceError, match="line 399002: 'x' under combined_score"):
        string.read_official(links(tmp_path, "".join(rows)))


def test_what_is_asked_for_must_make_sense(tmp_path: Path) -> None:
    file = links(tmp_path, "9606.A 9606.B 1 900\n")
    for least in (1700, -1, 0.7, "high", None):
        with pytest.raises(SourceError, match=f"least score of 'min_score' is {least}; scores are whole numbers"):
            string.read_official(file, min_score=least)  # type: ignore[arg-type]
    with pytest.raises(SourceError, match=r"least score of 'experimental' is 0\.5"):
        string.read_official(file, channels={"experimental": 0.5})  # type: ignore[dict-item]
    with pytest.raises(SourceError, match="The channels 'experimental' are not pairs"):
        string.read_official(file, channels="experimental")  # type: ignore[arg-type]
    with pytest.raises(SourceError, match="no channel magic") as caught:
        string.read_official(file, channels={"magic": 100})
    assert "experimental" in caught.value.hint
    with pytest.raises(SourceError, match=r"line 1: expected 'protein1 protein2"):
        string.read_official(links(tmp_path, "a b c\n", header=""))
    with pytest.raises(SourceError, match="'links' of STRING was not given"):
        string.read_official({})


names = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12)


scores = st.integers(0, 1000)


@given(rows=st.lists(st.tuples(names, names, scores), min_size=1, max_size=30), least=scores)
def test_any_names_pass_through_and_each_pair_comes_once(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, int]], least: int
) -> None:
    text = "".join(f"9606.{one} 9606.{other} 0 {score}\n" for one, other, score in rows)
    found = read_links(links(tmp_path_factory.mktemp("links"), text)["links"], 9606, least, {})
    expected: dict[tuple[str, str], int] = {}
    for one, other, score in rows:
        if score >= least and one != other:
            low, high = sorted((f"9606.{one}", f"9606.{other}"))
            expected[low, high] = max(score, expected.get((low, high), 0))
    pairs = zip(found.first.tolist(), found.second.tolist(), strict=True)
    assert {
        (found.proteins[one], found.proteins[other]): score
        for (one, other), score in zip(pairs, found.score.tolist(), strict=True)
    } == expected


def test_scores_are_small_integers(tmp_path: Path) -> None:
    table = string.read_official(links(tmp_path, "9606.A 9606.B 1 900\n")).relations["INTERACTS_WITH"]
    assert pc.max(table["score"]).as_py() == 900
    assert str(table.schema.field("score").type) == "int16"
