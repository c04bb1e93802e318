"""Getting the official files of the sources: whole, checked, with a record of where they came from."""

from __future__ import annotations

from kgreg.fetch.download import download
from kgreg.fetch.layout import default_cache_path, fetchable_sources
from kgreg.fetch.official import cached_files, fetch
from kgreg.fetch.patience import Patience
from kgreg.fetch.reading import plain_options, read_official_source
from kgreg.fetch.record import Fetched

__all__ = [
    "Fetched",
    "Patience",
    "cached_files",
    "default_cache_path",
    "download",
    "fetch",
    "fetchable_sources",
    "plain_options",
    "read_official_source",
]
