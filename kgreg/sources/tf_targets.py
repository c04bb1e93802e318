"""Transcription factors and the genes they regulate: CollecTRI (Mueller-Dott et al. 2023), DoRothEA (Garcia-Alonso et
al. 2019) and other tables of that form, csv or tsv with a header.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from kgreg.errors import SourceError
from kgreg.sources.base import Provenance, SourceTables, with_constant
from kgreg.sources.files import name_of
from kgreg.sources.gene_lookup import find_genes
from kgreg.sources.identifiers import IdentifierMap
from kgreg.sources.named_columns import read_named_columns
from kgreg.sources.official import Files, Official, OfficialFile

NAME = "tf_targets"

_REQUIRED = (("source_genesymbol", "tf", "source", "regulator"), ("target_genesymbol", "target", "tg", "gene"))
_OPTIONAL = (("mor", "weight", "sign"), ("confidence", "dorothea_level"), "is_stimulation", "is_inhibition")
_WORDS = {
    **dict.fromkeys(("+", "activation", "stimulation", "activating"), 1.0),
    **dict.fromkeys(("-", "inhibition", "repression", "repressing"), -1.0),
    **dict.fromkeys(("unknown", "na"), math.nan),
}
_TRUE = {"1", "true"}


def read_official(
    files: Files,
    *,
    species: str = "human",
    release: str | None = None,
    confidences: str | Sequence[str] | None = None,
    identifiers: IdentifierMap | None = None,
) -> SourceTables:
    """Return ``TARGETS`` from factors to targets, and the ``Gene`` nodes of both.

    Role: ``targets``. Columns by name: ``source``, ``tf`` or ``source_genesymbol``; ``target`` or
    ``target_genesymbol``; and, where the file has them, ``mor`` (mode of regulation), ``weight`` or ``sign``, else
    ``is_stimulation`` with ``is_inhibition``; ``confidence`` or ``dorothea_level``. ``sign`` is 1, -1 or 0 (not known);
    ``weight`` is the number of the file, or null. Of a pair given twice the larger absolute weight stays; a tie goes to
    the first row.

    Parameters
    ----------
    confidences
        Levels to keep, such as ``["A", "B", "C"]`` or ``"A,B,C"``; all by default.
    identifiers
        Used to find genes; for human, the bundled ones by default.

    Raises
    ------
    SourceError
        If the file is missing or malformed (file and line), or ``confidences`` are asked of a file that has none.
    """
    if "targets" not in files:
        raise SourceError("The file 'targets' was not given.", "Give a table of factors and targets.")
    levels = confidences.split(",") if isinstance(confidences, str) else confidences
    rows, dropped = _read(files["targets"], levels)
    found = find_genes(
        dict.fromkeys(name for factor, target, *_ in rows for name in (factor, target)),
        species=species,
        source=NAME,
        identifiers=identifiers,
    )
    best: dict[tuple[str, str], tuple[float, str]] = {}
    for factor, target, weight, confidence in rows:
        if factor not in found.of or target not in found.of:
            dropped["regulations with a gene that was not found"] += 1
            continue
        pair = found.of[factor], found.of[target]
        if pair not in best:
            best[pair] = weight, confidence
            continue
        before = best[pair][0]
        opposed = _sign(before) * _sign(weight) < 0
        dropped["pairs given again with the opposite sign" if opposed else "pairs given again"] += 1
        if _size(weight) > _size(before):
            best[pair] = weight, confidence
    pairs = sorted(best)
    weights = [best[pair][0] for pair in pairs]
    regulations = pa.table(
        {
            "from": pa.array([factor for factor, _ in pairs], pa.string()),
            "to": pa.array([target for _, target in pairs], pa.string()),
            "sign": pa.array([_sign(weight) for weight in weights], pa.int64()),
            "weight": pa.array([None if math.isnan(weight) else weight for weight in weights], pa.float64()),
            "confidence": pa.array([best[pair][1] or None for pair in pairs], pa.string()),
        }
    )
    origin = Provenance(
        source=NAME,
        title=f"Targets of transcription factors of {species}, {Path(name_of(files['targets'])).name}",
        release=release or "unknown",
        date="unknown",
        url="https://github.com/saezlab/CollecTRI https://saezlab.github.io/dorothea",
        licence="CollecTRI CC BY-NC-SA 4.0; of other tables, their own",
        dropped={**dropped, **found.dropped},
    )
    return SourceTables({"Gene": found.nodes}, {"TARGETS": with_constant(regulations, "source", NAME)}, origin)


def _read(
    location: Path | str, confidences: Sequence[str] | None
) -> tuple[list[tuple[str, str, float, str]], Counter[str]]:
    """Return (factor, target, weight or NaN, confidence), and what was left out."""
    rows: list[tuple[str, str, float, str]] = []
    dropped = Counter[str]()
    graded = False
    for number, values in read_named_columns(location, _REQUIRED, _OPTIONAL, separators="\t,"):
        factor, target, weight, confidence, stimulates, inhibits = (value.strip() for value in values)
        where = f"{name_of(location)}, line {number}"
        if not factor or not target:
            raise SourceError(f"{where}: a factor or a target is missing.", "Give both, or remove the line.")
        graded |= bool(confidence)
        if confidences is not None and confidence not in confidences:
            dropped["regulations of other levels of confidence"] += 1
            continue
        signed = float(stimulates.lower() in _TRUE) - float(inhibits.lower() in _TRUE)
        rows.append((factor, target, _weight(weight, where) if weight else signed or math.nan, confidence))
    if confidences is not None and not graded:
        raise SourceError(f"{name_of(location)} has no levels of confidence.", "Leave out the option 'confidences'.")
    return rows, dropped


def _weight(text: str, where: str) -> float:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        weight = float(text)
    except ValueError:
        weight = math.inf
    if not math.isfinite(weight):
        raise SourceError(f"{where}: '{text[:50]}' is neither a weight nor a mode of regulation.", "Correct the line.")
    return weight


def _sign(weight: float) -> int:
    return 0 if math.isnan(weight) else (weight > 0) - (weight < 0)


def _size(weight: float) -> float:
    return -1.0 if math.isnan(weight) else abs(weight)


OFFICIAL = Official(
    files=(
        OfficialFile("targets", "CollecTRI.csv", {"human": "https://zenodo.org/records/8192729/files/CollecTRI.csv"}),
    ),
    read=read_official,
    options={"confidences": None, "identifiers": None},
)
