"""Modalities from tables and MuData: what is read, mapped to genes, joined and refused."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st
from mudata import MuData
from scipy import sparse

from kgreg.data.multiomics import GeneMap, Modality, is_mudata, read_gene_map, read_mudata, read_multiomics
from kgreg.data.samples import Columns, read_samples
from kgreg.errors import DataError

#: What mudata says of its own later versions, and of genes that several modalities measured.
pytestmark = pytest.mark.filterwarnings("ignore:From 0.4", "ignore:Cannot join columns")

LABEL = Columns("response")
NAMES = [f"s{i}" for i in range(6)]
OBS = pd.DataFrame({"response": ["yes", "no"] * 3, "age": range(40, 46)}, index=NAMES)
rng = np.random.default_rng(0)


def table(features: list[str], samples: list[str] = NAMES) -> pd.DataFrame:
    return pd.DataFrame(rng.normal(size=(len(samples), len(features))).round(3), index=samples, columns=features)


EXPRESSION = table(["A", "B", "C"])
CPG = table(["cg1", "cg2", "cg3", "cg4"])
CPG_MAP = pd.DataFrame(
    {"feature": ["cg1", "cg2", "cg2", "cg3"], "gene": ["A", "A", "B", "D"], "weight": [1.0, 3, 1, 2]}
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six kinds of measurements, as laboratories hand them out."""
    OBS.to_csv(tmp_path / "clinical.csv")
    EXPRESSION.T.to_csv(tmp_path / "expression.tsv", sep="\t")
    CPG.to_parquet(tmp_path / "methylation.parquet")
    CPG_MAP.to_csv(tmp_path / "cpg_to_gene.csv", index=False)
    (EXPRESSION > 0).astype(int).to_csv(tmp_path / "mutation.csv")
    np.sign(EXPRESSION).astype(int).to_csv(tmp_path / "copy_number.csv.gz")
    table(["mir1", "mir2"]).to_csv(tmp_path / "mirna.csv")
    pd.DataFrame({"feature": ["mir1", "mir1", "mir2"], "gene": ["B", "C", "C"]}).to_csv(
        tmp_path / "targets.tsv", sep="\t", index=False
    )
    AnnData(EXPRESSION[["A"]] * 2).write_h5ad(tmp_path / "protein.h5ad")
    return tmp_path


