"""The record beside every fetched file: where its bytes came from, and how to know them again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from kgreg.disk import replace_text
from kgreg.errors import SourceError

_BLOCK = 2**20


@dataclass(frozen=True)
class Fetched:
    """One file that lies in the cache, checked.

    Attributes
    ----------
    path
        Where it lies.
    url
        The address it was asked from, or ``from <folder>`` if it was taken from a folder.
    sha256, bytes
        Of the file as it lies there; ``sha256`` is 64 lower-case hexadecimal digits.
    release
        The release that was asked for, or what the file or the server says of it, or ``unknown``.
    etag, last_modified
        What the server called this version of the file, verbatim; empty where it said nothing.
    fetched
        When, ISO 8601 in UTC.
    role
        What the reader of its source calls the file; empty outside a source.
    """

    path: Path
    url: str
    sha256: str
    bytes: int
    release: str
    etag: str
    last_modified: str
    fetched: str
    role: str = ""


def record_path(path: Path) -> Path:
    """Return where the record of a file lies: ``<file>.json`` beside it."""
    return path.with_name(path.name + ".json")


def write_record(fetched: Fetched) -> None:
    """Write the record of a file, whole or not at all."""
    kept = {name: value for name, value in asdict(fetched).items() if name not in ("path", "role")}
    write_json(record_path(fetched.path), kept)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a small JSON file so that a crash leaves the old one or the new one."""
    replace_text(path, json.dumps(content, indent=2) + "\n")


def read_record(path: Path) -> Fetched | None:
    """Return the record of a file, or None if it has none that can be read."""
    try:
        content = json.loads(record_path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    kinds = {field.name: field.type for field in fields(Fetched) if field.name not in ("path", "role")}
    if not isinstance(content, dict) or content.keys() != kinds.keys():
        return None
    if any(type(value).__name__ != kinds[name] for name, value in content.items()):
        return None
    return Fetched(path=path, **content)


def read_checked(path: Path) -> Fetched | None:
    """Return the record of a file whose bytes are those it was fetched with; None if file or record is missing.

    Raises
    ------
    SourceError
        If the bytes are others; both SHA-256 are named.
    """
    fetched = read_record(path)
    if fetched is None or not path.is_file():
        return None
    try:
        found = sha256_of(path)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from error
    if found != fetched.sha256:
        raise SourceError(
            f"{path} was altered since it was fetched: its SHA-256 was {fetched.sha256}, now it is {found}.",
            f"Fetch it again with --force, or remove it and its record {record_path(path).name}.",
        )
    return fetched


def sha256_of(path: Path, report: Callable[[int], None] | None = None) -> str:
    """Return the SHA-256 of a file; ``report`` is called with how many bytes are done."""
    digest = hashlib.sha256()
    done = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            done += len(block)
            if report:
                report(done)
    return digest.hexdigest()
