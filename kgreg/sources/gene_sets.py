"""Gene sets in GMT (https://docs.gsea-msigdb.org/#GSEA/Data_Formats): name, description, then the genes, by tabs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from kgreg.errors import SourceError
from kgreg.sources.base import Provenance, SourceTables, with_constant
from kgreg.sources.files import name_of, read_lines
from kgreg.sources.official import Files, Official, OfficialFile
from kgreg.sources.symbol_genes import SymbolGenes
from kgreg.sources.text_table import text_table

NAME = "gene_sets"


class GeneSet(NamedTuple):
    """One line of a GMT file; ``symbols`` in its order, empty fields left out."""

    line: int
    name: str
    description: str
    symbols: list[str]


def read_gmt(location: Path | str) -> Iterator[GeneSet]:
    """Yield the sets of a GMT file.

    Raises
    ------
    SourceError
        As :func:`kgreg.sources.files.read_lines`, and, with the line, for a line without a description, a set without
        a name, or a name given twice.
    """
    before: dict[str, int] = {}
    for number, line in read_lines(location):
        if not line:
            continue
        name, *rest = line.split("\t")
        if not rest:
            raise SourceError(
                f"{name_of(location)}, line {number}: expected a name, a description and genes, found 1 column.",
                "Check that this is a GMT file, separated by tabs.",
            )
        if not name.strip():
            raise SourceError(f"{name_of(location)}, line {number}: a set without a name.", "Name it.")
        if before.setdefault(name, number) != number:
            raise SourceError(
                f"{name_of(location)}, line {number}: the set '{name}' was given before, at line {before[name]}.",
                "Keep one of them, or name them apart.",
            )
        yield GeneSet(number, name, rest[0], [symbol for field in rest[1:] if (symbol := field.strip())])


def read_official(
    files: Files,
    *,
    species: str = "human",
    release: str | None = None,
    name: str = NAME,
    genes_of: Mapping[str, Sequence[str]] | None = None,
) -> SourceTables:
    """Read gene sets from a GMT file.

    Parameters
    ----------
    files
        ``gene_sets``: the GMT file.
    species
        What the property ``species`` of genes made from the file says.
    release
        The file names none.
    name
        Of the collection: the source, and what the ids of its sets begin with (``<name>:<set>``).
    genes_of
        Symbol -> gene ids. Without it every symbol becomes a ``Gene`` with the id ``Symbol:<symbol>``.

    Returns
    -------
    SourceTables
        ``GeneSet`` nodes and ``MEMBER_OF`` from genes to sets. Sets without genes, genes given twice in a set, and
        genes that ``genes_of`` lacks are counted in ``dropped``.

    Raises
    ------
    SourceError
        As :func:`read_gmt`, and if there are no sets with genes.
    """
    genes = SymbolGenes(genes_of, species)
    dropped: Counter[str] = Counter()
    sets: list[tuple[str, str]] = []
    members: list[tuple[str, str]] = []
    for one in read_gmt(files["gene_sets"]):
        if not one.symbols:
            dropped["sets without genes"] += 1
            continue
        identifier = f"{name}:{one.name}"
        symbols = dict.fromkeys(one.symbols)
        dropped["genes given twice in a set"] += len(one.symbols) - len(symbols)
        sets.append((identifier, one.name))
        members += ((gene, identifier) for symbol in symbols for gene in genes.ids(symbol))
    if not sets:
        raise SourceError(f"{name_of(files['gene_sets'])} holds no set with genes.", "Check that this is a GMT file.")
    dropped["members of unknown symbols"] = genes.dropped.total()
    nodes = {"GeneSet": with_constant(text_table(["id", "name"], sets), "source", name)}
    return SourceTables(
        nodes | genes.nodes(name),
        {"MEMBER_OF": with_constant(text_table(["from", "to"], members), "source", name)},
        Provenance(
            source=name,
            title=f"Gene sets {name}",
            release=release or "unknown",
            date="",
            url="",
            licence="",
            dropped=dict(+dropped),
        ),
    )


OFFICIAL = Official(
    files=(OfficialFile("gene_sets", "gene_sets.gmt"),),
    read=read_official,
    options={"name": NAME, "genes_of": None},
)
