"""Whatever a file holds, it is read or refused with its name: no other error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

pytest.importorskip("pyfaidx")

from kgreg.data.sequence import Genome, read_variants
from kgreg.data.sequence.bed import read_bed
from kgreg.data.sequence.fasta import FastaFile
from kgreg.data.sequence.windows import BedFile
from kgreg.errors import KgregError
from tests.data.sequence.files import write_fasta

WORDS = [
    "\t",
    "\n",
    " ",
    ">",
    "chr1",
    "chr1:3-7(-)",
    "x",
    "ACGT",
    "n",
    "0",
    "5",
    "9",
    "-1",
    "1e3",
    ".",
    "+",
    "#",
    "é",
    "\0",
]
TEXT = st.lists(
    st.sampled_from([*WORDS, "track", "#CHROM\tPOS\tID\tREF\tALT", "chr1\t5\t9\n", "\r\n", "٣", ",", "<DEL>"])
)


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Genome:
    return Genome(write_fasta(tmp_path_factory.mktemp("genome") / "g.fa", [("chr1", "ACGTACGTAC"), ("x", "ACGT")]))


def windows(path: Path, genome: Genome) -> None:
    for centre in ("middle", "summit"):
        file = BedFile(path, genome, centre)  # type: ignore[arg-type]
        file.fit(6, "pad")
        assert sum(len(block) for block in file.rows(6)) == len(file.names) == len(file.intervals(6))


def sequences(path: Path, genome: Genome) -> None:
    file = FastaFile(path)
    assert sum(len(block) for block in file.rows(6)) == len(file.names) == len(file.intervals(6))


READERS: dict[str, Callable[[Path, Genome], Any]] = {
    "x.fa": sequences,
    "x.bed": lambda path, genome: read_bed(path),
    "x.narrowPeak": windows,
    "x.vcf": read_variants,
    "genome.fa": lambda path, genome: Genome(path).read("chr1", 0, 9),
}


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=80)
@given(TEXT)
@example(["chr1\t0\t", "9" * 30])
@example([">chr1:0-", "9" * 30, "\nACGT"])
@example([">", "a" * 5000, "\nACGT"])
@example(["\x1f\x8b\x08"])
def test_whatever_it_holds(
    name: str, tmp_path_factory: pytest.TempPathFactory, genome: Genome, text: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / name
    for beside in (path, path.with_name(path.name + ".fai")):
        beside.unlink(missing_ok=True)
    path.write_bytes(
        "".join(text).encode("latin-1", "replace") if text[:1] == ["\x1f\x8b\x08"] else "".join(text).encode()
    )
    said = str(path)
    try:
        READERS[name](path, genome)
    except KgregError as error:
        said = error.message
    assert str(path) in said
