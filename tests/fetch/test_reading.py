"""Official files into a store, and the queries on what they bring."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pandas as pd
import pytest

from kgreg.blueprint import Blueprint, compile_hierarchy
from kgreg.decode.enrichment import GeneSets, read_gene_sets
from kgreg.errors import SourceError
from kgreg.fetch import fetch, plain_options, read_official_source
from kgreg.store import load, open_store, run_named

OBO = """format-version: 1.2
data-version: releases/2099-01-01

[Term]
id: GO:0008150
name: biological_process
namespace: biological_process

[Term]
id: GO:0000001
name: a process
namespace: biological_process
is_a: GO:0008150 ! biological_process
"""
LINKS = """protein1 protein2 combined_score
9606.ENSP1 9606.ENSP2 950
9606.ENSP2 9606.ENSP1 950
9606.ENSP1 9606.ENSP3 710
9606.ENSP2 9606.ENSP3 100
"""
ALIASES = """#string_protein_id\talias\tsource
9606.ENSP1\tP11912\tUniProt_AC
9606.ENSP2\tP43405\tUniProt_AC
9606.ENSP3\tP07948\tUniProt_AC
"""
TARGETS = "source,target,weight\nCTCF,CD79A,1\nCTCF,SYK,-1\nNOTAGENE,SYK,1\n"
SETS = "ONE\tof mine\tCD79A\tSYK\tNOTAGENE\nTWO\t\tLYN\n"
CD79A, SYK, LYN, CTCF = "NCBIGene:973", "NCBIGene:6850", "NCBIGene:4067", "NCBIGene:10664"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Small files in the official formats."""
    (tmp_path / "go-basic.obo").write_text(OBO, encoding="utf-8")
    (tmp_path / "targets.csv").write_text(TARGETS, encoding="utf-8")
    (tmp_path / "mine.gmt").write_text(SETS, encoding="utf-8")
    for name, text in (("links", LINKS), ("aliases", ALIASES)):
        (tmp_path / f"{name}.txt.gz").write_bytes(gzip.compress(text.encode()))
    return tmp_path


def test_networks_are_loaded_and_asked(folder: Path, knowledge_store_path: Path) -> None:
    store = Path(shutil.copy(knowledge_store_path, folder / "store.lbug"))
    files = {"links": folder / "links.txt.gz", "aliases": folder / "aliases.txt.gz"}
    string = read_official_source("string", files=files, options={"min_score": 700})
    regulation = read_official_source("tf_targets", files={"targets": folder / "targets.csv"})
    symbols = {"CD79A": [CD79A], "SYK": [SYK], "LYN": [LYN]}
    sets = read_official_source(
        "gene_sets", files={"gene_sets": folder / "mine.gmt"}, options={"name": "mine", "genes_of": symbols}
    )
    before = sources_in(store)
    load(store, [string, regulation, sets])
    assert sources_in(store) == before | {"string", "tf_targets", "mine"}
    with open_store(store) as opened:
        pairs = run_named(opened, "protein_interactions", min_score=900).to_pylist()
        around = run_named(opened, "gene_neighbourhood", genes=[CD79A], min_score=700).to_pylist()
        targets = run_named(opened, "tf_targets").to_pylist()
        motifs = run_named(opened, "tf_motif_targets", tfs=[CTCF]).to_pylist()
        regulators = run_named(opened, "motifs_of_regulators", term="GO:0050853").to_pylist()
        of_pathway = run_named(opened, "motifs_of_pathway_regulators", pathway="R-HSA-983695").to_pylist()
        signals = run_named(opened, "signalling_network").to_pylist()
        members = run_named(opened, "gene_sets").to_pylist()
        collections = {
            name: read_gene_sets(name, network_over("CD79A", "SYK", "LYN", "CTCF"), opened)
            for name in ("go", "reactome", "tf_targets", "gene_sets")
        }
    assert pairs == [{"protein": "STRING:9606.ENSP1", "other": "STRING:9606.ENSP2", "score": 950}]
    assert {(row["gene"], row["other"], row["score"]) for row in around} == {(CD79A, SYK, 950), (CD79A, LYN, 710)}
    assert {(row["tf"], row["target"], row["sign"]) for row in targets} == {(CTCF, CD79A, 1), (CTCF, SYK, -1)}
    assert {"source": CTCF, "target": SYK, "relation": "targets", "sign": -1} in signals
    assert {row["motif_name"] for row in motifs} == {"CTCF"}
    assert {row["target"] for row in motifs} == {CD79A, SYK}
    assert {row["motif"] for row in regulators} == {row["motif"] for row in motifs}, "CD79A acts in GO:0050853"
    assert of_pathway == regulators, "and in R-HSA-983695"
    assert {(row["gene"], row["term"], row["label"], row["collection"]) for row in members} == {
        (CD79A, "mine:ONE", "ONE", "mine"),
        (SYK, "mine:ONE", "ONE", "mine"),
        (LYN, "mine:TWO", "TWO", "mine"),
    }
    held = {name: members_of(found) for name, found in collections.items()}
    # The network calls its genes by symbols: the store's ids are found by them.
    assert held["gene_sets"] == {"ONE": {"CD79A", "SYK"}, "TWO": {"LYN"}}
    assert held["tf_targets"] == {"targets of CTCF": {"CD79A", "SYK"}}
    assert "CD79A" in held["reactome"]["Immune System"], "through the pathways below it"
    assert {"CD79A", "SYK"} <= held["go"]["B cell receptor signaling pathway"]
    assert held["go"]["biological_process"] == {"CD79A", "SYK", "LYN", "CTCF"}


