"""Genes of files that name them by symbol only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pyarrow as pa

from kgreg.sources.base import with_constant
from kgreg.sources.text_table import text_table

PREFIX = "Symbol:"


class SymbolGenes:
    """Gives the gene ids of symbols, and remembers which genes have no node yet.

    Parameters
    ----------
    genes_of
        Symbol -> ids of genes that other sources bring. Without it, every symbol is a gene of its own, with the id
        ``Symbol:<symbol>``.
    species
        What the property ``species`` of a new gene says.

    Attributes
    ----------
    dropped
        Symbols that ``genes_of`` lacks -> how many uses of them were left out.
    """

    def __init__(self, genes_of: Mapping[str, Sequence[str]] | None, species: str) -> None:
        self.dropped: Counter[str] = Counter()
        self._genes_of = genes_of
        self._species = species
        self._own: dict[str, None] = {}

    def ids(self, symbol: str) -> Sequence[str]:
        """Return the genes of a symbol; none if it is not known."""
        if self._genes_of is None:
            self._own[symbol] = None
            return (PREFIX + symbol,)
        found = self._genes_of.get(symbol, ())
        if not found:
            self.dropped[symbol] += 1
        return found

    def nodes(self, source: str) -> dict[str, pa.Table]:
        """Return the table of ``Gene`` nodes that the source brings itself, by its label; empty if there are none."""
        if self._genes_of is not None:
            return {}
        rows = ((PREFIX + symbol, symbol, None, None, self._species) for symbol in self._own)
        return {"Gene": with_constant(text_table(["id", "symbol", "name", "type", "species"], rows), "source", source)}
