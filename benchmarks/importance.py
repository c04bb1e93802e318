"""How long do importance with 20 replicates and 20 nulls take on the demo, and how much longer one fit after the other?

    python -m benchmarks.importance [--graph 20] [--nulls 20] [--replicates R] [--workers 2] [--alone 2] [--epochs N]

The demo's cells, hierarchy and settings: 700 cells, 5 folds. "20 replicates" are 20 networks of the graph (5 folds, 4
replicates), or with ``--replicates 20`` as many in every fold, 100. "20 nulls" are 10 rewired graphs and 10
permutations of the labels, each trained in every fold: 100 networks. All is counted that `kgreg run` does between the
compiled network and the ranking: training with checkpoints and models on disk, predictions and metrics, the linear
baseline, scores, the ranking and 200 draws of the bootstrap.

One fit after the other is measured on a part: ``--alone`` fits of the graph and as many of rewired graphs, each trained
by itself, and multiplied by how many epochs there are in all. With ``--workers 1`` the time of the processor is printed
beside the time, which depends less on what else the machine does.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from kgreg.decode import explain
from kgreg.experiment import read_experiment
from kgreg.fit import cross_validate
from kgreg.fit.arms import arm_blueprint, plan
from kgreg.fit.parallel import fit_jobs
from kgreg.resources import recipe_file
from kgreg.runs.records import save_trained
from kgreg.runs.stages import compile_experiment, settings_of


class Clock:
    """Time, and time of the processor in this process (its helpers' are not in it)."""

    def __init__(self) -> None:
        self.wall, self.used = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        """Return both since the clock was made."""
        return time.perf_counter() - self.wall, time.process_time() - self.used


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--graph", type=int, default=20, help="networks of the graph, over all folds")
    parser.add_argument("--replicates", type=int, help="of the graph in every fold, instead of --graph")
    parser.add_argument("--nulls", type=int, default=20, help="draws of nulls, half of each kind")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--alone", type=int, default=2, help="fits of the graph, and of nulls, trained one by one")
    parser.add_argument("--epochs", type=int, help="at most, for a quick look")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    experiment = read_experiment(recipe_file("pbmc68k"))
    compiled = compile_experiment(experiment)
    settings = settings_of(experiment)
    if asked.epochs:
        settings = replace(settings, max_epochs=asked.epochs)
    folds = len(compiled.splits)
    replicates = asked.replicates or max(1, asked.graph // folds)
    rewired = asked.nulls // 2
    labels = asked.nulls - rewired
    jobs = plan(compiled.splits, replicates, rewired, labels, 0, 0, 1)
    graph = sum(job.arm.kind == "graph" for job in jobs)
    summary = compiled.blueprint.summary()
    print(
        f"{len(compiled.samples)} cells, {summary['genes']} genes, {summary['terms']} terms; {folds} folds x "
        f"{replicates} replicates = {graph} networks of the graph, {rewired} rewired graphs and {labels} permutations "
        f"x {folds} folds = {len(jobs) - graph} networks; {asked.workers} processes; load {os.getloadavg()[0]:.1f}"
    )
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        clock = Clock()
        result = cross_validate(
            compiled.blueprint, compiled.samples, compiled.splits, settings, replicates=replicates, rewired=rewired,
            labels=labels, null_replicates=1, folder=folder / "models", workers=asked.workers,
        )  # fmt: skip
        save_trained(result, folder)
        trained = clock.read()
        clock = Clock()
        explanation = explain(result)
        explanation.ranking.to_parquet(folder / "ranking.parquet")
        explanation.node_scores.to_parquet(folder / "node_scores.parquet")
        decoded = clock.read()
    rows = {
        f"training and saving {len(jobs)} networks": trained,
        "scores, nulls, bootstrap, ranking": decoded,
        "together": (trained[0] + decoded[0], trained[1] + decoded[1]),
    }
    for what, (wall, used) in rows.items():
        print(f"  {what:<38} {wall:7.1f} s" + (f"   processor {used:7.1f} s" if asked.workers == 1 else ""))
    epochs = sum(len(model.history) for model in result.models.values())
    print(f"  {epochs} epochs; load now {os.getloadavg()[0]:.1f}")
    for row in explanation.agreement.query("output == 'all'").itertuples():
        print(f"  {row.kind}s: Kendall's W {row.kendall_w:.2f}, overlap of the {row.top} best {row.top_overlap:.2f}")
    if not asked.alone:
        return
    some = [job for job in jobs if job.arm.kind == "graph"][: asked.alone]
    some += [job for job in jobs if job.arm.kind == "rewired"][::folds][: asked.alone]
    graphs = {job.arm: arm_blueprint(compiled.blueprint, job.arm, 0) for job in some}
    clock = Clock()
    alone = fit_jobs(some, graphs, compiled.samples, replace(settings, together=1), 0)
    share = sum(len(model.history) for model in alone.values()) / epochs
    wall, used = clock.read()
    print(
        f"  one by one, from {len(some)} fits: {wall / share:.0f} s ({wall / share / trained[0]:.1f} times as long)",
        end="",
    )
    print(f", processor {used / share:.0f} s ({used / share / trained[1]:.2f} times)" if asked.workers == 1 else "")


if __name__ == "__main__":
    main()
