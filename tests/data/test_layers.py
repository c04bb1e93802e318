"""Several measurements of a gene: one column a feature and layer."""

from __future__ import annotations

from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from kgreg.data import Samples, input_table, read_samples, usable_features
from kgreg.errors import DataError

GENES = ["TP53", "MYC", "ACTB"]
LAYERS = ["mutation", "deletion"]
RNG = np.random.default_rng(0)
VALUES = {name: (RNG.random((8, 3)) < 0.5).astype(np.uint8) for name in LAYERS}


def alterations(kind: Any = sparse.csr_matrix, **layers: np.ndarray) -> ad.AnnData:
    obs = pd.DataFrame({"y": np.arange(8) / 7}, index=[f"s{i}" for i in range(8)])
    adata = ad.AnnData(obs=obs, var=pd.DataFrame(index=GENES))
    for name, values in {**VALUES, **layers}.items():
        adata.layers[name] = kind(values)
    return adata


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_layers_stand_side_by_side_and_stay_as_sparse_as_they_are(kind: Any) -> None:
    samples = read_samples(alterations(kind), "y", layer=LAYERS)
    assert sparse.issparse(samples.x) == (kind is not np.asarray)
    assert list(zip(samples.features, samples.modalities, strict=True)) == [(g, m) for m in LAYERS for g in GENES]
    assert samples.genes == GENES
    assert (samples.layer, samples.summary()["modalities"]) == ("mutation, deletion", LAYERS)
    picked = samples.columns(["MYC", "TP53", "MYC"], ["deletion", "mutation", "mutation"])
    expected = [VALUES["deletion"][:, 1], VALUES["mutation"][:, 0], VALUES["mutation"][:, 1]]
    np.testing.assert_array_equal(picked, np.stack(expected, axis=1))
    selected = samples.select(["MYC"], ["deletion"])
    assert sparse.issparse(selected) == sparse.issparse(samples.x)


def test_a_dense_layer_beside_a_sparse_one_makes_dense_columns() -> None:
    adata = alterations()
    adata.layers["rna"] = RNG.normal(size=(8, 3))
    samples = read_samples(adata, "y", layer=["mutation", "rna"])
    assert isinstance(samples.x, np.ndarray)
    np.testing.assert_allclose(samples.columns(["MYC"], ["rna"])[:, 0], adata.layers["rna"][:, 1], rtol=1e-6)


def test_the_inputs_of_a_network_have_a_row_a_gene_and_modality() -> None:
    matched = pd.DataFrame({"feature": ["MYC", "TP53"], "gene": ["H:2", "H:1"], "label": ["MYC", "TP53"]})
    several = input_table(read_samples(alterations(), "y", layer=LAYERS), matched)
    assert list(several[["gene", "modality"]].itertuples(index=False, name=None)) == [
        *(("H:2", m) for m in LAYERS),
        *(("H:1", m) for m in LAYERS),
    ]
    one = read_samples(alterations(), "y", layer="mutation")
    pd.testing.assert_frame_equal(input_table(one, matched), matched)


def test_one_layer_answers_to_any_one_name_but_not_to_several() -> None:
    one = read_samples(alterations(), "y", layer="mutation")
    np.testing.assert_array_equal(one.columns(GENES, ["rna"] * 3), VALUES["mutation"])
    np.testing.assert_array_equal(one.columns(GENES), VALUES["mutation"])
    with pytest.raises(DataError, match=r"one layer \(mutation\), but deletion, mutation are asked for"):
        one.columns(["MYC", "MYC"], LAYERS)


def test_a_column_that_is_not_there_or_not_said_exactly_is_refused() -> None:
    samples = read_samples(alterations(), "y", layer=LAYERS)
    with pytest.raises(DataError, match=r"lacks 1 of 2 features: MYC \(amplification\)"):
        samples.columns(["MYC", "MYC"], ["mutation", "amplification"])
    with pytest.raises(DataError, match=r"several values a feature \(mutation, deletion\)"):
        samples.columns(GENES)


@pytest.mark.parametrize(("layers", "words"), [([], "none"), (["mutation"] * 2, "mutation, mutation")])
def test_layers_are_named_once_each(layers: list[str], words: str) -> None:
    with pytest.raises(DataError, match=f"The layers are {words}"):
        read_samples(alterations(), "y", layer=layers)


def test_a_bad_layer_is_named() -> None:
    with pytest.raises(DataError, match="no layer 'amplification'"):
        read_samples(alterations(), "y", layer=["mutation", "amplification"])
    broken = alterations(deletion=np.where(np.eye(8, 3) > 0, np.nan, 1.0))
    with pytest.raises(DataError, match=r"3 values .* \(layer deletion\) are NaN"):
        read_samples(broken, "y", layer=LAYERS)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_a_gene_is_constant_when_all_its_modalities_are(kind: Any) -> None:
    mutation, deletion = VALUES["mutation"].copy(), VALUES["deletion"].copy()
    mutation[:, 0], deletion[:, 0] = 0, 1  # TP53 varies nowhere, MYC in one layer
    mutation[:, 1] = 0
    samples: Samples = read_samples(alterations(kind, mutation=mutation, deletion=deletion), "y", layer=LAYERS)
    assert usable_features(samples, GENES, "drop") == ["MYC", "ACTB"]
    with pytest.raises(DataError, match=r"1 genes have the same value .*: TP53"):
        usable_features(samples, GENES)
