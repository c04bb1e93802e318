"""STRING: associations of proteins with scores by channel of evidence (Szklarczyk et al. 2023; https://string-db.org).

Scores are those of the files: whole numbers from 0 to 1000, a thousand times the probability.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kgreg.errors import SourceError
from kgreg.sources.base import Provenance, SourceTables, with_constant
from kgreg.sources.files import read_rows
from kgreg.sources.gene_lookup import identifiers_for
from kgreg.sources.identifiers import IdentifierMap
from kgreg.sources.named_columns import read_named_columns
from kgreg.sources.official import Files, Official, OfficialFile, taxon_of
from kgreg.sources.string_links import CHANNELS, Links, read_links

log = logging.getLogger(__name__)

NAME = "string"

_EXAMPLE = 'For example: {"experimental": 400}.'

# STRING files yeast under the species, not under the strain whose genome is the reference.
_TAXA = {559292: 4932}

# Sources of aliases -> kind of identifiers, the most certain first. STRING has changed their names over its releases.
_ALIAS_KINDS = (
    (re.compile(r"ensembl_(hgnc_)?entrez(_?gene)?(_?id)?", re.IGNORECASE), "entrez"),
    (re.compile(r"ensembl_gene", re.IGNORECASE), "ensembl_gene"),
    (re.compile(r"ensembl_hgnc(_approved)?_symbol", re.IGNORECASE), "symbol"),
    (re.compile(r"(blast_|ensembl_)?uniprot(_ac|_id)?|ensembl_hgnc_uniprot_ids?", re.IGNORECASE), "uniprot"),
)


def read_official(
    files: Files,
    *,
    species: str = "human",
    release: str | None = None,
    min_score: int = 700,
    channels: Mapping[str, int] | None = None,
    identifiers: IdentifierMap | None = None,
) -> SourceTables:
    """Return proteins, their names and genes, and ``INTERACTS_WITH`` once for every pair (``from`` < ``to``).

    Roles: ``links`` (``protein.links``, ``.detailed`` or ``.full``), and optionally ``aliases`` and ``info``. Proteins
    are called ``STRING:<taxon>.<protein>``. A channel that the file does not give is null; of the full file the
    properties are the channels by direct evidence. A protein is linked to a gene (``ENCODES``) through its aliases,
    the most certain source first, then its preferred name, then its Ensembl protein id. A pair that is given twice
    with unequal scores keeps the row with the larger one, and is counted.

    Parameters
    ----------
    min_score
        Least combined score, 0 to 1000.
    channels
        Column of the file, such as ``experimental`` -> least score; all of them must be reached.
    identifiers
        Used to find genes; for human, the bundled ones by default.

    Raises
    ------
    SourceError
        If a file is missing or malformed (file and line), has no row of the species, or has no such channel.
    """
    if "links" not in files:
        raise SourceError("The file 'links' of STRING was not given.", "Give protein.links, .detailed or .full.")
    taxon = taxon_of(species)
    if channels is not None and not isinstance(channels, Mapping):
        raise SourceError(f"The channels '{channels}' are not pairs of a channel and its least score.", _EXAMPLE)
    links = read_links(files["links"], _TAXA.get(taxon, taxon), min_score, channels or {})
    dropped = dict(links.dropped)
    names = _read_names(files["info"], links) if "info" in files else {}
    aliases = _read_aliases(files["aliases"], links) if "aliases" in files else {}
    ids = [f"STRING:{protein}" for protein in links.proteins]
    nodes = {"Protein": pa.table({"id": pa.array(ids, pa.string())})}
    relations: dict[str, pa.Table] = {}
    found = _Encoding({}, {})
    known = identifiers_for(species, identifiers)
    if known is not None:
        found = _find_genes(links.proteins, names, aliases, known)
        nodes["Gene"] = known.nodes_of((gene for several in found.genes.values() for gene in several), NAME)
        nodes["Gene"] = nodes["Gene"].drop_columns("source")
    dropped |= found.dropped
    if len(found.genes) < len(ids):
        lost = [protein for protein in links.proteins if protein not in found.genes]
        dropped["proteins without a known gene (they stay)"] = len(lost)
        log.info("%s: %d proteins without a known gene, such as %s", NAME, len(lost), ", ".join(lost[:10]))
    if names:
        nodes["ProteinName"] = pa.table({"id": pa.array(sorted(set(names.values())), pa.string())})
        relations["NAME_OF"] = pa.table(
            {
                "from": pa.array(list(names.values()), pa.string()),
                "to": pa.array([f"STRING:{protein}" for protein in names], pa.string()),
            }
        )
    relations["INTERACTS_WITH"] = _interactions(links, pa.array(ids, pa.string()))
    pairs = [(gene, protein) for protein, several in found.genes.items() for gene in several]
    relations["ENCODES"] = pa.table(
        {
            "from": pa.array([gene for gene, _ in pairs], pa.string()),
            "to": pa.array([f"STRING:{protein}" for _, protein in pairs], pa.string()),
        }
    )
    version = re.search(r"\.v(\d+(?:\.\d+)?)", Path(str(files["links"])).name)
    origin = Provenance(
        source=NAME,
        title=f"STRING, associations of proteins of {species} with a combined score of at least {min_score}",
        release=version[1] if version else release or "unknown",
        date="unknown",
        url="https://string-db.org/cgi/download",
        licence="CC BY 4.0 (STRING)",
        dropped=dropped,
    )
    return SourceTables(
        {label: with_constant(table, "source", NAME) for label, table in nodes.items()},
        {kind: with_constant(table, "source", NAME) for kind, table in relations.items()},
        origin,
    )


@dataclass(frozen=True)
class _Encoding:
    genes: dict[str, tuple[str, ...]]
    dropped: dict[str, int]


def _find_genes(
    proteins: list[str],
    names: Mapping[str, str],
    aliases: Mapping[str, Mapping[str, list[str]]],
    known: IdentifierMap,
) -> _Encoding:
    """Return protein -> its gene; the first kind of alias that names exactly one gene decides."""
    genes: dict[str, tuple[str, ...]] = {}
    unclear = 0
    for protein in proteins:
        kinds: list[tuple[str | None, list[str]]] = list(aliases.get(protein, {}).items())
        if protein in names:
            kinds.append((None, [names[protein]]))
        kinds.append(("ensembl_protein", [protein.partition(".")[2]]))
        several: set[str] = set()
        for kind, values in kinds:
            candidates = {gene for found in known.resolve(values, kind).candidates.values() for gene in found}
            if len(candidates) == 1:
                genes[protein] = (candidates.pop(),)
                break
            several |= candidates
        else:
            unclear += bool(several)
    return _Encoding(genes, {"proteins whose names stand for several genes": unclear} if unclear else {})


def _read_names(location: Path | str, links: Links) -> dict[str, str]:
    kept = set(links.proteins)
    columns: list[str | tuple[str, ...]] = [("string_protein_id", "protein_external_id"), "preferred_name"]
    return {protein: name for _, (protein, name) in read_named_columns(location, columns) if protein in kept and name}


def _read_aliases(location: Path | str, links: Links) -> dict[str, dict[str, list[str]]]:
    """Return protein -> kind -> names, kinds in the order of certainty."""
    kept = set(links.proteins)
    collected: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for number, (protein, alias, sources) in read_rows(location, ["protein", "alias", "source"]):
        if number == 1 and not re.match(r"\d+\.", protein):
            continue  # "#string_protein_id" today, "## string_protein_id ##" once
        if protein in kept:
            for source in sources.split():
                for pattern, kind in _ALIAS_KINDS:
                    if pattern.fullmatch(source):
                        collected[protein][kind].append(alias)
    order = [kind for _, kind in _ALIAS_KINDS]
    return {
        protein: {kind: kinds[kind] for kind in sorted(kinds, key=order.index)} for protein, kinds in collected.items()
    }


def _interactions(links: Links, ids: pa.Array) -> pa.Table:
    def column(values: npt.NDArray[np.int16] | None) -> pa.Array:
        return pa.nulls(len(links.first), pa.int16()) if values is None else pa.array(values, pa.int16())

    return pa.table(
        {
            "from": ids.take(pa.array(links.first)),
            "to": ids.take(pa.array(links.second)),
            "score": column(links.score),
            **{channel: column(links.channels.get(channel)) for channel in CHANNELS},
        }
    )


def _official(role: str, kind: str, required: bool) -> OfficialFile:
    taxa = {"human": 9606, "mouse": 10090, "yeast": 4932}
    address = "https://stringdb-downloads.org/download/{kind}.v{{release}}/{taxon}.{kind}.v{{release}}.txt.gz"
    return OfficialFile(
        role,
        f"{{taxon}}.{kind}.v{{release}}.txt.gz",
        {species: address.format(kind=kind, taxon=taxon) for species, taxon in taxa.items()},
        required,
    )


OFFICIAL = Official(
    files=(
        _official("links", "protein.links.detailed", True),
        _official("aliases", "protein.aliases", False),
        _official("info", "protein.info", False),
    ),
    read=read_official,
    options={"min_score": 700, "channels": None, "identifiers": None},
    release="12.0",
)
