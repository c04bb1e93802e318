"""The official files of a source: which there are, where they come from, and what a reader is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kgreg.errors import SourceError
from kgreg.sources.base import SourceTables

#: Species -> NCBI taxon.
TAXA = {"human": 9606, "mouse": 10090, "yeast": 559292}

#: Role of a file -> where it lies: a path (plain or gzip) or a URL.
Files = Mapping[str, "Path | str"]


@dataclass(frozen=True)
class OfficialFile:
    """One file that a source is published in.

    Attributes
    ----------
    role
        What the reader calls it, such as ``annotations``.
    name
        Its official name; ``{taxon}`` and ``{release}`` may stand in it.
    url
        Species -> official https address, with the same places to fill in; ``*`` for a file of all species.
    required
        Whether the source can be read without it.
    """

    role: str
    name: str
    url: Mapping[str, str] = field(default_factory=dict)
    required: bool = True


@dataclass(frozen=True)
class Official:
    """How a source is read from its official files.

    Attributes
    ----------
    files
        What it is published in.
    read
        Called as ``read(files, species=..., release=..., **options)``; options are keyword-only with defaults, and
        documented in the reader. ``release`` is used where the files do not name theirs.
    options
        Name -> default of each option.
    release
        The release that is fetched when none is asked for.
    """

    files: tuple[OfficialFile, ...]
    read: Callable[..., SourceTables]
    options: Mapping[str, Any] = field(default_factory=dict)
    release: str = "current"


def taxon_of(species: str) -> int:
    """Return the NCBI taxon of a species, by its name or as a number.

    Raises
    ------
    SourceError
        If the name is not known.
    """
    if species in TAXA:
        return TAXA[species]
    if species.isascii() and species.isdecimal():
        return int(species)
    raise SourceError(f"The species '{species}' is not known.", f"Choose one of: {', '.join(TAXA)}, or an NCBI taxon.")
