"""Cross-validation of all arms of an experiment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.blueprint.model import Blueprint
from kgreg.data.inputs import dense_inputs, word_counts
from kgreg.data.samples import Samples
from kgreg.data.splits import Split
from kgreg.data.targets import TRUE_LABEL
from kgreg.fit.arms import Arm, Job, arm_blueprint, arm_samples, arm_target, plan
from kgreg.fit.baseline import fit_baseline
from kgreg.fit.bootstrap import bootstrap_comparison, bootstrap_interval, resample, score_resamples
from kgreg.fit.fitted import FittedModel
from kgreg.fit.labels import summarise_labels
from kgreg.fit.metrics import MAIN_METRIC, compare, fold_interval, score
from kgreg.fit.parallel import fit_jobs
from kgreg.fit.readings import Readings
from kgreg.fit.settings import TrainSettings
from kgreg.fit.threads import limit_threads
from kgreg.progress import Progress, no_progress

BASELINE = "baseline"

#: What the arms of networks that read DNA are called, with motifs and without, where it is not what others are.
DNA_ARMS = {"graph": "Network", BASELINE: "Linear baseline, 5-mers"}
MOTIF_ARMS = {**DNA_ARMS, "graph": "Motif network", "rewired": "Permuted motifs"}

#: What the arm of the mean prediction of the graph's replicates is called, before their number.
ENSEMBLE = "graph, ensemble of"


@dataclass(frozen=True)
class CrossValidation:
    """What cross-validation leaves behind.

    Attributes
    ----------
    blueprint, samples, splits, settings, seed
        What was trained.
    jobs
        Every fit.
    models
        Job name -> trained network.
    predictions
        ``arm, fold, replicate, sample`` for every test sample, and: ``target`` with one column a class, or
        ``predicted``; for every label of a multilabel task ``target.LABEL`` (NaN: unknown) and ``LABEL`` (probability);
        for survival ``time, event, risk``.
    scores
        ``arm, fold, replicate, metric, value``.
    baseline_settings
        The penalty chosen in each fold.
    """

    blueprint: Blueprint
    samples: Samples
    splits: list[Split]
    settings: TrainSettings
    seed: int
    jobs: list[Job]
    models: dict[str, FittedModel] = field(repr=False)
    predictions: pd.DataFrame = field(repr=False)
    scores: pd.DataFrame = field(repr=False)
    baseline_settings: list[dict[str, Any]]
    _drawn: dict[Arm, Readings] = field(default_factory=dict, repr=False, compare=False)

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs: the classes, the labels, "risk", or the label of a regression."""
        return self.samples.outputs

    def fits(self, kind: str) -> Iterator[tuple[Job, FittedModel]]:
        """Yield the jobs of one kind of arm ("graph", "rewired", "labels", "control") with their models."""
        for job in self.jobs:
            if job.arm.kind == kind:
                yield job, self.models[job.name]

    def inputs_of(self, job: Job, rows: NDArray[np.int64]) -> Readings:
        """Return what a job's network reads of some samples, unscaled."""
        if job.arm not in self._drawn:
            self._drawn.clear()  # of one arm at a time: they may be large
            own = arm_samples(self.samples, job.arm, self.seed, self.blueprint.inputs)
            self._drawn[job.arm] = Readings.of(own, self.blueprint)
        return self._drawn[job.arm].rows(rows)

    def target_of(self, job: Job, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return the targets a job was trained on (permuted for the arm "labels")."""
        target: NDArray[Any] = arm_target(self.samples, job.arm, self.seed)[rows]
        return target

    def summary(self) -> dict[str, Any]:
        """Return the metrics of every kind of arm with intervals, and the main comparisons (JSON values)."""
        found = summarise(self.scores, self.splits, self.samples, self.seed, self.predictions)
        if self.samples.task == "multilabel":
            found["labels"] = summarise_labels(self.predictions, self.splits, self.samples.labels)
        return found


def cross_validate(
    blueprint: Blueprint,
    samples: Samples,
    splits: list[Split],
    settings: TrainSettings | None = None,
    *,
    replicates: int = 1,
    rewired: int = 3,
    labels: int = 3,
    controls: int = 0,
    null_replicates: int | None = None,
    seed: int = 0,
    folder: Path | None = None,
    workers: int = 1,
    progress: Progress = no_progress,
) -> CrossValidation:
    """Train the real graph, its nulls and the linear baseline on the same folds.

    Parameters
    ----------
    replicates
        Fits of every arm and fold, each with its own seed.
    rewired, labels
        How many degree-preserving rewired graphs, and how many permutations of the labels, are trained as nulls.
    null_replicates
        Fits of every fold of rewired graphs and of permuted labels. Default: ``replicates``. Fewer are quicker; the
        means of the null then vary more than that of the graph, which makes p larger, not smaller.
    controls
        On how many draws of inputs that are all equally predictive the graph is trained too; see
        :func:`kgreg.data.control_inputs`.
    folder
        Where finished models and checkpoints go; what is finished there is not trained again.
    workers
        Processes that train side by side on the CPU.
    """
    settings = settings or TrainSettings()
    jobs = plan(splits, replicates, rewired, labels, seed, controls, null_replicates)
    graphs = {arm: arm_blueprint(blueprint, arm, seed) for arm in dict.fromkeys(job.arm for job in jobs)}
    models = fit_jobs(jobs, graphs, samples, settings, seed, folder=folder, workers=workers, progress=progress)
    with limit_threads(settings.threads):
        predictions, rows, chosen = _predict_all(blueprint, samples, splits, settings, seed, jobs, models, progress)
    return CrossValidation(
        blueprint=blueprint,
        samples=samples,
        splits=splits,
        settings=settings,
        seed=seed,
        jobs=jobs,
        models=models,
        predictions=pd.concat(predictions, ignore_index=True),
        scores=pd.DataFrame(rows),
        baseline_settings=chosen,
    )


def _predict_all(
    blueprint: Blueprint,
    samples: Samples,
    splits: list[Split],
    settings: TrainSettings,
    seed: int,
    jobs: list[Job],
    models: dict[str, FittedModel],
    progress: Progress,
) -> tuple[list[pd.DataFrame], list[dict[str, Any]], list[dict[str, Any]]]:
    """Return predictions and scores of networks and baseline on the test samples, and the baseline's penalties."""
    predictions: list[pd.DataFrame] = []
    rows: list[dict[str, Any]] = []
    last: Arm | None = None
    for job in jobs:
        model = models[job.name]
        if job.arm != last:
            own = arm_samples(samples, job.arm, seed, blueprint.inputs)
            readings, last = Readings.of(own, blueprint), job.arm
        predicted = model.predict(readings.rows(job.split.test))
        predictions.append(_prediction_table(job.arm.name, job.split, job.replicate, own, predicted))
        rows += _score_rows(job.arm.name, job.split, job.replicate, own, predicted)
    chosen, words = [], word_counts(samples)
    for split in splits:
        progress(f"training the linear baseline, fold {split.fold + 1}", 1.0)
        extra = dense_inputs(samples, split.train, settings.scale, words)
        predicted, penalty = fit_baseline(samples, blueprint.inputs, split, settings, seed, extra)
        chosen.append({"fold": split.fold, **penalty})
        predictions.append(_prediction_table(BASELINE, split, 0, samples, predicted))
        rows += _score_rows(BASELINE, split, 0, samples, predicted)
    return predictions, rows, chosen


def _prediction_table(
    arm: str, split: Split, replicate: int, samples: Samples, predicted: NDArray[np.float32]
) -> pd.DataFrame:
    target = samples.target[split.test]
    columns: dict[str, Any] = {
        "arm": arm,
        "fold": split.fold,
        "replicate": replicate,
        "sample": [samples.names[i] for i in split.test],
    }
    if samples.task == "multilabel":
        columns |= {TRUE_LABEL + name: target[:, i] for i, name in enumerate(samples.labels)}
    elif samples.task == "survival":
        columns |= {"time": target[:, 0], "event": target[:, 1].astype(bool)}
    else:
        columns["target"] = np.asarray(samples.classes)[target] if samples.classes else target
    return pd.DataFrame(columns | {name: predicted[:, i] for i, name in enumerate(_predicted_columns(samples))})


def _predicted_columns(samples: Samples) -> list[str]:
    return ["predicted"] if samples.task == "regression" else samples.outputs


def _score_rows(
    arm: str, split: Split, replicate: int, samples: Samples, predicted: NDArray[np.float32]
) -> list[dict[str, Any]]:
    scores = score(samples.task, samples.target[split.test], predicted)
    head = {"arm": arm, "fold": split.fold, "replicate": replicate}
    return [{**head, "metric": metric, "value": value} for metric, value in scores.items()]


def summarise(
    scores: pd.DataFrame, splits: list[Split], samples: Samples, seed: int, predictions: pd.DataFrame | None = None
) -> dict[str, Any]:
    """Return metrics with intervals, comparisons on the main metric, and what they mean in a sentence.

    A fold counts once: replicates and the draws of a null are averaged within it first. With ``predictions``, the mean
    prediction of several replicates of the graph is a further arm, and the intervals of a single split are made by
    resampling its test samples (whole groups); without them a single split has no intervals.
    """
    share = float(np.mean([len(split.test) / len(split.train) for split in splits]))
    if predictions is not None:
        mean = _ensemble_rows(predictions, splits, samples)
        scores = pd.concat([scores, pd.DataFrame(mean)], ignore_index=True) if mean else scores
    kind = scores["arm"].map(_kind_of)
    by_fold = scores.assign(arm=kind).groupby(["arm", "metric", "fold"])["value"].mean()
    found = list(dict.fromkeys(kind))
    ensembles = [name for name in found if name.startswith(ENSEMBLE)]
    order = [name for name in ("graph", *ensembles, BASELINE, "rewired", "labels", "control") if name in found]
    metrics = list(dict.fromkeys(scores["metric"]))
    main = MAIN_METRIC[samples.task]
    others = [name for name in order if name in (BASELINE, "rewired")]
    unit, way = "fold", "corrected t over folds"
    if len(splits) > 1 or predictions is None:
        intervals = {(arm, m): fold_interval(by_fold[arm, m].to_numpy(), share) for arm in order for m in metrics}
        comparisons = {
            other: compare(by_fold["graph", main].to_numpy(), by_fold[other, main].to_numpy(), share)
            for other in others
        }
    else:
        drawn, units = _resampled(predictions, splits[0], samples, seed)
        unit = "test sample" if samples.clusters is None else "test group"
        way = f"bootstrap over {unit}s"
        intervals = {
            (arm, m): bootstrap_interval(float(by_fold[arm, m].iloc[0]), drawn[arm][m], units)
            for arm in order
            for m in metrics
        }
        comparisons = {
            other: bootstrap_comparison(
                float(by_fold["graph", main].iloc[0] - by_fold[other, main].iloc[0]),
                drawn["graph"][main] - drawn[other][main],
                units,
            )
            for other in others
        }
    arms = [
        {
            "arm": arm,
            "draws": int(scores.loc[kind == arm, "arm"].nunique()),
            "metrics": {m: intervals[arm, m].to_dict() for m in metrics},
            "folds": {m: by_fold[arm, m].tolist() for m in metrics},
        }
        for arm in order
    ]
    return {
        "task": samples.task,
        "metric": main,
        "seed": seed,
        "folds": len(splits),
        "test_samples": sum(len(split.test) for split in splits),
        "interval": way,
        "arm_names": {} if samples.sequences is None else MOTIF_ARMS if "rewired" in found else DNA_ARMS,
        "unit": unit,
        "arms": arms,
        "comparisons": comparisons,
        "verdict": verdict(comparisons, main, unit, samples.sequences is not None),
    }


def _ensemble_rows(predictions: pd.DataFrame, splits: list[Split], samples: Samples) -> list[dict[str, Any]]:
    """Return the scores of the mean prediction of the graph's replicates; of a single replicate there is none."""
    graph = predictions[predictions["arm"] == "graph"]
    replicates = graph["replicate"].nunique()
    rows = []
    for split in splits if replicates > 1 else []:
        mean = _ensemble(graph[graph["fold"] == split.fold], samples)
        rows += _score_rows(f"{ENSEMBLE} {replicates}", split, 0, samples, mean)
    return rows


def _ensemble(predictions: pd.DataFrame, samples: Samples) -> NDArray[np.float32]:
    """Return the mean over replicates of one arm's predictions of one fold."""
    each = [_predicted(part, samples) for _, part in predictions.groupby("replicate")]
    mean: NDArray[np.float32] = np.mean(each, axis=0)
    return mean


def _predicted(predictions: pd.DataFrame, samples: Samples) -> NDArray[np.float32]:
    """Return the predictions of one fit, ``[n_test, n_outputs]``, in the order of the test part."""
    predicted: NDArray[np.float32] = predictions[_predicted_columns(samples)].to_numpy(dtype=np.float32)
    return predicted


def _resampled(
    predictions: pd.DataFrame, split: Split, samples: Samples, seed: int
) -> tuple[dict[str, dict[str, NDArray[np.float64]]], int]:
    """Return kind of arm -> metric -> ``[resamples]``, the mean over draws and replicates, and what was drawn from.

    All arms are scored on the same resamples, so that their differences are paired.
    """
    groups = None if samples.clusters is None else samples.clusters[split.test]
    weights = resample(len(split.test), groups, seed)
    scored: dict[str, list[dict[str, NDArray[np.float64]]]] = {}
    for name, own in predictions.groupby("arm", sort=False):
        kind, _, number = str(name).partition("-")
        arm = Arm("labels" if kind == "labels" else "graph", int(number or 0))
        target = arm_target(samples, arm, seed)[split.test]
        for _, fit in own.groupby("replicate"):
            scored.setdefault(kind, []).append(score_resamples(samples.task, target, _predicted(fit, samples), weights))
        if kind == "graph" and own["replicate"].nunique() > 1:
            mean = score_resamples(samples.task, target, _ensemble(own, samples), weights)
            scored[f"{ENSEMBLE} {own['replicate'].nunique()}"] = [mean]
    drawn = {
        kind: {metric: np.mean([one[metric] for one in fits], axis=0) for metric in fits[0]}
        for kind, fits in scored.items()
    }
    return drawn, len(split.test) if groups is None else len(np.unique(groups))


def _kind_of(arm: str) -> str:
    """Return ``rewired`` for ``rewired-2``."""
    return re.sub(r"-\d+$", "", arm)


def verdict(comparisons: dict[str, dict[str, Any]], metric: str, unit: str = "fold", of_dna: bool = False) -> str:
    """Say plainly whether the knowledge, and the network, helped to predict; ``unit`` is what n counts."""
    names = {"rewired": "the same network on rewired graphs", BASELINE: "the linear baseline"}
    real = "The network on the real graph"
    if of_dna:
        names = {"rewired": "the same network on permuted motifs", BASELINE: "the linear baseline on 5-mers"}
        real = "The network on the real motifs" if "rewired" in comparisons else "The network"
    sentences = []
    for other, text in names.items():
        if other not in comparisons:
            continue
        c = comparisons[other]
        figures = (
            f"difference {c['difference']:+.3f} in {metric.replace('_', ' ')}, 95 % interval {c['low']:+.3f} to "
            f"{c['high']:+.3f}, n = {c['n']} {unit}s"
        )
        if c["low"] > 0:
            sentences.append(f"{real} predicts better than {text} ({figures}).")
        elif c["high"] < 0:
            sentences.append(f"{real} predicts worse than {text} ({figures}).")
        else:
            sentences.append(f"{real} does not predict better than {text} ({figures}).")
    if "rewired" in comparisons:
        helped = comparisons["rewired"]["low"] > 0
        sentences.append(
            "The knowledge helped prediction." if helped else "The knowledge did not measurably help prediction."
        )
    return " ".join(sentences)
