"""Asking a server for a file, over https and nothing weaker unless allowed.

Certificates are verified against the system's authorities (or ``SSL_CERT_FILE``), proxies are those of the environment
(``https_proxy``, ``no_proxy``), and no message repeats the query of an address: it may hold a key.
"""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import IO
from urllib.parse import urlsplit

from kgreg import __version__
from kgreg.errors import SourceError

_BY_HAND = "Check the address in a browser; a file that you have can be given with --from-dir."
# Besides the 5xx: the server asks to come again.
_COME_AGAIN = (408, 425, 429)


class TransientError(Exception):
    """Something that may be gone when one tries again; ``wait`` is how many seconds the server asks for, if it does."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class MissingUpstreamError(SourceError):
    """The server has no such file."""


class RangeRefusedError(Exception):
    """The server does not have the part of the file that was asked for."""


def shown(url: str) -> str:
    """Return an address as messages show it: without user, password, query and fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def http_date(text: str) -> datetime | None:
    """Return the time, in UTC, of a header such as Last-Modified (RFC 9110, section 5.6.7); None if it holds none."""
    try:
        time = parsedate_to_datetime(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def check_address(url: str, *, allow_http: bool) -> None:
    """Refuse an address that is not https (or http, where that is allowed), or that holds credentials.

    Raises
    ------
    SourceError
        If it is refused.
    """
    try:
        parts = urlsplit(url)
        host, netloc = parts.hostname, parts.netloc
    except ValueError:
        raise SourceError(f"'{url}' is not an address.", "Give a whole address that begins with https://.") from None
    if "@" in netloc:
        raise SourceError(
            f"The address {shown(url)} holds a user name or password.",
            "Addresses are written into records: download the file yourself and give its folder with --from-dir.",
        )
    if not host or parts.scheme not in ("https", "http"):
        raise SourceError(f"'{shown(url)}' is not an https address.", "Give an address that begins with https://.")
    if parts.scheme == "http" and not allow_http:
        raise SourceError(
            f"{shown(url)} is not https: anybody on the way could alter the file.",
            "Use the https address, or allow http if you trust the network.",
        )


def open_url(url: str, headers: Mapping[str, str], *, allow_http: bool, timeout: float) -> http.client.HTTPResponse:
    """Ask for a file and return the response (status 200 or 206), which the caller closes.

    Parameters
    ----------
    timeout
        Seconds for connecting, and for each silence of the server after that.

    Raises
    ------
    SourceError
        If the address or one it is redirected to is refused, the certificate is not trusted, or the server says no
        (:class:`MissingUpstreamError` for 404 and 410).
    TransientError
        If trying again may help.
    RangeRefusedError
        For status 416.
    """
    check_address(url, allow_http=allow_http)
    # "identity": the bytes that are published are the ones to keep, and byte ranges count those.
    asked = {"User-Agent": f"kgreg/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity", **headers}
    try:
        response: http.client.HTTPResponse = _opener(allow_http).open(
            urllib.request.Request(url, headers=asked), timeout=timeout
        )
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(url, error) from None
    except urllib.error.URLError as error:
        raise _unreachable(url, error.reason) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _unreachable(url, error) from error
    if response.status not in (200, 206):
        status = response.status
        response.close()
        raise SourceError(f"{shown(url)} answered with status {status} and no file.", _BY_HAND)
    return response


def _opener(allow_http: bool) -> urllib.request.OpenerDirector:
    """Build an opener that knows http and https only; the usual one would also follow ftp, and read local files."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _CheckedRedirects(allow_http),
    ):
        opener.add_handler(handler)
    return opener


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects, at most ten, to addresses that would have been accepted in the first place."""

    def __init__(self, allow_http: bool) -> None:
        self._allow_http = allow_http

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        try:
            check_address(newurl, allow_http=self._allow_http)
        except SourceError as error:
            raise SourceError(f"{shown(req.full_url)} redirects elsewhere. {error.message}", error.hint) from None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _refusal(url: str, error: urllib.error.HTTPError) -> Exception:
    """Return what an error status means."""
    status = error.code
    if status == 416:
        return RangeRefusedError()
    if status in _COME_AGAIN or status >= 500:
        return TransientError(f"the server answered with status {status}", _retry_after(error.headers))
    if status in (404, 410):
        return MissingUpstreamError(
            f"{shown(url)} does not exist (status {status}).",
            "The release or species may not be published there, or the file has moved. " + _BY_HAND,
        )
    if status in (401, 403):
        return SourceError(
            f"{shown(url)} is not open to everybody (status {status}).",
            "It may need a licence or a log-in: download it by hand and give its folder with --from-dir.",
        )
    if status in (301, 302, 303, 307, 308):
        return SourceError(f"{shown(url)} redirects in a circle, or to an address that is not https.", _BY_HAND)
    return SourceError(f"{shown(url)} cannot be fetched: the server answered with status {status}.", _BY_HAND)


def _unreachable(url: str, reason: object) -> Exception:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return SourceError(
            f"The certificate of {urlsplit(url).hostname} is not trusted: {reason.verify_message}.",
            "Check the clock of this machine; behind an inspecting proxy, name its authority in SSL_CERT_FILE.",
        )
    if isinstance(reason, http.client.InvalidURL):
        return SourceError(f"'{shown(url)}' is not an address that can be asked.", "Check it for spaces and its port.")
    if isinstance(reason, TimeoutError):
        return TransientError("the server was silent for too long")
    if isinstance(reason, OSError | http.client.HTTPException):
        return TransientError(f"the connection failed ({reason or type(reason).__name__})")
    return SourceError(f"{shown(url)} cannot be fetched: {reason}.", _BY_HAND)


def _retry_after(headers: Message) -> float | None:
    """Return the seconds that Retry-After asks for (RFC 9110, section 10.2.3: a number, or a date)."""
    text = (headers.get("Retry-After") or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    then = http_date(text)
    return None if then is None else max(0.0, (then - datetime.now(UTC)).total_seconds())
