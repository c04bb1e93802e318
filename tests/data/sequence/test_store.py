"""Codes that outgrow the memory: written once, whole or not at all, and read from the file."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kgreg.data.sequence import store
from kgreg.data.sequence.store import content_of, keep_codes
from kgreg.errors import DataError, OutputError

CODES = np.random.default_rng(0).integers(0, 5, (23, 7)).astype(np.uint8)


def blocks(counts: Counter[str], codes: np.ndarray = CODES, size: int = 5) -> Iterator[np.ndarray]:
    counts["rows"] += len(codes)
    yield from (codes[at : at + size] for at in range(0, len(codes), size))


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "IN_MEMORY", 0)


def test_few_stay_in_memory(tmp_path: Path) -> None:
    codes, counts = keep_codes(blocks, 23, 7, "key", tmp_path)
    assert counts == {"rows": 23}
    np.testing.assert_array_equal(codes, CODES)
    assert not isinstance(codes, np.memmap)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("on_disk")
def test_many_are_written_once(tmp_path: Path) -> None:
    first = keep_codes(blocks, 23, 7, "key", tmp_path / "deep" / "er")

    def never(counts: Counter[str]) -> Iterator[np.ndarray]:
        raise AssertionError

    again = keep_codes(never, 23, 7, "key", tmp_path / "deep" / "er")
    for found, counts in (first, again):
        assert counts == {"rows": 23}
        assert isinstance(found, np.memmap)
        assert not found.flags.writeable
        np.testing.assert_array_equal(found, CODES)
    other, _ = keep_codes(lambda counts: blocks(counts, CODES[::-1]), 23, 7, "another key", tmp_path / "deep" / "er")
    np.testing.assert_array_equal(other, CODES[::-1])


@pytest.mark.usefixtures("on_disk")
def test_a_damaged_file_is_written_anew(tmp_path: Path) -> None:
    keep_codes(blocks, 23, 7, "key", tmp_path)
    (path,) = tmp_path.glob("*.npy")
    for damage in (path.read_bytes()[:-20], b"", b"something else"):
        path.write_bytes(damage)
        np.testing.assert_array_equal(keep_codes(blocks, 23, 7, "key", tmp_path)[0], CODES)


@pytest.mark.usefixtures("on_disk")
@pytest.mark.parametrize("count", [22, 24])
def test_another_number_of_rows_leaves_nothing_behind(tmp_path: Path, count: int) -> None:
    with pytest.raises(DataError, match=f"{count} sequences were announced, and 23 came"):
        keep_codes(blocks, count, 7, "key", tmp_path)
    assert all(path.suffix == ".lock" for path in tmp_path.iterdir())


@pytest.mark.usefixtures("on_disk")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written") as caught:
        keep_codes(blocks, 23, 7, "key", tmp_path / "file")
    assert "KGREG_CACHE" in caught.value.hint


def test_the_content_is_that_of_letters_and_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = content_of(CODES)
    monkeypatch.setattr(store, "_BLOCK", 20)
    assert content_of(CODES) == whole
    assert content_of(CODES[::-1]) != whole
    assert content_of(CODES.reshape(7, 23)) != whole


@pytest.mark.usefixtures("on_disk")
def test_memory_does_not_grow_with_the_number_of_sequences(tmp_path: Path) -> None:
    block = np.zeros((64, 1000), dtype=np.uint8)

    def peak(count: int) -> int:
        tracemalloc.start()
        codes, _ = keep_codes(lambda counts: (block for _ in range(count)), 64 * count, 1000, str(count), tmp_path)
        content_of(codes)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(1)
    assert peak(200) < 1.2 * peak(20)
