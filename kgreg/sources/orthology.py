"""Orthologous genes of two species, and annotations that are transferred between them.

Annotations by orthology carry the evidence code ISO (http://geneontology.org/docs/guide-go-evidence-codes).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass

import pyarrow as pa

from kgreg.errors import SourceError
from kgreg.sources.base import Provenance, SourceTables, with_constant
from kgreg.sources.files import name_of, read_rows
from kgreg.sources.gene_lookup import find_genes
from kgreg.sources.identifiers import IdentifierMap
from kgreg.sources.official import Files, Official, OfficialFile

NAME = "orthology"

#: Evidence codes of experiments. What was inferred once is not inferred again from it.
EXPERIMENTAL = frozenset({"EXP", "IDA", "IPI", "IMP", "IGI", "IEP", "HTP", "HDA", "HMP", "HGI", "HEP"})


@dataclass(frozen=True)
class Transferred:
    """Annotations that genes got from their orthologs.

    Attributes
    ----------
    annotations
        ``from`` (gene), ``to``, ``evidence`` (ISO), ``source`` (``orthology:<species it came from>``).
    one_to_many
        Annotated genes that have several orthologs; each of these gets the annotations.
    dropped
        What was left out -> rows of annotations.
    """

    annotations: pa.Table
    one_to_many: int
    dropped: dict[str, int]


def read_official(
    files: Files,
    *,
    species: str = "human",
    release: str | None = None,
    other: str = "mouse",
    identifiers: IdentifierMap | None = None,
    other_identifiers: IdentifierMap | None = None,
) -> SourceTables:
    """Return ``ORTHOLOG_OF`` from genes of ``species`` to genes of ``other``, and the genes.

    Role: ``orthologs``: two columns separated by a tab, a gene of ``species`` and a gene of ``other``; lines that begin
    with ``#`` are left out. Where no identifiers are known, genes are called ``Symbol:<name>``, unless the name has a
    prefix already.

    Raises
    ------
    SourceError
        If the file is missing or malformed (file and line), or a species is not known.
    """
    if "orthologs" not in files:
        raise SourceError("The file 'orthologs' was not given.", "Give a table of two columns, one a species.")
    rows: dict[tuple[str, str], None] = {}
    for number, (one, two) in read_rows(files["orthologs"], ["gene", "ortholog"], comment="#"):
        if not one or not two:
            raise SourceError(
                f"{name_of(files['orthologs'])}, line {number}: a gene is missing.", "Give both, or remove the line."
            )
        rows[one, two] = None
    ours = find_genes(dict.fromkeys(one for one, _ in rows), species=species, source=NAME, identifiers=identifiers)
    theirs = find_genes(
        dict.fromkeys(two for _, two in rows), species=other, source=NAME, identifiers=other_identifiers
    )
    pairs = sorted({(ours.of[one], theirs.of[two]) for one, two in rows if one in ours.of and two in theirs.of})
    dropped = Counter(ours.dropped)
    dropped.update(theirs.dropped)
    there = set(ours.nodes["id"].to_pylist())
    fresh = theirs.nodes.filter(pa.array([gene not in there for gene in theirs.nodes["id"].to_pylist()], pa.bool_()))
    links = pa.table(
        {
            "from": pa.array([one for one, _ in pairs], pa.string()),
            "to": pa.array([two for _, two in pairs], pa.string()),
        }
    )
    origin = Provenance(
        source=NAME,
        title=f"Orthologs of {species} and {other}",
        release=release or "unknown",
        date="unknown",
        url="http://geneontology.org/docs/guide-go-evidence-codes",
        licence="that of the file",
        dropped=dict(dropped),
    )
    return SourceTables(
        {"Gene": pa.concat_tables([ours.nodes, fresh])},
        {"ORTHOLOG_OF": with_constant(links, "source", NAME)},
        origin,
    )


def transfer_annotations(
    annotations: pa.Table, orthologs: pa.Table, *, species: str, evidence: Collection[str] | None = EXPERIMENTAL
) -> Transferred:
    """Give genes the annotations of their orthologs, each once.

    Parameters
    ----------
    annotations
        ``from`` (gene), ``to``, ``evidence``: those of the species that they come from.
    orthologs
        ``ORTHOLOG_OF``: ``from`` the genes that are to be annotated, ``to`` the annotated ones.
    species
        Where the annotations come from; it is named in ``source``.
    evidence
        Codes that may be transferred; None for all. By default those of experiments, as the Gene Ontology asks.
    """
    targets: dict[str, set[str]] = defaultdict(set)
    for gene, annotated in zip(orthologs["from"].to_pylist(), orthologs["to"].to_pylist(), strict=True):
        targets[annotated].add(gene)
    dropped = Counter[str]()
    rows: dict[tuple[str, str], None] = {}
    several: set[str] = set()
    for gene, term, code in zip(
        *(annotations[column].to_pylist() for column in ("from", "to", "evidence")), strict=True
    ):
        if evidence is not None and code not in evidence:
            dropped["annotations by other evidence"] += 1
        elif gene not in targets:
            dropped["annotations of genes without an ortholog"] += 1
        else:
            if len(targets[gene]) > 1:
                several.add(gene)
            rows |= {(target, term): None for target in targets[gene]}
    ordered = sorted(rows)
    table = pa.table(
        {
            "from": pa.array([gene for gene, _ in ordered], pa.string()),
            "to": pa.array([term for _, term in ordered], pa.string()),
        }
    )
    table = with_constant(with_constant(table, "evidence", "ISO"), "source", f"{NAME}:{species}")
    return Transferred(table, len(several), dict(dropped))


OFFICIAL = Official(
    files=(OfficialFile("orthologs", "orthologs.tsv"),),
    read=read_official,
    options={"other": "mouse", "identifiers": None, "other_identifiers": None},
)
