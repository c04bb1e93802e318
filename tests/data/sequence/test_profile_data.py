"""Windows around peaks and the reads along them, from files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kgreg.data.sequence.codes import encode_text
from kgreg.data.sequence.profile_data import ProfileData, read_profile_data
from kgreg.data.sequence.tally import Tally
from kgreg.errors import DataError
from tests.data.sequence.files import random_letters, write_fasta, write_text

pyBigWig = pytest.importorskip("pyBigWig")  # noqa: N816
pytest.importorskip("pyfaidx")

LENGTHS = {"chr1": 300, "chr2": 200, "chr3": 120}
PEAKS = "chr1\t100\t121\tp\t0\t+\nchr1\t200\t221\tq\t0\t-\nchr2\t90\t111\tr\t0\t.\nchr3\t0\t9\ts\t0\t.\n"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder, random = tmp_path_factory.mktemp("profiles"), np.random.default_rng(0)
    letters = {chrom: random_letters(random, length) for chrom, length in LENGTHS.items()}
    found: dict[str, Any] = {"letters": letters, "genome": write_fasta(folder / "genome.fa", letters.items())}
    found["peaks"] = write_text(folder / "peaks.bed", PEAKS)
    for name in ("plus", "minus", "control"):
        values = {chrom: random.integers(0, 9, length).astype(float) for chrom, length in LENGTHS.items()}
        file = pyBigWig.open(str(folder / f"{name}.bw"), "w")
        file.addHeader(list(LENGTHS.items()))
        for chrom, own in values.items():
            at = np.arange(len(own))
            file.addEntries([chrom] * len(at), at.tolist(), ends=(at + 1).tolist(), values=own.tolist())
        file.close()
        found |= {name: folder / f"{name}.bw", f"{name} values": values}
    return found


def test_windows_tracks_and_controls_lie_on_one_another(files: dict[str, Any]) -> None:
    tally = Tally()
    data = read_profile_data(
        files["peaks"], files["genome"], [files["plus"], files["minus"]],
        length=31, positions=11, controls=[files["control"]], jitter=2, tally=tally,
    )  # fmt: skip
    assert data.sequences.shape == (3, 35)
    assert data.observed.shape == (3, 2, 15)
    assert sum(tally.left_out.values()) == 1  # s reaches beyond the end
    plus, minus, control = (files[f"{name} values"] for name in ("plus", "minus", "control"))
    assert data.control is not None
    for row, (chrom, middle) in enumerate([("chr1", 110), ("chr1", 210), ("chr2", 100)]):
        wide, out = slice(middle - 17, middle + 18), slice(middle - 7, middle + 8)
        letters = encode_text(files["letters"][chrom])[wide]
        if row == 1:  # on the minus strand
            np.testing.assert_array_equal(data.sequences[row], 3 - letters[::-1])
            np.testing.assert_array_equal(data.observed[row], [minus[chrom][out][::-1], plus[chrom][out][::-1]])
            np.testing.assert_array_equal(data.control[row, 0], control[chrom][wide][::-1])
        else:
            np.testing.assert_array_equal(data.sequences[row], letters)
            np.testing.assert_array_equal(data.observed[row], [plus[chrom][out], minus[chrom][out]])
            np.testing.assert_array_equal(data.control[row, 0], control[chrom][wide])


def test_splits_are_by_chromosome(files: dict[str, Any]) -> None:
    data = read_profile_data(files["peaks"], files["genome"], [files["plus"]], length=9, positions=5)
    split = data.split(stop=["chr2"], test=["chr3"])
    assert [part.tolist() for part in (split.fit, split.stop, split.test)] == [[0, 1], [2], [3]]
    for stop, test, said in (
        (["chr9"], ["chr3"], "No sequence lies on chr9"),
        (["chr2"], ["chr2"], "The same chromosomes stop and test: chr2"),
        (["chr1", "chr2"], ["chr3"], "none is left to fit"),
    ):
        with pytest.raises(DataError, match=said):
            data.split(stop, test)
    with pytest.raises(DataError, match="are not known"):
        ProfileData(data.sequences, data.observed).split(["chr2"], ["chr3"])
    with pytest.raises(DataError, match="needs a track"):
        read_profile_data(files["peaks"], files["genome"], [], length=9, positions=5)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"observed": np.zeros((4, 2, 19), np.float32)}, "19 observed positions have no middle place"),
        ({"observed": np.zeros((3, 2, 20), np.float32)}, "does not fit 4 sequences of 40"),
        ({"observed": np.full((4, 2, 20), -1, np.float32)}, "negative or missing"),
        ({"control": np.full((4, 1, 40), np.nan, np.float32)}, "negative or missing"),
        ({"control": np.zeros((4, 1, 20), np.float32)}, "'control' has the shape"),
    ],
)
def test_bad_data_are_refused(changed: dict[str, Any], said: str) -> None:
    good: dict[str, Any] = {"sequences": np.zeros((4, 40), np.uint8), "observed": np.zeros((4, 2, 20), np.float32)}
    with pytest.raises(DataError, match=said):
        ProfileData(**{**good, **changed})
