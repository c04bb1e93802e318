"""The genes behind the names that a file uses: looked up where identifiers are known, taken as they are elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from kgreg.sources.base import with_constant
from kgreg.sources.genes import SPECIES
from kgreg.sources.identifiers import IdentifierMap, bundled_identifiers
from kgreg.sources.official import taxon_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FoundGenes:
    """Names of a file and their genes.

    Attributes
    ----------
    of
        Name -> gene id; names that stand for no known gene, or for several, are not in it.
    nodes
        Rows of ``Gene`` of all these genes.
    dropped
        Why names were left out -> how many names.
    """

    of: dict[str, str]
    nodes: pa.Table
    dropped: dict[str, int]


def identifiers_for(species: str, given: IdentifierMap | None) -> IdentifierMap | None:
    """Return the map that was given, else the bundled one for human, else None."""
    if given is not None:
        return given
    return bundled_identifiers() if taxon_of(species) == 9606 else None


def find_genes(
    names: Iterable[str],
    *,
    species: str,
    source: str,
    identifiers: IdentifierMap | None = None,
    kind: str | None = None,
    prefix: str = "Symbol",
    symbols: Mapping[str, str] | None = None,
) -> FoundGenes:
    """Find the genes of names.

    Parameters
    ----------
    names
        What the file calls its genes.
    species
        Whose genes they are; for human the bundled identifiers answer where no others are given.
    source
        Written to the nodes.
    identifiers
        A map of the user's. Without one, genes of other species get the id ``<prefix>:<name>``, or
        the name itself where it has a prefix already (``MGI:95661``).
    kind
        Kind of identifiers of the names (``identifiers.KINDS``); by default any.
    symbols
        Name -> symbol, for genes that no map describes; by default the name itself.

    Raises
    ------
    SourceError
        If the species or the kind is not known.
    """
    known = identifiers_for(species, identifiers)
    if known is None:
        ids = {name: name if ":" in name else f"{prefix}:{name}" for name in names}
        shown = {gene: (symbols or {}).get(name, name) for name, gene in ids.items()}
        return FoundGenes(ids, new_gene_nodes(shown, species, source), {})
    resolved = known.resolve(names, kind)
    dropped = {}
    for reason, several in (
        ("names that stand for no known gene", resolved.unmapped),
        ("names that stand for several genes", list(resolved.ambiguous)),
    ):
        if several:
            dropped[reason] = len(several)
            log.info("%s: %d %s, such as %s", source, len(several), reason, ", ".join(several[:10]))
    return FoundGenes(resolved.mapped, known.nodes_of(resolved.mapped.values(), source), dropped)


def new_gene_nodes(names: Mapping[str, str], species: str, source: str) -> pa.Table:
    """Return rows of ``Gene`` for genes (id -> symbol) of which nothing else is known."""
    ids = sorted(names)
    rows = pa.table(
        {
            "id": pa.array(ids, pa.string()),
            "symbol": pa.array([names[gene] for gene in ids], pa.string()),
            "name": pa.nulls(len(ids), pa.string()),
            "type": pa.nulls(len(ids), pa.string()),
        }
    )
    latin = SPECIES if taxon_of(species) == 9606 else species
    return with_constant(with_constant(rows, "species", latin), "source", source)
