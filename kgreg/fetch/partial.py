"""A file that has not arrived whole: what there is of it, and how to ask for the rest (RFC 9110, sections 13, 14)."""

from __future__ import annotations

import json
import re
from email.message import Message
from pathlib import Path
from typing import BinaryIO

from kgreg.fetch.record import write_json

_LENGTH = re.compile(r"\d{1,18}", re.ASCII)
_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", re.ASCII)


class PartialFile:
    """``<file>.part`` and, beside it, of which version of which address its bytes are.

    Attributes
    ----------
    path
        The bytes that have arrived.
    etag, last_modified
        What the server calls the version that they belong to.
    total
        How many bytes the whole file has; None if the server does not say.
    """

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(target.name + ".part")
        self._state = self.path.with_name(self.path.name + ".json")
        self.etag = ""
        self.last_modified = ""
        self.total: int | None = None

    @property
    def size(self) -> int:
        """How many bytes are there."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    @property
    def complete(self) -> bool:
        """Whether all bytes are there, as far as the server said how many there are."""
        return self.total is not None and self.size == self.total

    def take_up(self, url: str) -> None:
        """Go on with what an earlier process left of this address; drop what cannot be gone on with."""
        try:
            state = json.loads(self._state.read_text(encoding="utf-8"))
            self.etag, self.last_modified = str(state["etag"]), str(state["last_modified"])
            self.total = None if state["total"] is None else int(state["total"])
            known = state["url"] == url
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            known = False
        if not known or not self._validator():
            self.remove()

    def range_headers(self) -> dict[str, str]:
        """Return the headers that ask for the rest, provided that the file is still the same; none to ask for all."""
        if not self.size or not self._validator():
            return {}
        return {"Range": f"bytes={self.size}-", "If-Range": self._validator()}

    def continued_by(self, headers: Message) -> bool:
        """Whether the answer with status 206 begins where the bytes end, and is of the same version."""
        found = _RANGE.match(headers.get("Content-Range") or "")
        if found is None or int(found[1]) != self.size:
            return False
        total = None if found[2] == "*" else int(found[2])
        same_total = total is None or self.total is None or total == self.total
        return same_total and (headers.get("ETag") or self.etag) == self.etag

    def start(self, url: str, headers: Message) -> None:
        """Begin anew with the version that an answer with status 200 brings."""
        self.remove()
        self.etag = headers.get("ETag") or ""
        self.last_modified = headers.get("Last-Modified") or ""
        length = _LENGTH.fullmatch(headers.get("Content-Length") or "")
        # With a transfer coding, the length is not that of the file (RFC 9112, section 6.3).
        self.total = int(length[0]) if length and not headers.get("Transfer-Encoding") else None
        state = {"url": url, "etag": self.etag, "last_modified": self.last_modified, "total": self.total}
        write_json(self._state, state)

    def open(self) -> BinaryIO:
        """Open the file to append what arrives."""
        return self.path.open("ab")

    def remove(self) -> None:
        """Leave nothing of it."""
        self.etag = self.last_modified = ""
        self.total = None
        self.path.unlink(missing_ok=True)
        self._state.unlink(missing_ok=True)

    def _validator(self) -> str:
        """Return what identifies the version byte for byte; a weak ETag does not."""
        return self.etag if self.etag.startswith('"') else self.last_modified
