"""Which files a source, species and release come to, and where the cache keeps them."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs

import kgreg.sources
from kgreg.errors import SourceError
from kgreg.sources.official import TAXA, Official, OfficialFile, taxon_of

#: The release that means whatever is the newest when it is fetched.
CURRENT = "current"

# What may name a source or a release: it becomes a folder, and part of an address.
_PLAIN = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,99}")


@dataclass(frozen=True)
class WantedFile:
    """One file to fetch.

    Attributes
    ----------
    role, required
        As in :class:`kgreg.sources.official.OfficialFile`.
    url
        Its address; empty where the source gives none for the species.
    target
        Where the cache keeps it.
    release
        The release that its address or name says; None where they say none.
    """

    role: str
    required: bool
    url: str
    target: Path
    release: str | None

    def variants(self, folder: Path) -> tuple[Path, Path]:
        """Return the paths in ``folder`` under its official name, and with ``.gz`` added or taken away."""
        name = self.target.name
        return folder / name, folder / (name[:-3] if name.endswith(".gz") else name + ".gz")


def default_cache_path() -> Path:
    """Return where fetched files lie unless told: ``$KGREG_CACHE``, else in the user's cache folder."""
    chosen = os.environ.get("KGREG_CACHE")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("kgreg"))


def fetchable_sources() -> dict[str, Official]:
    """Return the sources that have official files, by the names of their modules in ``kgreg.sources``."""
    found = {}
    for module in pkgutil.iter_modules(kgreg.sources.__path__):
        official = getattr(importlib.import_module(f"kgreg.sources.{module.name}"), "OFFICIAL", None)
        if isinstance(official, Official):
            found[module.name] = official
    return found


def wanted_files(
    source_or_files: str | Sequence[OfficialFile],
    name: str,
    species: str,
    release: str | None,
    cache: Path | None,
    roles: Collection[str] | None,
) -> list[WantedFile]:
    """Return the files of a source for a species and release; the parameters are those of ``fetch``.

    Raises
    ------
    SourceError
        If source, species, release or a role are not known.
    """
    if isinstance(source_or_files, str):
        sources = fetchable_sources()
        if source_or_files not in sources:
            raise SourceError(
                f"There is no source '{source_or_files}' with official files.", f"There are: {', '.join(sources)}."
            )
        name, files, usual = source_or_files, sources[source_or_files].files, sources[source_or_files].release
    else:
        files, usual = tuple(source_or_files), CURRENT
    chosen = usual if release is None else release
    for what, text in (("source", name), ("release", chosen), ("species", species)):
        if not _PLAIN.fullmatch(text):
            raise SourceError(f"'{text}' cannot name a {what}.", "Use up to 100 letters, digits, '.', '_' and '-'.")
    unknown = set(roles or ()) - {file.role for file in files}
    if unknown:
        raise SourceError(
            f"'{name}' has no file in the role {', '.join(sorted(unknown))}.",
            f"The roles are: {', '.join(file.role for file in files)}.",
        )
    if roles is not None:
        files = tuple(file for file in files if file.role in roles)
    taxon = str(taxon_of(species))
    species = next((known for known, number in TAXA.items() if str(number) == taxon), taxon)
    named = usual if usual != CURRENT else None
    place = (cache or default_cache_path()).expanduser().absolute() / name
    return [_wanted(file, place, species, taxon, chosen, named) for file in files]


def _wanted(file: OfficialFile, folder: Path, species: str, taxon: str, release: str, named: str | None) -> WantedFile:
    """Fill in one file; ``named`` is the release that the addresses without a place for it lead to, if known."""
    pattern = file.url.get(species, file.url.get("*", ""))
    texts = file.name + pattern
    # A file of all species is kept once.
    shared = "*" in file.url and species not in file.url and "{taxon}" not in texts
    return WantedFile(
        role=file.role,
        required=file.required,
        url=_filled(pattern, taxon, release),
        target=folder / ("all" if shared else species) / release / _filled(file.name, taxon, release),
        release=release if release == named or ("{release}" in texts and release != CURRENT) else None,
    )


def _filled(pattern: str, taxon: str, release: str) -> str:
    # Not str.format: an address may hold other braces.
    return pattern.replace("{taxon}", taxon).replace("{release}", release)
