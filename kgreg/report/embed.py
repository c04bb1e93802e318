"""Text that is safe inside the page: packed data, scripts with their hash, one plotly for all figures."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import math
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from plotly.offline import get_plotlyjs


def packed_json(value: Any) -> str:
    """Return ``value`` as JSON, compressed, as :func:`packed` does; NaN and infinity become null."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
    except ValueError:  # some number is not finite
        text = json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return packed(text)


def packed(text: str) -> str:
    """Return text compressed by gzip (the same bytes each time) in base64: nothing in it can end an element."""
    return base64.b64encode(gzip.compress(text.encode(), 6, mtime=0)).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if hasattr(value, "tolist"):  # numpy
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def figure_json(figure: Any) -> dict[str, Any]:
    """Return a plotly Figure as JSON values, without its template: the page has one for light and one for dark."""
    content: dict[str, Any] = figure.to_plotly_json()
    content["layout"] = {key: value for key, value in content["layout"].items() if key != "template"}
    return content


@cache
def asset(name: str) -> str:
    """Return a template, style or script that ships with the package."""
    return (files("kgreg.report") / "templates" / name).read_text(encoding="utf-8")


@cache
def plotly_script() -> str:
    """Return plotly.js as it may stand inside ``<script>``."""
    return script_text(get_plotlyjs())


@cache
def packed_plotly() -> str:
    """Return plotly.js as the page carries it; unpacked, it runs only if its hash is that of the policy."""
    return packed(plotly_script())


#: Parts of the page's own script, in order; they share one scope.
_PARTS = ("figures.js", "hierarchy.js", "search.js", "node.js", "downloads.js", "start.js")


@cache
def page_script() -> str:
    """Return the page's own script as it may stand inside ``<script>``."""
    body = "\n".join(asset(part) for part in _PARTS)
    return script_text(f'(async function () {{\n"use strict";\n{body}\n}})();\n')


def script_text(source: str) -> str:
    """Return JavaScript with the line ends a browser hashes, refusing what would end its element."""
    text = source.replace("\r\n", "\n").replace("\r", "\n")
    if "</script" in text.lower() or "<!--" in text:
        raise ValueError("The script holds text that ends or hides its element.")
    return text


def script_hash(text: str) -> str:
    """Return the source expression of a Content-Security-Policy that allows exactly this script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
