"""bigWig files against arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kgreg.data.sequence.chromosomes import RENAMED
from kgreg.data.sequence.profiles import BEYOND, NO_VALUE, read_profiles, read_track
from kgreg.data.sequence.tally import Tally
from kgreg.errors import DataError

pyBigWig = pytest.importorskip("pyBigWig")  # noqa: N816

LENGTHS = {"chr1": 300, "chr2": 100}


@pytest.fixture(scope="module")
def signal() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    values = {chrom: random.integers(0, 50, length).astype(float) for chrom, length in LENGTHS.items()}
    values["chr1"][40:60] = np.nan
    return values


@pytest.fixture(scope="module")
def track(tmp_path_factory: pytest.TempPathFactory, signal: dict[str, np.ndarray]) -> Path:
    path = tmp_path_factory.mktemp("track") / "x.bw"
    file = pyBigWig.open(str(path), "w")
    file.addHeader(list(LENGTHS.items()))
    for chrom, values in signal.items():
        at = np.flatnonzero(~np.isnan(values))
        file.addEntries([chrom] * len(at), at.tolist(), ends=(at + 1).tolist(), values=values[at].tolist())
    file.close()
    return path


def intervals(*rows: tuple[str, int, int, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["chrom", "start", "end", "strand"])


def expected(signal: dict[str, np.ndarray], chrom: str, start: int, end: int) -> np.ndarray:
    values = np.nan_to_num(signal[chrom])
    return np.array([values[at] if 0 <= at < len(values) else 0.0 for at in range(start, end)])


ROWS = [
    ("chr1", 0, 30, "+"),
    ("chr1", 35, 65, "-"),
    ("chr2", 90, 120, ""),
    ("chr2", -10, 20, "-"),
    ("chr1", 41, 59, ""),
]


@pytest.mark.parametrize("statistic", ["mean", "max", "sum"])
def test_a_number_an_interval(track: Path, signal: dict[str, np.ndarray], statistic: str) -> None:
    tally = Tally()
    found = read_track(track, intervals(*ROWS), statistic, tally)  # type: ignore[arg-type]
    truth = [getattr(np, statistic)(expected(signal, *row[:3])) for row in ROWS]
    np.testing.assert_allclose(found, truth, rtol=1e-6)
    assert found.dtype == np.float32
    assert tally.repairs == {BEYOND: 2, NO_VALUE: 1}


@pytest.mark.parametrize(("bins", "statistic"), [(None, "sum"), (10, "sum"), (3, "max"), (1, "mean")])
def test_profiles_follow_the_strand(
    track: Path, signal: dict[str, np.ndarray], bins: int | None, statistic: str
) -> None:
    rows = ROWS[:4]
    found = read_profiles(track, intervals(*rows), bins, statistic)  # type: ignore[arg-type]
    for profile, (chrom, start, end, strand) in zip(found, rows, strict=True):
        values = expected(signal, chrom, start, end).reshape(bins or 30, -1)
        truth = getattr(np, statistic)(values, axis=1)
        np.testing.assert_allclose(profile, truth[::-1] if strand == "-" else truth, rtol=1e-6)


def test_chromosomes_may_be_named_otherwise(track: Path) -> None:
    tally = Tally()
    named = read_track(track, intervals(("1", 0, 30, "")), tally=tally)
    assert named == read_track(track, intervals(("chr1", 0, 30, "")))
    assert tally.repairs == {RENAMED: 1}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("chr1", 0, 30, ""), ("chrX", 5, 35, "")], "lacks the chromosomes of 1 intervals: chrX:5-35"),
        ([("chrX", 0, 30, "")], "has none"),
        ([("chr1", 0, 30, ""), ("", -1, -1, "")], "Of 1 of 2 intervals the place is not known"),
    ],
)
def test_intervals_that_the_track_does_not_know(track: Path, rows: list[tuple[str, int, int, str]], said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_track(track, intervals(*rows))


def test_bins_and_lengths_that_do_not_fit(track: Path) -> None:
    with pytest.raises(DataError, match="30 letters are not divided evenly by 7"):
        read_profiles(track, intervals(("chr1", 0, 30, "")), 7)
    with pytest.raises(DataError, match="different lengths"):
        read_profiles(track, intervals(("chr1", 0, 30, ""), ("chr1", 0, 20, "")))


def test_what_is_no_bigwig(tmp_path: Path) -> None:
    (tmp_path / "x.bw").write_text("chr1 0 10 5\n")
    for name, said in (("x.bw", "is no bigWig file"), ("none.bw", "is not a file")):
        with pytest.raises(DataError, match=said):
            read_track(tmp_path / name, intervals(("chr1", 0, 30, "")))
