"""Colours and layout that all figures share."""

from __future__ import annotations

import re
from html import escape
from typing import Any

import plotly.graph_objects as go

#: Colour of an arm; readable on light and on dark ground.
ARM_COLOURS = {
    "graph": "#2b7bba",
    "baseline": "#d9822b",
    "rewired": "#7d8590",
    "labels": "#a8adb5",
    "control": "#c3a24a",
}
ACCENT = "#2b7bba"
AGAINST = "#c8553d"
QUIET = "#8b929c"

#: Blue (below) - neutral - red (above); safe for the common colour blindnesses.
DIVERGING = [
    [0.0, "#2166ac"], [0.25, "#7fb2d6"], [0.5, "#f1f1ef"], [0.75, "#ee9a7a"], [1.0, "#b2182b"],
]  # fmt: skip
SEQUENTIAL = [[0.0, "#f4f7fa"], [0.25, "#c3d9ec"], [0.5, "#7fb2d6"], [0.75, "#3a87c0"], [1.0, "#14508c"]]

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


_AXIS_NAME = re.compile(r"[xy]axis\d*")

#: The white ground of plotly without what it holds for every kind of trace, which takes longer to copy than a figure.
_AXIS = {"gridcolor": "#EBF0F8", "linecolor": "#EBF0F8", "zerolinecolor": "#C8D4E3", "ticks": "", "automargin": True}
_TEMPLATE = {
    "layout": {
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "font": {"color": "#2a3f5f"},
        "colorway": ["#2b7bba", "#d9822b", "#7d8590", "#c8553d"],
        "hovermode": "closest",
    }
}


def text(value: object) -> str:
    """Return ``value`` so that plotly shows it as it is; plotly reads ``<b>`` and its like as markup."""
    return escape(str(value), quote=False)


def short(value: object, most: int = 42) -> str:
    """Return ``value`` as plotly text, cut to ``most`` characters."""
    whole = str(value)
    return text(whole if len(whole) <= most else whole[: most - 1].rstrip() + "…")


def figure(*traces: Any, height: int, **layout: Any) -> Any:
    """Return a :class:`plotly.graph_objects.Figure` in the common style."""
    common: dict[str, Any] = {
        "template": _TEMPLATE,
        "font": {"family": _FONT, "size": 13},
        "margin": {"l": 10, "r": 16, "t": 16, "b": 56},
        "height": height,
        "showlegend": False,
        "hoverlabel": {"align": "left", "font": {"family": _FONT, "size": 13}},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
    }
    axes = {key: _titled(key, value) for key, value in layout.items() if _AXIS_NAME.fullmatch(key)}
    return go.Figure(data=list(traces), layout={**common, **layout, **axes})


def _titled(key: str, axis: dict[str, Any]) -> dict[str, Any]:
    """Return an axis whose title, if it has one, is as large as the text."""
    if "title" not in axis:
        return axis
    near = {"standoff": 8} if key.startswith("x") else {}
    return {**axis, "title": {"font": {"size": 13}, **near, **axis["title"]}}


def coloraxis(kind: str, title: str, low: float, high: float, **more: Any) -> dict[str, Any]:
    """Return a ``coloraxis``; ``kind`` is "diverging" (about zero) or "sequential"."""
    return {
        "colorscale": DIVERGING if kind == "diverging" else SEQUENTIAL,
        "cmin": low,
        "cmax": high,
        "colorbar": {
            "title": {"text": title, "side": "right"},
            "thickness": 12,
            "outlinewidth": 0,
            "len": 0.9,
            **more,
        },
    }
