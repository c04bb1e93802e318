"""Identifiers of genes: symbols, previous symbols, aliases, Ensembl, Entrez and UniProt, and the genes they stand for.

Genes are named by NCBI Gene, ``NCBIGene:<number>``, in all species. Official files: the complete set of HGNC
(https://www.genenames.org/download), ``gene_info`` of NCBI Gene, and ``idmapping`` of UniProt.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from kgreg.errors import SourceError
from kgreg.sources import genes
from kgreg.sources.base import Provenance, SourceTables, with_constant
from kgreg.sources.files import name_of, read_rows
from kgreg.sources.named_columns import read_named_columns
from kgreg.sources.official import Files, Official, OfficialFile, taxon_of
from kgreg.sources.snapshot import read_table

NAME = "identifiers"

#: Kinds of identifiers; where none is asked for, the first kind that knows an identifier decides what it means.
KINDS = (
    "gene",
    "entrez",
    "ensembl_gene",
    "ensembl_protein",
    "uniprot",
    "symbol",
    "previous_symbol",
    "alias",
)

#: (kind, identifier, gene).
Row = tuple[str, str, str]

_VERSIONED = re.compile(r"(ENS[A-Z]*\d{11})\.\d+")
_GENE_COLUMNS = ("id", "symbol", "name", "type", "species")


@dataclass(frozen=True)
class Resolution:
    """What identifiers stand for.

    Attributes
    ----------
    mapped
        Identifier -> its one gene.
    ambiguous
        Identifier -> the genes it may stand for, sorted.
    unmapped
        Identifiers that are not known, in the order given.
    """

    mapped: dict[str, str] = field(default_factory=dict)
    ambiguous: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unmapped: list[str] = field(default_factory=list)

    @property
    def candidates(self) -> dict[str, tuple[str, ...]]:
        """Every known identifier -> all its genes, as is right for proteins that several genes encode."""
        return {**{name: (gene,) for name, gene in self.mapped.items()}, **self.ambiguous}


class IdentifierMap:
    """Which genes an identifier stands for.

    Parameters
    ----------
    rows
        (kind, identifier, gene); kinds are those of :data:`KINDS`. That a gene stands for itself need not be said.
    genes
        Table ``id, symbol, name, type, species`` of all these genes.

    Raises
    ------
    SourceError
        If a kind is not known, or ``genes`` lacks a gene.
    """

    def __init__(self, rows: Iterable[Row], genes: pa.Table) -> None:
        self.genes = genes
        found: dict[str, dict[str, set[str]]] = {kind: defaultdict(set) for kind in KINDS}
        for gene in genes["id"].to_pylist():
            found["gene"][gene].add(gene)
        for kind, name, gene in rows:
            _check_kind(kind)
            if gene not in found["gene"]:
                raise SourceError(f"'{name}' stands for the gene {gene}, which is not described.", "Describe it.")
            found[kind][name].add(gene)
        self._genes_of = {
            kind: {name: tuple(sorted(several)) for name, several in names.items()} for kind, names in found.items()
        }

    def resolve(self, ids: Iterable[str], kind: str | None = None) -> Resolution:
        """Find the genes of identifiers.

        The version of an Ensembl identifier (``ENSG00000141510.18``) does not matter; case does.

        Parameters
        ----------
        ids
            What to look up; repeats count once.
        kind
            One of :data:`KINDS`; by default the first kind that knows the identifier.

        Raises
        ------
        SourceError
            If ``kind`` is not known.
        """
        if kind is not None:
            _check_kind(kind)
        kinds = KINDS if kind is None else (kind,)
        result = Resolution()
        for name in dict.fromkeys(ids):
            versioned = _VERSIONED.fullmatch(name)
            plain = versioned[1] if versioned else name
            several = next((self._genes_of[k][plain] for k in kinds if plain in self._genes_of[k]), ())
            if len(several) == 1:
                result.mapped[name] = several[0]
            elif several:
                result.ambiguous[name] = several
            else:
                result.unmapped.append(name)
        return result

    def nodes_of(self, ids: Iterable[str], source: str) -> pa.Table:
        """Return the rows of ``Gene`` of those of the given genes that the map knows."""
        wanted = pa.array(sorted(set(ids)), pa.string())
        places = pc.index_in(wanted, value_set=self.genes["id"].combine_chunks()).drop_null()
        return with_constant(self.genes.take(places).select(list(_GENE_COLUMNS)), "source", source)

    def rows(self) -> Iterator[Row]:
        """Yield (kind, identifier, gene), without the genes that stand for themselves."""
        for kind, names in self._genes_of.items():
            if kind != "gene":
                for name, several in names.items():
                    for gene in several:
                        yield kind, name, gene


@cache
def bundled_identifiers() -> IdentifierMap:
    """Return the identifiers of the bundled human genes; previous symbols are among the aliases."""
    table = read_table(genes.NAME, "genes").select(["id", "symbol", "name", "type"])
    rows: list[Row] = [("symbol", row["symbol"], row["id"]) for row in table.select(["id", "symbol"]).to_pylist()]
    rows += [("entrez", gene.removeprefix("NCBIGene:"), gene) for gene in table["id"].to_pylist()]
    for kind, name, column in (
        ("alias", "aliases", "alias"),
        ("uniprot", "proteins", "uniprot"),
        ("ensembl_gene", "ensembl", "ensembl"),
    ):
        part = read_table(genes.NAME, name)
        rows += [
            (kind, value, gene) for value, gene in zip(part[column].to_pylist(), part["gene"].to_pylist(), strict=True)
        ]
    return IdentifierMap(rows, with_constant(table, "species", genes.SPECIES))


def read_identifiers(files: Files, species: str = "human") -> tuple[IdentifierMap, dict[str, int]]:
    """Read official files of identifiers; give the map, and what was left out -> how many rows.

    Roles: ``hgnc`` (human only), ``gene_info``, ``uniprot``; at least one. See :func:`read_official`.

    Raises
    ------
    SourceError
        If no file is given, HGNC is given for another species, or a file is malformed (file and line).
    """
    taxon = taxon_of(species)
    if not files.keys() & {"hgnc", "gene_info", "uniprot"}:
        raise SourceError("No file of identifiers was given.", "Give at least one of: hgnc, gene_info, uniprot.")
    described: dict[str, tuple[str | None, ...]] = {}
    rows: list[Row] = []
    dropped: dict[str, int] = {}
    if "hgnc" in files:
        if taxon != 9606:
            raise SourceError(f"HGNC names human genes only, not those of '{species}'.", "Give gene_info instead.")
        _read_hgnc(files["hgnc"], rows, described, dropped)
    if "gene_info" in files:
        _read_gene_info(files["gene_info"], taxon, rows, described, dropped)
    if "uniprot" in files:
        _read_idmapping(files["uniprot"], species, rows, described, dropped)
    columns = {
        column: pa.array([described[gene][i] for gene in described], pa.string())
        for i, column in enumerate(_GENE_COLUMNS[1:])
    }
    table = pa.table({"id": pa.array(list(described), pa.string()), **columns})
    return IdentifierMap(rows, table), {reason: count for reason, count in dropped.items() if count}


def read_official(files: Files, *, species: str = "human", release: str | None = None) -> SourceTables:
    """Return ``Gene`` and ``Identifier`` nodes with ``IDENTIFIES`` from official files.

    Roles: ``hgnc`` (``hgnc_complete_set.txt``), ``gene_info`` (``gene_info.gz`` or one of its parts; genes of other
    taxa are passed over) and ``uniprot`` (``idmapping.dat``, three columns); at least one of them. Where several
    describe a gene, the first of these does. HGNC entries without an Entrez number and UniProt entries without a
    ``GeneID`` are dropped and counted.

    Raises
    ------
    SourceError
        See :func:`read_identifiers`.
    """
    found, dropped = read_identifiers(files, species)
    rows = sorted(found.rows())
    names = sorted({(kind, name) for kind, name, _ in rows})
    nodes = {
        "Gene": found.genes,
        "Identifier": pa.table(
            {
                "id": pa.array([f"{kind}:{name}" for kind, name in names], pa.string()),
                "value": pa.array([name for _, name in names], pa.string()),
                "kind": pa.array([kind for kind, _ in names], pa.string()),
            }
        ),
    }
    relations = pa.table(
        {
            "from": pa.array([f"{kind}:{name}" for kind, name, _ in rows], pa.string()),
            "to": pa.array([gene for *_, gene in rows], pa.string()),
        }
    )
    origin = Provenance(
        source=NAME,
        title=f"Identifiers of genes, {species}",
        release=release or "unknown",
        date="unknown",
        url="https://www.genenames.org https://www.ncbi.nlm.nih.gov/gene https://www.uniprot.org",
        licence="HGNC CC0 1.0; NCBI Gene public domain; UniProt CC BY 4.0",
        dropped=dropped,
    )
    return SourceTables(
        {label: with_constant(table, "source", NAME) for label, table in nodes.items()},
        {"IDENTIFIES": with_constant(relations, "source", NAME)},
        origin,
    )


def _read_hgnc(
    location: Path | str, rows: list[Row], described: dict[str, tuple[str | None, ...]], dropped: dict[str, int]
) -> None:
    reason = "HGNC entries without an Entrez number"
    columns = ["symbol", "entrez_id"]
    more = ["name", "locus_group", "alias_symbol", "prev_symbol", "ensembl_gene_id", "uniprot_ids"]
    for number, values in read_named_columns(location, columns, more):
        symbol, entrez, name, group, aliases, previous, ensembl, uniprot = values
        if not entrez:
            dropped[reason] = dropped.get(reason, 0) + 1
            continue
        gene = _gene(entrez, location, number)
        described.setdefault(gene, (symbol, name or None, group or None, genes.SPECIES))
        rows += [("symbol", symbol, gene), ("entrez", entrez, gene)]
        for kind, several in (
            ("alias", aliases),
            ("previous_symbol", previous),
            ("ensembl_gene", ensembl),
            ("uniprot", uniprot),
        ):
            rows += [(kind, one.strip(), gene) for one in several.split("|") if one.strip()]


def _read_gene_info(
    location: Path | str,
    taxon: int,
    rows: list[Row],
    described: dict[str, tuple[str | None, ...]],
    dropped: dict[str, int],
) -> None:
    reason = "genes of other taxa in gene_info"
    columns = ["tax_id", "GeneID", "Symbol"]
    more = ["description", "type_of_gene", "Synonyms", "dbXrefs"]
    for number, (tax, entrez, symbol, name, kind, synonyms, references) in read_named_columns(location, columns, more):
        if tax != str(taxon):
            dropped[reason] = dropped.get(reason, 0) + 1
            continue
        gene = _gene(entrez, location, number)
        species = genes.SPECIES if taxon == 9606 else str(taxon)
        described.setdefault(gene, (symbol, name if name != "-" else None, kind or None, species))
        rows += [("symbol", symbol, gene), ("entrez", entrez, gene)]
        rows += [("alias", one, gene) for one in synonyms.split("|") if one not in ("", "-")]
        rows += [
            ("ensembl_gene", one.removeprefix("Ensembl:"), gene)
            for one in references.split("|")
            if one.startswith("Ensembl:")
        ]


def _read_idmapping(
    location: Path | str,
    species: str,
    rows: list[Row],
    described: dict[str, tuple[str | None, ...]],
    dropped: dict[str, int],
) -> None:
    kinds = {
        "Ensembl": "ensembl_gene",
        "Ensembl_PRO": "ensembl_protein",
        "Gene_Name": "symbol",
        "Gene_Synonym": "alias",
    }
    entries: dict[str, list[tuple[str, str]]] = defaultdict(list)
    of_accession: dict[str, list[str]] = defaultdict(list)
    for number, (accession, kind, value) in read_rows(location, 3):
        entries[accession]
        if kind == "GeneID":
            of_accession[accession].append(_gene(value, location, number))
        elif kind in kinds:
            plain = _VERSIONED.fullmatch(value)
            entries[accession].append((kinds[kind], plain[1] if plain else value))
    for accession, values in entries.items():
        for gene in of_accession.get(accession, ()):
            symbol = next((value for kind, value in values if kind == "symbol"), gene)
            described.setdefault(gene, (symbol, None, None, genes.SPECIES if taxon_of(species) == 9606 else species))
            rows += [("uniprot", accession, gene), ("entrez", gene.removeprefix("NCBIGene:"), gene)]
            # A protein that several genes encode does not say which of its symbols and Ensembl genes is whose.
            if len(of_accession[accession]) == 1:
                rows += [(kind, value, gene) for kind, value in values]
            else:
                rows += [(kind, value, gene) for kind, value in values if kind == "ensembl_protein"]
    missing = len(entries) - len(of_accession)
    if missing:
        dropped["UniProt entries without a GeneID"] = missing


def _gene(entrez: str, location: Path | str, number: int) -> str:
    if not (entrez.isascii() and entrez.isdigit()):
        raise SourceError(
            f"{name_of(location)}, line {number}: '{entrez[:50]}' is not an Entrez number.", "Correct the line."
        )
    return f"NCBIGene:{entrez}"


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise SourceError(f"There is no kind of identifiers '{kind}'.", f"The kinds are: {', '.join(KINDS)}.")


OFFICIAL = Official(
    files=(
        OfficialFile(
            "hgnc",
            "hgnc_complete_set.txt",
            {"human": "https://storage.googleapis.com/public-download-files/hgnc/tsv/tsv/hgnc_complete_set.txt"},
            required=False,
        ),
        OfficialFile(
            "gene_info",
            "gene_info.gz",
            {
                "human": "https://ftp.ncbi.nlm.nih.gov/gene/DATA/GENE_INFO/Mammalia/Homo_sapiens.gene_info.gz",
                "mouse": "https://ftp.ncbi.nlm.nih.gov/gene/DATA/GENE_INFO/Mammalia/Mus_musculus.gene_info.gz",
                "yeast": "https://ftp.ncbi.nlm.nih.gov/gene/DATA/GENE_INFO/Fungi/Saccharomyces_cerevisiae.gene_info.gz",
            },
            required=False,
        ),
        OfficialFile(
            "uniprot",
            "idmapping.dat.gz",
            {
                "human": "https://ftp.uniprot.org/pub/databases/uniprot/current_release/knowledgebase/idmapping/"
                "by_organism/HUMAN_9606_idmapping.dat.gz",
                "mouse": "https://ftp.uniprot.org/pub/databases/uniprot/current_release/knowledgebase/idmapping/"
                "by_organism/MOUSE_10090_idmapping.dat.gz",
                "yeast": "https://ftp.uniprot.org/pub/databases/uniprot/current_release/knowledgebase/idmapping/"
                "by_organism/YEAST_559292_idmapping.dat.gz",
            },
            required=False,
        ),
    ),
    read=read_official,
)
