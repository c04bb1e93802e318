"""Reading files of knowledge that somebody else made: plain text or gzip, from a path or an https address.

Everything streams in constant memory, and nothing is trusted: a damaged, cut-off, mislabelled or hostile file ends in a
:class:`~kgreg.errors.SourceError` that names the file and, where there is one, the line.
"""

from __future__ import annotations

import http.client
import io
import urllib.error
import urllib.request
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from kgreg.errors import SourceError

#: A file that holds more bytes than this, once decompressed, is refused.
MAX_BYTES = 20 * 2**30
#: So is one whose decompressed bytes outnumber its compressed ones by more than this, past the first
#: ``RATIO_FROM`` bytes. Text of biology reaches about 30; deflate cannot exceed 1,032.
MAX_RATIO = 200
RATIO_FROM = 64 * 2**20
#: No line may be longer, in bytes.
MAX_LINE = 16 * 2**20
#: Seconds that a server may be silent.
TIMEOUT = 60.0

_BLOCK = 2**20
# Small, for what is left of it is copied after every gzip member.
_CHUNK = 2**18
_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_HTML = (b"<!doctype html", b"<html")
# What else a download may turn out to be, by its first bytes.
_ARCHIVES = {b"PK\x03\x04": "a zip archive", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "Zstandard"}
_AGAIN = "Download it again."


def name_of(location: Path | str) -> str:
    """Return how messages call a file: its path or address."""
    return str(location)


def read_lines(location: Path | str, *, whole: bool = False) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, text without the line end) of a UTF-8 text file.

    Parameters
    ----------
    location
        A path or an https address; gzip is known by its first bytes, not by the name. A byte order mark is dropped,
        and lines may end in CR LF.
    whole
        Refuse a last line that has no end, for formats that a cut in the last line would leave valid but wrong.

    Raises
    ------
    SourceError
        If the file is missing, a folder, empty, an HTML page, not UTF-8, holds NUL, is cut off or damaged as gzip,
        grows beyond ``MAX_BYTES`` or ``MAX_RATIO``, or holds a line longer than ``MAX_LINE``; also for addresses
        other than https and for whatever the server or the disk refuse.
    """
    name = name_of(location)
    number = 0
    rest = b""
    with closing(_blocks(location)) as blocks:
        for block in blocks:
            end = block.rfind(b"\n") + 1
            if end:
                for line in _decoded(name, number, rest + block[:end]):
                    number += 1
                    yield number, line
                rest = block[end:]
            else:
                rest += block
            if len(rest) > MAX_LINE:
                raise SourceError(
                    f"{name}, line {number + 1}: longer than {MAX_LINE >> 20} MiB.", f"It is no text file. {_AGAIN}"
                )
    if rest:
        if whole:
            raise SourceError(
                f"{name}, line {number + 1}: the last line has no end, so the file may be cut off.",
                f"{_AGAIN} If it is whole, add a line break at its end.",
            )
        yield number + 1, _decoded(name, number, rest + b"\n")[0]


def read_rows(
    location: Path | str,
    columns: Sequence[str] | int,
    *,
    separator: str = "\t",
    comment: str | None = None,
    header: bool = False,
) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number from 1, the fields) of a table whose every line has the same number of columns.

    Parameters
    ----------
    columns
        The names of the columns, or how many there are.
    comment
        Lines that begin with this are left out.
    header
        The first line names the columns; it must be ``columns``, where those are names ("#" before it is allowed).

    Empty lines hold no row and are left out.

    Raises
    ------
    SourceError
        As :func:`read_lines`, and if a line has another number of columns or the header other names.
    """
    name = name_of(location)
    count = columns if isinstance(columns, int) else len(columns)
    named = "" if isinstance(columns, int) else f" ({', '.join(columns)})"
    waits_for_header = header
    for number, line in read_lines(location):
        if not line or (comment is not None and line.startswith(comment)):
            continue
        fields = line.split(separator)
        if len(fields) != count:
            raise SourceError(
                f"{name}, line {number}: expected {count} columns{named}, found {len(fields)}.",
                "Check that this is the right file, whole and as it was published.",
            )
        if waits_for_header:
            waits_for_header = False
            if not isinstance(columns, int) and [fields[0].lstrip("# "), *fields[1:]] != list(columns):
                raise SourceError(
                    f"{name}, line {number}: expected the columns {', '.join(columns)}, found {', '.join(fields)}.",
                    "Check that this is the right file, and that its first line is there.",
                )
            continue
        yield number, fields


@contextmanager
def open_bytes(location: Path | str) -> Iterator[BinaryIO]:
    """Open the decompressed bytes of a file for another reader, such as pyarrow's; a byte order mark is dropped.

    Raises
    ------
    SourceError
        As :func:`read_lines`, except for what concerns its text: encoding, NUL, and the length of lines.
    """
    with closing(_blocks(location)) as blocks, io.BufferedReader(_BlockReader(blocks), _BLOCK) as stream:
        yield cast(BinaryIO, stream)


