"""Is what the ranking says true? Simulations with a planted truth, through the same functions that users call.

    python -m benchmarks.truth [coverage null signal] [--runs N] [--draws D] [--folder F]

coverage: many data sets of one truth; how often do 90 % and 95 % intervals hold the mean score over all of them?
null: an outcome that has nothing to do with expression; are p-values uniform?
signal: planted drivers; do they rank first, do other nodes stay behind, do knockouts move the outcome the right way?

With ``--folder`` every run leaves a file there and is not repeated.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import roc_auc_score

from kgreg.blueprint import Blueprint, compile_hierarchy
from kgreg.data import read_samples, split_folds
from kgreg.data.simulate import Simulation
from kgreg.data.simulate.drivers import simulate_drivers
from kgreg.decode import explain, rank_scores
from kgreg.decode.importance import ALL
from kgreg.decode.intervals import network_interval
from kgreg.decode.knockout import KnockoutOptions, knockout_table
from kgreg.decode.knockout.population import population
from kgreg.fit import CrossValidation, TrainSettings, cross_validate

#: Three roots with three leaves each, four genes a leaf: networks of a tenth of a second.
SHAPE: dict[str, Any] = {"n_roots": 3, "n_children": 3, "genes": 4, "planted": 2}
SETTINGS = TrainSettings(learning_rate=0.02, batch_size=64, max_epochs=15, patience=4, accelerator="cpu")

LEVELS = (0.9, 0.95)


@dataclass(frozen=True)
class Trained:
    """A simulation and the networks that were trained on it."""

    simulation: Simulation
    result: CrossValidation

    @property
    def truth(self) -> pd.DataFrame:
        """``planted, beside, output, sign`` by node."""
        return self.simulation.truth.set_index("node")


def train(
    simulation: Simulation, seed: int, *, folds: int = 3, replicates: int = 1, nulls: int = 0, epochs: int = 15
) -> Trained:
    """Cross-validate a network over a simulation's hierarchy, with so many draws of each null."""
    assert simulation.adata is not None
    samples = read_samples(simulation.adata, label="outcome")
    result = cross_validate(
        blueprint_of(simulation), samples, split_folds(samples, folds, seed=seed), replace(SETTINGS, max_epochs=epochs),
        replicates=replicates, rewired=nulls, labels=nulls, seed=seed,
    )  # fmt: skip
    return Trained(simulation, result)


def blueprint_of(simulation: Simulation) -> Blueprint:
    """Return the simulation's hierarchy over its genes."""
    assert simulation.adata is not None
    names = simulation.adata.var_names.tolist()
    features = pd.DataFrame({"feature": names, "gene": names})
    return compile_hierarchy(simulation.tables["hierarchy"], simulation.tables["annotations"], features, width=2)


# ---- coverage --------------------------------------------------------------------------------------------------------


def scores_of_networks(trained: Trained, knocked: int = 2) -> pd.DataFrame:
    """Return what every network says, for coverage: ``what, node, planted, fold, value``.

    ``what``: a node's score of a class, its size over all, or the effect of knocking out planted and other genes on the
    first output and on the subsystems.
    """
    result, truth = trained.result, trained.truth
    table = explain(result, bootstrap=0).node_scores.query("arm == 'graph'")
    kind = truth.loc[table["node"].astype(str), "kind"].to_numpy()
    size = np.where(table["output"].astype(str) == ALL, "size", "class score")
    frame = pd.DataFrame(
        {
            "what": [f"{a} of a {b}" for a, b in zip(size, kind, strict=True)],
            "node": table["node"].astype(str) + "|" + table["output"].astype(str),
            "planted": truth.loc[table["node"].astype(str), "planted"].to_numpy(),
            "fold": table["fold"].to_numpy(),
            "value": table["score"].to_numpy(dtype=float),
        }
    )
    genes = truth[truth["kind"] == "gene"]
    names = [
        *genes.index[genes["planted"]][:knocked],
        *genes.index[~genes["planted"] & ~genes["beside"]][:knocked],
    ]
    options = KnockoutOptions()
    known = options.genes(result)
    inputs = [known.inputs_of([gene]) for gene in known.find(names)]
    found = population(result, inputs, options.manipulations(result, known)[0])
    rows = [frame]
    for k, name in enumerate(names):
        for what, values, targets in (
            ("knockout, outputs", found.outputs[:, k, 0, :1], result.outputs[:1]),
            ("knockout, subsystems", found.terms[:, k, 0], found.term_ids),
        ):
            for t, target in enumerate(targets):
                if (values[:, t] != 0).any():
                    columns = {"fold": found.folds, "value": values[:, t].astype(float)}
                    node = f"{name}|{target}"
                    rows.append(
                        pd.DataFrame(columns).assign(what=what, node=node, planted=bool(truth.loc[name, "planted"]))
                    )
    return pd.concat(rows, ignore_index=True)


