"""The experiment file: what is allowed, and what its errors say."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgreg.errors import ExperimentError
from kgreg.experiment import Experiment, make_experiment, read_experiment
from kgreg.resources import recipe_file

GOOD = """\
title = "T"

[data]
file = "cells.h5ad"
label = "kind"

[knowledge]
guide = "go"
min_genes = 5
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "experiment.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problem(folder: Path, text: str) -> str:
    with pytest.raises(ExperimentError) as caught:
        read_experiment(write(folder, text))
    return str(caught.value)


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    experiment = read_experiment(write(tmp_path, GOOD))
    assert experiment.data.file == str(tmp_path / "cells.h5ad")
    assert experiment.output.folder == str(tmp_path / "run")


def test_an_unknown_key_is_named_with_its_line_and_what_is_allowed(tmp_path: Path) -> None:
    said = problem(tmp_path, GOOD + "min_gene = 3\n")
    assert f"{tmp_path / 'experiment.toml'}, line 10" in said
    assert "[knowledge] has no key 'min_gene'" in said
    assert "Did you mean 'min_genes'?" in said
    assert "max_genes, redundancy" in said


def test_an_unknown_section_is_named(tmp_path: Path) -> None:
    said = problem(tmp_path, GOOD + "[trainning]\nfolds = 3\n")
    assert "line 10" in said
    assert "Did you mean 'training'?" in said


def test_a_wrong_value_is_named_with_the_allowed_ones(tmp_path: Path) -> None:
    said = problem(tmp_path, GOOD.replace('guide = "go"', 'guide = "kegg"'))
    assert "line 8" in said
    assert 'knowledge.guide is "kegg"' in said
    assert "'cypher', 'tables', 'interactions'" in said


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("[training]\nfolds = 1", ["line 11", "training.folds is 1", "greater than or equal to 2"]),
        ('[training]\nseed = "x"', ["line 11", "training.seed", "integer"]),
        ("[network]\ndropout = 1.0", ["line 11", "less than 1"]),
        ('[knockouts]\nsets = { "CD3" = [] }', ["line 11", "knockouts.sets.CD3", "at least 1 item"]),
        ('[knockouts.sets]\n"CD3" = 3', ["line 11", "knockouts.sets.CD3", "list"]),
        ("[knockouts]\ndose = -1", ["line 11", "knockouts.dose", "greater than or equal to 0"]),
        ("[knockouts]\ndose = 2\nvalue = 1", ["'dose' scales", "'value' replaces"]),
        ('[knockouts]\npairs = ["CD3D", "CD3D"]', ["has no pair"]),
        ('[knockouts]\nvalue = "off"', ["line 11", "knockouts.value", "altered"]),
        ("training.patience = 0", ["knowledge", "training"]),
        ("training = 3", ["[knowledge] has no key 'training'"]),
        ("max_genes = 2", ["max_genes = 2 is below min_genes = 5"]),
    ],
)
def test_other_mistakes(tmp_path: Path, line: str, words: list[str]) -> None:
    said = problem(tmp_path, GOOD + line + "\n")
    for word in words:
        assert word in said


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    said = problem(tmp_path, GOOD.replace('"T"', "3").replace('"go"', '"no"') + "[nulls]\nrewired = -1\n")
    places = [said.index(word) for word in ("line 1:", "line 8:", "line 11:")]
    assert places == sorted(places)


def test_missing_parts_are_named(tmp_path: Path) -> None:
    assert "[data] label is missing" in problem(tmp_path, '[data]\nfile = "x"\n')
    assert "section [data] is missing" in problem(tmp_path, "title = 'x'\n")


def test_keys_of_go_mean_nothing_to_reactome(tmp_path: Path) -> None:
    said = problem(tmp_path, GOOD.replace('"go"', '"reactome"\nnamespace = "molecular_function"'))
    assert "'namespace' selects a part of GO" in said


def test_layers_are_named_in_one_way_and_once_each(tmp_path: Path) -> None:
    several = GOOD.replace('label = "kind"', 'label = "kind"\nlayers = ["mutation", "deletion"]')
    assert read_experiment(write(tmp_path, several)).data.layers == ["mutation", "deletion"]
    assert "give 'layer' or 'layers', not both" in problem(tmp_path, several.replace("layers", 'layer = "raw"\nlayers'))
    assert "names a layer twice" in problem(tmp_path, several.replace("deletion", "mutation"))


def test_folds_are_five_unless_the_data_fix_the_split(tmp_path: Path) -> None:
    fixed = GOOD.replace('label = "kind"', 'label = "kind"\nsplit = "split"')
    assert read_experiment(write(tmp_path, GOOD)).training.folds == 5
    assert read_experiment(write(tmp_path, fixed)).training.folds is None
    said = problem(tmp_path, fixed + "[training]\nseed = 1\nfolds = 5\n")
    assert f"{tmp_path / 'experiment.toml'}, line 13: training.folds: the column of [data] split fixes" in said
    experiment = read_experiment(write(tmp_path, fixed))
    with pytest.raises(ExperimentError, match=r"training\.folds"):
        experiment.replace("training", folds=3)
    assert make_experiment(experiment.to_dict()) == experiment


def test_what_is_no_toml_names_the_line(tmp_path: Path) -> None:
    assert "line 2" in problem(tmp_path, 'title = "x"\n[data\n')
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ExperimentError, match="cannot be read"):
        read_experiment(path)
    with pytest.raises(ExperimentError, match="cannot be read"):
        read_experiment(tmp_path / "none.toml")


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "bom.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert read_experiment(path).title == "T"


def test_the_demo_is_a_sound_experiment() -> None:
    experiment = read_experiment(recipe_file("pbmc68k"))
    assert experiment.data.file == "scanpy:pbmc68k_reduced"
    assert len(experiment.knockouts.genes) + len(experiment.knockouts.sets) == 3


def test_a_record_comes_back_as_it_was_written() -> None:
    experiment = read_experiment(recipe_file("pbmc68k"))
    assert make_experiment(experiment.to_dict()) == experiment


@settings(max_examples=60, deadline=None)
@given(
    section=st.sampled_from([name for name in Experiment.model_fields if name not in ("title",)]),
    key=st.text(alphabet="abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12),
    value=st.one_of(st.integers(), st.text(max_size=8), st.booleans(), st.none(), st.lists(st.integers(), max_size=2)),
)
def test_whatever_is_written_is_taken_or_refused_by_name(section: str, key: str, value: object) -> None:
    record: dict[str, dict[str, object]] = {"data": {"file": "x", "label": "y"}}
    record.setdefault(section, {})[key] = value
    said = None
    try:
        make_experiment(record)
    except ExperimentError as error:
        said = str(error)
    assert said is None or key in said
