"""Covariates: what training saw decides what they become."""

from __future__ import annotations

import json
import logging
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from kgreg.data import CovariateEncoder, Samples, dense_inputs, read_samples
from kgreg.errors import DataError, ExperimentError
from kgreg.experiment import make_experiment

TABLE = pd.DataFrame(
    {
        "dataset": pd.Categorical(["GDSC2", "GDSC1", "GDSC1", "CTRP"]),
        "age": [30, 40, 50, 60],
        "smoker": [True, False, False, True],
    },
    index=list("abcd"),
)


def test_categories_become_columns_and_numbers_are_standardised() -> None:
    encoder = CovariateEncoder.fit(TABLE.iloc[:3])
    assert encoder.names == ["dataset=GDSC1", "dataset=GDSC2", "age", "smoker=False", "smoker=True"]
    encoded = encoder.transform(TABLE)
    assert encoded.dtype == np.float32
    sd = np.std([30, 40, 50])
    expected = [[0, 1, -10 / sd, 0, 1], [1, 0, 0, 1, 0], [1, 0, 10 / sd, 1, 0], [0, 0, 20 / sd, 0, 1]]
    np.testing.assert_allclose(encoded, expected, rtol=1e-6)


def test_what_tells_nothing_or_was_not_seen_is_noted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        encoder = CovariateEncoder.fit(TABLE.iloc[1:3])
        assert "'dataset' has one value in the training part: GDSC1" in caplog.text
        assert "'smoker' has one value" in caplog.text
        encoder.transform(TABLE)
    assert "'dataset' has values that training did not see: GDSC2, CTRP" in caplog.text
    np.testing.assert_array_equal(encoder.transform(TABLE)[0, :1], [0])
    constant = CovariateEncoder.fit(pd.DataFrame({"age": [3.0, 3.0]}))
    np.testing.assert_array_equal(constant.transform(pd.DataFrame({"age": [3.0, 5.0]})), [[0], [2]])


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from("abc"), min_size=2, max_size=20),
    st.lists(st.sampled_from("abcde"), min_size=1, max_size=20),
    st.data(),
)
def test_a_record_gives_the_same_encoder_and_columns_hold_what_their_names_say(
    train: list[str], test: list[str], data: st.DataObject
) -> None:
    numbers = data.draw(st.lists(st.floats(-1e3, 1e3, width=32), min_size=len(train), max_size=len(train)))
    encoder = CovariateEncoder.fit(pd.DataFrame({"kind": train, "value": numbers}))
    again = CovariateEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    table = pd.DataFrame({"value": np.zeros(len(test)), "kind": test})
    encoded = again.transform(table)
    np.testing.assert_array_equal(encoded, encoder.transform(table))
    assert again.names == [*(f"kind={kind}" for kind in sorted(set(train))), "value"]
    for name, column in zip(again.names, encoded.T, strict=True):
        if name != "value":
            np.testing.assert_array_equal(column, [name == f"kind={kind}" for kind in test])


def test_other_samples_must_have_the_covariates_and_all_their_values() -> None:
    encoder = CovariateEncoder.fit(TABLE)
    with pytest.raises(DataError, match="lack the covariates age"):
        encoder.transform(TABLE.drop(columns="age"))
    with pytest.raises(DataError, match=r"'age' is missing or infinite in 1 of 4"):
        encoder.transform(TABLE.assign(age=[1, np.nan, 2, 3]))
    with pytest.raises(DataError, match="held numbers in training, and now old, young"):
        encoder.transform(TABLE.assign(age=["old", "young", "old", "old"]))
    with pytest.raises(DataError, match="no training samples"):
        CovariateEncoder.fit(TABLE.iloc[:0])


# ---- reading ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def adata() -> ad.AnnData:
    rng = np.random.default_rng(0)
    obs = pd.DataFrame(
        {
            "kind": ["case", "control"] * 4,
            "value": rng.normal(size=8),
            "dataset": ["A", "B", "B", "A"] * 2,
            "age": np.arange(8) + 30.0,
        },
        index=[f"s{i}" for i in range(8)],
    )
    adata = ad.AnnData(rng.normal(size=(8, 2)), obs=obs, var=pd.DataFrame(index=["TP53", "MYC"]))
    adata.obsm["fingerprint"] = sparse.csr_matrix((rng.random((8, 5)) < 0.5).astype(np.uint8))
    adata.obsm["pca"] = pd.DataFrame(rng.normal(size=(8, 2)), index=obs.index, columns=["pc1", "pc2"])
    return adata