def coverage(runs: list[pd.DataFrame], overlap: float, level: float) -> pd.DataFrame:
    """Return how often intervals hold the mean of all runs, by ``what`` and ``planted``, with a 95 % interval.

    ``before``: of Student's t over all networks, as if they were independent.
    """
    each = []
    for number, run in enumerate(runs):
        for (what, planted), part in run.groupby(["what", "planted"]):
            wide = part.assign(at=part.groupby("node").cumcount()).pivot(index="at", columns="node", values="value")
            folds = part.loc[part["node"] == part["node"].iloc[0], "fold"].to_numpy()
            values = wide.to_numpy()
            shared = overlap if str(what).startswith(("size", "knockout, outputs")) else 0.0
            mean, low, high, _ = network_interval(values, folds, shared, level)
            _, low_before, high_before, _ = network_interval(values, np.arange(len(values)), 0.0, level)
            columns = {"low": low, "high": high, "low_before": low_before, "high_before": high_before, "mean": mean}
            each.append(pd.DataFrame(columns, index=wide.columns).assign(what=what, planted=planted, run=number))
    table = pd.concat(each).rename_axis("node").reset_index()
    truth = table.groupby(["what", "planted", "node"])["mean"].transform("mean")
    table["now"] = (table["low"] <= truth) & (truth <= table["high"])
    table["before"] = (table["low_before"] <= truth) & (truth <= table["high_before"])
    by_run = table.groupby(["what", "planted", "run"])[["now", "before"]].mean()
    found = by_run.groupby(["what", "planted"]).agg(["mean", "std", "size"])
    return pd.DataFrame(
        {
            "covered": found["now", "mean"],
            "+-": 1.96 * found["now", "std"] / np.sqrt(found["now", "size"]),
            "before": found["before", "mean"],
            "runs": found["now", "size"],
        }
    )


def study_coverage(n_runs: int, folder: Path | None, nulls: int) -> None:
    """Print the coverage for folds x replicates x tasks."""
    for folds, replicates, n, classes, effect in ((5, 1, 200, 2, 1.5), (5, 2, 200, 2, 1.5), (3, 2, 150, 1, 1.0)):
        name = f"coverage-{folds}x{replicates}-{classes}"

        def one(run: int) -> pd.DataFrame:
            simulation = simulate_drivers(n, effect=effect, classes=classes, draw=run, **SHAPE)  # noqa: B023
            return scores_of_networks(train(simulation, run, folds=folds, replicates=replicates))  # noqa: B023

        runs = repeat(name, n_runs, one, folder)
        task = "a value" if classes == 1 else f"{classes} classes"
        print(f"\n{n} samples, {task}, {folds} folds x {replicates} replicates, {n_runs} data sets of one truth")
        for level in LEVELS:
            print(f"\n{100 * level:.0f} % intervals cover (and those that take all networks for independent):")
            print(coverage(runs, 1 / (folds - 1), level).round(3).to_string())


