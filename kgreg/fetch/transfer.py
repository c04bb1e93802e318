"""Bringing the bytes of one address into a partial file: asking, resuming, waiting, giving up."""

from __future__ import annotations

import http.client
import logging
import shutil
from dataclasses import dataclass

from kgreg.errors import OutputError, SourceError
from kgreg.fetch.partial import PartialFile
from kgreg.fetch.patience import Pace, Patience
from kgreg.fetch.web import RangeRefusedError, TransientError, open_url, shown
from kgreg.progress import Progress

log = logging.getLogger(__name__)

_BLOCK = 2**20
_HTML = ("text/html", "application/xhtml+xml")


@dataclass(frozen=True)
class Transfer:
    """What is to be brought, and within which limits; see :func:`kgreg.fetch.download.download`."""

    url: str
    part: PartialFile
    name: str
    max_bytes: int
    expected_size: int | None
    allow_http: bool
    progress: Progress
    patience: Patience

    def run(self) -> None:
        """Bring all bytes.

        Raises
        ------
        SourceError
            If the server says no, what it offers is refused, or patience is at its end; in the last case what has
            arrived stays, to go on with.
        OutputError
            If the disk has no room for the file.
        """
        attempt, most = 0, self.part.size
        while True:
            try:
                self._attempt()
                return
            except TransientError as error:
                attempt = 1 if self.part.size >= most + self.patience.worthwhile else attempt + 1
                most = max(most, self.part.size)
                self._wait(attempt, error)

    def _wait(self, attempt: int, error: TransientError) -> None:
        """Wait before the next attempt, or give up."""
        here = f" {self.part.size:,} bytes are kept to go on with." if self.part.size else ""
        if error.wait is not None and error.wait > self.patience.longest_asked:
            raise SourceError(
                f"{shown(self.url)} cannot be fetched now: {error}, and asks to come again in {error.wait:,.0f} s.",
                f"Try again then.{here}",
            ) from error
        if attempt >= self.patience.attempts:
            raise SourceError(
                f"{shown(self.url)} cannot be fetched: {error}, the last of {attempt} attempts.",
                f"Check the network and try again later.{here}",
            ) from error
        seconds = self.patience.wait_before(attempt, error.wait)
        log.warning("%s: %s; trying again in %.0f s", self.name, error, seconds)
        self.progress(f"waiting to try {self.name} again", self._share())
        self.patience.sleep(seconds)

    def _attempt(self) -> None:
        part = self.part
        try:
            response = open_url(
                self.url, part.range_headers(), allow_http=self.allow_http, timeout=self.patience.timeout
            )
        except RangeRefusedError:
            if part.complete:
                return  # stopped after the last byte had arrived
            part.remove()
            raise TransientError("the server refused to send the rest, so all is asked for anew") from None
        with response:
            if response.headers.get_content_type() in _HTML:
                raise SourceError(
                    f"{shown(self.url)} is an HTML page, not a data file.",
                    "It may be an error or a log-in page: look at the address in a browser.",
                )
            if response.status == 200:
                part.start(self.url, response.headers)
            elif not part.continued_by(response.headers):
                part.remove()
                raise TransientError("the server sent another part of the file than was asked for")
            self._check_size()
            self._receive(response)
        if part.total is not None and part.size != part.total:
            broken = f"the connection ended after {part.size:,} of {part.total:,} bytes"
            if part.size > part.total:
                part.remove()
            raise TransientError(broken)

    def _check_size(self) -> None:
        """Refuse, before any byte is taken, a file that is too large or another than expected."""
        total = self.part.total
        if total is None:
            return
        self._check_limit(total)
        if self.expected_size is not None and total != self.expected_size:
            self.part.remove()
            raise SourceError(
                f"{shown(self.url)} has {total:,} bytes, not {self.expected_size:,} as expected.",
                "A new version may have been published under the same address.",
            )
        free = shutil.disk_usage(self.part.path.parent).free
        if total - self.part.size > free:
            raise OutputError(
                f"{self.name} needs {total - self.part.size:,} bytes more, and {self.part.path.parent} has {free:,}.",
                "Make room or choose another cache folder: $KGREG_CACHE names it.",
            )

    def _check_limit(self, size: int) -> None:
        if size > self.max_bytes:
            self.part.remove()
            raise SourceError(
                f"{shown(self.url)} is larger than the {self.max_bytes:,} bytes that are allowed.",
                "Check the address, or allow more.",
            )

    def _receive(self, response: http.client.HTTPResponse) -> None:
        pace = Pace(self.patience)
        size = self.part.size
        with self.part.open() as file:
            while True:
                try:
                    # read1 returns what has come; read would wait for a whole block, however slowly it trickles in.
                    block = response.read1(_BLOCK)
                except TimeoutError:
                    raise TransientError("the server was silent for too long") from None
                except (OSError, http.client.HTTPException) as error:
                    raise TransientError(f"the connection broke ({error or type(error).__name__})") from error
                if not block:
                    return
                size += len(block)
                self._check_limit(size)
                file.write(block)
                if pace.too_slow(len(block)):
                    raise TransientError(f"fewer than {self.patience.slowest:,.0f} bytes a second came")
                self.progress(self._text(size), self._share(size))

    def _text(self, size: int) -> str:
        of = "" if self.part.total is None else f" of {self.part.total / 1e6:,.1f}"
        return f"fetching {self.name}: {size / 1e6:,.1f}{of} MB"

    def _share(self, size: int | None = None) -> float:
        """Return the share that has arrived, 0 if the server does not say how much there is."""
        return (self.part.size if size is None else size) / self.part.total if self.part.total else 0.0
