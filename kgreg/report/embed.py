"""Text that is safe inside the page: JSON in script elements, scripts with their hash, one plotly for all figures."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup
from plotly.offline import get_plotlyjs

#: Characters that could end or open markup inside a script element, and the line ends JavaScript does not know.
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def safe_json(value: Any) -> Markup:
    """Return ``value`` as JSON that may stand inside ``<script>``; NaN and infinity become null."""
    text = json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(_ESCAPES))


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


def script_text(source: str) -> str:
    """Return JavaScript with the line ends a browser hashes, refusing what would end its element."""
    text = source.replace("\r\n", "\n").replace("\r", "\n")
    if "</script" in text.lower() or "<!--" in text:
        raise ValueError("The script holds text that ends or hides its element.")
    return text


def script_hash(text: str) -> str:
    """Return the source expression of a Content-Security-Policy that allows exactly this script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
