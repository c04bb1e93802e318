"""A web server on loopback that answers as it is told, mostly wrong."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


@dataclass
class BrokenServer:
    """Answers requests in the order of ``answers``; the last one again and again.

    ``asked`` holds path and headers of every request.
    """

    url: str
    answers: list[Answer] = field(default_factory=list)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[BrokenServer]:
    """Run a server in a thread, over TLS if given what for."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            state.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            self.close_connection = True
            answer = state.answers[0] if len(state.answers) == 1 else state.answers.pop(0)
            answer(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Quiet(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that hangs up is what some tests are about."""

    server = Quiet(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    state = BrokenServer(f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def status(code: int, **headers: str) -> Answer:
    """Answer with a status and no file."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def whole(
    body: bytes,
    *,
    cut: int | None = None,
    length: int | str | None = None,
    ranges: bool = True,
    shift: int = 0,
    etag: str = '"one"',
    kind: str = "text/plain",
    modified: str = "Wed, 17 Jan 2024 10:00:00 GMT",
    most: int | None = None,
) -> Answer:
    """Answer with a file, or the rest of it that is asked for.

    ``cut`` sends only so many bytes of the file before hanging up, ``length`` announces another length,
    ``ranges=False`` ignores Range, ``shift`` sends another range than was asked for, ``most`` limits the bytes of one
    answer.
    """

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        start = 0
        wanted = handler.headers.get("Range")
        if ranges and wanted and handler.headers.get("If-Range") in (etag, modified):
            start = int(wanted.removeprefix("bytes=").rstrip("-")) + shift
            if start >= len(body):
                return status(416)(handler)
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        handler.send_header("Content-Length", str(len(body) - start if length is None else length))
        handler.send_header("Content-Type", kind)
        for name, value in (("ETag", etag), ("Last-Modified", modified)):
            if value:
                handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body[start:cut][:most])

    return answer


def chunked(body: bytes, *, finished: bool = True) -> Answer:
    """Answer with a file of unknown length in one chunk (RFC 9112, section 7.1), ended or broken off."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(f"{len(body):x}\r\n".encode() + body + b"\r\n" + (b"0\r\n\r\n" if finished else b""))

    return answer
