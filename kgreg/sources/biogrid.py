"""BioGRID: interactions of genes and their products from the literature (Oughtred et al. 2021; https://thebiogrid.org).

The format is TAB 3.0 (https://wiki.thebiogrid.org/doku.php/biogrid_tab_version_3.0).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path

import pyarrow as pa

from kgreg.errors import SourceError
from kgreg.sources.base import Provenance, SourceTables, with_constant
from kgreg.sources.files import name_of
from kgreg.sources.gene_lookup import find_genes
from kgreg.sources.identifiers import IdentifierMap
from kgreg.sources.named_columns import read_named_columns
from kgreg.sources.official import Files, Official, OfficialFile, taxon_of

NAME = "biogrid"

_COLUMNS = (
    "Entrez Gene Interactor A",
    "Entrez Gene Interactor B",
    "Official Symbol Interactor A",
    "Official Symbol Interactor B",
    "Experimental System",
    "Experimental System Type",
    "Organism ID Interactor A",
    "Organism ID Interactor B",
    "Score",
)
_KINDS = ("physical", "genetic", "all")
_NONE = "-"


def read_official(
    files: Files,
    *,
    species: str = "human",
    release: str | None = None,
    kind: str = "physical",
    identifiers: IdentifierMap | None = None,
) -> SourceTables:
    """Return ``INTERACTS`` once for every pair of genes (``from`` < ``to``) and experimental system, with its genes.

    Role: ``interactions`` (``BIOGRID-*.tab3.txt``). ``evidence`` is the experimental system; ``score`` the largest that
    the rows give, or null. Interactions with another species and of a gene with itself are dropped and counted.

    Parameters
    ----------
    kind
        ``physical``, ``genetic`` or ``all``.
    identifiers
        Used to find genes; for human, the bundled ones by default. Without any, the file's own names are taken.

    Raises
    ------
    SourceError
        If the file is missing or malformed (file and line), or ``kind`` is another.
    """
    if "interactions" not in files:
        raise SourceError("The file 'interactions' of BioGRID was not given.", "Give a file of the format TAB 3.")
    if kind not in _KINDS:
        raise SourceError(f"BioGRID has no interactions of the kind '{kind}'.", f"Choose one of: {', '.join(_KINDS)}.")
    location = files["interactions"]
    symbols: dict[str, str] = {}
    dropped = Counter[str]()
    rows = _read(location, str(taxon_of(species)), kind, symbols, dropped)
    found = find_genes(
        symbols,
        species=species,
        source=NAME,
        identifiers=identifiers,
        kind="entrez",
        prefix="NCBIGene",
        symbols=symbols,
    )
    best: dict[tuple[str, str, str], float] = {}
    for (one, other, system), score in rows.items():
        if one in found.of and other in found.of:
            low, high = sorted((found.of[one], found.of[other]))
            best[low, high, system] = max(best.get((low, high, system), -math.inf), score)
        else:
            dropped["interactions with a gene that was not found"] += 1
    version = re.search(r"-(\d+\.\d+\.\d+)", Path(name_of(location)).name)
    origin = Provenance(
        source=NAME,
        title=f"BioGRID, {kind} interactions of {species}",
        release=version[1] if version else release or "unknown",
        date="unknown",
        url="https://downloads.thebiogrid.org",
        licence="MIT (BioGRID)",
        dropped={**dropped, **found.dropped},
    )
    keys = sorted(best)
    interactions = pa.table(
        {
            "from": pa.array([low for low, *_ in keys], pa.string()),
            "to": pa.array([high for _, high, _ in keys], pa.string()),
            "score": pa.array([best[key] if math.isfinite(best[key]) else None for key in keys], pa.float64()),
            "evidence": pa.array([system for *_, system in keys], pa.string()),
        }
    )
    return SourceTables({"Gene": found.nodes}, {"INTERACTS": with_constant(interactions, "source", NAME)}, origin)


def _read(
    location: Path | str, taxon: str, wanted: str, symbols: dict[str, str], dropped: Counter[str]
) -> dict[tuple[str, str, str], float]:
    """Return (Entrez, Entrez, experimental system) -> largest score, or minus infinity; fill in ``symbols``."""
    rows: dict[tuple[str, str, str], float] = {}
    for number, values in read_named_columns(location, _COLUMNS):
        one, other, symbol, symbol_of_other, system, kind, taxon_of_one, taxon_of_other, score = values
        if taxon_of_one != taxon or taxon_of_other != taxon:
            dropped["interactions with or within other species"] += 1
        elif wanted not in ("all", kind):
            dropped[f"interactions that are not {wanted}"] += 1
        elif _NONE in (one, other):
            dropped["interactors without an Entrez number"] += 1
        elif one == other:
            dropped["interactions of a gene with itself"] += 1
        else:
            where = f"{name_of(location)}, line {number}"
            for entrez in (one, other):
                if not (entrez.isascii() and entrez.isdigit()):
                    raise SourceError(f"{where}: '{entrez[:50]}' is not an Entrez number.", "Correct the line.")
            symbols[one], symbols[other] = symbol, symbol_of_other
            key = (*((one, other) if one < other else (other, one)), system)
            rows[key] = max(rows.get(key, -math.inf), _score(score, where))
    return rows


def _score(text: str, where: str) -> float:
    if text in (_NONE, ""):
        return -math.inf
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise SourceError(f"{where}: the score '{text[:50]}' is not a number.", "Correct the line.")
    return score


OFFICIAL = Official(
    # Published as zip archives only: unpack one, and give the path.
    files=(OfficialFile("interactions", "BIOGRID-ALL-{release}.tab3.txt"),),
    read=read_official,
    options={"kind": "physical", "identifiers": None},
)
