"""``[data.sequences]``: paths, what goes together, and what it reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kgreg.errors import DataError, ExperimentError
from kgreg.experiment import make_experiment, read_experiment
from kgreg.runs.stages import read_data, split_data

TWO = {"files": {"a": "a.fa", "b": ["b1.fa", "b2.fa"]}}


def problem(sequences: dict[str, Any], **data: Any) -> str:
    training = data.pop("training", {})
    with pytest.raises(ExperimentError) as caught:
        make_experiment({"data": {"sequences": sequences, **data}, "training": training})
    return str(caught.value)


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "e.toml"
    path.write_text('[data.sequences]\nfile = "x.bed"\ngenome = "/hg38.fa"\ntargets = { signal = "x.bw" }\n')
    section = read_experiment(path).data.sequences
    assert section is not None
    assert (section.file, section.genome) == (str(tmp_path / "x.bed"), "/hg38.fa")
    assert section.targets == {"signal": str(tmp_path / "x.bw")}
    path.write_text('[data.sequences]\nfiles = { a = "a.fa", b = ["b1.fa", "b2.fa"] }\n')
    section = read_experiment(path).data.sequences
    assert section is not None
    assert section.paths == {"a": [str(tmp_path / "a.fa")], "b": [str(tmp_path / "b1.fa"), str(tmp_path / "b2.fa")]}


@pytest.mark.parametrize(
    ("sequences", "data", "said"),
    [
        ({}, {}, "give either 'files' of classes, or one 'file'"),
        ({"file": "x.fa"}, {}, "one 'file' needs either 'labels' or 'targets'"),
        ({"file": "x.fa", "labels": "y.csv"}, {}, "[data] label is missing"),
        ({"file": "x.fa", "labels": "y.csv", "targets": {"t": "t.bw"}}, {}, "needs either 'labels' or 'targets'"),
        ({"file": "x.fa", "targets": {"t": "t.bw", "u": "u.bw"}}, {}, "at most 1 item"),
        ({**TWO, "labels": "y.csv"}, {}, "are for one 'file'"),
        ({"files": {"a": "a.fa"}}, {}, "set 'negatives'"),
        ({"files": {"a": "a.fa"}, "negatives": "gc"}, {}, "drawn from a 'genome'"),
        ({"files": {"a": "a.fa", "background": "b.fa"}, "negatives": "dinucleotide"}, {}, "a class of their own"),
        ({"files": {"a": "a.bed", "b": "b.fa"}}, {}, "a.bed is a BED file"),
        ({"files": {"a": []}}, {}, "at least 1 item"),
        ({**TWO, "statistic": "max"}, {}, "'statistic' means nothing without 'targets'"),
        ({**TWO, "length": 0}, {}, "data.sequences.length is 0"),
        ({**TWO, "genom": "g.fa"}, {}, "Did you mean 'genome'? Allowed in [data.sequences]: files, file, labels"),
        (TWO, {"label": "x"}, "'label' means nothing with [data.sequences] unless they have a table of 'labels'"),
        (TWO, {"file": "x.h5ad"}, "'file' means nothing with [data.sequences]; remove it"),
        (TWO, {"layers": ["x"]}, "'layers' means nothing"),
        (
            {"file": "x.fa", "labels": "y.csv", "test_chromosomes": ["chr1"]},
            {"label": "y", "split": "part"},
            "both fix the split",
        ),
        ({**TWO, "test_chromosomes": ["chr1"]}, {"training": {"folds": 3}}, "'test_chromosomes' fixes one split"),
    ],
)
def test_what_does_not_go_together(sequences: dict[str, Any], data: dict[str, Any], said: str) -> None:
    assert said in problem(sequences, **data)


def test_folds_are_five_unless_chromosomes_fix_the_split() -> None:
    assert make_experiment({"data": {"sequences": TWO}}).training.folds == 5
    fixed = make_experiment({"data": {"sequences": {**TWO, "test_chromosomes": ["chr1"]}}})
    assert fixed.training.folds is None
    assert make_experiment(fixed.to_dict()) == fixed


def test_samples_and_their_splits(tmp_path: Path) -> None:
    for first, name, letters in ((0, "a", "ACGTAC"), (1000, "b", "GGGTAC")):
        starts = {i: first + 10 * i for i in range(1, 25)}
        text = "".join(f">chr{i % 4}:{start}-{start + 6}\n{letters}\n" for i, start in starts.items())
        (tmp_path / f"{name}.fa").write_text(text)
    sequences = {"files": {name: str(tmp_path / f"{name}.fa") for name in "ab"}, "length": 8}
    experiment = make_experiment({"data": {"sequences": sequences}, "training": {"folds": 3}})
    samples = read_data(experiment)
    assert samples.sequences is not None
    assert samples.sequences.shape == (48, 8)
    assert samples.groups is not None
    assert len(split_data(experiment, samples)) == 3
    fixed = make_experiment({"data": {"sequences": {**sequences, "test_chromosomes": ["1"]}}})
    (split,) = split_data(fixed, read_data(fixed))
    assert set(samples.groups[split.test]) == {"chr1"}
    assert read_data(make_experiment({"data": {"sequences": sequences, "group": "none"}})).groups is None
    many = make_experiment({"data": {"sequences": sequences}, "training": {"folds": 5}})
    with pytest.raises(DataError, match="4 groups for 5 folds") as caught:
        split_data(many, samples)
    assert 'group = "none"' in caught.value.hint
