"""Results as AnnData and MuData: the fields, what scanpy makes of them, and files written and read back."""

from __future__ import annotations

from pathlib import Path

import anndata
import matplotlib as mpl
import mudata
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from kgreg.cli import app
from kgreg.errors import DataError, OutputError
from kgreg.runs import Run, open_run, run_experiment
from kgreg.runs.annotated import export
from tests.cells import make_cells, small_experiment

mpl.use("Agg")
sc = pytest.importorskip("scanpy")


def cells() -> anndata.AnnData:
    """Return the cells with an embedding, a class with a slash in its name, and three cells that were not read."""
    adata = make_cells(63)
    adata.obs["kind"] = adata.obs["kind"].replace({"B": "CD19+/B"})
    adata.obsm["X_umap"] = np.random.default_rng(0).normal(size=(63, 2))
    return adata


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, knowledge_store_path: Path) -> Run:
    asked = small_experiment(tmp_path_factory.mktemp("export"), knowledge_store_path)
    asked = asked.replace("training", max_epochs=4, replicates=2).replace("nulls", rewired=2, labels=0)
    return run_experiment(asked, data=cells()[:60].copy())


@pytest.fixture(scope="module")
def exported(run: Run) -> anndata.AnnData:
    return run.to_anndata(cells())


def test_activities_and_predictions_stand_beside_their_samples(run: Run, exported: anndata.AnnData) -> None:
    activity = pd.DataFrame(
        exported.obsm["kgreg_activity"], index=exported.obs_names, columns=exported.uns["kgreg"]["activity_nodes"]
    )
    pd.testing.assert_frame_equal(activity.iloc[:60], run.activities.loc[exported.obs_names[:60]], check_names=False)
    assert activity.iloc[60:].isna().all(axis=None), "samples that were not tested have none"
    own = run.predictions[(run.predictions["arm"] == "graph") & (run.predictions["sample"] == "cell7")]
    names = list(exported.uns["kgreg"]["predicted"])
    np.testing.assert_allclose(exported.obsm["kgreg_predictions"][7], own[names].mean(), atol=1e-6)
    assert exported.obs["kgreg_predicted"].iloc[7] == own[names].mean().idxmax()


def test_genes_have_the_scores_of_the_ranking(run: Run, exported: anndata.AnnData) -> None:
    ranking = run.explanation.ranking
    row = ranking[(ranking["label"] == "CD79A") & (ranking["kind"] == "gene") & (ranking["output"] == "CD19+/B")].iloc[
        0
    ]
    gene = exported.var_names.get_loc("CD79A")
    output = list(exported.uns["kgreg"]["outputs"]).index("CD19+/B")
    for column, name in {"score": "kgreg_scores", "low": "kgreg_low", "high": "kgreg_high"}.items():
        assert exported.varm[name][gene, output] == pytest.approx(row[column], abs=1e-6)
    assert exported.var["kgreg_node"]["CD79A"] == row["node"]
    unread = exported.var_names[exported.var["kgreg_node"] == ""]
    assert np.isnan(exported.varm["kgreg_scores"][exported.var_names.get_indexer(unread)]).all()


def test_the_given_object_stays_as_it_is(run: Run) -> None:
    adata = cells()
    run.to_anndata(adata)
    assert not adata.uns
    assert "kgreg_activity" not in adata.obsm


def test_files_are_written_and_read_back(run: Run, exported: anndata.AnnData, tmp_path: Path) -> None:
    cells().write_h5ad(tmp_path / "cells.h5ad")
    again = anndata.read_h5ad(export(run, tmp_path / "out.h5ad", tmp_path / "cells.h5ad"))
    np.testing.assert_array_equal(again.obsm["kgreg_activity"], exported.obsm["kgreg_activity"])
    np.testing.assert_array_equal(again.varm["kgreg_scores"], exported.varm["kgreg_scores"])
    about = again.uns["kgreg"]
    assert about["blueprint_sha256"] == run.blueprint.content_hash()
    assert about["verdict"] == run.metrics["verdict"]
    assert list(about["outputs"]) == list(exported.uns["kgreg"]["outputs"])
    assert any(name.startswith("Gene Ontology") for name in about["sources"])
    assert again.obs["kgreg_predicted"].iloc[:60].notna().all()
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["cells.h5ad", "out.h5ad"]


