"""The Gene Ontology: terms and their relations (Ashburner et al. 2000; http://geneontology.org/docs/ontology-relations).

In the bundled snapshot, the term ``all`` of namespace ``universal``, which Bioconductor puts above the three roots, is
a term like the others; official files do not have it.
"""

from __future__ import annotations

import logging
import re
from collections import Counter

import pyarrow.compute as pc

from kgreg.sources.base import Provenance, SourceTables, with_constant
from kgreg.sources.obo import Ontology, read_obo
from kgreg.sources.official import Files, Official, OfficialFile
from kgreg.sources.snapshot import manifest_provenance, read_table
from kgreg.sources.text_table import text_table

log = logging.getLogger(__name__)

NAME = "go"

#: Name of a relation in the ontology -> its type in the graph.
RELATIONS = {
    "is_a": "IS_A",
    "part_of": "PART_OF",
    "regulates": "REGULATES",
    "positively_regulates": "POSITIVELY_REGULATES",
    "negatively_regulates": "NEGATIVELY_REGULATES",
}


def provenance() -> Provenance:
    """Return where the bundled ontology came from."""
    return manifest_provenance(NAME)


def read() -> SourceTables:
    """Return ``Term`` nodes and the five relations between them, child to parent."""
    terms = read_table(NAME, "terms").select(["id", "name", "namespace", "definition"])
    links = read_table(NAME, "relations")
    relations = {}
    for name, kind in RELATIONS.items():
        rows = links.filter(pc.field("relation") == name).select(["child", "parent"])
        relations[kind] = with_constant(rows.rename_columns(["from", "to"]), "source", NAME)
    return SourceTables({"Term": with_constant(terms, "source", NAME)}, relations, provenance())


def read_official(files: Files, *, species: str = "human", release: str | None = None) -> SourceTables:
    """Read the ontology from an OBO file (``go-basic.obo``, a GO slim, or another ontology of the same relations).

    Parameters
    ----------
    files
        ``ontology``: the OBO file, plain or gzip.
    species
        Without effect: the ontology is the same for all.
    release
        Used if the file has no ``data-version``.

    Returns
    -------
    SourceTables
        ``Term`` nodes and the five relations between them; ``RetiredTerm`` nodes (``status`` is ``alternative`` or
        ``obsolete``) with ``REPLACED_BY`` to the terms that stand in for them; ``Subset`` nodes with ``IN_SUBSET``.
        Relations of other kinds, and what :func:`kgreg.sources.obo.read_obo` finds odd, are counted in ``dropped``.

    Raises
    ------
    SourceError
        As :func:`kgreg.sources.obo.read_obo`.
    """
    ontology = read_obo(files["ontology"])
    dropped = Counter(finding.kind for finding in ontology.findings)
    dropped.update(f"relations of kind {kind}" for _, _, kind in ontology.relations if kind not in RELATIONS)
    for finding in ontology.findings:
        log.debug("%s, line %d: %s: %s", files["ontology"], finding.line, finding.kind, finding.text)
    live = [term for term in ontology.terms.values() if not term.obsolete]
    retired, replacements = _retired(ontology, dropped)
    nodes = {
        "Term": text_table(
            ["id", "name", "namespace", "definition"], [(t.id, t.name, t.namespace, t.definition) for t in live]
        ),
        "RetiredTerm": text_table(["id", "name", "namespace", "status"], retired),
        "Subset": text_table(
            ["id", "name"],
            ((name, ontology.subsets.get(name, name)) for name in sorted({s for t in live for s in t.subsets})),
        ),
    }
    relations = {
        kind: text_table(["from", "to"], ((child, parent) for child, parent, r in ontology.relations if r == name))
        for name, kind in RELATIONS.items()
    }
    relations["REPLACED_BY"] = text_table(["from", "to"], replacements)
    relations["IN_SUBSET"] = text_table(["from", "to"], ((t.id, name) for t in live for name in t.subsets))
    return SourceTables(
        {label: with_constant(table, "source", NAME) for label, table in nodes.items()},
        {kind: with_constant(table, "source", NAME) for kind, table in relations.items()},
        Provenance(
            source=NAME,
            title="Gene Ontology",
            release=ontology.data_version or release or "unknown",
            date="".join(re.findall(r"\d{4}-\d\d-\d\d", ontology.data_version)[:1]),
            url="https://geneontology.org/docs/download-ontology",
            licence="CC BY 4.0",
            dropped=dict(dropped),
        ),
    )


def _retired(
    ontology: Ontology, dropped: Counter[str]
) -> tuple[list[tuple[str, str, str, str]], list[tuple[str, str]]]:
    """Return the rows of ``RetiredTerm`` and ``REPLACED_BY``."""
    terms = ontology.terms
    nodes: dict[str, tuple[str, str, str, str]] = {}
    links: list[tuple[str, str]] = []
    for term in terms.values():
        if term.obsolete:
            nodes[term.id] = (term.id, term.name, term.namespace, "obsolete")
    stands_for: dict[str, str] = {}
    for term in terms.values():
        for other in () if term.obsolete else term.alt_ids:
            if other in terms and not terms[other].obsolete:
                dropped["alternative ids that are terms themselves"] += 1
                continue
            nodes.setdefault(other, (other, term.name, term.namespace, "alternative"))
            links.append((other, term.id))
            stands_for[other] = term.id
    for term in terms.values():
        for other in term.replaced_by if term.obsolete else ():
            target = stands_for.get(other, other)
            if target in terms and not terms[target].obsolete:
                links.append((term.id, target))
            else:
                dropped["replacements that are no terms of the file"] += 1
    return list(nodes.values()), links


OFFICIAL = Official(
    files=(OfficialFile("ontology", "go-basic.obo", {"*": "https://current.geneontology.org/ontology/go-basic.obo"}),),
    read=read_official,
)
