"""From official files to tables of the graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kgreg.errors import SourceError
from kgreg.fetch.layout import fetchable_sources
from kgreg.fetch.official import cached_files, fetch
from kgreg.progress import Progress, no_progress
from kgreg.sources import SourceTables
from kgreg.sources.official import Files, Official

# Options that hold objects of Python and cannot be written on a command line.
_OBJECTS = ("identifiers", "other_identifiers", "genes_of", "channels")


def read_official_source(
    name: str,
    *,
    files: Files | None = None,
    species: str = "human",
    release: str | None = None,
    from_dir: Path | None = None,
    cache: Path | None = None,
    options: Mapping[str, Any] | None = None,
    progress: Progress = no_progress,
) -> SourceTables:
    """Read a source from its official files.

    Parameters
    ----------
    name
        A module of ``kgreg.sources`` with official files, such as ``go`` or ``string``.
    files
        Role -> path or address. Default: those in ``from_dir``, else those that :func:`kgreg.fetch.fetch` brought.
    species, release
        As for :func:`kgreg.fetch.fetch`.
    options
        Of the reader, such as ``min_score`` of STRING.

    Raises
    ------
    SourceError
        If the source, a role or an option is unknown, a file is missing, or its content is not sound.
    """
    official = _official(name)
    given = dict(options or {})
    unknown = [option for option in given if option not in official.options]
    if unknown:
        raise SourceError(
            f"The source '{name}' has no option {', '.join(unknown)}.",
            f"It takes: {', '.join(official.options) or '-'}.",
        )
    hashes: dict[str, str] = {}
    if files is None:
        progress(f"looking for the files of {name}", 0.0)
        if from_dir is not None:
            found = fetch(name, species=species, release=release, from_dir=from_dir, cache=cache)
        else:
            found = cached_files(name, species=species, release=release, cache=cache)
        files = {one.role: one.path for one in found}
        hashes = {one.role: one.sha256 for one in found}
        release = release or next((one.release for one in found if one.release not in ("", "unknown")), None)
    _check_roles(name, official, files)
    progress(f"reading {name}", 0.1)
    tables = official.read(files, species=species, release=release, **given)
    progress(f"reading {name}", 1.0)
    if hashes:
        return replace(tables, provenance=replace(tables.provenance, tables=hashes))
    return tables


def plain_options(name: str) -> dict[str, Any]:
    """Return the options of a source that can be written on a command line, with their defaults."""
    return {option: value for option, value in _official(name).options.items() if option not in _OBJECTS}


def _official(name: str) -> Official:
    found = fetchable_sources()
    if name not in found:
        raise SourceError(f"The source '{name}' has no official files.", f"Those that have: {', '.join(found)}.")
    return found[name]


def _check_roles(name: str, official: Official, files: Files) -> None:
    roles = {file.role: file.required for file in official.files}
    unknown = [role for role in files if role not in roles]
    if unknown:
        raise SourceError(
            f"The source '{name}' has no file {', '.join(unknown)}.", f"It is published in: {', '.join(roles)}."
        )
    missing = [role for role, required in roles.items() if required and role not in files]
    if missing:
        raise SourceError(f"The source '{name}' also needs: {', '.join(missing)}.", "Give each with --file ROLE=PATH.")
