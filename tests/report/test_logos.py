"""Logos are SVG that stands alone, and as high as the information or the attribution."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from kgreg.report.logos import attribution_logo, motif_logo, stack_letters

HOSTILE = "</svg><script>alert(1)</script> \"quoted\" & 'so'"
SPACE = "{http://www.w3.org/2000/svg}"


def heights(svg: str) -> list[tuple[str, float, float]]:
    """Return letter, column and height (negative: upside down) of every letter that is drawn."""
    found = []
    for use in ElementTree.fromstring(svg).iter(f"{SPACE}use"):
        numbers = [float(x) for x in re.findall(r"-?[\d.e-]+", use.attrib["transform"].partition("(")[2])]
        found.append((use.attrib["href"][-1], numbers[4], -numbers[3]))
    return found


def test_a_certain_letter_has_two_bits() -> None:
    (letter,) = heights(motif_logo(np.eye(4)[[2]], height=50))
    assert letter[0] == "G"
    assert letter[2] == pytest.approx(50, rel=1e-3)


def test_letters_share_the_information_of_their_position() -> None:
    p = np.array([[0.5, 0.5, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]])
    drawn = heights(motif_logo(p, height=100))
    assert [letter for letter, _, _ in drawn] in (["A", "C"], ["C", "A"])
    assert [size for *_, size in drawn] == pytest.approx([25, 25], rel=1e-3)  # one bit of two, halved


def test_counts_are_drawn_with_a_pseudocount() -> None:
    size = sum(size for _, _, size in heights(motif_logo(4.0 * np.eye(4)[[0]], height=100)))
    assert 30 < size < 90


def test_the_other_strand() -> None:
    turned = heights(motif_logo(np.eye(4)[[0, 1, 1]], turned=True))
    assert [letter for letter, _, _ in sorted(turned, key=lambda one: one[1])] == ["G", "G", "T"]


def test_attributions_stand_and_hang() -> None:
    codes = np.array([0, 1, 2, 4], dtype=np.uint8)
    drawn = heights(attribution_logo(codes, np.array([1.0, -0.5, 0.0, 3.0]), height=90))
    assert [(letter, round(size)) for letter, _, size in sorted(drawn, key=lambda one: one[1])] == [
        ("A", 60),
        ("C", -30),
    ]


def test_nothing_to_draw_is_drawn() -> None:
    assert heights(attribution_logo(np.array([4, 4], dtype=np.uint8), np.zeros(2))) == []


@pytest.mark.parametrize(
    "svg",
    [
        motif_logo(np.eye(4), HOSTILE),
        attribution_logo(np.arange(4, dtype=np.uint8), np.ones(4), HOSTILE),
    ],
)
def test_titles_are_text_and_nothing_leaks(svg: str) -> None:
    root = ElementTree.fromstring(svg)
    assert root.attrib["aria-label"] == HOSTILE
    assert root.find(f"{SPACE}title").text == HOSTILE  # type: ignore[union-attr]
    tags = {element.tag.removeprefix(SPACE) for element in root.iter()}
    assert tags <= {"svg", "title", "defs", "path", "use", "line", "text"}
    assert "currentColor" in svg
    assert not re.search(r"url\(|http://(?!www\.w3\.org/2000/svg)", svg)


def test_letters_are_stacked_as_logomaker_does() -> None:
    logomaker = pytest.importorskip("logomaker", reason="logomaker comes with the extra seq")
    figure = pytest.importorskip("matplotlib.figure").Figure()
    values = np.random.default_rng(0).normal(size=(9, 4)).round(3)
    values[2] = 0.0
    values[3, 1] = 0.0
    table = pd.DataFrame(values, columns=list("ACGT"))
    twin = logomaker.Logo(table, ax=figure.subplots(), vsep=0.0, baseline_width=0)
    expected = [
        (glyph.c, int(glyph.p), float(glyph.floor), float(glyph.ceiling), bool(glyph.flip))
        for row in twin.glyph_df.to_numpy()
        for glyph in row
        if glyph.ceiling > glyph.floor
    ]
    assert expected
    found = {
        (letter, position): (floor, ceiling, hangs) for letter, position, floor, ceiling, hangs in stack_letters(values)
    }
    assert found.keys() == {(letter, position) for letter, position, *_ in expected}
    for letter, position, floor, ceiling, hangs in expected:
        assert found[letter, position] == (pytest.approx(floor), pytest.approx(ceiling), hangs)