@pytest.mark.filterwarnings("ignore:invalid value encountered in log2", "ignore:The set_bad function")
def test_scanpy_plots_subsystems_as_it_plots_genes(run: Run, tmp_path: Path) -> None:
    adata = run.activities_anndata(cells())
    assert adata.n_obs == 60
    assert {"id", "kind", "score", "low", "high", "q", "rank"} <= set(adata.var)
    np.testing.assert_array_equal(adata.X, run.activities.to_numpy())
    assert adata.obsm["X_umap"].shape == (60, 2)
    best = adata.var["rank"].idxmin()
    axes = sc.pl.umap(adata, color=[best, "kind"], show=False)
    assert axes[0].get_title() == best
    matrix = sc.pl.matrixplot(adata, [best], groupby="kind", return_fig=True)
    means = adata.to_df().groupby(adata.obs["kind"].astype(str))[best].mean()
    np.testing.assert_allclose(matrix.values_df[best].to_numpy().astype(float), means.to_numpy(), atol=1e-5)
    sc.tl.rank_genes_groups(adata, "kind", method="wilcoxon")
    assert set(adata.uns["rank_genes_groups"]["names"]["CD19+/B"]) <= set(adata.var_names)
    export(run, tmp_path / "activities.h5ad", activities=True)
    assert list(anndata.read_h5ad(tmp_path / "activities.h5ad").var_names) == list(adata.var_names)


def test_a_run_without_its_data_has_its_activities_still(run: Run) -> None:
    hidden = Path(run.experiment.data.file or "")
    aside = hidden.rename(hidden.with_suffix(".aside"))
    try:
        assert run.activities_anndata().n_obs == 60
        with pytest.raises(DataError, match="is not a file"):
            run.to_anndata()
    finally:
        aside.rename(hidden)


def test_other_samples_are_refused(run: Run) -> None:
    with pytest.raises(DataError, match="30 of 60 tested samples are not in the data"):
        run.to_anndata(cells()[:30].copy())
    with pytest.raises(DataError, match="of one modality"):
        run.to_mudata()


def test_bad_outputs_are_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"neither an \.h5ad nor"):
        export(run, tmp_path / "out.csv")
    with pytest.raises(OutputError, match="cannot be written"):
        export(run, tmp_path / "none" / "out.h5ad", activities=True)
    with pytest.raises(OutputError, match="one table"):
        export(run, tmp_path / "out.h5mu", activities=True)


def test_the_command_writes_a_file(run: Run, tmp_path: Path) -> None:
    cells().write_h5ad(tmp_path / "cells.h5ad")
    arguments = ["export", str(run.path), "-o", str(tmp_path / "out.h5ad"), "--data", str(tmp_path / "cells.h5ad")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out.h5ad").is_file()


@pytest.mark.parametrize("form", ["md", "json", "xlsx", "html"])
def test_reports_in_every_format(run: Run, tmp_path: Path, form: str) -> None:
    done = CliRunner().invoke(app, ["report", str(run.path), "--format", form, "-o", str(tmp_path / f"out.{form}")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / f"out.{form}").stat().st_size > 1000
    open_run(run.path)


@pytest.mark.filterwarnings("ignore:From 0.4", "ignore:Cannot join columns", "ignore:var_names are not unique")
def test_several_modalities_become_mudata(tmp_path: Path, knowledge_store_path: Path) -> None:
    one, two = cells()[:60].copy(), cells()[:60, :20].copy()
    del one.obsm["X_umap"], two.obsm["X_umap"]
    with mudata.set_options(pull_on_update=False):
        mdata = mudata.MuData({"rna": one, "protein": two})
    mdata.obs["kind"] = one.obs["kind"].to_numpy()
    mdata.write(tmp_path / "cells.h5mu")
    asked = small_experiment(tmp_path, knowledge_store_path)
    asked = asked.replace("data", file=str(tmp_path / "cells.h5mu")).replace("training", max_epochs=2)
    run = run_experiment(asked.replace("nulls", rewired=0, labels=0))
    export(run, tmp_path / "out.h5mu")
    again = mudata.read_h5mu(tmp_path / "out.h5mu")
    assert again.obsm["kgreg_activity"].shape == run.activities.shape
    for name, part in mdata.mod.items():
        assert np.isfinite(again.mod[name].varm["kgreg_scores"]).any(axis=1).sum() >= part.n_vars // 2
    with pytest.raises(DataError, match="several modalities"):
        run.to_anndata()
    assert run.activities_anndata().n_obs == 60
