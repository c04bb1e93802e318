"""Curated knowledge as node and relation tables, each with a provenance record."""

from __future__ import annotations

from kgreg.errors import SourceError
from kgreg.sources import genes, go, goa, jaspar, reactome
from kgreg.sources.base import Provenance, Source, SourceTables

#: Name -> source, in the order of loading: a source comes after those its relations refer to.
SOURCES: dict[str, Source] = {
    go.NAME: Source(go.read, go.provenance),
    genes.NAME: Source(genes.read, genes.provenance),
    goa.NAME: Source(goa.read, goa.provenance, requires=(go.NAME, genes.NAME)),
    reactome.NAME: Source(reactome.read, reactome.provenance, requires=(genes.NAME,)),
    jaspar.NAME: Source(jaspar.read, jaspar.provenance, requires=(genes.NAME,)),
}


def find_source(name: str) -> Source:
    """Return one source of the registry.

    Raises
    ------
    SourceError
        If the name is not known; the names are listed.
    """
    try:
        return SOURCES[name]
    except KeyError:
        raise SourceError(f"There is no source '{name}'.", f"The sources are: {', '.join(SOURCES)}.") from None


def read_source(name: str) -> SourceTables:
    """Read one source (see :func:`find_source` for the errors of the name)."""
    return find_source(name).read()


__all__ = ["SOURCES", "Provenance", "Source", "SourceTables", "find_source", "read_source"]