def test_six_kinds_of_modalities_become_one_column_a_gene_and_modality(folder: Path) -> None:
    modalities = {
        "mutation": Modality(folder / "mutation.csv"),
        "copy number": Modality(folder / "copy_number.csv.gz"),
        "expression": Modality(folder / "expression.tsv", orient="features"),
        "methylation": Modality(folder / "methylation.parquet", gene_map=folder / "cpg_to_gene.csv"),
        "miRNA": Modality(folder / "mirna.csv", gene_map=folder / "targets.tsv"),
        "protein": Modality(folder / "protein.h5ad"),
    }
    samples = read_multiomics(modalities, folder / "clinical.csv", LABEL)
    assert samples.names == NAMES
    assert samples.modality_names == list(modalities)
    columns = {
        name: samples.columns(["A"], [name])[:, 0] for name in ("mutation", "expression", "methylation", "protein")
    }
    np.testing.assert_allclose(columns["expression"], EXPRESSION["A"], rtol=1e-6)
    np.testing.assert_allclose(columns["protein"], EXPRESSION["A"] * 2, rtol=1e-6)
    np.testing.assert_array_equal(columns["mutation"], EXPRESSION["A"] > 0)
    np.testing.assert_allclose(columns["methylation"], CPG[["cg1", "cg2"]].mean(axis=1), rtol=1e-5)
    with pytest.raises(DataError, match="lacks 1 of 1"):
        samples.columns(["A"], ["miRNA"])
    assert samples.present is None
    assert samples.unmapped is not None
    assert samples.unmapped.to_dict("records") == [
        {"feature": "cg4", "note": "no gene in cpg_to_gene.csv", "modality": "methylation"}
    ]
    assert len(samples.sha256) == 64
    again = read_multiomics(modalities, folder / "clinical.csv", LABEL)
    assert again.sha256 == samples.sha256
    with (folder / "targets.tsv").open("a") as file:
        file.write("mir2\tA\n")
    assert read_multiomics(modalities, folder / "clinical.csv", LABEL).sha256 != samples.sha256


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_every_way_to_bring_features_to_genes_against_a_loop(data: Any) -> None:
    features = [f"f{i}" for i in range(data.draw(st.integers(1, 5)))]
    pairs = data.draw(
        st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3), st.integers(1, 5)), min_size=1, max_size=12)
    )
    own = pd.DataFrame([(f"f{f}", f"g{g}", float(w)) for f, g, w in pairs], columns=["feature", "gene", "weight"])
    if not own["feature"].isin(features).any():
        return
    links = read_gene_map(own)
    x = np.random.default_rng(len(pairs)).normal(size=(3, len(features))).astype(np.float32)
    weight: dict[tuple[str, str], float] = {}
    for f, g, w in own.itertuples(index=False):
        weight[f, g] = max(weight.get((f, g), 0.0), w)
    for how in ("mean", "weighted", "sum", "max"):
        values, genes, unmapped = links.apply(x, features, how)  # type: ignore[arg-type]
        same, _, _ = links.apply(sparse.csr_matrix(x), features, how)  # type: ignore[arg-type]
        np.testing.assert_allclose(same, values, rtol=1e-6)
        assert sorted(genes) == sorted({g for f, g in weight if f in features})
        assert set(unmapped) == {f for f in features if not any(key[0] == f for key in weight)}
        for j, gene in enumerate(genes):
            members = [(x[:, i], weight[f, gene]) for i, f in enumerate(features) if (f, gene) in weight]
            expected = {
                "mean": sum(v for v, _ in members) / len(members),
                "weighted": sum(v * w for v, w in members) / sum(w for _, w in members),
                "sum": sum(v for v, _ in members),
                "max": np.max([v for v, _ in members], axis=0),
            }[how]
            np.testing.assert_allclose(values[:, j], expected, rtol=1e-4, atol=1e-6)


def two(samples: list[str], more: list[str] = NAMES) -> dict[str, Modality]:
    return {"one": Modality(table(["A", "B"], more)), "two": Modality(table(["B", "C"], samples))}


def test_samples_that_lack_a_modality_are_refused_left_out_or_kept() -> None:
    views = two(["s3", "s2", "x9"], NAMES[:5])
    with pytest.raises(DataError, match=r"4 of the 6 samples .* lack a modality: one in 1, two in 4") as error:
        read_multiomics(views, OBS, LABEL)
    assert 'samples = "complete"' in error.value.hint
    complete = read_multiomics(views, OBS, LABEL, "complete")
    assert complete.names == ["s2", "s3"]
    assert complete.present is None
    assert complete.left_out == {"of two are not in the table of samples": 1, "lack a modality": 4}
    everybody = read_multiomics(views, OBS, LABEL, "all")
    assert everybody.names == NAMES[:5]
    assert everybody.left_out["have no modality"] == 1
    assert everybody.present is not None
    np.testing.assert_array_equal(everybody.present[:, 0], 1)
    np.testing.assert_array_equal(everybody.present[:, 1], [0, 0, 1, 1, 0])
    second = everybody.columns(["B", "C"], ["two", "two"])
    source = views["two"].data
    assert isinstance(source, pd.DataFrame)
    np.testing.assert_allclose(second[[2, 3]], source.loc[["s2", "s3"]], rtol=1e-6)
    assert (second[[0, 1, 4]] == 0).all()
    assert everybody.summary()["lacking"] == {"one": 0, "two": 3}


def test_a_row_without_a_value_is_a_sample_that_lacks_the_modality() -> None:
    views = two(NAMES)
    views["two"].data.loc["s2"] = np.nan  # type: ignore[union-attr]
    samples = read_multiomics(views, OBS, LABEL, "all")
    assert samples.present is not None
    np.testing.assert_array_equal(samples.present[:, 1], [1, 1, 0, 1, 1, 1])


