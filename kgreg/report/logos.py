"""Sequence logos (Schneider & Stephens 1990) as SVG that stands in a page, stacked as logomaker stacks them.

matplotlib's own SVG holds every letter as a path of its own, and style rules that would hold for the whole page. Here
the four letters are outlined once and placed; axes take the colour of the text around.
"""

from __future__ import annotations

import hashlib
from functools import cache
from html import escape
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from kgreg.optional import need

#: Legible on white and on black.
COLOURS = {"A": "#2a9d55", "C": "#3f7fdb", "G": "#e09a10", "T": "#d8504d"}

_LETTERS = "ACGT"


def motif_logo(
    counts: NDArray[Any], title: str = "", *, cell: int = 13, height: int = 64, turned: bool = False
) -> Markup:
    """Return the logo of a motif: letters as high as their part of the information content of the position.

    Parameters
    ----------
    counts
        ``[width, 4]`` counts or probabilities, columns A, C, G, T; a pseudocount of 1 a position is added to counts.
    title
        What it shows, for readers who do not see it.
    cell, height
        Width of a letter, and height of two bits, in pixels.
    turned
        Draw the other strand.

    Raises
    ------
    MissingPackageError
        If matplotlib is not installed.
    """
    values = np.asarray(counts, dtype=float)
    if turned:
        values = values[::-1, ::-1]
    if values.sum(axis=1).max() > 1 + 1e-6:
        values = values + 0.25
    total = values.sum(axis=1, keepdims=True)
    p = np.where(total > 0, values / np.where(total > 0, total, 1), 0.25)
    bits = 2 + (p * np.log2(np.maximum(p, 1e-12))).sum(axis=1, keepdims=True)
    return _draw(p * bits, title, cell=cell, height=height, low=0.0, high=2.0, axis="bits")


def attribution_logo(
    codes: NDArray[np.uint8], attributions: NDArray[Any], title: str = "", *, first: int = 1, height: int = 90
) -> Markup:
    """Return a sequence of which every letter is as high as its attribution; negative ones hang, upside down.

    Parameters
    ----------
    codes, attributions
        ``[length]``: codes of the letters, 4 for unknown ones, which are left out.
    first
        Number of the first position, for the axis.
    """
    values = np.zeros((len(codes), 4))
    known = np.flatnonzero(np.asarray(codes) < 4)
    values[known, np.asarray(codes)[known]] = np.asarray(attributions, dtype=float)[known]
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    if high - low == 0:
        high = 1.0
    return _draw(values, title, cell=8, height=height, low=low, high=high, axis="", first=first)


def _draw(
    values: NDArray[np.float64],
    title: str,
    *,
    cell: int,
    height: int,
    low: float,
    high: float,
    axis: str,
    first: int = 1,
) -> Markup:
    """Return the SVG of stacked letters, ``values [positions, 4]`` between ``low`` and ``high``."""
    left, top, bottom = (26 if axis else 8), 4, 14
    scale = height / (high - low)
    width = left + cell * len(values) + 4
    ground = top + high * scale
    name = "logo" + hashlib.sha256(values.tobytes() + repr((title, cell, first)).encode()).hexdigest()[:12]
    parts = [
        f'<svg class="logo" role="img" aria-label="{escape(title or "sequence logo", quote=True)}" width="{width}" '
        f'height="{height + top + bottom}" viewBox="0 0 {width} {height + top + bottom}" '
        'xmlns="http://www.w3.org/2000/svg">',
        f"<title>{escape(title)}</title>" if title else "",
        "<defs>",
    ]
    parts += [f'<path id="{name}{letter}" d="{_outline(letter)}" fill="{COLOURS[letter]}"/>' for letter in _LETTERS]
    parts.append("</defs>")
    for letter, position, floor, ceiling, flipped in stack_letters(values):
        size = (ceiling - floor) * scale
        if size < 0.2:
            continue
        # The outline fills a box from 0 to 1 with y upwards.
        x, y = left + cell * position, ground - (ceiling if flipped else floor) * scale
        up = size if flipped else -size
        parts.append(f'<use href="#{name}{letter}" transform="matrix({cell - 0.6:g} 0 0 {up:.5g} {x:g} {y:.5g})"/>')
    parts += _axes(len(values), cell, left, top, height, ground, axis, first)
    parts.append("</svg>")
    return Markup("".join(parts))


def _axes(n: int, cell: int, left: int, top: int, height: int, ground: float, axis: str, first: int) -> list[str]:
    """Return the base line, with numbers below, and of bits an axis at the left."""
    style = 'stroke="currentColor" stroke-opacity=".55" stroke-width=".8"'
    words = 'fill="currentColor" fill-opacity=".75" font-size="8" font-family="sans-serif"'
    parts = [f'<line x1="{left}" x2="{left + cell * n}" y1="{ground:.5g}" y2="{ground:.5g}" {style}/>']
    step = 5 if n <= 40 else 20
    for position in range(n):
        number = first + position
        if number % step == 0 or (step > 1 and position == 0 and n <= 40):
            x = left + cell * (position + 0.5)
            parts.append(f'<text x="{x:g}" y="{top + height + 11}" text-anchor="middle" {words}>{number}</text>')
    if axis:
        parts.append(f'<line x1="{left - 3}" x2="{left - 3}" y1="{top}" y2="{top + height}" {style}/>')
        for tick in (0, 1, 2):
            y = ground - tick * height / 2
            parts.append(f'<line x1="{left - 6}" x2="{left - 3}" y1="{y:g}" y2="{y:g}" {style}/>')
            parts.append(f'<text x="{left - 8}" y="{y + 3:g}" text-anchor="end" {words}>{tick}</text>')
    return parts


def stack_letters(values: NDArray[np.float64]) -> list[tuple[str, int, float, float, bool]]:
    """Return letter, position, floor, ceiling and whether it hangs: the largest on top, negative ones below the line.

    Parameters
    ----------
    values
        ``[positions, 4]`` heights, columns A, C, G, T.
    """
    order = np.argsort(values, axis=1, kind="stable")
    floors = np.minimum(values, 0).sum(axis=1)
    placed = []
    for position, letters in enumerate(order):
        floor = float(floors[position])
        for letter in letters:
            value = float(values[position, letter])
            if value:
                placed.append((_LETTERS[letter], position, floor, floor + abs(value), value < 0))
            floor += abs(value)
    return placed


@cache
def _outline(letter: str) -> str:
    """Return the outline of a bold letter in a box from 0 to 1, y upwards, as SVG path data."""
    bold = need("matplotlib.font_manager", "seq").FontProperties(family="sans-serif", weight="bold")
    path = need("matplotlib.textpath", "seq").TextPath((0, 0), letter, size=100, prop=bold)
    points = path.vertices
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    data = []
    for vertices, code in path.iter_segments():
        at = " ".join(
            f"{(x - x0) / (x1 - x0):.3f} {(y - y0) / (y1 - y0):.3f}" for x, y in vertices.reshape(-1, 2)
        )  # fmt: skip
        data.append({1: f"M{at}", 2: f"L{at}", 3: f"Q{at}", 4: f"C{at}", 79: "Z"}[int(code)])
    return "".join(data)
