"""Sequences as samples: classes, labels, tracks, negatives, groups and parts."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kgreg.data import split_fixed, split_folds
from kgreg.data.samples import Columns
from kgreg.data.sequence import gc_content, kmer_counts, read_sequences, store
from kgreg.data.sequence.chromosomes import RENAMED
from kgreg.data.sequence.codes import LOWER_CASE, decode
from kgreg.data.sequence.fasta import CUT, EMPTY, PADDED
from kgreg.data.sequence.files import LONGEST
from kgreg.data.sequence.genome import Genome
from kgreg.data.sequence.reading import BACKGROUND, NO_LABEL, NO_SEQUENCE, UNGROUPED
from kgreg.data.sequence.windows import BedFile
from kgreg.errors import DataError
from tests.data.sequence.files import random_letters, write_fasta, write_text

RANDOM = np.random.default_rng(7)
CHROMOSOMES = {f"chr{i}": "".join(random_letters(RANDOM, 250, gc) for gc in (0.4, 0.6) * 4) for i in range(1, 6)}


def records(count: int, offset: int = 0, length: int = 20) -> list[tuple[str, str]]:
    found = []
    for i in range(count):
        chrom, start = f"chr{1 + i % 5}", 40 * (i // 5) + offset
        found.append((f"{chrom}:{start}-{start + length}", CHROMOSOMES[chrom][start : start + length]))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sequences")
    write_fasta(path / "a.fa", records(30))
    write_fasta(path / "b.fa.gz", records(20, 20))
    write_fasta(path / "genome.fa", CHROMOSOMES.items())
    write_text(path / "a.bed", "".join(f"chr{1 + i % 5}\t{40 * i}\t{40 * i + 30}\tpeak_{i}\n" for i in range(20)))
    write_text(path / "b.bed", "".join(f"{1 + i % 5}\t{40 * i + 5}\t{40 * i + 25}\tpeak_{i}\n" for i in range(15)))
    return path


def read(folder: Path, files: Any, columns: Columns | None = None, /, **options: Any) -> Any:
    for key in ("genome", "labels"):
        if key in options:
            options[key] = folder / options[key]
    if isinstance(files, dict):
        files = {label: [folder / f for f in ([one] if isinstance(one, str) else one)] for label, one in files.items()}
    else:
        files = folder / files
    return read_sequences(files, columns, **options)


def test_files_of_classes(folder: Path) -> None:
    samples = read(folder, {"b": "b.fa.gz", "a": "a.fa"})
    assert (samples.task, samples.classes, samples.outputs) == ("classification", ["a", "b"], ["a", "b"])
    assert (samples.x.shape, samples.features) == ((50, 0), [])
    assert samples.target.tolist() == [1] * 20 + [0] * 30
    expected = [letters for _, letters in records(20, 20) + records(30)]
    assert [decode(row) for row in samples.sequences] == expected
    places = samples.intervals
    for row, (chrom, start, end, strand) in enumerate(places.itertuples(index=False)):
        assert (CHROMOSOMES[chrom][start:end], strand) == (expected[row], "")
    assert samples.groups.tolist() == places["chrom"].tolist()
    assert samples.repairs == {}
    assert samples.summary()["sequences"] == {"length": 20, "repairs": {}}
    for split in split_folds(samples, 3):
        assert not set(samples.groups[split.test]) & set(samples.groups[split.train])


def test_several_files_of_a_class_and_what_was_mended(tmp_path: Path) -> None:
    write_fasta(tmp_path / "a1.fa", [("one", "acgtacgt"), ("two", "ACGT"), ("none", "")])
    write_fasta(tmp_path / "a2.fa", [("three", "ACGTACGTACGT")])
    write_fasta(tmp_path / "b.fa", [("four", "ACGTACGT")])
    samples = read(tmp_path, {"a": ["a1.fa", "a2.fa"], "b": "b.fa"}, length=8)
    assert [decode(row) for row in samples.sequences] == ["ACGTACGT", "NNACGTNN", "GTACGTAC", "ACGTACGT"]
    assert samples.repairs == {LOWER_CASE: 8, PADDED: 1, CUT: 1}
    assert samples.left_out == {EMPTY: 1}
    assert samples.groups is None
    assert samples.summary()["left_out"] == {EMPTY: 1}


@pytest.mark.parametrize(("lengths", "length"), [([4, 4], 4), ([1500, 1500], 1500), ([4, 9], 9), ([9, 1500], LONGEST)])
def test_the_length_where_none_is_given(tmp_path: Path, lengths: list[int], length: int) -> None:
    for name, size in zip("ab", lengths, strict=True):
        write_fasta(tmp_path / f"{name}.fa", [(name, "A" * size)])
    assert read(tmp_path, {"a": "a.fa", "b": "b.fa"}).sequences.shape == (2, length)


def test_what_was_read_is_known_again_by_its_content(folder: Path, tmp_path: Path) -> None:
    files = {"a": "a.fa", "b": "b.fa.gz"}
    first = read(folder, files)
    for name, which in (("a.fa", records(30)), ("b.fa.gz", records(20, 20))):
        write_fasta(tmp_path / name, which, width=7)
    assert read(tmp_path, files).sha256 == first.sha256
    write_fasta(tmp_path / "a.fa", [*records(29), ("chr5:200-220", "A" * 20)])
    assert read(tmp_path, files).sha256 != first.sha256


def test_chromosomes_fix_the_split(folder: Path) -> None:
    samples = read(folder, {"a": "a.fa", "b": "b.fa.gz"}, test_chromosomes=["2", "chr4"])
    (split,) = split_fixed(samples)
    assert set(samples.groups[split.test]) == {"chr2", "chr4"}
    assert set(samples.groups[split.fit]) | set(samples.groups[split.stop]) == {"chr1", "chr3", "chr5"}
    assert samples.clusters is None
    assert read(folder, {"a": "a.fa", "b": "b.fa.gz"}, Columns(group="none")).clusters is None
    with pytest.raises(DataError, match="has no sequence on chr9, which test_chromosomes names") as caught:
        read(folder, {"a": "a.fa", "b": "b.fa.gz"}, test_chromosomes=["chr9", "chr1"])
    assert "chr1, chr2" in caught.value.hint
    with pytest.raises(DataError, match="no sequence on other chromosomes"):
        read(folder, {"a": "a.fa", "b": "b.fa.gz"}, test_chromosomes=list(CHROMOSOMES))


def test_groups_where_chromosomes_are_named_in_two_ways_or_not_known(tmp_path: Path) -> None:
    write_fasta(tmp_path / "a.fa", [("chr1:0-4", "ACGT"), ("chr2:0-4", "ACGT")])
    write_fasta(tmp_path / "b.fa", [("1:8-12", "ACGT"), ("2:8-12", "ACGT")])
    write_fasta(tmp_path / "c.fa", [("x", "ACGT")])
    assert read(tmp_path, {"a": "a.fa", "b": "b.fa"}).groups.tolist() == ["chr1", "chr2"] * 2
    assert read(tmp_path, {"a": "a.fa", "b": "b.fa"}, Columns(group="none")).groups is None
    mixed = read(tmp_path, {"a": "a.fa", "c": "c.fa"})
    assert mixed.groups is None
    assert mixed.repairs == {UNGROUPED: 1}
    for columns, options in ((Columns(group="chromosome"), {}), (None, {"test_chromosomes": ["chr1"]})):
        with pytest.raises(DataError, match="of 1 of 3 sequences the chromosome is not known: x"):
            read(tmp_path, {"a": "a.fa", "c": "c.fa"}, columns, **options)


def test_a_table_of_labels(folder: Path, tmp_path: Path) -> None:
    names = [name for name, _ in records(30)]
    table = pd.DataFrame({"activity": np.arange(29) / 7, "donor": list("xyz") * 9 + ["x", "y"]}, index=names[:29])
    table["bound"], table["open"] = [0, 1] * 14 + [1], [1.0, np.nan, 0.0] * 9 + [1.0, 1.0]
    table.loc["elsewhere"] = [0.5, "x", 1, 1.0]
    table.iloc[::-1].to_csv(tmp_path / "y.csv")
    samples = read(folder, "a.fa", Columns(label="activity", group="donor"), labels=tmp_path / "y.csv")
    assert (samples.task, samples.names) == ("regression", names[:29])
    np.testing.assert_allclose(samples.target, np.arange(29) / 7, rtol=1e-6)
    assert samples.groups.tolist() == table["donor"][:29].tolist() == samples.clusters.tolist()
    assert (samples.left_out, samples.repairs) == ({NO_LABEL: 1}, {NO_SEQUENCE: 1})
    assert decode(samples.sequences[28]) == records(30)[28][1]
    several = read(folder, "a.fa", Columns(label=["bound", "open"]), labels=tmp_path / "y.csv")
    assert (several.task, several.labels, several.target.shape) == ("multilabel", ["bound", "open"], (29, 2))
    assert several.groups.tolist() == several.intervals["chrom"].tolist()
    with pytest.raises(DataError, match="names none of the 20 sequences"):
        read(folder, "b.fa.gz", Columns(label="activity"), labels=tmp_path / "y.csv")


def test_bed_files_over_a_genome(folder: Path) -> None:
    pytest.importorskip("pyfaidx")
    samples = read(folder, {"a": "a.bed", "b": "b.bed"}, genome="genome.fa", length=50, ends="drop")
    assert samples.repairs == {RENAMED: 15}
    for row, place in zip(samples.sequences, samples.intervals.itertuples(), strict=True):
        assert decode(row) == CHROMOSOMES[place.chrom][place.start : place.end]
    # Both files name their peaks from 0, so places are the names.
    assert samples.names[0] == "chr2:40-70"


def test_negatives_with_the_same_gc_content(folder: Path) -> None:
    pytest.importorskip("pyfaidx")
    samples = read(folder, {"peak": ["a.fa"]}, genome="genome.fa", negatives="gc", seed=1)
    assert samples.classes == [BACKGROUND, "peak"]
    of_class = [samples.target == i for i in (0, 1)]
    assert [int(rows.sum()) for rows in of_class] == [30, 30]
    gc = gc_content(samples.sequences)
    assert abs(gc[of_class[0]].mean() - gc[of_class[1]].mean()) < 0.01
    assert Counter(samples.groups[of_class[0]]) == Counter(samples.groups[of_class[1]])
    for row, place in zip(samples.sequences, samples.intervals.itertuples(), strict=True):
        assert decode(row) == CHROMOSOMES[place.chrom][place.start : place.end]
    assert len(set(samples.names)) == 60
    again = read(folder, {"peak": ["a.fa"]}, genome="genome.fa", negatives="gc", seed=1)
    assert again.sha256 == samples.sha256
    assert read(folder, {"peak": ["a.fa"]}, genome="genome.fa", negatives="gc", seed=2).sha256 != samples.sha256


def test_shuffled_negatives(folder: Path) -> None:
    pytest.importorskip("tangermeme")
    samples = read(folder, {"peak": "a.fa"}, negatives="dinucleotide")
    counts = kmer_counts(samples.sequences, 2, canonical=False)
    np.testing.assert_array_equal(counts[:30], counts[30:])
    assert (samples.sequences[:30] != samples.sequences[30:]).any(axis=1).all()
    assert samples.names[30] == f"{samples.names[0]}|shuffled"
    assert samples.groups[:30].tolist() == samples.groups[30:].tolist()
    assert (samples.intervals["end"][30:] == -1).all()


def test_a_track_is_what_is_learned(folder: Path, tmp_path: Path) -> None:
    package = pytest.importorskip("pyBigWig")
    file = package.open(str(tmp_path / "x.bw"), "w")
    file.addHeader([(name, len(letters)) for name, letters in CHROMOSOMES.items()])
    for name in CHROMOSOMES:
        file.addEntries(name, 0, values=np.arange(2000.0).tolist(), span=1, step=1)
    file.close()
    samples = read(folder, "a.fa", targets={"signal": tmp_path / "x.bw"}, statistic="max", log1p=True)
    assert (samples.task, samples.label, samples.outputs) == ("regression", "signal", ["signal"])
    np.testing.assert_allclose(samples.target, np.log1p(samples.intervals["end"] - 1), rtol=1e-6)


@pytest.mark.parametrize(
    ("files", "options", "said"),
    [
        ({"a": "a.fa"}, {}, "All sequences are of the class a"),
        ({"a": "a.fa", "b": []}, {}, "There is no file of b"),
        ({}, {}, "There is no file"),
        ("a.fa", {}, "needs a table of labels or a track"),
        ({"a": "a.fa", "b": "b.fa.gz"}, {"labels": "y.csv"}, "learned by their class"),
        ({"a": "a.bed", "b": "b.fa.gz"}, {}, r"a\.bed is a BED file, which needs a genome"),
        ({"a": "a.fa"}, {"negatives": "gc"}, "drawn from a genome"),
        ({"a": "a.fa", "background": "b.fa.gz"}, {"negatives": "dinucleotide"}, "a class of their own"),
        ({"a": "a.fa", "b": "a.fa"}, {}, "30 names in common"),
        ({"a": "a.fa", "b": "b.fa.gz"}, {"length": 0}, "0 letters long"),
        ("a.fa", {"targets": {"x": "x.bw", "y": "y.bw"}}, "There are 2 tracks"),
    ],
)
def test_what_does_not_go_together(folder: Path, files: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        read(folder, files, **options)


def test_what_lies_on_disk_is_used_again(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyfaidx")
    options: dict[str, Any] = {"genome": "genome.fa", "length": 50, "folder": tmp_path}
    files = {"a": "a.bed", "b": "b.bed"}
    in_memory = read(folder, files, **options)
    monkeypatch.setattr(store, "IN_MEMORY", 0)
    first, second = read(folder, files, **options), read(folder, files, **options)
    for samples in (first, second):
        assert isinstance(samples.sequences, np.memmap)
        assert (samples.sha256, samples.repairs) == (in_memory.sha256, in_memory.repairs)
    other = read(folder, files, **options | {"length": 30})
    assert other.sequences.shape[1] == 30
    assert len(list(tmp_path.glob("*.npy"))) == 2


def test_memory_does_not_grow_with_the_genome(tmp_path: Path) -> None:
    pytest.importorskip("pyfaidx")
    piece = random_letters(np.random.default_rng(0), 20_000)
    bed = write_text(tmp_path / "x.bed", "".join(f"chr1\t{100 * i}\t{100 * i + 200}\n" for i in range(100)))

    def peak(copies: int) -> int:
        path = write_fasta(tmp_path / f"{copies}.fa", [("chr1", piece * copies)])
        tracemalloc.start()
        with Genome(path) as genome:
            for _ in BedFile(bed, genome).rows(200):
                pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(1)
    assert peak(100) < 1.2 * peak(2)
