"""Ways in which a file of knowledge arrives broken, or merely different, for the tests of every reader."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import strategies as st

Change = Callable[[bytes], bytes]


@cache
def bomb() -> bytes:
    """80 MiB of zeros in 80 KiB."""
    return gzip.compress(bytes(80 * 2**20))


def _latin_1_in_line_2(text: bytes) -> bytes:
    first, _, rest = text.partition(b"\n")
    return first + b"\nstra\xdfe" + rest


def _damaged_gzip(text: bytes) -> bytes:
    content = bytearray(gzip.compress(text))
    content[-6] ^= 255  # in the checksum
    return bytes(content)


#: What happened -> (what became of a sound text, what the error says). Every reader refuses all of these.
BROKEN: dict[str, tuple[Change, str]] = {
    "empty": (lambda text: b"", "is empty"),
    "empty gzip": (lambda text: gzip.compress(b""), "is empty"),
    "cut-off gzip": (lambda text: gzip.compress(text)[:-9], r"after line \d+: the gzip data are cut off"),
    "gzip of which only the header came": (lambda text: gzip.compress(text)[:6], "cut off"),
    "damaged gzip": (_damaged_gzip, r"after line \d+: the gzip data are damaged"),
    "rubbish after gzip": (lambda text: gzip.compress(text) + b"rubbish", "damaged"),
    "Latin-1": (_latin_1_in_line_2, "line 2: not UTF-8 .byte 0xdf at byte 5"),
    "UTF-16": (lambda text: text.decode().encode("utf-16"), "line 1: "),
    "NUL": (lambda text: text.replace(b"\n", b"\n\0", 1), "line 2: holds a NUL byte"),
    "an HTML page": (
        lambda text: b"\n  <!DOCTYPE html><html>404</html>\n",
        "line 1: this is an HTML page",
    ),
    "a zip archive": (lambda text: b"PK\x03\x04" + text, "is a zip archive"),
    "a bomb": (lambda text: bomb(), "line 1: longer than 16 MiB"),
}

#: What is different about a sound text, and must make no difference.
HARMLESS: dict[str, Change] = {
    "CR LF": lambda text: text.replace(b"\n", b"\r\n"),
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text,
    "gzip": gzip.compress,
    "gzip of two members": lambda text: gzip.compress(text[:20]) + gzip.compress(text[20:]),
    "gzip with padding": lambda text: gzip.compress(text) + bytes(100),
    "byte order mark and CR LF in gzip": lambda text: gzip.compress(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n")),
}

broken = pytest.mark.parametrize(("change", "message"), BROKEN.values(), ids=BROKEN.keys())
harmless = pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS.keys())


_TOKENS = st.sampled_from([bytes([token]) for token in b'\n\r\t :;=[]!{}"\\\xff'])


@st.composite
def mutated(draw: st.DrawFn, text: bytes) -> bytes:
    """A sound text to which something happened, or any bytes at all."""
    if draw(st.integers(0, 5)) == 0:
        return draw(st.binary(max_size=200))
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["cut", "delete", "insert", "repeat line", "swap lines", "compress"]))
        at = draw(st.integers(0, len(text)))
        length = draw(st.integers(1, 20))
        lines = text.splitlines(keepends=True) or [b""]
        i, j = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
        if kind == "cut":
            text = text[:at]
        elif kind == "delete":
            text = text[:at] + text[at + length :]
        elif kind == "insert":
            tokens = st.sampled_from(
                [b"\n", b"\t", b":", b"[", b'"', b"\\", b"!", b"{", b";", b"=", b"\r", b"\xff", b" "]
            )
            text = text[:at] + draw(tokens | st.binary(max_size=10)) + text[at:]
        elif kind == "repeat line":
            lines.insert(i, lines[j])
            text = b"".join(lines)
        elif kind == "swap lines":
            lines[i], lines[j] = lines[j], lines[i]
            text = b"".join(lines)
        else:
            text = gzip.compress(text, mtime=0)
    return text
