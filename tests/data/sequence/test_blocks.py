"""Tables of numbers beside sequences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kgreg.data.sequence.blocks import read_blocks
from kgreg.errors import DataError


def write(folder: Path, text: str) -> Path:
    path = folder / "cpg.csv"
    path.write_text(text)
    return path


def test_rows_come_in_the_order_of_the_sequences(tmp_path: Path) -> None:
    path = write(tmp_path, "site,left,right\ns2,1,0.5\nother,9,9\ns1,0,2\n")
    found = read_blocks({"cpg": path}, ["s1", "s2"])
    np.testing.assert_array_equal(found["cpg"], np.array([[0, 2], [1, 0.5]], dtype=np.float32))
    assert found["cpg"].dtype == np.float32


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("site,left\ns1,1\n", "has no row for 1 of 2 sequences: s2"),
        ("site,left,right\ns1,1,a\ns2,2,b\n", "columns that are not numbers: right"),
        ("site,left,right\ns1,1,\ns2,2,3\n", "missing or infinite values in: right"),
        ("site,left\ns1,1\ns1,2\ns2,1\n", "more than once: s1"),
    ],
)
def test_faults_are_told(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said) as caught:
        read_blocks({"cpg": write(tmp_path, text)}, ["s1", "s2"])
    assert "cpg.csv" in str(caught.value)
