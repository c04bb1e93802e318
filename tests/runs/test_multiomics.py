"""Several modalities from files to the report: every way of integration, planted genes, bad files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from mudata import MuData
from sklearn.metrics import roc_auc_score

from kgreg.data.simulate.base import Simulation
from kgreg.data.simulate.omics import simulate_omics
from kgreg.errors import DataError, ExperimentError, FitError
from kgreg.experiment import read_experiment
from kgreg.runs import run_experiment
from kgreg.runs.run import Run
from kgreg.runs.stages import compile_experiment

#: What mudata says of its own later versions, and of genes that several modalities measured.
pytestmark = pytest.mark.filterwarnings("ignore:From 0.4", "ignore:Cannot join columns")

HEAD = """
[data]
obs = "clinical.csv"
samples = "all"
{target}

[data.modalities.expression]
file = "expression.tsv.gz"
orient = "features"

[data.modalities.methylation]
file = "methylation.csv"
map = "cpg_to_gene.csv"

[data.modalities.protein]
file = "protein.parquet"

[training]
folds = 2
learning_rate = 0.005
max_epochs = 40
accelerator = "cpu"

[nulls]
rewired = 0
labels = {labels}

[knockouts]
automatic = 1
"""
TERMS = '[knowledge]\nguide = "tables"\nannotations = "annotations.csv"\nmin_genes = 2\n'
INTERACTIONS = '[knowledge]\nguide = "interactions"\ninteractions = "interactions.csv"\n'
CLASSES, SURVIVAL = 'label = "condition"', 'time = "time"\nevent = "event"'
NETWORKS = {
    "moli": (INTERACTIONS, CLASSES, 'model = "moli"'),
    "moli of terms": (TERMS, CLASSES, 'model = "moli"\nfirst = "terms"\npresence = true'),
    "late": (TERMS, CLASSES, 'model = "late"'),
    "bottleneck": (INTERACTIONS, SURVIVAL, 'model = "bottleneck-autoencoder"\nwidths = [60, 12]\ndropout = 0.1'),
}


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    return simulate_omics(
        n_samples=300, n_genes=100, n_factors=4, n_outcome=1, module_size=12, missing=0.25, effect=4, noise=0.8
    )


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory, simulation: Simulation) -> Path:
    """Write the modalities as laboratories hand them out: only the samples that they measured, methylation by site."""
    folder = tmp_path_factory.mktemp("cohort")
    adata = simulation.adata
    adata.obs.to_csv(folder / "clinical.csv")
    tables = {name: pd.DataFrame(x, adata.obs_names, adata.var_names).dropna() for name, x in adata.layers.items()}
    tables["expression"].T.to_csv(folder / "expression.tsv.gz", sep="\t")
    tables["protein"].to_parquet(folder / "protein.parquet")
    sites = pd.concat(
        [tables["methylation"].add_prefix("cg1."), tables["methylation"].add_prefix("cg2.") + 0.5], axis=1
    ).assign(**{"cg.nowhere": 1.0})
    sites.to_csv(folder / "methylation.csv")
    known = [name for name in sites if name != "cg.nowhere"]
    pd.DataFrame({"feature": known, "gene": [name[4:] for name in known]}).to_csv(
        folder / "cpg_to_gene.csv", index=False
    )
    simulation.tables["interactions"].to_csv(folder / "interactions.csv", index=False)
    truth = simulation.truth
    modules = truth.loc[truth["factor"] > 0].assign(term="module " + truth["factor"].astype(str))
    rng = np.random.default_rng(0)
    others = [pd.DataFrame({"node": rng.choice(truth["node"], 12, False), "term": f"random {i}"}) for i in range(4)]
    annotations = pd.concat([modules, *others]).rename(columns={"node": "gene"})
    annotations[["gene", "term"]].to_csv(folder / "annotations.csv", index=False)
    return folder


def write(folder: Path, name: str, labels: int = 0, **changes: str) -> Path:
    knowledge, target, network = NETWORKS[name]
    text = HEAD.format(target=target, labels=labels) + knowledge + f"[network]\n{network}\n"
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    path = folder / f"{name.replace(' ', '-')}.toml"
    path.write_text(text + f'[output]\nfolder = "run-{name.replace(" ", "-")}"\n')
    return path


def auroc(run: Run, simulation: Simulation) -> float:
    ranking = run.explanation.ranking
    genes = ranking[(ranking["kind"] == "gene") & (ranking["output"] == "all")].set_index("label")["score"]
    planted = simulation.truth.set_index("node")["planted"].reindex(genes.index)
    return float(roc_auc_score(planted, genes))


@pytest.mark.parametrize("name", list(NETWORKS))
def test_planted_genes_are_found_though_modalities_are_missing(name: str, cohort: Path, simulation: Simulation) -> None:
    run = run_experiment(write(cohort, name), force=True, workers=1)
    assert auroc(run, simulation) >= 0.9
    data = json.loads((run.path / "data.json").read_text())
    absent = {m: int(np.isnan(x).all(axis=1).sum()) for m, x in simulation.adata.layers.items()}
    assert data["lacking"] == absent
    assert sum(absent.values()) > 50
    matching = pd.read_parquet(run.path / "matching.parquet")
    assert matching.loc[matching["outcome"] == "unmapped", "feature"].tolist() == ["cg.nowhere"]
    report = next(run.path.glob("*.html")).read_text()
    assert "cg.nowhere" in report
    knockouts = pd.read_parquet(run.path / "knockouts.parquet")
    assert np.isfinite(knockouts["delta"]).all()
    if NETWORKS[name][0] == TERMS:
        ranking = run.explanation.ranking
        terms = ranking[(ranking["kind"] == "term") & (ranking["output"] == "all")].set_index("label")["score"]
        assert terms[terms.index.str.contains("module|random")].idxmax() == "module 1"


def test_complete_samples_and_a_run_that_goes_on(cohort: Path, simulation: Simulation) -> None:
    path = write(cohort, "moli", samples=('samples = "all"', 'samples = "complete"'))
    run = run_experiment(path, force=True, until="train", workers=1)
    complete = ~np.any([np.isnan(x).all(axis=1) for x in simulation.adata.layers.values()], axis=0)
    data = json.loads((run.path / "data.json").read_text())
    assert data["samples"] == complete.sum()
    assert data["left_out"] == {"lack a modality": int((~complete).sum())}
    assert "lacking" not in data
    resumed = run_experiment(path, resume=True, until="explain", workers=1)
    assert len(resumed.explanation.ranking)
    exported = resumed.to_mudata()  # of tables, and of networks without subsystems
    assert set(exported.mod) == {"expression", "methylation", "protein"}
    assert exported.n_obs == complete.sum()
    assert "kgreg_activity" not in exported.obsm
    assert np.isfinite(exported.mod["protein"].varm["kgreg_scores"]).all()


BAD: list[tuple[dict[str, tuple[str, str]], type[Exception], str]] = [
    ({"a": ('samples = "all"', "")}, DataError, 'Set samples = "complete"'),
    ({"a": ('samples = "all"', 'samples = "some"')}, ExperimentError, 'line 4: data.samples is "some"'),
    ({"a": ('obs = "clinical.csv"', "")}, ExperimentError, r"\[data\] obs is missing"),
    ({"a": ('orient = "features"', 'orientation = "x"')}, ExperimentError, r"line 9: .*no key 'orientation'"),
    ({"a": ('orient = "features"', "")}, DataError, "None of the 300 samples of .* has the modality expression"),
    ({"a": ('orient = "features"', 'how = "max"')}, ExperimentError, "means nothing without a map"),
    ({"a": ('file = "protein.parquet"', "")}, ExperimentError, "'protein' has no file"),
    ({"a": ('obs = "clinical.csv"', 'obs = "clinical.csv"\nlayer = "X"')}, ExperimentError, None),  # type: ignore[list-item]
    ({"a": ('obs = "clinical.csv"', 'obs = "clinical.csv"\nlayers = ["X"]')}, ExperimentError, "'layers' is for .h5ad"),
    ({"a": ('obs = "clinical.csv"', 'file = "a.h5ad"')}, ExperimentError, "is read from a.h5ad"),
    ({"a": ('obs = "clinical.csv"', "")}, ExperimentError, "obs"),
    ({"a": ("cpg_to_gene.csv", "none.csv")}, DataError, "none.csv is not a file"),
    ({"a": ("folds = 2", "folds = 200")}, DataError, "Classes with fewer than 200 samples"),
    ({"a": ('model = "moli"', 'model = "moli"\nwidths = { rna = 3 }')}, FitError, "do not have: rna"),
    ({"a": ('model = "moli"', 'model = "moli"\nfirst = "terms"')}, FitError, "needs terms"),
    ({"a": (CLASSES, SURVIVAL)}, FitError, "Set .network. triplet = 0"),
]


@pytest.mark.parametrize(("changes", "kind", "said"), BAD)
def test_bad_files(changes: dict[str, Any], kind: type[Exception], said: str | None, cohort: Path) -> None:
    path = write(cohort, "moli", **changes)
    if said is None:
        compile_experiment(read_experiment(path))  # the default, said aloud
        return
    with pytest.raises(kind, match=said):
        run_experiment(path, output=cohort / "bad", force=True, until="train", workers=1)


def test_an_experiment_needs_data(tmp_path: Path) -> None:
    path = tmp_path / "experiment.toml"
    path.write_text('[data]\nlabel = "x"\n')
    with pytest.raises(ExperimentError, match=r"\[data\] file is missing"):
        read_experiment(path)


def test_mudata_in_an_experiment(cohort: Path, simulation: Simulation, tmp_path: Path) -> None:
    layers = simulation.adata.layers
    rows = {name: ~np.isnan(x).all(axis=1) for name, x in layers.items()}
    names = simulation.adata.obs_names
    parts = {
        name: AnnData(pd.DataFrame(x[rows[name]], names[rows[name]], simulation.adata.var_names))
        for name, x in layers.items()
    }
    mdata = MuData(parts)
    mdata.obs = mdata.obs.join(simulation.adata.obs)
    mdata.write(tmp_path / "cohort.h5mu")
    text = '[data]\nfile = "cohort.h5mu"\nlabel = "condition"\nsamples = "all"\n'
    path = tmp_path / "experiment.toml"
    path.write_text(text + INTERACTIONS.replace("interactions.csv", str(cohort / "interactions.csv")))
    from_file = compile_experiment(read_experiment(path))
    from_object = compile_experiment(read_experiment(path), mdata)
    for compiled in (from_file, from_object):
        samples = compiled.samples
        assert samples.modality_names == list(layers)
        assert samples.present is not None
        at = names.get_indexer(pd.Index(samples.names))
        np.testing.assert_array_equal(samples.present > 0, np.stack([rows[name][at] for name in layers], axis=1))
        assert len(compiled.blueprint.inputs) == 3 * simulation.adata.n_vars
    only = '[data.modalities.protein]\nlayer = "none"\n'
    path.write_text(path.read_text() + only)
    with pytest.raises(DataError, match="no layer 'none'"):
        compile_experiment(read_experiment(path))
    path.write_text(path.read_text().replace('layer = "none"', 'file = "a.csv"'))
    with pytest.raises(ExperimentError, match="remove its file"):
        read_experiment(path)
