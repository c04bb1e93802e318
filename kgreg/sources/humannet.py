"""HumanNet: functional links between human genes with log-likelihood scores (Kim et al. 2022)."""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path

import pyarrow as pa

from kgreg.errors import SourceError
from kgreg.sources.base import Provenance, SourceTables, with_constant
from kgreg.sources.files import name_of, read_rows
from kgreg.sources.gene_lookup import find_genes
from kgreg.sources.identifiers import IdentifierMap
from kgreg.sources.official import Files, Official, OfficialFile, taxon_of

NAME = "humannet"


def read_official(
    files: Files,
    *,
    species: str = "human",
    release: str | None = None,
    min_score: float = 0.0,
    identifiers: IdentifierMap | None = None,
) -> SourceTables:
    """Return ``INTERACTS`` once for every pair of genes (``from`` < ``to``), with its genes.

    Role: ``links``: two Entrez numbers and the log-likelihood score (LLS, natural logarithm), separated by tabs; lines
    that begin with ``#`` are left out. ``evidence`` is the name of the network, such as ``FN``, where the name of the
    file gives it, else null. Of a pair given twice the larger score stays.

    Parameters
    ----------
    min_score
        Least score. Below 0, a link is less likely than chance; HumanNet gives none such.
    identifiers
        Used to find genes; the bundled ones by default.

    Raises
    ------
    SourceError
        If the file is missing or malformed (file and line), or the species is not human.
    """
    if taxon_of(species) != 9606:
        raise SourceError(f"HumanNet links human genes only, not those of '{species}'.", "Use STRING instead.")
    if "links" not in files:
        raise SourceError("The file 'links' of HumanNet was not given.", "Give a file such as HumanNet-FN.tsv.")
    location = files["links"]
    if not isinstance(min_score, int | float):
        raise SourceError(f"The least score '{min_score}' is not a number.", "For example: 2.5.")
    best, dropped = _read(location, min_score)
    found = find_genes(
        dict.fromkeys(name for pair in best for name in pair),
        species=species,
        source=NAME,
        identifiers=identifiers,
        kind="entrez",
    )
    links: dict[tuple[str, str], float] = {}
    for (one, other), score in best.items():
        if one in found.of and other in found.of:
            low, high = sorted((found.of[one], found.of[other]))
            links[low, high] = score
        else:
            dropped["links with a gene that was not found"] += 1
    network = re.search(r"HumanNet-(\w+)", Path(name_of(location)).name)
    pairs = sorted(links)
    interactions = pa.table(
        {
            "from": pa.array([low for low, _ in pairs], pa.string()),
            "to": pa.array([high for _, high in pairs], pa.string()),
            "score": pa.array([links[pair] for pair in pairs], pa.float64()),
            "evidence": pa.array([network[1] if network else None] * len(pairs), pa.string()),
        }
    )
    origin = Provenance(
        source=NAME,
        title="HumanNet, functional links of human genes",
        release=release or "unknown",
        date="unknown",
        url="https://www.inetbio.org/humannet",
        licence="CC BY-SA 4.0 (HumanNet)",
        dropped={**dropped, **found.dropped},
    )
    return SourceTables({"Gene": found.nodes}, {"INTERACTS": with_constant(interactions, "source", NAME)}, origin)


def _read(location: Path | str, least: float) -> tuple[dict[tuple[str, str], float], Counter[str]]:
    best: dict[tuple[str, str], float] = {}
    dropped = Counter[str]()
    for number, (one, other, text) in read_rows(location, ["gene 1", "gene 2", "LLS"], comment="#"):
        where = f"{name_of(location)}, line {number}"
        for entrez in (one, other):
            if not (entrez.isascii() and entrez.isdigit()):
                raise SourceError(
                    f"{where}: '{entrez[:50]}' is not an Entrez number.", "Give the file of Entrez genes, not symbols."
                )
        try:
            score = float(text)
        except ValueError:
            score = math.nan
        if not math.isfinite(score):
            raise SourceError(f"{where}: the score '{text[:50]}' is not a number.", "Correct the line.")
        if score < least:
            dropped["links with lower scores than asked for"] += 1
        elif one == other:
            dropped["links of a gene with itself"] += 1
        else:
            pair = (one, other) if one < other else (other, one)
            if best.get(pair, score) != score:
                dropped["pairs given twice with unequal scores"] += 1
            best[pair] = max(best.get(pair, score), score)
    return best, dropped


OFFICIAL = Official(
    files=(OfficialFile("links", "HumanNet-FN.tsv"),),
    read=read_official,
    options={"min_score": 0.0, "identifiers": None},
)
