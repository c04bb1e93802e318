"""KEGG from KGML files."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgreg.errors import SourceError
from kgreg.sources import kegg

KGML = """<?xml version="1.0"?>
<!DOCTYPE pathway SYSTEM "https://www.kegg.jp/kegg/xml/KGML_v0.7.2_.dtd">
<pathway name="path:hsa04010" org="hsa" number="04010" title="MAPK &amp; more">
  <entry id="1" name="hsa:5594 hsa:5595" type="gene"/>
  <entry id="2" name="hsa:7157" type="gene"/>
  <entry id="3" name="cpd:C00076" type="compound"/>
  <entry id="4" name="undefined" type="group"><component id="2"/><component id="5"/></entry>
  <entry id="5" name="hsa:672" type="gene"/>
  <relation entry1="1" entry2="2" type="PPrel">
    <subtype name="activation" value="--&gt;"/>
    <subtype name="phosphorylation" value="+p"/>
  </relation>
  <relation entry1="2" entry2="4" type="GErel"><subtype name="repression" value="--|"/></relation>
  <relation entry1="1" entry2="5" type="PPrel"/>
  <relation entry1="3" entry2="1" type="PCrel"/>
  <relation entry1="3" entry2="1" type="PPrel"/>
</pathway>
"""


def written(folder: Path, text: str, name: str = "hsa04010.xml") -> dict[str, Path]:
    (folder / name).write_text(text, encoding="utf-8")
    return {"pathways": folder / name}


def test_genes_signals_and_groups(tmp_path: Path) -> None:
    source = kegg.read_official(written(tmp_path, KGML))
    symbol = {row["id"]: row["symbol"] for row in source.nodes["Gene"].to_pylist()}
    assert sorted(symbol.values()) == ["BRCA1", "MAPK1", "MAPK3", "TP53"]
    signals = {
        (symbol[row["from"]], symbol[row["to"]]): (row["sign"], row["kind"])
        for row in source.relations["SIGNALS"].to_pylist()
    }
    assert signals == {
        ("MAPK1", "TP53"): (1, "activation; phosphorylation"),
        ("MAPK3", "TP53"): (1, "activation; phosphorylation"),
        ("TP53", "TP53"): (-1, "repression"),
        ("TP53", "BRCA1"): (-1, "repression"),
        ("MAPK1", "BRCA1"): (0, ""),
        ("MAPK3", "BRCA1"): (0, ""),
    }
    assert source.nodes["Pathway"].to_pylist() == [{"id": "KEGG:hsa04010", "name": "MAPK & more", "source": "kegg"}]
    assert set(source.relations["IN_PATHWAY"]["to"].to_pylist()) == {"KEGG:hsa04010"}
    assert source.relations["IN_PATHWAY"].num_rows == 4
    assert source.provenance.dropped == {
        "entries of the type compound": 1,
        "relations of the type PCrel": 1,
        "relations with something that is no gene": 1,
    }


def test_a_folder_of_files_is_one_graph(tmp_path: Path) -> None:
    written(tmp_path, KGML)
    written(tmp_path, KGML.replace("hsa04010", "hsa00001"), "other.kgml")
    written(tmp_path, "no KGML", "readme.txt")
    source = kegg.read_official({"pathways": tmp_path})
    assert source.nodes["Pathway"].num_rows == 2
    assert source.relations["IN_PATHWAY"].num_rows == 8
    assert source.relations["SIGNALS"].num_rows == 6, "the same signal counts once"


def test_yeast_genes_keep_their_locus(tmp_path: Path) -> None:
    text = KGML.replace("hsa", "sce").replace("sce:7157", "sce:YAL001C")
    source = kegg.read_official(written(tmp_path, text), species="yeast")
    assert "KEGG:sce:YAL001C" in source.nodes["Gene"]["id"].to_pylist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (KGML.replace("</pathway>", ""), "line 18: not well-formed XML .no element found"),
        (KGML.replace("</relation>", "</relations>", 1), "line 12: not well-formed XML .mismatched tag"),
        (KGML.replace('id="2"', 'id="1"', 1), "line 5: the entry 1 comes twice"),
        (KGML.replace('entry2="4"', 'entry2="44"'), "line 13: there is no entry 44"),
        (KGML.replace('component id="5"', 'component id="55"'), "line 7: there is no entry 55"),
        (KGML.replace('entry2="4" type="GErel"', 'entry2="4"'), "line 13: the attribute type is missing"),
        ("<svg/>", "line 1: <svg> is not KGML"),
        (KGML.replace("hsa", "mmu"), "is a pathway of 'mmu', not of human"),
        (
            '<!DOCTYPE pathway [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>\n<pathway name="&b;" org="hsa"/>',
            "line 1: the file declares a document type of its own",
        ),
        (
            '<!DOCTYPE pathway [<!ENTITY a SYSTEM "file:///etc/passwd">]>\n<pathway name="&a;" org="hsa"/>',
            "line 1: the file declares a document type of its own",
        ),
    ],
)
def test_faults_are_named_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        kegg.read_official(written(tmp_path, text))


def test_a_folder_without_kgml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no KGML file"):
        kegg.read_official({"pathways": tmp_path})
