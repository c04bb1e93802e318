"""Numbers are rounded to what is known of them, and what is not known is a dash."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from kgreg.report.numbers import count, decimals_for, duration, fixed, interval, is_known, plural, probability


@pytest.mark.parametrize(
    ("value", "decimals", "expected"),
    [(0.634, 2, "0.63"), (-1.5, 1, "−1.5"), (-0.0001, 2, "0.00"), (math.nan, 2, "–"), (None, 2, "–"), (pd.NA, 2, "–")],
)
def test_fixed(value: float, decimals: int, expected: str) -> None:
    assert fixed(value, decimals) == expected


def test_sign_is_shown_where_asked_but_not_for_zero() -> None:
    assert fixed(0.02, 2, sign=True) == "+0.02"
    assert fixed(0.0001, 2, sign=True) == "0.00"


def test_interval() -> None:
    assert interval(0.641, 0.589, 0.702) == "0.64 [0.59, 0.70]"
    assert interval(0.641, math.nan, math.nan) == "0.64 [–]"
    assert interval(math.nan, 0.1, 0.2) == "–"


@pytest.mark.parametrize(
    ("p", "expected"),
    [(1.0, "1.0"), (0.5, "0.50"), (0.04, "0.040"), (0.0123, "0.012"), (0.00123, "0.0012"), (3.6e-4, "3.6×10⁻⁴"),
     (2e-12, "2.0×10⁻¹²"), (0, "0"), (math.nan, "–")],
)  # fmt: skip
def test_probability(p: float, expected: str) -> None:
    assert probability(p) == expected


def test_decimals_follow_the_typical_half_width() -> None:
    assert decimals_for([0.017, 0.02, 0.5]) == 3
    assert decimals_for([math.nan, 0.0]) == 2
    assert decimals_for([1e-20]) == 7


def test_words() -> None:
    assert plural(1, "fold") == "1 fold"
    assert plural(27266, "name") == "27\u202f266 names"
    assert count(math.nan) == "–"
    assert [duration(s) for s in (48, 75.2, 7500, None)] == ["48 s", "1 min 15 s", "2 h 5 min", "–"]
    assert not is_known(math.inf)
