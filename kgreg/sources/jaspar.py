"""JASPAR: binding motifs of transcription factors (https://jaspar.elixir.no), from the SQLite file in ``pyjaspar``.

``pyjaspar`` itself is not called: it asks its database once a motif, here one join answers for all of them.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from kgreg.errors import SourceError
from kgreg.sources import genes
from kgreg.sources.base import Provenance, SourceTables, with_constant
from kgreg.sources.snapshot import read_table

NAME = "jaspar"
DATABASE = "JASPAR2026.sqlite"

# The newest version of every CORE motif of vertebrates; "newest" counts all collections, as JASPAR does.
_SELECTED = """
WITH newest AS MATERIALIZED (SELECT BASE_ID, max(VERSION) AS VERSION FROM MATRIX GROUP BY BASE_ID),
selected AS MATERIALIZED (
    SELECT m.ID, m.BASE_ID || '.' || m.VERSION AS motif, m.NAME AS name
    FROM MATRIX m JOIN newest USING (BASE_ID, VERSION)
    WHERE m.COLLECTION = 'CORE'
      AND m.ID IN (SELECT ID FROM MATRIX_ANNOTATION WHERE TAG = 'tax_group' AND VAL = 'vertebrates')
)
"""
_MOTIFS = _SELECTED + "SELECT motif, name FROM selected ORDER BY motif"
_COUNTS = (
    _SELECTED + "SELECT s.motif, d.val FROM selected s JOIN MATRIX_DATA d USING (ID) ORDER BY s.motif, d.col, d.row"
)
_TAGS = (
    _SELECTED + "SELECT DISTINCT s.motif, a.TAG, a.VAL FROM selected s JOIN MATRIX_ANNOTATION a USING (ID)"
    " WHERE a.TAG IN ('family', 'class') ORDER BY s.motif, a.TAG, a.VAL"
)
_SPECIES = _SELECTED + (
    "SELECT DISTINCT s.motif, t.SPECIES FROM selected s JOIN MATRIX_SPECIES o USING (ID)"
    " JOIN TAX t ON t.TAX_ID = CAST(o.TAX_ID AS INTEGER) ORDER BY 1, 2"
)
_PROTEINS = _SELECTED + "SELECT DISTINCT p.ACC, s.motif FROM selected s JOIN MATRIX_PROTEIN p USING (ID) ORDER BY 1, 2"


def provenance() -> Provenance:
    """Return where the motifs come from."""
    return Provenance(
        source=NAME,
        title="JASPAR CORE, vertebrates, newest versions",
        release="JASPAR 2026",
        date="2026",
        url="https://jaspar.elixir.no",
        licence="Open access; terms at https://jaspar.elixir.no/faq (JASPAR)",
    )


def read() -> SourceTables:
    """Return ``Motif`` nodes and ``HAS_MOTIF`` from the human proteins known to :mod:`kgreg.sources.genes`.

    ``pfm`` holds counts, position after position, each in the order A, C, G, T: ``4 * width`` numbers. Several
    families or classes of one motif (dimers) are joined with "; ". Links to other accessions, most of them of other
    species, are dropped and counted in the provenance.

    Raises
    ------
    SourceError
        If ``pyjaspar`` or its database is missing, or a matrix is not 4 x width.
    """
    file = _database()
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            motifs, counts, tags, origins, links = (
                connection.execute(sql).fetchall() for sql in (_MOTIFS, _COUNTS, _TAGS, _SPECIES, _PROTEINS)
            )
    except sqlite3.Error as error:
        raise SourceError(f"The JASPAR database {file} cannot be read: {error}.", "Install pyjaspar again.") from error
    known = set(read_table(genes.NAME, "proteins")["uniprot"].to_pylist())
    human = [(protein, motif) for protein, motif in links if protein in known]
    pfm = _grouped(counts)
    for motif, _ in motifs:
        if not pfm[motif] or len(pfm[motif]) % 4:
            raise SourceError(
                f"The matrix of motif {motif} in {file} has {len(pfm[motif])} counts, which are not 4 a position.",
                "Install pyjaspar again.",
            )
    families = _grouped((motif, value) for motif, tag, value in tags if tag == "family")
    classes = _grouped((motif, value) for motif, tag, value in tags if tag == "class")
    species = _grouped(origins)
    ids = [motif for motif, _ in motifs]
    nodes = pa.table(
        {
            "id": pa.array(ids, pa.string()),
            "name": pa.array([name for _, name in motifs], pa.string()),
            "family": pa.array(["; ".join(families[motif]) for motif in ids], pa.string()),
            "class": pa.array(["; ".join(classes[motif]) for motif in ids], pa.string()),
            "species": pa.array(["; ".join(species[motif]) for motif in ids], pa.string()),
            "width": pa.array([len(pfm[motif]) // 4 for motif in ids], pa.int64()),
            "pfm": pa.array([pfm[motif] for motif in ids], pa.list_(pa.float64())),
        }
    )
    relations = pa.table(
        {
            "from": pa.array([protein for protein, _ in human], pa.string()),
            "to": pa.array([motif for _, motif in human], pa.string()),
        }
    )
    origin = replace(
        provenance(),
        tables={DATABASE: hashlib.sha256(file.read_bytes()).hexdigest()},
        dropped={"links to proteins that are not known human proteins": len(links) - len(human)},
    )
    return SourceTables(
        {"Motif": with_constant(nodes, "source", NAME)}, {"HAS_MOTIF": with_constant(relations, "source", NAME)}, origin
    )


def _database() -> Path:
    # find_spec locates the package without running it: importing it loads all of Biopython's motif code.
    found = importlib.util.find_spec("pyjaspar")
    if found is None or found.origin is None:
        raise SourceError("The package pyjaspar, which holds JASPAR, is not installed.", "Run: pip install pyjaspar")
    file = Path(found.origin).parent / "data" / DATABASE
    if not file.is_file():
        raise SourceError(f"pyjaspar does not hold {file}.", "Run: pip install --upgrade 'pyjaspar>=4.0'")
    return file


def _grouped(rows: Iterable[tuple[str, Any]]) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = defaultdict(list)
    for key, value in rows:
        groups[key].append(value)
    return groups
