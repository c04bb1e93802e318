"""Hierarchies of terms and genes as three columns: parent, child, and ``default`` or ``gene``.

The format of DCell, DrugCell and NeST (Ma et al. 2018, Kuenzi et al. 2020; ``ontology.txt``): ``default`` links a term
to a term below it, ``gene`` a term to a gene in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from kgreg.errors import SourceError
from kgreg.sources.base import Provenance, SourceTables, with_constant
from kgreg.sources.files import name_of, read_rows
from kgreg.sources.official import Files, Official, OfficialFile
from kgreg.sources.symbol_genes import SymbolGenes
from kgreg.sources.text_table import text_table

NAME = "hierarchy"

#: Parent, child, and ``default`` (both are terms) or ``gene`` (the child is a gene).
Link = tuple[str, str, str]

#: The evidence that ``ANNOTATED_TO`` gives: the file has none.
EVIDENCE = "unknown"


def read_official(
    files: Files,
    *,
    species: str = "human",
    release: str | None = None,
    name: str = NAME,
    genes_of: Mapping[str, Sequence[str]] | None = None,
) -> SourceTables:
    """Read a hierarchy of three columns.

    Parameters
    ----------
    files
        ``hierarchy``: the file, without a header.
    species
        What the property ``species`` of genes made from the file says.
    release
        The file names none.
    name
        Of the hierarchy: the source, and the namespace of its terms.
    genes_of
        Symbol -> gene ids. Without it every symbol becomes a ``Gene`` with the id ``Symbol:<symbol>``.

    Returns
    -------
    SourceTables
        ``Term`` nodes, ``IS_A`` (child to parent) and ``ANNOTATED_TO`` (evidence ``unknown``). Links given twice, and
        genes that ``genes_of`` lacks, are counted in ``dropped``.

    Raises
    ------
    SourceError
        As :func:`kgreg.sources.files.read_rows`, and, with the line, for a third column of another kind, an empty
        name or a cycle; also for a file that links no term to a gene.
    """
    file = files["hierarchy"]
    genes = SymbolGenes(genes_of, species)
    first_line, twice = read_links(file)
    links = [(child, parent) for parent, child, kind in first_line if kind == "default"]
    members = [(child, parent) for parent, child, kind in first_line if kind == "gene"]
    terms = dict.fromkeys([parent for parent, _, _ in first_line] + [child for child, _ in links])
    annotations = [(gene, term, EVIDENCE) for symbol, term in members for gene in genes.ids(symbol)]
    nodes = {"Term": text_table(["id", "name", "namespace", "definition"], ((t, t, name, None) for t in terms))}
    relations = {
        "IS_A": text_table(["from", "to"], links),
        "ANNOTATED_TO": text_table(["from", "to", "evidence"], annotations),
    }
    dropped = Counter({"links given twice": twice, "gene links of unknown symbols": genes.dropped.total()})
    return SourceTables(
        {label: with_constant(table, "source", name) for label, table in nodes.items()} | genes.nodes(name),
        {kind: with_constant(table, "source", name) for kind, table in relations.items()},
        Provenance(
            source=name,
            title=f"Hierarchy {name}",
            release=release or "unknown",
            date="",
            url="",
            licence="",
            dropped=dict(+dropped),
        ),
    )


def read_links(file: Path | str) -> tuple[dict[Link, int], int]:
    """Return (parent, child, ``default`` or ``gene``) -> line for every link, and how many were given twice.

    Raises
    ------
    SourceError
        See :func:`read_official`.
    """
    first_line: dict[Link, int] = {}
    twice = 0
    for number, (parent, child, kind) in read_rows(file, ["parent", "child", "default|gene"]):
        if kind not in ("default", "gene"):
            raise SourceError(
                f"{name_of(file)}, line {number}: expected 'default' or 'gene' in column 3, found '{kind[:40]}'.",
                "'default' links a term to a term below it, 'gene' a term to a gene in it.",
            )
        if not (parent.strip() and child.strip()):
            raise SourceError(f"{name_of(file)}, line {number}: an empty name.", "Fill in both names.")
        twice += first_line.setdefault((parent, child, kind), number) != number
    if not any(kind == "gene" for _, _, kind in first_line):
        raise SourceError(
            f"{name_of(file)} links no term to a gene.", "Check that this is the right file, and that it is whole."
        )
    refuse_cycles(name_of(file), first_line)
    return first_line, twice


def refuse_cycles(file: str, first_line: Mapping[Link, int]) -> None:
    """Refuse links between terms that form a cycle, naming the line of one of them.

    Raises
    ------
    SourceError
        If there is a cycle.
    """
    parents: dict[str, list[str]] = {}
    for parent, child, kind in first_line:
        if kind == "default":
            parents.setdefault(child, []).append(parent)
    try:
        TopologicalSorter(parents).prepare()
    except CycleError as error:
        cycle = error.args[1]  # each a parent of the next, the first again at the end
        raise SourceError(
            f"{file}, line {first_line[cycle[0], cycle[1], 'default']}: a cycle: {' -> '.join(reversed(cycle))}.",
            "Take out the link that makes a term its own ancestor.",
        ) from None


OFFICIAL = Official(
    files=(OfficialFile("hierarchy", "ontology.txt"),),
    read=read_official,
    options={"name": NAME, "genes_of": None},
)