# ---- uniformity, and what is found -----------------------------------------------------------------------------------


def scored(trained: Trained) -> pd.DataFrame:
    """Return the scores of every network of all arms with the truth of their nodes."""
    table = explain(trained.result, bootstrap=0).node_scores
    table = table.assign(**{name: table[name].astype(str) for name in ("node", "output", "arm")})
    return table.join(trained.truth[["kind", "planted", "beside"]], on="node")


def ranked(table: pd.DataFrame, draws: int) -> pd.DataFrame:
    """Return the ranking that the first ``draws`` of every null lead to."""
    nodes = table.drop_duplicates("node")[["node", "kind", "planted", "beside"]].reset_index(drop=True)
    outputs = [name for name in dict.fromkeys(table["output"]) if name != ALL] + [ALL]
    arms = {}
    for arm, own in table.groupby("arm"):
        wide = own.pivot_table(index=["fold", "replicate"], columns=["node", "output"], values="score")
        arms[str(arm)] = np.stack([wide[node][outputs].to_numpy() for node in nodes["node"]], axis=1)
    real = arms["graph"].astype(float)
    drawn = {
        kind: np.stack([arms[f"{kind}-{k}"] for k in range(draws)]).astype(float) for kind in ("rewired", "labels")
    }
    found = rank_scores(real, drawn, nodes.assign(label=nodes["node"], level=1, n_genes=1), outputs)
    return found[found["output"].isin(outputs)]


def uniformity(rankings: list[pd.DataFrame], output: str, kind: str, null: str) -> dict[str, float]:
    """Return whether p-values of free nodes are uniform over runs.

    p of one run depend on each other, so that a test takes one node of every run, drawn at random; ``ks`` is the median
    p of 200 such Kolmogorov-Smirnov tests, and ``rejected`` their share below 0.05. ``below`` is the share of p of at
    most 0.05, with a 95 % interval over runs.
    """
    rng = np.random.default_rng(0)
    p = []
    for table in rankings:
        free = (table["output"] == output) & (table["kind"] == kind) & ~table["planted"] & ~table["beside"]
        p.append(table.loc[free, f"p_{null}"].to_numpy())
    tests = [stats.kstest([rng.choice(own) for own in p], "uniform").pvalue for _ in range(200)]
    below = np.array([np.mean(own <= 0.05) for own in p])
    return {
        "ks": float(np.median(tests)),
        "rejected": float(np.mean(np.array(tests) < 0.05)),
        "mean_p": float(np.mean([own.mean() for own in p])),
        "below": float(below.mean()),
        "+-": float(1.96 * below.std(ddof=1) / np.sqrt(len(below))),
    }


def auroc(ranking: pd.DataFrame, kind: str, by: str = "z") -> float:
    """Return how well nodes that are planted are told from free ones; what stands beside a planted one is left out."""
    own = ranking[(ranking["output"] == ALL) & (ranking["kind"] == kind) & ~ranking["beside"]]
    return float(roc_auc_score(own["planted"], own[by]))


def right_direction(trained: Trained) -> NDArray[np.bool_]:
    """Return for every driver whether knocking it out moves the outcome against the driver's sign.

    Expression is above 0: a gene that raises its class is silenced where it was highest, which lowers that class.
    """
    drivers = trained.truth.query("kind == 'gene' and planted")
    table = knockout_table(trained.result, {gene: [gene] for gene in drivers.index}, options=KnockoutOptions(random=0))
    effects = table.query("kind == 'output' and group == 'all'").set_index(["knockout", "target"])["delta"]
    return np.array([effects[gene, row["output"]] * row["sign"] < 0 for gene, row in drivers.iterrows()])


