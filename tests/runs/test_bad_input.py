"""Every wrong input is refused with words that help, before anything that is there is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

from kgreg.errors import BlueprintError, DataError, KgregError, OutputError, StoreError
from kgreg.experiment import Experiment
from kgreg.runs import run_experiment
from tests.cells import make_cells, small_experiment


@pytest.fixture
def experiment(tmp_path: Path, knowledge_store_path: Path) -> Experiment:
    """A sound experiment, to be spoilt."""
    return small_experiment(tmp_path, knowledge_store_path)


def _compile(experiment: Experiment, **options: Any) -> None:
    run_experiment(experiment, until="compile", **options)


def with_nan(cells: anndata.AnnData) -> anndata.AnnData:
    cells.X[3, 4] = np.nan
    return cells


def with_zeros(cells: anndata.AnnData) -> anndata.AnnData:
    cells.X[:, 2] = 0
    return cells


def with_duplicates(cells: anndata.AnnData) -> anndata.AnnData:
    cells.var_names = ["CD79A", "CD79A", *cells.var_names[2:]]
    return cells


def with_mouse_genes(cells: anndata.AnnData) -> anndata.AnnData:
    cells.var_names = [f"Gm{i}x" for i in range(cells.n_vars)]
    return cells


def with_one_class(cells: anndata.AnnData) -> anndata.AnnData:
    cells.obs["kind"] = "B"
    return cells


def with_missing_labels(cells: anndata.AnnData) -> anndata.AnnData:
    cells.obs["kind"] = [None, *cells.obs["kind"][1:]]
    return cells


def with_a_rare_class(cells: anndata.AnnData) -> anndata.AnnData:
    cells.obs["kind"] = ["rare", *cells.obs["kind"][1:]]
    return cells


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (with_nan, ["1 values", "NaN", "BLK"]),
        (with_zeros, ["same value", "MS4A1", "constant_genes"]),
        (with_duplicates, ["more than once", "CD79A"]),
        (with_mouse_genes, ["None of the 30 features", "Gm0x", "HGNC"]),
        (with_one_class, ["'kind'", "one value only", "B"]),
        (with_missing_labels, ["'kind'", "missing in 1 of 60"]),
        (with_a_rare_class, ["rare (1)", "fewer folds"]),
    ],
)
def test_spoilt_cells(experiment: Experiment, spoil: Any, words: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        _compile(experiment, data=spoil(make_cells()))
    for word in words:
        assert word in str(caught.value)
    assert not Path(experiment.output.folder).exists(), "nothing is begun before the input is sound"


def test_a_column_that_is_not_there(experiment: Experiment) -> None:
    with pytest.raises(DataError, match=r"no column 'cell_type'(?s:.*)kind"):
        _compile(experiment.replace("data", label="cell_type"))


def test_constant_genes_may_be_left_out_and_are_reported(experiment: Experiment) -> None:
    run = run_experiment(
        experiment.replace("data", constant_genes="drop"), data=with_zeros(make_cells()), until="compile"
    )
    matching = pd.read_parquet(run.path / "matching.parquet").set_index("feature")
    assert matching.loc["MS4A1", "outcome"] == "constant"
    assert "MS4A1" not in set(run.blueprint.inputs["feature"])


def test_a_file_that_is_no_h5ad(experiment: Experiment) -> None:
    Path(experiment.data.file).write_text("genes,cells\n", encoding="utf-8")
    with pytest.raises(DataError, match="cannot be read as h5ad"):
        _compile(experiment)


def test_a_store_that_is_not_there(experiment: Experiment, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="kgreg load"):
        _compile(experiment.replace("knowledge", store=str(tmp_path / "none.lbug")))


def test_pruning_that_leaves_nothing(experiment: Experiment) -> None:
    with pytest.raises(BlueprintError, match="min_genes=31"):
        _compile(experiment.replace("knowledge", min_genes=31, max_genes=99))


def test_a_gene_to_knock_out_that_is_not_there(experiment: Experiment) -> None:
    with pytest.raises(DataError, match="NOTAGENE"):
        run_experiment(experiment.replace("knockouts", genes=["NOTAGENE"]))


def test_a_folder_that_holds_a_run_is_refused_without_force(experiment: Experiment) -> None:
    _compile(experiment)
    before = Path(experiment.output.folder, "run.json").read_bytes()
    with pytest.raises(OutputError, match="already holds a run"):
        _compile(experiment)
    assert Path(experiment.output.folder, "run.json").read_bytes() == before
    _compile(experiment.replace("network", width=2), force=True)
    assert Path(experiment.output.folder, "run.json").read_bytes() != before


def test_bad_input_with_force_loses_nothing(experiment: Experiment) -> None:
    _compile(experiment)
    before = {path: path.read_bytes() for path in Path(experiment.output.folder).rglob("*") if path.is_file()}
    with pytest.raises(KgregError):
        _compile(experiment.replace("data", label="nothing"), force=True)
    assert {path: path.read_bytes() for path in before} == before


def test_a_folder_of_something_else_is_never_touched(experiment: Experiment) -> None:
    folder = Path(experiment.output.folder)
    folder.mkdir()
    (folder / "thesis.docx").write_text("years of work", encoding="utf-8")
    for force in (False, True):
        with pytest.raises(OutputError, match="holds no run"):
            _compile(experiment, force=force)
    assert (folder / "thesis.docx").read_text(encoding="utf-8") == "years of work"


def test_a_folder_that_cannot_be_written(experiment: Experiment, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    for place in (tmp_path / "file", tmp_path / "file" / "run", Path("/proc/kgreg")):
        with pytest.raises(OutputError, match=r"file, not a folder|cannot be written"):
            _compile(experiment, output=place)
