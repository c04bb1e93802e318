"""The hierarchies of published projects, as they are: nothing is collapsed and nothing pruned."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import networkx as nx
import pandas as pd

from kgreg.blueprint import Blueprint, compile_hierarchy
from kgreg.data.published.tables import first_lines
from kgreg.errors import DataError, some
from kgreg.sources.files import read_lines
from kgreg.sources.hierarchy_tsv import Link, read_links, refuse_cycles


@dataclass(frozen=True)
class Ontology:
    """Links of a file: (parent, child, ``default`` or ``gene``) -> line, and what is to be said of them."""

    file: Path
    links: dict[Link, int]
    notes: list[str] = field(default_factory=list)

    @property
    def genes(self) -> list[str]:
        """Every gene that a term holds, once."""
        return list(dict.fromkeys(child for _, child, kind in self.links if kind == "gene"))


def read_ontology(file: Path) -> Ontology:
    """Read ``parent, child, default|gene`` (DrugCell, NeST).

    Raises
    ------
    SourceError
        If a line has another form, a name is empty, there is a cycle, or no term holds a gene.
    DataError
        If a name is a term in one line and a gene in another.
    """
    links, twice = read_links(file)
    _refuse_double_names(file, links)
    return Ontology(file, links, [f"{file.name}: {twice:,} links are given twice"] * (twice > 0))


def read_topology(file: Path) -> Ontology:
    """Read records of three lines: ``ROOT: term n``, ``GENES: ...``, ``TERMS: ...`` (DCell).

    ``GENES`` are the genes of the term itself, ``TERMS`` the terms below it, and ``n`` counts the genes at or below.

    Raises
    ------
    DataError
        If a record is cut off or has another form, a term has two records or none, or a name is a term and a gene.
    SourceError
        If there is a cycle, or the file cannot be read.
    """
    lines = [(number, text.split()) for number, text in read_lines(file) if text.strip()]
    links: dict[Link, int] = {}
    sizes: dict[str, tuple[int, int]] = {}
    repeated = 0
    for i in range(0, len(lines), 3):
        record = lines[i : i + 3]
        for (number, words), head in zip(record, ("ROOT:", "GENES:", "TERMS:"), strict=False):
            if words[0] != head:
                raise DataError(
                    f"{file}, line {number}: expected '{head}', found '{words[0][:40]}'.",
                    "A record has three lines: ROOT: term count / GENES: ... / TERMS: ...",
                )
        number, words = record[0]
        if len(record) < 3:
            raise DataError(f"{file}, line {number}: the last record is cut off.", "Get the file again.")
        if len(words) != 3 or not words[2].isdecimal():
            raise DataError(f"{file}, line {number}: expected 'ROOT: term count'.", "Correct the line.")
        term = words[1]
        if term in sizes:
            raise DataError(f"{file}, line {number}: '{term}' has a record in line {sizes[term][1]} already.")
        sizes[term] = (int(words[2]), number)
        for (line, names), kind in zip(record[1:], ("gene", "default"), strict=True):
            for name in names[1:]:
                repeated += links.setdefault((term, name, kind), line) != line or names.count(name) > 1
    unknown, listed = first_lines(
        (child, line) for (_, child, kind), line in links.items() if kind == "default" and child not in sizes
    )
    if unknown:
        raise DataError(f"{file}: terms without a record of their own: {listed}.", "The file may be cut off.")
    if not any(kind == "gene" for _, _, kind in links):
        raise DataError(f"{file} links no term to a gene.", "Check that this is the right file, and that it is whole.")
    _refuse_double_names(file, links, set(sizes))
    refuse_cycles(str(file), links)
    notes = [f"{file.name}: {repeated:,} names stand twice in a record"] * (repeated > 0)
    return Ontology(file, links, notes + _wrong_counts(file, links, sizes))


def compile_ontology(
    ontology: Ontology, genes: Sequence[str] | None, genes_named_by: str, modalities: Sequence[str], name: str
) -> tuple[Blueprint, list[str]]:
    """Return the hierarchy as a blueprint over the genes that are measured, and what is to be said of it.

    Parameters
    ----------
    genes, genes_named_by
        The genes of the data, in their order, and the file that names them; None: those of the hierarchy.
    modalities
        Layers of the data.
    name
        Of the project.
    """
    notes = list(ontology.notes)
    held = ontology.genes
    measured = held
    if genes is not None:
        known, used = set(genes), set(held)
        measured = [gene for gene in genes if gene in used]
        foreign, listed = first_lines(
            (child, line) for (_, child, kind), line in ontology.links.items() if kind == "gene" and child not in known
        )
        if foreign:
            notes.append(
                f"{ontology.file.name}: {foreign:,} genes are not in {genes_named_by} and are left out: {listed}"
            )
        idle = [gene for gene in genes if gene not in used]
        if idle:
            notes.append(f"{genes_named_by}: {len(idle):,} genes belong to no term and feed nothing: {some(idle)}")
    features = pd.DataFrame({"feature": measured, "gene": measured}).merge(
        pd.DataFrame({"modality": list(modalities)}), how="cross"
    )
    between = [(child, parent) for parent, child, kind in ontology.links if kind == "default"]
    annotated = [(child, parent) for parent, child, kind in ontology.links if kind == "gene"]
    blueprint = compile_hierarchy(
        pd.DataFrame(between, columns=["child", "parent"], dtype=str).assign(relation="default"),
        pd.DataFrame(annotated, columns=["gene", "term"], dtype=str).assign(evidence="gene"),
        features,
        redundancy=None,
        source=name,
        provenance={"guide": name, "sources": [_source(ontology.file, name)]},
    )
    empty = blueprint.dropped.loc[blueprint.dropped["step"] == "empty", "id"]
    if len(empty):
        notes.append(
            f"{ontology.file.name}: {len(empty):,} terms hold no gene of the data and are left out: {some(empty)}"
        )
    graph = nx.Graph(zip(blueprint.edges["source"], blueprint.edges["target"], strict=True))
    components = nx.number_connected_components(graph)
    if len(blueprint.roots) > 1 or components > 1:
        notes.append(
            f"{ontology.file.name}: {len(blueprint.roots):,} roots, {components:,} components: "
            f"all roots are read ({some(blueprint.roots)})"
        )
    return blueprint, notes


def _refuse_double_names(file: Path, links: dict[Link, int], terms: set[str] | None = None) -> None:
    both = (
        {parent for parent, _, _ in links} | {child for _, child, kind in links if kind == "default"} | (terms or set())
    )
    for (_, child, kind), line in links.items():
        if kind == "gene" and child in both:
            raise DataError(
                f"{file}, line {line}: '{child}' is a gene here and a term elsewhere.", "Give one of them another name."
            )


def _wrong_counts(file: Path, links: dict[Link, int], sizes: dict[str, tuple[int, int]]) -> list[str]:
    """Return a note if terms hold another number of genes than their records say."""
    graph = nx.DiGraph((parent, child) for parent, child, _ in links)
    graph.add_nodes_from(sizes)
    wrong = []
    for term, (said, line) in sizes.items():
        held = sum(name not in sizes for name in nx.descendants(graph, term))
        if held != said:
            wrong.append(f"{term} (line {line}: {said}, found {held})")
    return [f"{file.name}: {len(wrong):,} terms hold another number of genes than is said: {some(wrong)}"] * bool(wrong)


def _source(file: Path, name: str) -> dict[str, str]:
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return {"id": name, "title": file.name, "sha256": digest}
