"""Samples out of AnnData: what is read, and what is refused with which words."""

from __future__ import annotations

import hashlib
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from kgreg.data import Samples, bundled_file, read_samples, usable_features
from kgreg.errors import DataError

GENES = ["TP53", "MYC", "ACTB", "GAPDH"]


@pytest.fixture
def adata() -> ad.AnnData:
    """Six samples of four genes; X, raw (with a gene more) and a layer hold different numbers."""
    x = np.arange(24, dtype=np.float64).reshape(6, 4)
    obs = pd.DataFrame(
        {
            "disease": ["case", "control"] * 3,
            "donor": [1, 1, 2, 2, 3, 3],
            "age": [31.5, 40.0, 22.25, 60.0, 55.5, 43.0],
        },
        index=[f"s{i}" for i in range(6)],
    )
    wide = ad.AnnData(np.hstack([x + 1000, np.ones((6, 1))]), obs=obs.copy())
    wide.var_names = [*GENES, "RAWONLY"]
    made = wide[:, GENES].copy()
    made.raw = wide
    made.X = x
    made.layers["lognorm"] = sparse.csc_matrix(x * 10)
    return made


def test_what_is_read_is_what_lies_there(adata: ad.AnnData) -> None:
    samples = read_samples(adata, "disease", group="donor")
    np.testing.assert_array_equal(samples.x, adata.X)
    assert samples.x.dtype == np.float32
    assert samples.features == GENES
    assert samples.names == [f"s{i}" for i in range(6)]
    assert samples.classes == ["case", "control"]
    assert samples.target.tolist() == [0, 1] * 3
    assert samples.groups.tolist() == ["1", "1", "2", "2", "3", "3"]
    assert (samples.task, samples.label, samples.layer, len(samples)) == ("classification", "disease", "X", 6)
    assert samples.summary() == {
        **{"origin": "an AnnData object", "sha256": "", "layer": "X", "label": "disease", "task": "classification"},
        **{"samples": 6, "features": 4, "classes": {"case": 3, "control": 3}, "groups": 3, "modalities": []},
        **{"covariates": [], "blocks": {}},
    }


def test_layers_and_raw_are_read_by_name(adata: ad.AnnData) -> None:
    layer, raw = read_samples(adata, "disease", layer="lognorm"), read_samples(adata, "disease", layer="raw")
    np.testing.assert_array_equal(layer.columns(GENES), adata.X * 10)
    assert sparse.issparse(layer.x)
    assert raw.features == [*GENES, "RAWONLY"]
    np.testing.assert_array_equal(raw.columns(GENES), adata.X + 1000)


@pytest.mark.parametrize("layer", ["X", "lognorm"])
def test_columns_come_in_the_order_asked_for(adata: ad.AnnData, layer: str) -> None:
    samples = read_samples(adata, "disease", layer=layer)
    picked = samples.columns(["GAPDH", "TP53"])
    np.testing.assert_array_equal(picked, samples.columns(GENES)[:, [3, 0]])
    assert picked.dtype == np.float32
    assert picked.flags["C_CONTIGUOUS"]
    with pytest.raises(DataError, match="NOSUCH"):
        samples.columns(["TP53", "NOSUCH"])


def test_a_file_gives_the_same_as_the_object_and_its_checksum(adata: ad.AnnData, tmp_path: Path) -> None:
    path = tmp_path / "cells.h5ad"
    adata.write_h5ad(path)
    from_file, from_object = read_samples(path, "disease"), read_samples(adata, "disease")
    np.testing.assert_array_equal(from_file.x, from_object.x)
    assert from_file.target.tolist() == from_object.target.tolist()
    assert from_file.origin == str(path)
    assert from_file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


# ---- refused ---------------------------------------------------------------------------------------------------------


def test_a_file_that_is_not_there_or_no_h5ad_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.h5ad is not a file"):
        read_samples(tmp_path / "nothing.h5ad", "disease")
    with pytest.raises(DataError, match="is not a file"):
        read_samples(tmp_path, "disease")
    garbage = tmp_path / "garbage.h5ad"
    garbage.write_bytes(b"gene,a,b\n" * 100)
    with pytest.raises(DataError, match=r"garbage\.h5ad cannot be read as h5ad"):
        read_samples(str(garbage), "disease")


def test_a_truncated_file_is_refused(adata: ad.AnnData, tmp_path: Path) -> None:
    path = tmp_path / "cells.h5ad"
    adata.write_h5ad(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match="cannot be read as h5ad"):
        read_samples(path, "disease")