def test_covariates_and_blocks_are_read_as_they_lie(adata: ad.AnnData) -> None:
    samples = read_samples(adata, "kind", covariates=["age", "dataset"], blocks=["fingerprint", "pca"])
    assert samples.covariates is not None
    pd.testing.assert_frame_equal(samples.covariates, adata.obs[["age", "dataset"]])
    np.testing.assert_array_equal(samples.blocks["fingerprint"], adata.obsm["fingerprint"].toarray())
    assert all(block.dtype == np.float32 for block in samples.blocks.values())
    summary = samples.summary()
    assert (summary["covariates"], summary["blocks"]) == (["age", "dataset"], {"fingerprint": 5, "pca": 2})
    plain = read_samples(adata, "kind")
    assert plain.covariates is None
    assert dense_inputs(plain, np.arange(4), "auto") is None


def test_dense_inputs_are_fitted_on_the_training_rows(adata: ad.AnnData) -> None:
    samples: Samples = read_samples(adata, "kind", covariates=["dataset"], blocks=["fingerprint", "pca"])
    train = np.array([0, 1, 2, 3])
    found = dense_inputs(samples, train, "auto")
    assert found is not None
    assert found.shape == (8, 2 + 5 + 2)
    np.testing.assert_array_equal(found[:, :2], np.stack([adata.obs["dataset"] == n for n in "AB"], axis=1))
    np.testing.assert_array_equal(found[:, 2:7], samples.blocks["fingerprint"])
    np.testing.assert_allclose(found[train, 7:].mean(axis=0), 0, atol=1e-6)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"covariates": ["plate"]}, r"no column 'plate' in obs"),
    ({"covariates": ["age", "age"]}, "name a column twice"),
    ({"covariates": ["kind"]}, r"'kind' .* is what is to be predicted \('kind'\)"),
    ({"covariates": ["code"]}, r"'code' .* is what is to be predicted \('kind'\)"),
    ({"covariates": ["gap"]}, r"'gap' of .* is missing or infinite in 1 of 8"),
    ({"covariates": ["far"]}, r"'far' of .* is missing or infinite in 1 of 8"),
    ({"label": "value", "covariates": ["copy"]}, r"'copy' .* is what is to be predicted \('value'\)"),
    ({"blocks": ["umap"]}, r"no matrix 'umap' in obsm"),
    ({"blocks": ["holes"]}, r"1 values of the matrix 'holes' .* are NaN"),
    ({"blocks": ["words"]}, r"'words' of .* holds"),
]


@pytest.mark.parametrize(("options", "words"), REFUSED)
def test_bad_covariates_and_blocks_are_named(adata: ad.AnnData, options: dict[str, Any], words: str) -> None:
    adata.obs["code"] = (adata.obs["kind"] == "case").map({True: "x", False: "y"})
    adata.obs["gap"] = ["a", None, *"bbbbbb"]
    adata.obs["far"] = [np.inf, *range(7)]
    adata.obs["copy"] = adata.obs["value"]
    adata.obsm["holes"] = np.where(np.eye(8, 2) > 1, 0, [[np.nan, 1]] + [[0, 1]] * 7)
    adata.obsm["words"] = np.full((8, 2), "high")
    with pytest.raises(DataError, match=words):
        read_samples(adata, **{"label": "kind", **options})


def test_neither_the_time_nor_the_event_of_survival_is_a_covariate(adata: ad.AnnData) -> None:
    adata.obs["event"] = [1, 0] * 4
    adata.obs["died"] = adata.obs["event"].map({1: "yes", 0: "no"})
    assert read_samples(adata, time="age", event="event", covariates=["dataset"]).covariates is not None
    for name in ("age", "event", "died"):
        with pytest.raises(DataError, match=f"'{name}' .* is what is to be predicted"):
            read_samples(adata, time="age", event="event", covariates=[name])


def test_a_column_without_repeats_is_no_copy_of_a_value(adata: ad.AnnData) -> None:
    adata.obs["well"] = [f"w{i}" for i in range(8)]
    assert read_samples(adata, "value", covariates=["well", "age"]).covariates is not None


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"covariates": ["a", "a"]}, "'covariates' has a name twice"),
        ({"blocks": ["a", "a"]}, "'blocks' has a name twice"),
        ({"covariates": ["y"]}, "'y' is what is to be predicted, and no covariate"),
    ],
)
def test_the_experiment_file_names_each_once(section: dict[str, Any], words: str) -> None:
    with pytest.raises(ExperimentError, match=words):
        make_experiment({"data": {"file": "x", "label": "y", **section}})
    record = {"data": {"file": "x", "label": "y", "covariates": ["a"]}, "network": {"covariates_at": "genes"}}
    assert make_experiment(record).network.covariates_at == "genes"
    with pytest.raises(ExperimentError, match="'head', 'genes' or 'terms'"):
        make_experiment({**record, "network": {"covariates_at": "roots"}})
