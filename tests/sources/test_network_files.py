"""Whatever happens to a file of a network, of motifs or of identifiers, kgreg says so itself; and sound ones load."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import ladybug
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kgreg.errors import SourceError
from kgreg.resources import resource_dir
from kgreg.sources import biogrid, humannet, identifiers, kegg, motif_files, orthology, reactome, string, tf_targets
from kgreg.sources.base import SourceTables
from kgreg.sources.gene_lookup import new_gene_nodes
from kgreg.sources.identifiers import IdentifierMap
from tests.sources.broken_files import broken, harmless, mutated
from tests.sources.test_biogrid import HEADER, ROWS
from tests.sources.test_identifiers import GENE_INFO, HGNC, IDMAPPING
from tests.sources.test_kegg import KGML
from tests.sources.test_motif_files import JASPAR, MEME, TRANSFAC
from tests.sources.test_tf_targets import COLLECTRI, DOROTHEA

HOSTILE = "x'}) DETACH DELETE n //"
# A small map, so that a test reads nothing else; the hostile name is a gene like any other.
NAMES = [("symbol", name) for name in ("TP53", "MYC", "TERT", HOSTILE)]
NAMES += [("entrez", number) for number in ("7157", "672", "5594", "5595")]
KNOWN = IdentifierMap(
    [(kind, name, f"g:{name}") for kind, name in NAMES],
    new_gene_nodes({f"g:{name}": name for _, name in NAMES}, "human", "test"),
)


@dataclass(frozen=True)
class Case:
    """A sound file of a source, and what else the reader needs."""

    source: Any
    role: str
    text: str
    more: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    species: str = "human"

    def read(self, folder: Path, content: bytes) -> SourceTables:
        files = {self.role: folder / self.role}
        files[self.role].write_bytes(content)
        for role, text in self.more.items():
            files[role] = folder / role
            files[role].write_text(text, encoding="utf-8")
        read: Callable[..., SourceTables] = self.source.OFFICIAL.read
        return read(files, species=self.species, **self.options)


MAP = {"identifiers": KNOWN}
PATHWAYS = {"pathways": "R-HSA-1\tall\tHomo sapiens\nR-HSA-2\tpart\tHomo sapiens\n"}
RELATIONS = {"relations": "R-HSA-1\tR-HSA-2\n"}
GMT = "all\tR-HSA-1\tTP53\tMYC\npart\tR-HSA-2\tTERT\n"
MEMBERS = "P1\tR-HSA-1\tu\tall\tTAS\tHomo sapiens\nP2\tR-HSA-2\tu\tpart\tIEA\tHomo sapiens\n"
LINKS = "protein1 protein2 experimental combined_score\n9606.A 9606.B 12 900\n9606.B 9606.C 0 700\n"
CASES = {
    "reactome pathways": Case(reactome, "pathways", PATHWAYS["pathways"], {**RELATIONS, "gene_sets": GMT}, MAP),
    "reactome relations": Case(reactome, "relations", RELATIONS["relations"] * 2, {**PATHWAYS, "gene_sets": GMT}, MAP),
    "reactome members": Case(reactome, "members", MEMBERS, {**PATHWAYS, **RELATIONS}, MAP),
    "reactome gene sets": Case(reactome, "gene_sets", GMT, {**PATHWAYS, **RELATIONS}, MAP),
    "string links": Case(string, "links", LINKS, options=MAP),
    "string aliases": Case(
        string, "aliases", "#protein\talias\tsource\n9606.A\tTP53\tEnsembl_HGNC_symbol\n", {"links": LINKS}, MAP
    ),
    "string info": Case(
        string, "info", "#string_protein_id\tpreferred_name\tsize\n9606.A\tTP53\t3\n", {"links": LINKS}, MAP
    ),
    "tf_targets csv": Case(tf_targets, "targets", COLLECTRI, options=MAP),
    "tf_targets tsv": Case(tf_targets, "targets", DOROTHEA, options=MAP),
    "biogrid": Case(biogrid, "interactions", HEADER + "\n".join(ROWS) + "\n", options=MAP),
    "humannet": Case(humannet, "links", "#\t\t\n7157\t672\t2.5\n672\t7157\t3.5\n", options=MAP),
    "kegg": Case(kegg, "pathways", KGML, options=MAP),
    "jaspar": Case(motif_files, "motifs", JASPAR),
    "meme": Case(motif_files, "motifs", MEME),
    "transfac": Case(motif_files, "motifs", TRANSFAC),
    "hgnc": Case(identifiers, "hgnc", HGNC),
    "gene_info": Case(identifiers, "gene_info", GENE_INFO, species="mouse"),
    "uniprot": Case(identifiers, "uniprot", IDMAPPING, species="mouse"),
    "orthology": Case(orthology, "orthologs", "TP53\tTrp53\nMYC\tMyc\n", options=MAP),
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


@every_case
@broken
def test_a_broken_file_is_refused_by_name_and_line(
    tmp_path: Path, case: Case, change: Callable[[bytes], bytes], message: str
) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        case.read(tmp_path, change(case.text.encode()))
    assert str(tmp_path / case.role) in caught.value.message
    assert caught.value.hint


@every_case
@harmless
def test_a_file_in_other_clothes_reads_the_same(tmp_path: Path, case: Case, change: Callable[[bytes], bytes]) -> None:
    plain, dressed = case.read(tmp_path, case.text.encode()), case.read(tmp_path, change(case.text.encode()))
    assert plain.nodes == dressed.nodes
    assert plain.relations == dressed.relations
    assert plain.provenance == dressed.provenance


@every_case
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_file_raises_anything_else(tmp_path: Path, case: Case, data: st.DataObject) -> None:
    with suppress(SourceError):
        _check_fit(case.read(tmp_path, data.draw(mutated(case.text.encode()))))


@every_case
def test_what_was_read_fits_the_graph(tmp_path: Path, case: Case) -> None:
    source = case.read(tmp_path, case.text.encode())
    assert source.rows
    _check_fit(source)
    origin = source.provenance
    assert origin.source == case.source.NAME
    assert all((origin.title, origin.release, origin.date, origin.licence, origin.url))


@pytest.mark.parametrize(
    ("case", "text"),
    [
        ("reactome gene sets", f"all\tR-HSA-1\t{HOSTILE}\tTP53\n"),
        ("reactome members", MEMBERS.replace("P1", HOSTILE)),
        ("string links", LINKS.replace("9606.A", "9606.x'})DETACH//")),
        ("tf_targets csv", COLLECTRI.replace("TERT", HOSTILE)),
        ("kegg", KGML.replace("MAPK &amp; more", HOSTILE)),
        ("jaspar", JASPAR.replace("RUNX1", HOSTILE)),
        ("hgnc", HGNC.replace("NEW1", HOSTILE)),
        ("orthology", f"{HOSTILE}\t{HOSTILE}\n"),
    ],
)
def test_hostile_names_are_stored_as_they_are(tmp_path: Path, case: str, text: str) -> None:
    source = CASES[case].read(tmp_path, text.encode())
    wanted = "9606.x'})DETACH//" if case == "string links" else HOSTILE
    connection = empty_graph()
    for name, table in {**source.nodes, **source.relations}.items():
        if table.num_rows:
            connection.execute(f"COPY {name} FROM $rows", {"rows": table})
            pattern = f"(n:{name})" if name in source.nodes else f"()-[n:{name}]->()"
            count = connection.execute(f"MATCH {pattern} RETURN count(n) AS n").get_as_arrow()["n"][0].as_py()
            assert count == table.num_rows, name
    texts = [
        value
        for label in source.nodes
        for row in connection.execute(f"MATCH (n:{label}) RETURN n.*").get_as_arrow().to_pylist()
        for value in row.values()
        if isinstance(value, str)
    ]
    assert any(wanted in text for text in texts)


def empty_graph() -> ladybug.Connection:
    connection = ladybug.Connection(ladybug.Database(":memory:", max_db_size=2**32))
    connection.execute((resource_dir("graphs") / "schema.ladybug.cypher").read_text(encoding="utf-8"))
    return connection


@cache
def columns_of(label: str, relation: bool) -> list[str]:
    """Columns of a table of the graph, with from and to for relations."""
    names = empty_graph().execute(f"CALL table_info('{label}') RETURN name").get_as_arrow()["name"].to_pylist()
    return ["from", "to", *names] if relation else names


def _check_fit(source: SourceTables) -> None:
    """Check columns, ids, repeats, and that a relation joins nodes that came with it."""
    for name, table in {**source.nodes, **source.relations}.items():
        assert table.column_names == columns_of(name, name in source.relations)
    for label, table in source.nodes.items():
        ids = table["id"].to_pylist()
        assert None not in ids, label
        assert len(set(ids)) == len(ids), label
    for kind, table in source.relations.items():
        rows = [tuple(row.values()) for row in table.to_pylist()]
        assert len(set(rows)) == len(rows), kind
    assert all(count > 0 for count in source.provenance.dropped.values())
