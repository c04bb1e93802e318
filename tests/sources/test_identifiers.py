"""Identifiers of genes, from the snapshot and from official files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgreg.errors import SourceError
from kgreg.sources import identifiers
from kgreg.sources.gene_lookup import find_genes, new_gene_nodes
from kgreg.sources.identifiers import KINDS, IdentifierMap, bundled_identifiers, read_identifiers
from kgreg.sources.snapshot import read_table

HGNC = (
    "hgnc_id\tsymbol\tname\tlocus_group\talias_symbol\tprev_symbol\tentrez_id\tensembl_gene_id\tuniprot_ids\n"
    'HGNC:11998\tTP53\ttumor protein p53\tprotein-coding gene\t"p53|LFS1"\t\t7157\tENSG00000141510\tP04637\n'
    'HGNC:9999\tNEW1\tone, 5" end\tother\tSHARED\tOLD1\t1001\t\tP1|P2\n'
    "HGNC:9998\tOLD1\tanother\tother\tSHARED\t\t1002\t\tP2\n"
    "HGNC:9997\tNOENTREZ\tnone\tother\t\t\t\t\t\n"
)
GENE_INFO = (
    "#tax_id\tGeneID\tSymbol\tLocusTag\tSynonyms\tdbXrefs\tdescription\ttype_of_gene\n"
    "10090\t22059\tTrp53\t-\tbbl|p53\tMGI:MGI:98834|Ensembl:ENSMUSG00000059552\ttransformation p53\tprotein-coding\n"
    "9606\t7157\tTP53\t-\t-\t-\t-\tprotein-coding\n"
)
IDMAPPING = (
    "P02340\tGene_Name\tTrp53\nP02340\tGeneID\t22059\nP02340\tEnsembl_PRO\tENSMUSP00000104298.4\n"
    "P62806\tGene_Name\tH4c1\nP62806\tGeneID\t1\nP62806\tGeneID\t2\nQ9\tGene_Name\tNogene\n"
)


def written(folder: Path, **texts: str) -> dict[str, Path]:
    for role, text in texts.items():
        (folder / role).write_text(text, encoding="utf-8")
    return {role: folder / role for role in texts}


def test_the_snapshot_knows_every_kind_of_tp53() -> None:
    known = bundled_identifiers()
    names = ["TP53", "7157", "NCBIGene:7157", "ENSG00000141510", "ENSG00000141510.18", "P04637", "LFS1"]
    found = known.resolve(names)
    assert found.mapped == dict.fromkeys(names, "NCBIGene:7157")
    assert known.resolve(["TP53"], kind="alias").unmapped == ["TP53"]
    with pytest.raises(SourceError, match="no kind of identifiers 'name'"):
        known.resolve(["TP53"], kind="name")


def test_the_snapshot_is_ambiguous_where_its_tables_are() -> None:
    proteins = read_table("genes_human", "proteins").to_pylist()
    genes_of: dict[str, set[str]] = {}
    for row in proteins:
        genes_of.setdefault(row["uniprot"], set()).add(row["gene"])
    found = bundled_identifiers().resolve(genes_of, kind="uniprot")
    assert not found.unmapped
    assert {name: set(genes) for name, genes in found.candidates.items()} == genes_of
    assert set(found.ambiguous) == {name for name, genes in genes_of.items() if len(genes) > 1}


def test_a_present_symbol_goes_before_a_previous_one_and_an_alias(tmp_path: Path) -> None:
    known, dropped = read_identifiers(written(tmp_path, hgnc=HGNC))
    found = known.resolve(["OLD1", "SHARED", "P2", "P1", "p53", "NOENTREZ", "x'}) DETACH DELETE n //"])
    assert found.mapped == {"OLD1": "NCBIGene:1002", "P1": "NCBIGene:1001", "p53": "NCBIGene:7157"}
    assert known.resolve(["OLD1"], kind="previous_symbol").mapped == {"OLD1": "NCBIGene:1001"}
    assert found.ambiguous == dict.fromkeys(["SHARED", "P2"], ("NCBIGene:1001", "NCBIGene:1002"))
    assert found.unmapped == ["NOENTREZ", "x'}) DETACH DELETE n //"]
    assert dropped == {"HGNC entries without an Entrez number": 1}
    assert known.nodes_of(["NCBIGene:1001"], "me").to_pylist() == [
        {
            "id": "NCBIGene:1001",
            "symbol": "NEW1",
            "name": 'one, 5" end',
            "type": "other",
            "species": "Homo sapiens",
            "source": "me",
        }
    ]


def test_mouse_genes_from_gene_info_and_uniprot(tmp_path: Path) -> None:
    source = identifiers.read_official(written(tmp_path, gene_info=GENE_INFO, uniprot=IDMAPPING), species="mouse")
    genes = {row["id"]: row for row in source.nodes["Gene"].to_pylist()}
    assert genes["NCBIGene:22059"]["symbol"] == "Trp53"
    assert genes["NCBIGene:22059"]["name"] == "transformation p53"
    links = {(row["from"], row["to"]) for row in source.relations["IDENTIFIES"].to_pylist()}
    for name in (
        "symbol:Trp53",
        "alias:bbl",
        "ensembl_gene:ENSMUSG00000059552",
        "ensembl_protein:ENSMUSP00000104298",
        "uniprot:P02340",
        "entrez:22059",
    ):
        assert (name, "NCBIGene:22059") in links
    assert {gene for name, gene in links if name == "uniprot:P62806"} == {"NCBIGene:1", "NCBIGene:2"}
    assert not any(name == "symbol:H4c1" for name, _ in links), "nobody says which of the two genes bears it"
    assert source.provenance.dropped == {
        "genes of other taxa in gene_info": 1,
        "UniProt entries without a GeneID": 1,
    }
    assert {row["kind"] for row in source.nodes["Identifier"].to_pylist()} <= set(KINDS)


@pytest.mark.parametrize(
    ("role", "text", "message"),
    [
        ("hgnc", HGNC.replace("entrez_id", "ncbi"), "line 1: there is no column 'entrez_id'"),
        ("hgnc", HGNC.replace("\t1002\t", "\tNM_1\t"), "line 4: 'NM_1' is not an Entrez number"),
        ("hgnc", HGNC.replace("HGNC:9998\t", ""), "line 4: expected 9 columns, found 8"),
        ("gene_info", GENE_INFO.replace("9606\t7157", "9606", 1), "line 3: expected 8 columns, found 7"),
        ("uniprot", IDMAPPING + "Q1\tGeneID\n", "line 8: expected 3 columns"),
        ("uniprot", IDMAPPING + "Q1\tGeneID\tx\n", "line 8: 'x' is not an Entrez number"),
    ],
)
def test_faults_are_named_with_their_line(tmp_path: Path, role: str, text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read_identifiers(written(tmp_path, **{role: text}))


def test_hgnc_is_for_human_and_a_file_is_needed(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="HGNC names human genes only"):
        read_identifiers(written(tmp_path, hgnc=HGNC), species="mouse")
    with pytest.raises(SourceError, match="No file of identifiers"):
        read_identifiers({})


names = st.text(min_size=1, max_size=3)
rows = st.lists(st.tuples(st.sampled_from(KINDS[1:]), names, names.map("g:{}".format)), max_size=30)


@given(rows=rows, asked=st.lists(names, max_size=10), kind=st.none() | st.sampled_from(KINDS))
def test_every_identifier_is_mapped_ambiguous_or_unmapped(
    rows: list[tuple[str, str, str]], asked: list[str], kind: str | None
) -> None:
    genes = new_gene_nodes({gene: "" for *_, gene in rows}, "human", "me")
    found = IdentifierMap(rows, genes).resolve(asked, kind)
    parts = [*found.mapped, *found.ambiguous, *found.unmapped]
    assert sorted(parts) == sorted(set(asked))
    for name in asked:
        kinds = [kind] if kind else [k for k in KINDS if any((k, name) == row[:2] for row in rows)][:1]
        expected = {gene for k, value, gene in rows if value == name and k in kinds}
        assert set(found.candidates.get(name, ())) == expected


def test_a_map_describes_all_its_genes() -> None:
    with pytest.raises(SourceError, match="'TP53' stands for the gene g:1, which is not described"):
        IdentifierMap([("symbol", "TP53", "g:1")], new_gene_nodes({}, "human", "me"))


def test_names_of_another_species_become_ids() -> None:
    found = find_genes(["Trp53", "MGI:98834"], species="mouse", source="me")
    assert found.of == {"Trp53": "Symbol:Trp53", "MGI:98834": "MGI:98834"}
    assert found.nodes["symbol"].to_pylist() == ["MGI:98834", "Trp53"]
