"""An experiment over a blueprint from a folder: alterations in two layers, a fixed split, no store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from kgreg.blueprint import Blueprint, compile_hierarchy, load_blueprint, save_blueprint
from kgreg.data import match_blueprint
from kgreg.errors import BlueprintError, DataError, ExperimentError
from kgreg.experiment import Experiment, make_experiment
from kgreg.runs import Run, run_experiment
from tests.random_graphs import Knowledge
from tests.small_data import ANNOTATIONS, GENES, LINKS

LAYERS = ["mutation", "deletion"]
#: Of the twelve genes g11 is not measured, and g10 goes by its id; "foreign" is no gene of the blueprint.
COLUMNS = ["foreign", "g10", *(gene.upper() for gene in GENES[9::-1])]


def saved(folder: Path) -> Blueprint:
    known = Knowledge(LINKS, ANNOTATIONS, GENES)
    blueprint = compile_hierarchy(
        known.hierarchy_table, known.annotation_table, known.feature_table, redundancy=None, provenance={"guide": "toy"}
    )
    edges = blueprint.edges.assign(sign=np.where(blueprint.edges["source"] == "g01", -1, 0))
    save_blueprint(replace(blueprint, edges=edges), folder)
    return load_blueprint(folder)


def alterations(n: int = 90, seed: int = 0) -> ad.AnnData:
    rng = np.random.default_rng(seed)
    values = {name: (rng.random((n, len(COLUMNS))) < 0.3).astype(np.uint8) for name in LAYERS}
    signal = (values["mutation"][:, -4:].astype(float) - values["deletion"][:, -4:]).sum(axis=1)
    donor = np.arange(n) // 2
    obs = pd.DataFrame(
        {
            "auc": signal + 0.1 * rng.normal(size=n),
            "donor": [f"d{i}" for i in donor],
            "split": np.where(donor % 3 == 0, "test", "train"),
        },
        index=[f"s{i}" for i in range(n)],
    )
    adata = ad.AnnData(obs=obs, var=pd.DataFrame(index=COLUMNS))
    for name, matrix in values.items():
        adata.layers[name] = sparse.csr_matrix(matrix)
    return adata


def experiment(folder: Path, **knowledge: Any) -> Experiment:
    return make_experiment(
        {
            "data": {
                "file": str(folder / "no.h5ad"),
                "label": "auc",
                "layers": LAYERS,
                "split": "split",
                "group": "donor",
            },
            "knowledge": {"guide": "blueprint", "blueprint": str(folder / "blueprint"), **knowledge},
            "network": {"width": 2},
            "training": {"max_epochs": 6, "replicates": 2, "learning_rate": 0.02},
            "nulls": {"rewired": 2, "labels": 1},
            "knockouts": {"genes": ["g10", "G00"]},
            "output": {"folder": str(folder / "run")},
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guide")
    saved(folder / "blueprint")
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KGREG_STORE", str(folder / "store.lbug"))
        return run_experiment(experiment(folder), data=alterations(), workers=1)


def test_no_store_is_opened_or_made(run: Run, folder: Path) -> None:
    assert run.report.is_file()
    assert not (folder / "store.lbug").exists()


def test_the_network_is_that_of_the_folder_over_the_genes_that_were_measured(run: Run, folder: Path) -> None:
    given, taken = load_blueprint(folder / "blueprint"), run.blueprint
    assert taken.genes["id"].tolist() == GENES[:11]
    assert taken.terms["id"].tolist() == given.terms["id"].tolist()
    assert (taken.terms["width"] == 2).all()
    assert taken.inputs["feature"].tolist() == [f for gene in GENES[:10] for f in [gene.upper()] * 2] + ["g10"] * 2
    assert taken.inputs["modality"].tolist() == LAYERS * 11
    kept = given.edges[given.edges["source"] != "g11"].reset_index(drop=True)
    pd.testing.assert_frame_equal(taken.edges, kept)
    gone = taken.dropped[taken.dropped["step"] == "features"]
    assert gone[["id", "reason"]].to_numpy().tolist() == [["g11", "the data do not measure it"]]
    assert taken.provenance["guide"] == "toy"
    assert taken.provenance["blueprint"]["content_hash"] == given.content_hash()


def test_features_outside_the_blueprint_are_listed(run: Run) -> None:
    matching = pd.read_parquet(run.path / "matching.parquet").set_index("feature")
    assert matching.loc["foreign", "outcome"] == "unknown"
    assert matching.loc["g10", "outcome"] == "alias"
    assert (matching.drop(["foreign", "g10"])["outcome"] == "symbol").all()


def test_the_report_says_how_the_intervals_of_a_fixed_split_are_made(run: Run) -> None:
    text = run.report.read_text(encoding="utf-8")
    assert run.metrics["interval"] == "bootstrap over test groups"
    assert "Intervals are 95 %: bootstrap over test groups." in text
    assert "n test groups" in text
    assert "n = 15 test groups" in text
    assert "Graph network, ensemble of 2" in text
    assert " 15 folds" not in text
    assert "(n = 30 samples" in text


def test_an_experiment_says_what_is_pruned_and_comes_back(run: Run, folder: Path) -> None:
    knowledge = run.experiment.knowledge
    assert (knowledge.min_genes, knowledge.max_genes, knowledge.redundancy) == (1, None, None)
    assert run.experiment == experiment(folder)
    pruned = run_experiment(
        experiment(folder, min_genes=5), data=alterations(), until="compile", output=folder / "pruned"
    )
    sizes = {term: len(genes) for term, genes in pruned.blueprint.gene_sets().items()}
    assert min(sizes.values()) >= 5
    assert (pruned.blueprint.dropped["step"] == "min_genes").sum() > 0


def test_a_data_set_of_other_genes_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"None of the 2 features is a gene of the blueprint; its first are G00, G01"):
        match_blueprint(["BRCA1", "TP53"], load_blueprint(folder / "blueprint"))
    with pytest.raises(BlueprintError, match="Not genes of the blueprint: h1"):
        load_blueprint(folder / "blueprint").with_inputs(pd.DataFrame({"feature": ["a"], "gene": ["h1"]}))


def test_one_layer_is_enough(folder: Path) -> None:
    record = experiment(folder).to_dict()
    record["data"] |= {"layers": None, "layer": "mutation"}
    run = run_experiment(make_experiment(record), data=alterations(), until="compile", output=folder / "one")
    assert run.blueprint.inputs["modality"].unique().tolist() == ["rna"]
    assert len(run.blueprint.inputs) == 11


def test_a_group_on_both_sides_and_a_folder_without_a_blueprint_are_refused(folder: Path, tmp_path: Path) -> None:
    adata = alterations()
    adata.obs["donor"] = [f"d{i // 30}" for i in range(90)]
    with pytest.raises(DataError, match=r"3 groups have samples in both parts: d0, d1, d2"):
        run_experiment(experiment(folder), data=adata, until="compile", output=tmp_path / "run")
    with pytest.raises(BlueprintError, match="holds no readable blueprint"):
        run_experiment(
            experiment(folder, blueprint=str(tmp_path)), data=alterations(), until="compile", output=tmp_path / "run"
        )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"guide": "blueprint"}, "go together"),
        ({"guide": "go", "blueprint": "x"}, "go together"),
        ({"guide": "blueprint", "blueprint": "x", "store": "y"}, "'store' means nothing"),
        ({"guide": "blueprint", "blueprint": "x", "evidence_excluded": []}, "'evidence_excluded' means nothing"),
        ({"guide": "blueprint", "blueprint": "x", "relations": ["is_a"]}, "'relations' selects a part of GO"),
    ],
)
def test_keys_that_do_not_fit_the_guide_are_refused(section: dict[str, Any], words: str) -> None:
    with pytest.raises(ExperimentError, match=words):
        make_experiment({"data": {"file": "x", "label": "y"}, "knowledge": section})