class _BlockReader(io.RawIOBase):
    """A readable stream over blocks of bytes."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._rest:
            self._rest = memoryview(next(self._blocks, b""))
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def _decoded(name: str, before: int, text: bytes) -> list[str]:
    """Return the lines of whole lines of bytes; ``before`` lines came before them."""
    fault = text.find(b"\0")
    if fault >= 0:
        line = before + text.count(b"\n", 0, fault) + 1
        raise SourceError(f"{name}, line {line}: holds a NUL byte.", f"It is no text file, or damaged. {_AGAIN}")
    try:
        lines = text.decode("utf-8")
    except UnicodeDecodeError as error:
        line = before + text.count(b"\n", 0, error.start) + 1
        column = error.start - text.rfind(b"\n", 0, error.start)
        raise SourceError(
            f"{name}, line {line}: not UTF-8 (byte 0x{text[error.start]:02x} at byte {column} of the line).",
            "Convert it, for example with `iconv -f LATIN1 -t UTF-8`, or download it again.",
        ) from None
    if "\r" in lines:
        lines = lines.replace("\r\n", "\n")
    return lines.split("\n")[:-1]


def _blocks(location: Path | str) -> Generator[bytes, None, None]:
    """Yield the decompressed bytes of a file, without byte order mark and within the limits."""
    name = name_of(location)
    with _opened(location) as file:
        chunks = _chunks(file, name)
        first = next(chunks, b"")
        for magic, kind in _ARCHIVES.items():
            if first.startswith(magic):
                raise SourceError(f"{name} is {kind}, not text or gzip.", "Unpack it first.")
        blocks = _inflated(first, chunks, name) if first.startswith(_GZIP) else _limited(first, chunks, name)
        start = b""
        for block in blocks:  # as many as it takes to see what it begins with
            start += block
            if len(start) >= 1024:
                break
        start = start.removeprefix(_BOM)
        if not start:
            raise SourceError(f"{name} is empty.", _AGAIN)
        if start[:1024].lstrip().lower().startswith(_HTML):
            raise SourceError(
                f"{name}, line 1: this is an HTML page, not the file of that name.",
                "The server answered with an error or a log-in page. Check the address and download it again.",
            )
        yield start
        yield from blocks


def _limited(first: bytes, chunks: Iterator[bytes], name: str) -> Iterator[bytes]:
    total = 0
    for chunk in _chained(first, chunks):
        total += len(chunk)
        _check_size(total, name)
        yield chunk


def _inflated(first: bytes, chunks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Yield what gzip members hold, in blocks that do not grow with the ratio of the compression."""
    taken = given = lines = 0
    member: zlib._Decompress | None = None
    for chunk in _chained(first, chunks):
        waiting = chunk
        taken += len(chunk)
        full = False  # a full block may leave output behind that needs no more input
        while waiting or full:
            if member is None:
                # Zeros may pad the file, as gzip itself allows; anything else must be another member.
                waiting = waiting.lstrip(b"\0")
                if not waiting:
                    break
                member = zlib.decompressobj(wbits=31)
            try:
                block = member.decompress(waiting, _BLOCK)
            except zlib.error as error:
                raise SourceError(f"{name}, after line {lines}: the gzip data are damaged ({error}).", _AGAIN) from None
            given += len(block)
            lines += block.count(b"\n")
            _check_size(given, name)
            waiting = member.unconsumed_tail
            full = len(block) == _BLOCK and not member.eof
            if given > RATIO_FROM and given > MAX_RATIO * (taken - len(waiting)):
                raise SourceError(
                    f"{name}, after line {lines}: refused, for it grows more than {MAX_RATIO}-fold when decompressed.",
                    "No file of knowledge compresses so well; it looks made to fill the memory.",
                )
            if member.eof:
                waiting = member.unused_data
                member = None
            if block:
                yield block
    if member is not None:
        raise SourceError(f"{name}, after line {lines}: the gzip data are cut off.", _AGAIN)


def _chained(first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from chunks


def _check_size(size: int, name: str) -> None:
    if size > MAX_BYTES:
        raise SourceError(
            f"{name} holds more than {MAX_BYTES / 2**30:g} GiB of text.", "No file of knowledge is so large."
        )


def _chunks(file: IO[bytes], name: str) -> Iterator[bytes]:
    """Yield what a file or a server gives."""
    try:
        while chunk := file.read(_CHUNK):
            yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise SourceError(f"{name} cannot be read to its end: {error}.", "Try again.") from error
    # A server that hangs up early looks like the end of the file, except that bytes are missing.
    missing = getattr(file, "length", None)
    if missing:
        raise SourceError(f"{name} is cut off: {missing:,} bytes did not arrive.", "Try again.")


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    """Follow a server elsewhere, but not to an address that anybody on the way could alter."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        _check_https(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_https(address: str) -> None:
    if not address.lower().startswith("https://"):
        raise SourceError(f"{address} is not an https address.", "Give an https:// address, or download it to a path.")


@contextmanager
def _opened(location: Path | str) -> Iterator[IO[bytes]]:
    name = name_of(location)
    if isinstance(location, str) and "://" in location:
        _check_https(location)
        try:
            response = urllib.request.build_opener(_HttpsOnly).open(location, timeout=TIMEOUT)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise SourceError(f"{name} cannot be fetched: {reason}.", "Check the address and the network.") from error
        with response:
            yield response
        return
    try:
        file = Path(location).expanduser().open("rb")
    except FileNotFoundError:
        raise SourceError(f"There is no file {name}.", "Check the path.") from None
    except IsADirectoryError:
        raise SourceError(f"{name} is a folder, not a file.", "Give the path of the file in it.") from None
    except (OSError, ValueError, RuntimeError) as error:
        raise SourceError(f"{name} cannot be opened: {error}.", "Check the path.") from error
    with file:
        yield file
