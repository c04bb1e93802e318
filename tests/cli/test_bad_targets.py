"""Targets that cannot be learned are refused by the command line with the column and its values."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest

from kgreg import cli
from tests.cells import make_patients, small_record
from tests.cli.test_commands import to_toml

Spoil = Callable[[anndata.AnnData], None]
SURVIVAL = {"time": "months", "event": "died"}
SEVERAL = {"label": ["b", "t"]}


def put(column: str, *values: Any) -> Spoil:
    """Return what writes the values over the first ones of a column; a single one over all of it."""

    def spoil(cells: anndata.AnnData) -> None:
        if len(values) == 1:
            cells.obs[column] = values[0]
        else:
            rest = cells.obs[column].tolist()[len(values) :]
            cells.obs[column] = [*values, *rest]

    return spoil


def words_in_a_column(cells: anndata.AnnData) -> None:
    cells.obs["age"] = np.where(np.arange(cells.n_obs) % 2 == 0, "young", "old")


def no_label_at_all(cells: anndata.AnnData) -> None:
    cells.obs["b"] = [np.nan, *cells.obs["b"].tolist()[1:]]
    cells.obs["t"] = [np.nan, *cells.obs["t"].astype(float).tolist()[1:]]


def few_events(cells: anndata.AnnData) -> None:
    cells.obs["died"] = [True] * 3 + [False] * (cells.n_obs - 3)


def events_in_one_group(cells: anndata.AnnData) -> None:
    cells.obs["died"] = (cells.obs["donor"] == "d0").to_numpy()


def nothing(cells: anndata.AnnData) -> None:
    pass


CASES: list[tuple[str, dict[str, Any], Spoil, list[str]]] = [
    ("text", {"label": "age", "task": "regression"}, words_in_a_column, ["'age'", "no numbers", "young", "old"]),
    ("infinite", {"label": "age"}, put("age", np.inf, 1.0), ["'age'", "infinite"]),
    ("missing", {"label": "age"}, put("age", np.nan, 1.0), ["'age'", "missing in 1 of 60"]),
    ("negative", SURVIVAL, put("months", -2.5, 0.0), ["'months'", "2 times", "zero or negative", "-2.5", "0.0"]),
    ("no time", SURVIVAL, put("months", np.nan, 1.0), ["'months'", "missing in 1 of 60"]),
    ("endless", SURVIVAL, put("months", np.inf, 1.0), ["'months'", "infinite"]),
    ("words for times", SURVIVAL, put("months", "long"), ["'months'", "no numbers", "long"]),
    ("one time", SURVIVAL, put("months", 3.0), ["'months'", "one value only", "3"]),
    ("events of 2", SURVIVAL, put("died", 2), ["'died'", "other values than 0 and 1", "2"]),
    ("words for events", SURVIVAL, put("died", "dead"), ["'died'", "other values than 0 and 1", "'dead'"]),
    ("no event known", SURVIVAL, put("died", np.nan), ["'died'", "missing in 60 of 60"]),
    ("no events", SURVIVAL, put("died", False), ["'died'", "no event", "all 60 samples are censored"]),
    ("few events", SURVIVAL, few_events, ["3 events in 60 samples", "2 folds"]),
    ("a censored part", SURVIVAL | {"group": "donor"}, events_in_one_group, ["fold", "part holds fewer than 2 events"]),
    ("one column twice", {"time": "months", "event": "months"}, nothing, ["'months'", "both time and event"]),
    ("unknown column", {"time": "years", "event": "died"}, nothing, ["no column 'years'", "months"]),
    ("constant label", SEVERAL, put("t", True), ["do not vary", "t (always 1)"]),
    ("unknown label", SEVERAL, put("b", np.nan), ["do not vary", "b (never known)"]),
    ("label of 3", SEVERAL, put("b", 3.0, 0.5), ["'b'", "other values than 0 and 1", "3.0", "0.5"]),
    ("words for labels", {"label": ["kind", "t"]}, nothing, ["'kind'", "other values than 0 and 1", "'B'"]),
    ("sample without label", SEVERAL, no_label_at_all, ["1 of 60 samples", "no label at all", "cell0"]),
    ("missing label", {"label": ["b", "c"]}, nothing, ["no column 'c'", "coin"]),
]


def said(record: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> str:
    """Run the experiment through the command line, which must fail, and return what it prints as one line."""
    path = folder / "experiment.toml"
    path.write_text(to_toml(record), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["kgreg", "run", str(path)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    assert not (folder / "run").exists(), "nothing is begun before the input is sound"
    text = capsys.readouterr().err
    assert "Traceback" not in text
    return " ".join(text.split())


@pytest.mark.parametrize(("target", "spoil", "words"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_target_that_cannot_be_learned(
    target: dict[str, Any],
    spoil: Spoil,
    words: list[str],
    tmp_path: Path,
    knowledge_store_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    record: dict[str, Any] = small_record(tmp_path, knowledge_store_path)
    cells = make_patients()
    spoil(cells)
    cells.write_h5ad(record["data"]["file"])
    del record["data"]["label"]
    record["data"] |= target
    text = said(record, tmp_path, monkeypatch, capsys)
    for word in words:
        assert word in text


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ({}, ["line 1", "[data] label is missing", "`time` and `event`"]),
        ({"time": "months"}, ["[data] event is missing", "Add `event"]),
        ({"event": "died"}, ["[data] time is missing"]),
        ({"label": "age", **SURVIVAL}, ["exclude each other"]),
        ({"label": []}, ["line 3", "data.label", "neither the name of a column nor a list of names"]),
        ({"label": 3}, ["line 3", "data.label", "3 is neither"]),
        ({"label": ["b", "b"]}, ["line 3", "named more than once"]),
        ({"label": "b", "task": "multilabel"}, ['task = "multilabel" learns a list of labels, but one label is given']),
        ({"label": "b", "task": "survival"}, ['task = "survival" learns time and event']),
        ({**SEVERAL, "task": "regression"}, ['task = "regression" learns one label, but a list of labels']),
    ],
)
def test_a_target_that_is_not_given_or_given_twice(
    target: dict[str, Any],
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = said({"data": {"file": "cells.h5ad", **target}}, tmp_path, monkeypatch, capsys)
    for word in words:
        assert word in text


def test_a_loss_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record = {"data": {"file": "cells.h5ad", "label": "age"}, "training": {"loss": "mae"}}
    assert "'auto', 'mse', 'ccc' or 'huber'" in said(record, tmp_path, monkeypatch, capsys)