def study_null(n_runs: int, folder: Path | None, nulls: int) -> None:
    """Print how uniform p-values are without a signal."""

    def one(run: int) -> pd.DataFrame:
        simulation = simulate_drivers(100, effect=0.0, correlation=0.3, seed=run, **SHAPE)
        return scored(train(simulation, run, nulls=nulls, epochs=10))

    runs = repeat(f"null-{nulls}", n_runs, one, folder)
    print(f"\nNo signal: {n_runs} simulations of 100 samples, 3 folds. p of free nodes:")
    print(_uniform(runs, nulls).to_string(index=False))


def study_signal(n_runs: int, folder: Path | None, nulls: int) -> None:
    """Print how well planted nodes are found, and what is said of the others."""

    def one(run: int) -> pd.DataFrame:
        trained = train(simulate_drivers(400, effect=2.0, seed=run, **SHAPE), run, nulls=nulls)
        return scored(trained).assign(right=right_direction(trained).mean())

    runs = repeat(f"signal-{nulls}", n_runs, one, folder)
    right = [run["right"].iloc[0] for run in runs]
    print(f"\nSignal: {n_runs} simulations of 400 samples, 3 folds, effect 2; nodes beside planted ones left out.")
    rows = []
    for draws, kind in itertools.product(_numbers(nulls), ("gene", "term")):
        rankings = [ranked(run, draws) for run in runs]
        areas = np.array([auroc(one, kind) for one in rankings])
        own = [t[(t["output"] == ALL) & (t["kind"] == kind) & ~t["beside"]] for t in rankings]
        power = [float((t["q"] < 0.05)[t["planted"]].mean()) for t in own]
        false = [float((t["q"] < 0.05)[~t["planted"]].sum() / max((t["q"] < 0.05).sum(), 1)) for t in own]
        rows.append(
            {
                "draws": draws, "kind": kind, "auroc": areas.mean(), "+-": 1.96 * areas.std(ddof=1) / len(areas) ** 0.5,
                "by score": np.mean([auroc(one, kind, "score") for one in rankings]),
                "found at q < 0.05": np.mean(power), "false among them": np.mean(false),
            }
        )  # fmt: skip
    print(pd.DataFrame(rows).round(3).to_string(index=False))
    print("\np of free nodes beside the signal:")
    print(_uniform(runs, nulls).to_string(index=False))
    print(f"\nKnocked-out drivers move their outcome in the right direction: {100 * np.mean(right):.1f} %")


def _uniform(runs: list[pd.DataFrame], nulls: int) -> pd.DataFrame:
    rows = []
    for draws in _numbers(nulls):
        rankings = [ranked(run, draws) for run in runs]
        for output, (kind, null) in itertools.product(("class 1", ALL), (("gene", "labels"), ("term", "rewired"))):
            head = {"draws": draws, "kind": kind, "null": null, "output": output}
            rows.append(head | uniformity(rankings, output, kind, null))
    return pd.DataFrame(rows).round(3)


def _numbers(nulls: int) -> list[int]:
    return sorted({min(3, nulls), nulls})


def repeat(
    name: str, n_runs: int, one: Callable[[int], pd.DataFrame], folder: Path | None = None
) -> list[pd.DataFrame]:
    """Do every run, or read what it left in ``folder``."""
    runs = []
    for run in range(n_runs):
        path = None if folder is None else folder / f"{name}-{run}.parquet"
        if path is not None and path.is_file():
            runs.append(pd.read_parquet(path))
            continue
        runs.append(one(run))
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            runs[-1].to_parquet(path, index=False)
    return runs


STUDIES = {"coverage": study_coverage, "null": study_null, "signal": study_signal}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="*", choices=[*STUDIES, []], default=list(STUDIES))
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--draws", type=int, default=20, help="of each null")
    parser.add_argument("--folder", type=Path, default=None)
    given = parser.parse_args()
    for name in given.studies:
        started = time.perf_counter()
        STUDIES[name](given.runs, given.folder, given.draws)
        print(f"({name}: {time.perf_counter() - started:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
