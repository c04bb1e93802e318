"""The last step of getting a file: what it holds is checked, and only then does it take its place beside its record."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from kgreg.disk import flush
from kgreg.errors import OutputError, SourceError
from kgreg.fetch.record import Fetched, record_path, sha256_of, write_record
from kgreg.fetch.web import http_date
from kgreg.sources.files import open_bytes

log = logging.getLogger(__name__)

_BLOCK = 2**20
_GZIP = b"\x1f\x8b"
# How files name their release in their first lines: OBO 1.4 (data-version) and GAF 2.2 / GPAD 2.0 (date-generated).
_RELEASE = re.compile(
    rb"^(?:data-version:\s*(?:releases/)?([0-9A-Za-z._-]+)|!\s*date-generated:\s*(\d{4}-\d\d-\d\d))", re.MULTILINE
)
_HEAD = 8192


def keep(
    part: Path,
    target: Path,
    *,
    name: str,
    url: str,
    release: str | None = None,
    etag: str = "",
    last_modified: str = "",
    expected_sha256: str | None = None,
    expected_size: int | None = None,
    report: Callable[[int], None] | None = None,
) -> Fetched:
    """Check a file that has arrived whole, move it into its place and write its record.

    Parameters
    ----------
    part
        The file as it arrived, on the same disk as ``target``; it is gone afterwards, also if it is refused.
    name
        What messages call the file.
    url
        For the record.
    release
        For the record; None takes what the file's first lines say, else the day of ``last_modified``.
    report
        Called with how many bytes are checked.

    Raises
    ------
    SourceError
        If size or SHA-256 are not those expected; the file is empty, an HTML page or an archive; it is called ``.gz``
        and is not; or its gzip data are damaged, cut off, or grow beyond the limits of ``kgreg.sources.files``.
    """
    try:
        size = part.stat().st_size
        if expected_size is not None and size != expected_size:
            raise SourceError(f"{name} has {size:,} bytes, not {expected_size:,} as expected.", "Fetch it again.")
        sha256 = sha256_of(part, report)
        if expected_sha256 is not None and sha256 != expected_sha256.lower():
            raise SourceError(
                f"{name} is another file than expected: SHA-256 {sha256}, not {expected_sha256.lower()}.",
                "It was altered on the way, or a new version was published under the same address.",
            )
        head = _checked_head(part, name, gzip=target.suffix == ".gz")
    except SourceError:
        part.unlink()
        raise
    fetched = Fetched(
        path=target,
        url=url,
        sha256=sha256,
        bytes=size,
        release=release or _release_of(head) or _day_of(last_modified) or "unknown",
        etag=etag,
        last_modified=last_modified,
        fetched=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    flush(part)
    # A crash in between leaves a file without record, which is fetched again; never a record of another file.
    record_path(target).unlink(missing_ok=True)
    os.replace(part, target)
    write_record(fetched)
    flush(target.parent)
    return fetched


@contextmanager
def place_for(target: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Make the folder of a file and hold the right to write the file; call ``waiting`` if another process holds it.

    Raises
    ------
    OutputError
        If the folder cannot be written, or the disk is full.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(target.with_name(f".{target.name}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            waiting()
            lock.acquire()
        try:
            yield
        finally:
            lock.release()
    except OSError as error:
        raise OutputError(
            f"{target} cannot be written: {error.strerror or error}.",
            "Make room, or choose a cache folder that you may write: $KGREG_CACHE names it.",
        ) from error


def _checked_head(part: Path, name: str, *, gzip: bool) -> bytes:
    """Read a file to its end, as its reader will, and return its first decompressed bytes."""
    with part.open("rb") as file:
        start = file.read(len(_GZIP))
    try:
        with open_bytes(part) as stream:  # an empty file or an HTML page is told apart here
            head = stream.read(_HEAD)
            if gzip and start != _GZIP:
                raise SourceError(f"{name} is not gzip, though its name says so.", "Look what it holds.")
            while stream.read(_BLOCK):
                pass
    except SourceError as error:
        raise SourceError(error.message.replace(str(part), name), error.hint) from error
    return head


def _release_of(head: bytes) -> str:
    found = _RELEASE.search(head)
    return (found[1] or found[2]).decode("ascii") if found else ""


def _day_of(last_modified: str) -> str:
    time = http_date(last_modified)
    return time.date().isoformat() if time else ""
