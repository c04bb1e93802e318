"""One address -> one checked file with a record, over connections that break."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

from kgreg.errors import SourceError
from kgreg.fetch.keeping import keep, place_for
from kgreg.fetch.partial import PartialFile
from kgreg.fetch.patience import Patience
from kgreg.fetch.record import Fetched, read_checked
from kgreg.fetch.transfer import Transfer
from kgreg.fetch.web import check_address, shown
from kgreg.progress import Progress, no_progress

log = logging.getLogger(__name__)

#: No file is fetched that is larger than this, in bytes, unless told otherwise.
MAX_BYTES = 20 * 2**30

# What is left of the progress bar for checking the file.
_ARRIVED = 0.95


def download(
    url: str,
    target: Path,
    *,
    release: str | None = None,
    expected_sha256: str | None = None,
    expected_size: int | None = None,
    max_bytes: int = MAX_BYTES,
    allow_http: bool = False,
    progress: Progress = no_progress,
    force: bool = False,
    patience: Patience | None = None,
) -> Fetched:
    """Fetch ``url`` into the file ``target``, unless it is there already, and return its record.

    The bytes arrive in ``<target>.part``. If the connection breaks, or the process is stopped, the next attempt asks
    for the rest, provided that the server still has the same version; otherwise it starts over. The file takes its
    place once it is whole and checked, so whatever lay there before stays until then. Of several processes, one
    fetches and the others wait and take what it fetched.

    Parameters
    ----------
    release
        For the record; None takes what the file's first lines say, else the day of Last-Modified.
    expected_sha256, expected_size
        Refuse another file.
    max_bytes
        Refuse a larger file.
    allow_http
        Accept addresses that are not https, also on redirection.
    force
        Fetch again what is there already, even if it was altered.
    patience
        How long to wait and how often to try.

    Raises
    ------
    SourceError
        If the address is refused, the file cannot be had, it is not what it should be (see
        :func:`kgreg.fetch.keeping.keep`), or ``target`` was altered since it was fetched.
    OutputError
        If ``target`` cannot be written.
    """
    check_address(url, allow_http=allow_http)
    target = target.expanduser().absolute()
    name = target.name

    def present() -> Fetched | None:
        kept = None if force else read_checked(target)
        if kept is None or (kept.url != url and not kept.url.startswith("from ")):
            return None
        if expected_sha256 is not None and kept.sha256 != expected_sha256.lower():
            return None
        progress(f"{name} is there already", 1.0)
        return kept

    # Without the lock first, so that a cache that others keep can be read only; a file that seems altered may just be
    # on its way in, and is looked at again.
    with suppress(SourceError):
        if kept := present():
            return kept
    with place_for(target, lambda: progress(f"waiting for another process that fetches {name}", 0.0)):
        if kept := present():
            return kept
        part = PartialFile(target)
        part.take_up(url)

        def arriving(text: str, share: float) -> None:
            progress(text, _ARRIVED * share)

        def checking(done: int) -> None:
            progress(f"checking {name}", _ARRIVED + (1 - _ARRIVED) * done / max(part.size, 1))

        Transfer(url, part, name, max_bytes, expected_size, allow_http, arriving, patience or Patience()).run()
        try:
            fetched = keep(
                part.path,
                target,
                name=shown(url),
                url=url,
                release=release,
                etag=part.etag,
                last_modified=part.last_modified,
                expected_sha256=expected_sha256,
                expected_size=expected_size,
                report=checking,
            )
        except SourceError:
            part.remove()
            raise
        part.remove()
    log.info("fetched %s: %s bytes, SHA-256 %s", shown(url), f"{fetched.bytes:,}", fetched.sha256)
    return fetched