def test_a_missing_column_or_layer_lists_what_there_is(adata: ad.AnnData) -> None:
    with pytest.raises(DataError, match="no column 'status'") as caught:
        read_samples(adata, "status")
    assert "disease, donor, age" in caught.value.hint
    with pytest.raises(DataError, match="no column 'plate'"):
        read_samples(adata, "disease", group="plate")
    with pytest.raises(DataError, match="no layer 'counts'") as caught:
        read_samples(adata, "disease", layer="counts")
    assert "X, raw, lognorm" in caught.value.hint
    adata.X = None
    with pytest.raises(DataError, match="no layer 'X'"):
        read_samples(adata, "disease")


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinite_values_name_their_genes(adata: ad.AnnData, kind: type, value: float) -> None:
    x = adata.X.copy()
    x[2, 1] = x[3, 1] = x[5, 3] = value
    adata.X = kind(x)
    with pytest.raises(DataError, match=r"3 values .* in 2 genes: MYC, GAPDH") as caught:
        read_samples(adata, "disease")
    assert "training part only" in caught.value.hint


def test_repeated_gene_names_are_named(adata: ad.AnnData) -> None:
    adata.var_names = ["TP53", "MYC", "TP53", "MYC"]
    with pytest.raises(DataError, match="2 genes more than once: TP53, MYC"):
        read_samples(adata, "disease")


def test_missing_labels_are_counted(adata: ad.AnnData) -> None:
    adata.obs.loc["s1", "disease"] = None
    with pytest.raises(DataError, match=r"'disease' .* missing in 1 of 6 samples"):
        read_samples(adata, "disease")
    adata.obs["donor"] = [1.0, np.nan, np.nan, 2, 2, 3]
    with pytest.raises(DataError, match=r"'donor' .* missing in 2 of 6"):
        read_samples(adata, "age", group="donor")


@pytest.mark.parametrize("column", ["one", "same"])
def test_a_single_class_or_value_leaves_nothing_to_learn(adata: ad.AnnData, column: str) -> None:
    adata.obs["one"], adata.obs["same"] = "case", 1.5
    with pytest.raises(DataError, match="holds one value only"):
        read_samples(adata, column)


def test_a_table_of_text_is_not_expression(adata: ad.AnnData) -> None:
    adata.layers["words"] = np.full((6, 4), "high")
    with pytest.raises(DataError, match="not numbers"):
        read_samples(adata, "disease", layer="words")


def test_regression_needs_finite_numbers(adata: ad.AnnData) -> None:
    with pytest.raises(DataError, match=r"'disease' .* holds no numbers"):
        read_samples(adata, "disease", task="regression")
    adata.obs["age"] = [1.0, 2.0, np.inf, 4.0, 5.0, 6.0]
    with pytest.raises(DataError, match=r"'age' .* infinite"):
        read_samples(adata, "age", task="regression")


# ---- what is to be learned -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b"] * 15, "classification"),
        ([True, False] * 15, "classification"),
        (list(range(10)) * 3, "classification"),
        ([1.0, 2.0, 3.0] * 10, "classification"),
        (list(range(30)), "regression"),
        ([0.5, 1.0, 2.0] * 10, "regression"),
        (pd.Categorical(list(range(30))), "classification"),
    ],
)
def test_the_task_follows_from_the_column(values: object, task: str) -> None:
    adata = ad.AnnData(np.ones((30, 1), dtype=np.float32), obs=pd.DataFrame({"y": values}, index=map(str, range(30))))
    assert read_samples(adata, "y").task == task


def test_a_task_that_is_given_wins(adata: ad.AnnData) -> None:
    adata.obs["stage"] = [1, 2, 3, 3, 2, 1]
    assert read_samples(adata, "stage").classes == ["1", "2", "3"]
    samples = read_samples(adata, "stage", task="regression")
    assert samples.target.tolist() == [1.0, 2.0, 3.0, 3.0, 2.0, 1.0]
    assert samples.target.dtype == np.float32
    assert samples.classes == []
    assert samples.summary()["classes"] == {}


def test_regression_keeps_the_values(adata: ad.AnnData) -> None:
    samples = read_samples(adata, "age")
    assert samples.task == "regression"
    assert samples.target.tolist() == adata.obs["age"].tolist()


def test_a_column_may_fix_the_split(adata: ad.AnnData) -> None:
    adata.obs["split"] = pd.Categorical(["train", "test"] * 3)
    assert read_samples(adata, "age", split="split").parts.tolist() == ["train", "test"] * 3
    assert read_samples(adata, "age").parts is None


