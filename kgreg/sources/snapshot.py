"""Reading the bundled snapshot, never without checking it against its manifest."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kgreg.errors import SourceError
from kgreg.resources import resource_dir
from kgreg.sources.base import Provenance

_RESTORE = "The bundled data is damaged: install kgreg again, or restore the folder ontologies/ of the checkout."


def read_manifest(name: str) -> dict[str, Any]:
    """Return the manifest of one source of the snapshot.

    Raises
    ------
    SourceError
        If there is no such manifest or it is not JSON.
    """
    file = resource_dir("ontologies") / name / "manifest.json"
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SourceError(f"The snapshot has no manifest for '{name}': {file} is missing.", _RESTORE) from None
    except (OSError, ValueError) as error:
        raise SourceError(f"The manifest {file} cannot be read: {error}.", _RESTORE) from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("tables"), dict):
        raise SourceError(f"The manifest {file} lists no tables.", _RESTORE)
    return manifest


def manifest_provenance(name: str) -> Provenance:
    """Return what the manifest of a source says about its origin."""
    manifest = read_manifest(name)
    try:
        return Provenance(
            source=name,
            title=manifest["title"],
            release=manifest["release"],
            date=manifest["date"],
            url=" ".join(manifest["urls"]),
            licence=manifest["licence"],
            tables={table: entry["sha256"] for table, entry in manifest["tables"].items()},
        )
    except KeyError as error:
        raise SourceError(f"The manifest of '{name}' lacks the entry {error}.", _RESTORE) from None


def read_table(name: str, table: str) -> pa.Table:
    """Read one table of the snapshot after checking the SHA-256 of its file, its columns and its row count.

    Raises
    ------
    SourceError
        If the manifest has no such table, the file is missing, or a check fails; the message names the file, the
        check, and what was expected and found.
    """
    manifest = read_manifest(name)
    entry = manifest["tables"].get(table)
    if entry is None:
        known = ", ".join(manifest["tables"])
        raise SourceError(f"The manifest of '{name}' has no table '{table}'.", f"It has: {known}.")
    file = resource_dir("ontologies") / name / entry["file"]
    try:
        content = file.read_bytes()
    except OSError as error:
        raise SourceError(
            f"The table {name}/{table} cannot be read from {file}: {error.strerror}.", _RESTORE
        ) from error
    _expect(f"SHA-256 of {file} (table {name}/{table})", entry["sha256"], hashlib.sha256(content).hexdigest())
    try:
        # The bytes that were checked are the bytes that are read.
        result = pq.read_table(pa.BufferReader(content))
    except pa.ArrowException as error:
        raise SourceError(f"The table {name}/{table} in {file} is not Parquet: {error}.", _RESTORE) from error
    _expect(f"columns of {file} (table {name}/{table})", entry["columns"], result.column_names)
    _expect(f"row count of {file} (table {name}/{table})", entry["rows"], result.num_rows)
    return result


def _expect(what: str, expected: object, found: object) -> None:
    if expected != found:
        raise SourceError(f"The {what} is wrong: the manifest says {expected}, found {found}.", _RESTORE)
