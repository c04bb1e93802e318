"""How well do visible networks predict on two real tasks, beside simpler models and rewired graphs?

    python -m benchmarks.real_tasks [DIR] [--only NAME ...]

``DIR`` holds ``nest_palbociclib/`` (the sample of idekerlab/nest_vnn) and ``dcell_dna_repair/`` (the DNA repair sample
of idekerlab/DCell); default: ``$KGREG_SHARED`` or ``../shared/data``. The splits are the published ones; five seeds.
Intervals are bootstraps over the cell lines (strains) of the test part.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.ensemble import ExtraTreesRegressor

from kgreg import read_experiment, run_experiment
from kgreg.blueprint import Blueprint, load_blueprint
from kgreg.data.published import FORMATS, write_import

HERE = Path(__file__).parent
TASKS = {
    "palbociclib": ("nest", "nest_palbociclib"),
    "palbociclib_tissue": ("nest", "nest_palbociclib"),
    "palbociclib_published": ("nest", "nest_palbociclib"),
    "dna_repair": ("dcell", "dcell_dna_repair"),
    "dna_repair_published": ("dcell", "dcell_dna_repair"),
}


def main() -> None:
    """Run the tasks and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = os.environ.get("KGREG_SHARED", "../shared/data")
    parser.add_argument("folder", type=Path, nargs="?", default=Path(default))
    parser.add_argument("--only", nargs="*", choices=list(TASKS), default=list(TASKS))
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.only:
            kind, source = TASKS[name]
            project = Path(scratch) / kind
            if not project.exists():
                write_import(FORMATS[kind](options.folder / source), project)
            shutil.copy(HERE / f"{name}.toml", project / f"{name}.toml")
            experiment = read_experiment(project / f"{name}.toml")
            run = run_experiment(experiment.replace("output", folder=str(Path(scratch) / name)), workers=os.cpu_count())
            report(name, experiment.title, run, project)


def report(name: str, title: str, run: Any, project: Path) -> None:
    """Print every arm of a run, and trees on the same inputs."""
    metrics = run.metrics
    print(f"\n{title}\n  test Pearson r, mean [95 % {metrics['interval']}]")
    predictions = run.predictions
    for arm in metrics["arms"]:
        r = arm["metrics"]["pearson_r"]
        each = ""
        if arm["arm"] == "graph":
            own = predictions[predictions["arm"] == "graph"]
            seeds = [np.corrcoef(p["target"].astype(float), p["predicted"])[0, 1] for _, p in own.groupby("replicate")]
            each = "  seeds " + " ".join(f"{seed:.3f}" for seed in seeds)
        label = {"graph": "network, mean of 5 seeds", "baseline": "ridge regression", "rewired": "rewired graphs"}
        print(f"  {label.get(arm['arm'], arm['arm']):<28} {r['mean']:.3f} [{r['low']:.3f}, {r['high']:.3f}]{each}")
    if not name.endswith("published"):
        for text, value in trees(project, run.experiment.data.covariates).items():
            print(f"  {text:<28} {value:.3f}")
    print(f"  {metrics['verdict']}")


def trees(project: Path, covariates: list[str]) -> dict[str, float]:
    """Return the test r of extremely randomised trees on the same inputs, without and with sums per term."""
    adata = anndata.read_h5ad(project / "data.h5ad")
    blueprint = load_blueprint(project / "blueprint")
    label = "AUC" if "AUC" in adata.obs else "phenotype"
    layers = {name: np.asarray(_dense(adata.layers[name])) for name in adata.layers}
    own = pd.get_dummies(adata.obs[covariates].astype(str)).to_numpy(dtype=float) if covariates else None
    plain = [*layers.values(), *([] if own is None else [own])]
    members = _members(blueprint, [str(name) for name in adata.var_names])
    train, test = ((adata.obs["split"] == part).to_numpy() for part in ("train", "test"))
    target = adata.obs[label].to_numpy()
    found = {}
    for text, parts in (
        ("randomised trees", plain),
        ("trees with sums per term", [*plain, *(layer @ members for layer in layers.values())]),
    ):
        x = np.hstack(parts)
        model = ExtraTreesRegressor(300, min_samples_leaf=3, max_features=0.1, n_jobs=-1, random_state=0)
        predicted = model.fit(x[train], target[train]).predict(x[test])
        found[text] = float(np.corrcoef(predicted, target[test])[0, 1])
    return found


def _dense(matrix: Any) -> Any:
    return matrix.toarray() if sparse.issparse(matrix) else matrix


def _members(blueprint: Blueprint, genes: list[str]) -> np.ndarray:
    """Return ``[n_genes, n_terms]``: 1 where a gene is at or below a term."""
    label = blueprint.nodes.set_index("id")["label"]
    place = {gene: i for i, gene in enumerate(genes)}
    sets = blueprint.gene_sets()
    matrix = np.zeros((len(genes), len(sets)))
    for t, members in enumerate(sets.values()):
        matrix[[place[label[gene]] for gene in members if label[gene] in place], t] = 1
    return matrix


if __name__ == "__main__":
    main()
