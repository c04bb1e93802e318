"""Lines, rows and bytes come out as they were written, or an error says where they do not."""

from __future__ import annotations

import collections
import gzip
import http.server
import shutil
import ssl
import subprocess
import threading
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow.csv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgreg.errors import KgregError, SourceError
from kgreg.sources import files
from kgreg.sources.files import open_bytes, read_lines, read_rows
from tests.sources.broken_files import broken, harmless, mutated

TEXT = "a\tb\nstraße\tµ\n\n x \t\nlast\tline\n".encode()
LINES = [(1, "a\tb"), (2, "straße\tµ"), (3, ""), (4, " x \t"), (5, "last\tline")]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "table.tsv"


@broken
def test_a_broken_file_is_named_with_what_is_wrong(file: Path, change, message: str) -> None:
    file.write_bytes(change(TEXT))
    with pytest.raises(SourceError, match=message) as caught:
        list(read_lines(file))
    assert str(file) in caught.value.message
    assert caught.value.hint


@harmless
def test_compression_and_line_ends_make_no_difference(file: Path, change) -> None:
    file.write_bytes(change(TEXT))
    assert list(read_lines(file)) == LINES
    assert list(read_lines(str(file))) == LINES


@given(
    lines=st.lists(st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"]), max_size=12)),
    block=st.integers(8, 40),  # what a file is shows in its first bytes
    zipped=st.booleans(),
)
def test_lines_come_back_whatever_the_blocks(tmp_path_factory, lines: list[str], block: int, zipped: bool) -> None:
    file = tmp_path_factory.mktemp("lines") / "x"
    lines = ["first", *lines]  # a text of nothing but a byte order mark, say, is another test
    text = "".join(f"{line}\n" for line in lines).encode()
    file.write_bytes(gzip.compress(text) if zipped else text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_BLOCK", block)
        patch.setattr(files, "_CHUNK", block)
        assert list(read_lines(file)) == list(enumerate(lines, 1))
        with open_bytes(file) as stream:
            assert stream.read() == text


@given(content=mutated(TEXT))
def test_whatever_the_bytes_only_a_source_error_is_raised(tmp_path_factory, content: bytes) -> None:
    file = tmp_path_factory.mktemp("bytes") / "x"
    file.write_bytes(content)
    try:
        lines = list(read_lines(file))
    except KgregError as error:
        lines = []
        named = str(file) in error.message
    else:
        named = not any("\n" in line for _, line in lines)
    assert named
    assert [number for number, _ in lines] == list(range(1, len(lines) + 1))


def test_a_last_line_without_end_is_taken_or_refused_as_asked(file: Path) -> None:
    file.write_bytes(b"a\nb")
    assert list(read_lines(file)) == [(1, "a"), (2, "b")]
    with pytest.raises(SourceError, match="line 2: the last line has no end"):
        list(read_lines(file, whole=True))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for location, message in [
        (tmp_path, "is a folder"),
        (tmp_path / "nope", "There is no file"),
        ("\0", "cannot be opened"),
        ("http://localhost/x", "not an https address"),
        ("file:///etc/hosts", "not an https address"),
        ("https://localhost:1/x", "cannot be fetched"),
    ]:
        with pytest.raises(SourceError, match=message):
            list(read_lines(location))


def test_ten_gigabytes_of_zeros_are_refused_in_little_memory(file: Path) -> None:
    compressor = zlib.compressobj(9, wbits=31)
    start = compressor.compress(bytes(2**26)) + compressor.flush(zlib.Z_FULL_FLUSH)
    again = compressor.compress(bytes(2**26)) + compressor.flush(zlib.Z_FULL_FLUSH)
    file.write_bytes(start + again * 159)  # blocks of deflate may be repeated; the checksum at the end is never reached
    tracemalloc.start()
    with open_bytes(file) as stream, pytest.raises(SourceError, match="grows more than 200-fold"):
        collections.deque(iter(lambda: stream.read(2**20), b""), maxlen=0)
    assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    tracemalloc.stop()


def test_a_bomb_of_lines_is_refused(file: Path) -> None:
    file.write_bytes(gzip.compress((b"x" * (2**20 - 1) + b"\n") * 80))
    with pytest.raises(SourceError, match=r"after line 6\d: refused, for it grows more than 200-fold"):
        list(read_lines(file))


@pytest.mark.parametrize("change", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_file_beyond_the_limit_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch, change) -> None:
    monkeypatch.setattr(files, "MAX_BYTES", len(TEXT) - 1)
    file.write_bytes(change(TEXT))
    with pytest.raises(SourceError, match="holds more than"):
        list(read_lines(file))


def test_rows_are_checked_line_by_line(file: Path) -> None:
    file.write_bytes(b"#made today\n#id\tname\nA\tx\n\nB\ty\nC\n")
    rows = read_rows(file, ["id", "name"], comment="#")
    assert [next(rows), next(rows)] == [(3, ["A", "x"]), (5, ["B", "y"])]
    with pytest.raises(SourceError, match=r"line 6: expected 2 columns \(id, name\), found 1"):
        next(rows)
    file.write_bytes(b"A;x;\nB;y\n")
    with pytest.raises(SourceError, match="line 2: expected 3 columns, found 2"):
        list(read_rows(file, 3, separator=";"))


def test_a_header_is_left_out_if_it_is_the_expected_one(file: Path) -> None:
    file.write_bytes(b"#id\tname\nA\tx\n")
    assert list(read_rows(file, ["id", "name"], header=True)) == [(2, ["A", "x"])]
    assert list(read_rows(file, 2, header=True)) == [(2, ["A", "x"])]
    with pytest.raises(SourceError, match="line 1: expected the columns id, symbol, found #id, name"):
        list(read_rows(file, ["id", "symbol"], header=True))


def test_other_readers_get_the_decompressed_bytes(file: Path) -> None:
    file.write_bytes(gzip.compress(b"\xef\xbb\xbfa,b\n1,2\n3,4\n"))
    with open_bytes(file) as stream:
        assert pyarrow.csv.read_csv(stream).to_pydict() == {"a": [1, 3], "b": [2, 4]}
    file.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 1000)[:-12])
    with open_bytes(file) as stream, pytest.raises(SourceError, match="cut off"):
        pyarrow.csv.read_csv(stream)


class _Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "http://localhost/plain")
            self.end_headers()
        elif self.path == "/missing":
            self.send_error(404)
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(TEXT) + (10 if self.path == "/short" else 0)))
            self.end_headers()
            self.wfile.write(TEXT)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An https server on this machine, whose certificate is trusted for the test."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate of the test's server, is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("no_proxy", "localhost")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_an_address_is_read_like_a_file(address: str) -> None:
    assert list(read_lines(f"{address}/table.tsv")) == LINES
    for path, message in [
        ("/short", "/short is cut off: 10 bytes did not arrive"),
        ("/missing", "cannot be fetched"),
        ("/moved", "http://localhost/plain is not an https address"),
    ]:
        with pytest.raises(SourceError, match=message):
            list(read_lines(address + path))