def test_a_split_of_anything_but_train_and_test_is_refused(adata: ad.AnnData) -> None:
    adata.obs["split"] = ["train", "test", "val", "train", "val", "Test"]
    with pytest.raises(DataError, match=r"'split' .* holds 'val' \(2\), 'Test' \(1\)") as caught:
        read_samples(adata, "age", split="split")
    assert "validate" in caught.value.hint
    adata.obs["split"] = "train"
    with pytest.raises(DataError, match="says train of all samples"):
        read_samples(adata, "age", split="split")
    adata.obs["split"] = ["train", None] * 3
    with pytest.raises(DataError, match="missing in 3 of 6"):
        read_samples(adata, "age", split="split")


def test_labels_are_read_as_0_1_and_unknown(adata: ad.AnnData) -> None:
    adata.obs["a"] = [True, False, True, False, True, True]
    adata.obs["b"] = pd.array([1, None, 0, 0, 1, None], dtype="Int64")
    adata.obs["c"] = pd.Series([np.nan, True, False, None, 1, 0], dtype=object, index=adata.obs_names)
    samples = read_samples(adata, ["a", "b", "c"])
    assert (samples.task, samples.labels, samples.outputs, samples.classes) == (
        "multilabel",
        *[["a", "b", "c"]] * 2,
        [],
    )
    nan = np.nan
    expected = [[1, 1, nan], [0, nan, 1], [1, 0, 0], [0, 0, nan], [1, 1, 1], [1, nan, 0]]
    np.testing.assert_array_equal(samples.target, np.array(expected, dtype=np.float32))
    assert samples.summary()["labels"]["b"] == {"positive": 2, "negative": 2, "unknown": 2}


def test_many_labels_are_named_in_short(adata: ad.AnnData) -> None:
    names = [f"label {i}" for i in range(12)]
    for name in names:
        adata.obs[name] = [0, 1] * 3
    assert read_samples(adata, names).label.endswith("label 9 and 2 more")


@pytest.mark.parametrize("event", [[True, False] * 3, [1, 0] * 3, [1.0, 0.0] * 3])
def test_survival_is_read_as_time_and_event(adata: ad.AnnData, event: list[float]) -> None:
    adata.obs["dead"] = event
    samples = read_samples(adata, time="age", event="dead", group="donor")
    assert (samples.task, samples.label, samples.outputs) == ("survival", "age, dead", ["risk"])
    np.testing.assert_array_equal(samples.target[:, 0], adata.obs["age"].to_numpy(dtype=np.float32))
    assert samples.target[:, 1].tolist() == [1, 0] * 3
    assert samples.summary()["events"] == 3
    assert samples.groups is not None


def test_a_target_is_given_once_and_whole(adata: ad.AnnData) -> None:
    for wrong in ({}, {"label": "age", "time": "age", "event": "dead"}):
        with pytest.raises(DataError, match="Either a label, or a time and an event"):
            read_samples(adata, **wrong)
    with pytest.raises(DataError, match="two columns, time and event"):
        read_samples(adata, time="age")
    with pytest.raises(DataError, match="list of labels is empty"):
        read_samples(adata, [])
    with pytest.raises(DataError, match=r"named target, which name something else"):
        read_samples(adata, ["target", "donor"])
    with pytest.raises(DataError, match=r"must not begin with 'target\.'"):
        read_samples(adata, ["target.x", "donor"])


# ---- genes that do not vary ------------------------------------------------------------------------------------------


@pytest.fixture
def flat(adata: ad.AnnData) -> Samples:
    x = adata.X.copy()
    x[:, 1], x[:, 3] = 0.0, 2.5
    adata.X = sparse.csr_matrix(x)
    return read_samples(adata, "disease")


def test_constant_genes_are_an_error_that_names_them(flat: Samples) -> None:
    with pytest.raises(DataError, match=r"2 genes have the same value in all 6 samples .*: MYC, GAPDH") as caught:
        usable_features(flat, GENES)
    assert "drop" in caught.value.hint


def test_constant_genes_can_be_left_out(flat: Samples) -> None:
    assert usable_features(flat, GENES, "drop") == ["TP53", "ACTB"]
    assert usable_features(flat, ["ACTB", "TP53"]) == ["ACTB", "TP53"]


# ---- bundled ---------------------------------------------------------------------------------------------------------


def test_a_bundled_set_is_found_and_read() -> None:
    pytest.importorskip("scanpy")
    samples = read_samples(bundled_file("scanpy:pbmc68k_reduced"), "bulk_labels", layer="raw")
    assert (len(samples), len(samples.features), len(samples.classes)) == (700, 765, 10)


def test_an_unknown_bundled_set_lists_those_there_are() -> None:
    with pytest.raises(DataError, match="no bundled data set 'iris'") as caught:
        bundled_file("iris")
    assert "scanpy:pbmc68k_reduced" in caught.value.hint