def test_layers_of_one_file_may_be_missing_in_some_samples() -> None:
    adata = AnnData(EXPRESSION.copy(), obs=OBS)
    adata.layers["other"] = EXPRESSION.to_numpy(copy=True)
    adata.layers["other"][2] = np.nan
    with pytest.raises(DataError, match="1 of the 6 samples"):
        read_samples(adata, "response", layer=["X", "other"])
    kept = read_samples(adata, "response", layer=["X", "other"], samples="all")
    assert kept.present is not None
    assert kept.present[2].tolist() == [1, 0]
    assert np.isnan(adata.layers["other"][2]).all()  # what was given stays as it was
    assert read_samples(adata, "response", layer=["X", "other"], samples="complete").names == [*NAMES[:2], *NAMES[3:]]
    adata.layers["other"][3, 1] = np.nan
    with pytest.raises(DataError, match="1 values of an AnnData object"):
        read_samples(adata, "response", layer=["X", "other"], samples="all")


def test_mudata(tmp_path: Path) -> None:
    rna = AnnData(sparse.csr_matrix(EXPRESSION.to_numpy()), obs=OBS[["age"]], var=pd.DataFrame(index=["A", "B", "C"]))
    rna.layers["twice"] = rna.X * 2
    sites = AnnData(CPG.iloc[[4, 0, 1]])
    mdata = MuData({"rna": rna, "sites": sites})
    mdata.obs["response"] = OBS["response"].reindex(mdata.obs_names)
    mdata.obsm["drug"] = np.arange(12.0).reshape(6, 2)
    mdata.write(tmp_path / "cohort.h5mu")
    assert is_mudata(tmp_path / "cohort.h5mu")
    assert is_mudata(mdata)
    assert not is_mudata(rna)
    modalities = {"sites": Modality("", gene_map=CPG_MAP, how="weighted"), "rna": Modality("", layer="twice")}
    columns = Columns("response", covariates=("rna:age",))
    samples = read_mudata(tmp_path / "cohort.h5mu", columns, modalities, "all", ["drug"])
    assert samples.names == [str(name) for name in mdata.obs_names]
    assert samples.modality_names == ["sites", "rna"]
    row = samples.names.index("s4")
    assert samples.columns(["A"], ["rna"])[row, 0] == pytest.approx(2 * EXPRESSION.loc["s4", "A"], rel=1e-5)
    weighted = (CPG.loc["s4", "cg1"] + 3 * CPG.loc["s4", "cg2"]) / 4
    assert samples.columns(["A"], ["sites"])[row, 0] == pytest.approx(weighted, rel=1e-4)
    assert samples.covariates is not None
    assert samples.covariates["rna:age"].loc["s4"] == 44
    assert samples.blocks["drug"].shape == (6, 2)
    assert samples.present is not None
    assert samples.present.sum(axis=0).tolist() == [3, 6]
    everything = read_mudata(mdata, LABEL, samples="complete")
    assert everything.modality_names == ["rna", "sites"]
    assert len(everything) == 3
    with pytest.raises(DataError, match="no modality 'atac'"):
        read_mudata(mdata, LABEL, {"atac": Modality("")})


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


BAD_TABLES: list[tuple[str, str, str]] = [
    ("a.csv", "", "empty"),
    ("a.csv", "name,A\n", "no rows"),
    ("a.csv", "name,A,A\ns0,1,2\n", "line 1 names columns more than once: A"),
    ("a.csv", "name,A,B\ns0,1,2\ns0,1,2\n", "names rows more than once: s0"),
    ("a.csv", "name,A,B\ns0,1,2\ns1,one,2\n", "line 3, column 'A': 'one' is not a number"),
    ("a.csv", "name,A,B\ns0,1,2\ns1,1,2,3\n", "line 3"),
    ("a.csv", "name\tA\tB\ns0\t1\t2\n", "separated by ','"),
    ("a.csv", "name,A,B\ns0,1,2\ns1,,2\n", "NaN or infinite"),
    ("a.csv", "name,A,B\ns0,1,2\ns1,inf,2\n", "NaN or infinite"),
    ("a.csv", "name,A,B\ns0,,\ns1,,\n", "All values of one"),
    ("a.xlsx", "x", "no table that is known"),
    ("a.parquet", "x", "cannot be read as Parquet"),
    ("a.h5ad", "x", "cannot be read as h5ad"),
]


