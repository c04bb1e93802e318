"""Reactome from its official files."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgreg.errors import SourceError
from kgreg.sources import reactome
from kgreg.sources.base import SourceTables
from kgreg.sources.gene_lookup import new_gene_nodes
from kgreg.sources.identifiers import IdentifierMap
from kgreg.sources.snapshot import read_table
from tests.sources.shared_data import shared


@pytest.fixture(scope="module")
def complete() -> SourceTables:
    return reactome.read_official(
        {
            "pathways": shared("reactome/ReactomePathways.txt"),
            "relations": shared("reactome/ReactomePathwaysRelation.txt"),
            "gene_sets": shared("reactome/ReactomePathways.gmt"),
        },
        release="88",
    )


def test_complete_files_hold_the_human_hierarchy(complete: SourceTables) -> None:
    pathways = complete.nodes["Pathway"]
    lines = shared("reactome/ReactomePathways.txt").read_text(encoding="utf-8").splitlines()
    assert pathways.num_rows == sum(line.startswith("R-HSA-") for line in lines)
    ids = set(pathways["id"].to_pylist())
    links = complete.relations["SUBPATHWAY_OF"]
    assert set(links["from"].to_pylist()) | set(links["to"].to_pylist()) <= ids
    rows = {(row["from"], row["to"]) for row in links.to_pylist()}
    assert ("R-HSA-109606", "R-HSA-109581") in rows, "the intrinsic pathway is part of apoptosis, child to parent"
    assert len(rows) == links.num_rows
    assert complete.provenance.release == "88"


def test_most_pathways_are_those_of_the_snapshot(complete: SourceTables) -> None:
    bundled = dict(zip(*read_table("reactome", "pathways").to_pydict().values(), strict=True))
    read = dict(zip(*complete.nodes["Pathway"].select(["id", "name"]).to_pydict().values(), strict=True))
    both = bundled.keys() & read.keys()
    assert len(both) > 0.95 * len(read)
    assert sum(bundled[pathway].strip() == read[pathway].strip() for pathway in both) > 0.9 * len(both)


def test_gene_sets_link_genes_to_pathways(complete: SourceTables) -> None:
    genes = {row["id"]: row["symbol"] for row in complete.nodes["Gene"].to_pylist()}
    links = complete.relations["IN_PATHWAY"].to_pylist()
    circle = {genes[row["from"]] for row in links if row["to"] == "R-HSA-164843"}
    assert circle == {"BANF1", "HMGA1", "LIG4", "PSIP1", "XRCC4", "XRCC5", "XRCC6"}, "without the genes of HIV"
    assert complete.provenance.dropped["names that stand for no known gene"] < 400


MEMBERS = "\t".join(["{}", "{}", "https://reactome.org", "a pathway", "{}", "Mus musculus"])


def files(folder: Path, **texts: str) -> dict[str, Path]:
    for role, text in texts.items():
        (folder / role).write_text(text, encoding="utf-8")
    return {role: folder / role for role in texts}


def small(folder: Path, **more: str) -> dict[str, Path]:
    texts = {
        "pathways": "R-MMU-1\tall\tMus musculus\nR-MMU-2\tpart\tMus musculus\nR-HSA-1\tall\tHomo sapiens\n",
        "relations": "R-MMU-1\tR-MMU-2\nR-MMU-9\tR-MMU-2\nR-HSA-1\tR-HSA-2\n",
        "members": f"{MEMBERS.format('P1', 'R-MMU-2', 'TAS')}\n{MEMBERS.format('P1-2', 'R-MMU-1', 'IEA')}\n",
        **more,
    }
    return files(folder, **texts)


def test_other_species_and_missing_pathways(tmp_path: Path) -> None:
    source = reactome.read_official(small(tmp_path), species="mouse")
    assert source.nodes["Pathway"].to_pylist() == [
        {"id": "R-MMU-1", "name": "all", "source": "reactome"},
        {"id": "R-MMU-2", "name": "part", "source": "reactome"},
    ]
    assert source.relations["SUBPATHWAY_OF"].num_rows == 1
    assert source.provenance.dropped == {
        "relations with a pathway that the names lack": 1,
        "proteins without a known gene": 2,
    }
    assert source.relations["PARTICIPATES_IN"].column("evidence").to_pylist() == ["TAS", "IEA"]


def test_proteins_and_isoforms_get_the_genes_of_a_map(tmp_path: Path) -> None:
    known = IdentifierMap([("uniprot", "P1", "NCBIGene:7")], new_gene_nodes({"NCBIGene:7": "Abc"}, "mouse", "mine"))
    source = reactome.read_official(small(tmp_path), species="mouse", identifiers=known)
    encodes = {(row["from"], row["to"]) for row in source.relations["ENCODES"].to_pylist()}
    assert encodes == {("NCBIGene:7", "P1"), ("NCBIGene:7", "P1-2")}
    assert source.nodes["Gene"]["symbol"].to_pylist() == ["Abc"]


def test_of_ensembl_the_genes_are_taken(tmp_path: Path) -> None:
    lines = [("ENSMUSG00000000001", "TAS"), ("ENSMUST00000000001", "TAS"), ("ENSMUSP00000000001", "TAS")]
    text = "".join(MEMBERS.format(name, "R-MMU-2", evidence) + "\n" for name, evidence in lines)
    given = small(tmp_path, ensembl_members=text)
    del given["members"]
    source = reactome.read_official(given, species="mouse")
    assert source.relations["IN_PATHWAY"]["from"].to_pylist() == ["Ensembl:ENSMUSG00000000001"]
    assert source.provenance.dropped["members that are transcripts or proteins of Ensembl"] == 2


@pytest.mark.parametrize(
    ("role", "text", "message"),
    [
        ("pathways", "R-MMU-1\tall\n", "line 1: expected 3 columns"),
        ("pathways", "R-MMU-1\ta\tm\nR-MMU-1\tb\tm\n", "lines 1 and 2: the pathway R-MMU-1 has two names"),
        ("pathways", "R-HSA-1\ta\tm\n", "no pathway whose id begins with R-MMU-"),
        ("relations", "R-MMU-1\tR-MMU-2\nR-MMU-1\n", "line 2: expected 2 columns"),
        ("members", "P1\tR-MMU-1\n", "line 1: expected 6 columns"),
        ("gene_sets", "apoptosis\tR-MMU-1\n", "line 1: expected name, id and genes"),
    ],
)
def test_faults_are_named_with_their_line(tmp_path: Path, role: str, text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        reactome.read_official(small(tmp_path, **{role: text}), species="mouse")


def test_missing_roles_and_unknown_species_are_refused(tmp_path: Path) -> None:
    given = small(tmp_path)
    with pytest.raises(SourceError, match="'relations' of Reactome was not given"):
        reactome.read_official({"pathways": given["pathways"]})
    with pytest.raises(SourceError, match="No members"):
        reactome.read_official({role: given[role] for role in ("pathways", "relations")})
    with pytest.raises(SourceError, match="'4113' is not known"):
        reactome.read_official(given, species="4113")