def network_over(*symbols: str) -> Blueprint:
    """Return a network of one term, compiled from tables: the names of the genes are their ids."""
    inputs = pd.DataFrame({"feature": symbols, "gene": symbols, "label": symbols})
    annotations = pd.DataFrame({"gene": symbols, "term": "all"})
    return compile_hierarchy(pd.DataFrame(columns=["child", "parent"], dtype=str), annotations, inputs)


def members_of(sets: GeneSets) -> dict[str, set[str]]:
    rows = zip(sets.sets["label"], sets.members.toarray(), strict=True)
    return {label: {gene for gene, held in zip(sets.genes, row, strict=True) if held} for label, row in rows}


def sources_in(store: Path) -> set[str]:
    with open_store(store) as opened:
        return set(opened.sources()["name"].to_pylist())


def test_a_release_read_from_its_file_replaces_the_bundled_one(folder: Path, knowledge_store_path: Path) -> None:
    store = Path(shutil.copy(knowledge_store_path, folder / "store.lbug"))
    tables = read_official_source("go", files={"ontology": folder / "go-basic.obo"})
    assert "2099-01-01" in tables.provenance.release
    counts = load(store, [tables])
    assert counts["Term"] == 2
    assert counts["Gene"] == 77_614
    assert load(store, [tables]) == counts


def test_relations_to_what_the_store_does_not_hold_are_left_out_and_told(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = folder / "small.lbug"
    load(store, [read_official_source("go", files={"ontology": folder / "go-basic.obo"})])
    counts = load(store, ["genes_human", read_official_source("tf_targets", files={"targets": folder / "targets.csv"})])
    assert counts["TARGETS"] == 2
    gaf = "UniProtKB\tP11912\tCD79A\tinvolved_in\t{}\tPMID:1\tIDA\t\tP\t\t\tprotein\ttaxon:9606\t20200101\tUniProt\t\t"
    lines = ["!gaf-version: 2.2", gaf.format("GO:0000001"), gaf.format("GO:7777777")]
    (folder / "a.gaf").write_text("\n".join(lines) + "\n", encoding="utf-8")
    counts = load(store, [read_official_source("goa", files={"annotations": folder / "a.gaf"})])
    assert counts["ANNOTATED_TO"] == 1
    assert "GO:7777777" in caplog.text


def test_files_of_a_folder_are_found_by_their_official_names(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    tables = read_official_source("go", from_dir=folder, cache=cache)
    assert tables.nodes["Term"].num_rows == 2
    (fetched,) = fetch("go", from_dir=folder, cache=cache)
    assert fetched.path.is_relative_to(cache)
    again = read_official_source("go", cache=cache)
    assert again.nodes["Term"].equals(tables.nodes["Term"])


def test_what_is_asked_wrongly_is_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no official files"):
        read_official_source("nothing")
    with pytest.raises(SourceError, match=r"has no option minimum(?s:.*)min_score"):
        read_official_source("string", files={"links": folder / "links.txt.gz"}, options={"minimum": 3})
    with pytest.raises(SourceError, match=r"has no file edges(?s:.*)links"):
        read_official_source("string", files={"edges": folder / "links.txt.gz"})
    with pytest.raises(SourceError, match="also needs: links"):
        read_official_source("string", files={"aliases": folder / "aliases.txt.gz"})
    with pytest.raises(SourceError, match="kgreg fetch"):
        read_official_source("go", cache=tmp_path / "empty")
    assert plain_options("string") == {"min_score": 700}