@pytest.mark.parametrize(("name", "text", "said"), BAD_TABLES)
def test_bad_tables(tmp_path: Path, name: str, text: str, said: str) -> None:
    path = write(tmp_path / name, text)
    with pytest.raises(DataError, match=said) as error:
        read_multiomics({"one": Modality(path)}, OBS, LABEL)
    assert str(path) in str(error.value) or "a.h5ad" in str(error.value)


def test_a_header_without_a_name_for_the_first_column_is_understood(tmp_path: Path) -> None:
    path = write(tmp_path / "r.tsv", "A\tB\n" + "".join(f"{name}\t1\t{i}\n" for i, name in enumerate(NAMES)))
    assert read_multiomics({"one": Modality(path)}, OBS, LABEL).columns(["B"], ["one"])[:, 0].tolist() == list(range(6))


def test_a_file_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    whole = gzip.compress(EXPRESSION.to_csv().encode())
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"a\.csv\.gz"):
        read_multiomics({"one": Modality(path)}, OBS, LABEL)


BAD: list[tuple[Callable[[Path], Any], str]] = [
    (lambda p: read_multiomics({}, OBS, LABEL), "no modality"),
    (lambda p: read_multiomics({"one": Modality(p / "none.csv")}, OBS, LABEL), "is not a file"),
    (lambda p: read_multiomics(two(["x1", "x2"]), OBS, LABEL, "all"), "None of the 6 samples .* has the modality two"),
    (lambda p: read_multiomics(two(["s0"], ["s1"]), OBS, LABEL, "complete"), "No sample of .* has all 2 modalities"),
    (lambda p: read_multiomics(two(["s0", "s0"]), OBS, LABEL), "more than once: s0"),
    (lambda p: read_multiomics(two(NAMES), pd.concat([OBS, OBS]), LABEL), "more than once: s0"),
    (lambda p: read_multiomics(two(NAMES), OBS, Columns("cured")), "no column 'cured'"),
    (lambda p: read_gene_map(pd.DataFrame({"cpg": ["a"], "gene": ["b"]})), "no column 'feature'"),
    (lambda p: read_gene_map(pd.DataFrame({"feature": ["a"], "gene": [None]})), "names no gene"),
    (lambda p: read_gene_map(write(p / "m.csv", "feature,gene,weight\na,b,1\na,c,-2\n")), "line 3: the weight -2"),
    (lambda p: read_gene_map(write(p / "m.csv", "feature,gene,weight\na,b,1\na,c,much\n")), "line 3: the weight much"),
    (lambda p: read_gene_map(p / "none.csv"), "is not a file"),
    (lambda p: read_multiomics({"m": Modality(CPG, gene_map=CPG_MAP[["feature", "gene"]], how="weighted")}, OBS, LABEL),
     "no column weight"),
    (lambda p: read_multiomics({"m": Modality(EXPRESSION, gene_map=CPG_MAP)}, OBS, LABEL), "None of the 3 features"),
    (lambda p: read_mudata(p / "none.h5mu", LABEL), "is not a file"),
    (lambda p: read_mudata(write(p / "bad.h5mu", "x"), LABEL), "cannot be read as h5mu"),
]  # fmt: skip


@pytest.mark.parametrize(("read", "said"), BAD)
def test_bad_input(tmp_path: Path, read: Callable[[Path], Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        read(tmp_path)


def test_rows_without_a_gene_are_features_that_have_none() -> None:
    links = read_gene_map(pd.DataFrame({"feature": ["a", "b", "b", "b"], "gene": ["", "G", "G", "H"]}))
    assert isinstance(links, GeneMap)
    assert links.repeated == 1
    assert links.apply(np.ones((2, 2), dtype=np.float32), ["a", "b"], "sum")[2] == ["a"]
