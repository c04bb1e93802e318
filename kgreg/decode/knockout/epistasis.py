"""Two genes at once against one at a time: deviations from additivity and from Bliss independence."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from kgreg.decode.intervals import overlap_of
from kgreg.decode.knockout.effects import Unchanged
from kgreg.decode.knockout.population import groups_of, over_networks
from kgreg.decode.knockout.table import KnockoutOptions
from kgreg.errors import DataError
from kgreg.fit.crossval import CrossValidation
from kgreg.fit.fitted import FittedModel
from kgreg.fit.threads import limit_threads
from kgreg.progress import Progress, no_progress

#: How two effects are expected to combine.
Expectation = Literal["additive", "bliss"]

COLUMNS = (
    "first", "second", "target", "group", "first_delta", "second_delta", "both_delta", "expected", "epistasis", "low",
    "high", "n", "samples", "model", "unit", "dose", "how", "seed",
)  # fmt: skip


def epistasis_table(
    result: CrossValidation,
    genes: Sequence[str],
    progress: Progress = no_progress,
    options: KnockoutOptions | None = None,
    models: Sequence[Expectation] | None = None,
) -> pd.DataFrame:
    """Knock out all pairs of a list of genes, and compare with the single knockouts.

    "additive": effects are expected to add on the scale on which the network's last layer adds: the log odds of a
    class or label, the value, the log hazard; ``epistasis = both - (first + second)``. "bliss": of independent causes
    the shares of what is left multiply (Bliss 1939): of a probability or value P, ``P_first P_second / P`` is expected,
    as for the fitness of double mutants relative to the wild type; group means of P are compared, and where the
    expected probability is above 1 (both knockouts raise it) it is not defined (NaN). Epistasis of a network is a
    property of the network: it is what training made of genes that vary together.

    Parameters
    ----------
    genes
        At least two, by symbol or feature.
    options
        Of its doses the first is used.
    models
        Default: "additive", and for probabilities "bliss" too.

    Returns
    -------
    DataFrame
        ``first, second, target`` (output), ``group`` ("all", or the class or label of the samples), ``first_delta,
        second_delta, both_delta`` (changes by each and by both, mean over the samples, then over the networks),
        ``expected`` (of both), ``epistasis`` (``both_delta - expected``) with ``low, high`` (95 % over the networks;
        NaN with one), ``n`` (networks), ``samples``, ``model``, ``unit`` ("log odds", "probability", "value" or "log
        hazard"), ``dose, how`` and ``seed``.

    Raises
    ------
    DataError
        If there are fewer than two different genes, one is not in the network, or Bliss is asked for values that are
        not positive, or for log hazards.
    """
    options = options or KnockoutOptions()
    known = options.genes(result)
    numbers = known.find(list(genes))
    if len(numbers) < 2:
        raise DataError(f"Pairs need two different genes; {', '.join(genes)} is one.", "Name another.")
    task = result.samples.task
    shares = task in ("classification", "multilabel")
    asked: list[Expectation] = list(models) if models else ["additive", "bliss"] if shares else ["additive"]
    if "bliss" in asked and task == "survival":
        raise DataError("Bliss independence is of shares, and log hazards are none.", "Use the model additive.")
    how = options.manipulations(result, known)[0]
    pairs = list(combinations(range(len(numbers)), 2))
    knockouts = [known.positions[g] for g in numbers]
    knockouts += [np.concatenate([knockouts[i], knockouts[j]]) for i, j in pairs]
    groups = groups_of(result, np.arange(len(result.samples)))
    fits = list(result.fits("graph"))
    seen: dict[str, set[int]] = {name: set() for name in groups}
    # [R, model, knockout (first: none), G, outputs]
    means = np.full((len(fits), len(asked), 1 + len(knockouts), len(groups), len(result.outputs)), np.nan)
    for r, (job, model) in enumerate(fits):
        members = groups_of(result, job.split.test)
        for name, rows in members.items():
            seen[name].update(job.split.test[rows].tolist())
        with limit_threads(options.threads or result.settings.threads):
            unchanged = Unchanged.of(model, result.inputs_of(job, job.split.test))
            for m, expectation in enumerate(asked):
                means[r, m, 0] = _group_means(_on_scale(model, unchanged.outputs, expectation), members, list(groups))
            for k, changes in enumerate(unchanged.changes(knockouts, how)):
                progress("knocking out pairs of genes", (r + k / len(knockouts)) / len(fits))
                after = unchanged.outputs_after(changes)
                for m, expectation in enumerate(asked):
                    means[r, m, 1 + k] = _group_means(_on_scale(model, after, expectation), members, list(groups))
    if "bliss" in asked and not shares and (means[:, asked.index("bliss")] <= 0).any():
        raise DataError(
            "Bliss independence needs predictions above 0, as of a viability or a growth rate.", "Use model additive."
        )
    folds = np.array([job.split.fold for job, _ in fits], dtype=np.int64)
    labels = [known.labels[g] for g in numbers]
    frames = []
    for m, expectation in enumerate(asked):
        for p, (i, j) in enumerate(pairs):
            base, first, second, both = (means[:, m, k] for k in (0, 1 + i, 1 + j, 1 + len(numbers) + p))
            expected = _expected(expectation, base, first, second, shares)
            frame = _pair(result, expectation, folds, base, first, second, both, expected, list(groups))
            frame["samples"] = frame["group"].map({name: len(own) for name, own in seen.items()})
            frames.append(frame.assign(first=labels[i], second=labels[j], model=expectation))
    table = pd.concat(frames, ignore_index=True)
    table = table[table["n"] > 0].reset_index(drop=True)
    return table.assign(dose=how.dose, how=how.how, seed=result.seed)[list(COLUMNS)]


def _on_scale(model: FittedModel, outputs: torch.Tensor, expectation: Expectation) -> NDArray[np.float64]:
    """Return outputs of the network ``[n, n_outputs]`` on the scale on which effects are expected to combine."""
    outputs = outputs.double()
    if model.task in ("classification", "multilabel") and expectation == "additive":
        if model.task == "classification":
            # The log odds against all other classes together.
            others = [
                torch.logsumexp(outputs[:, [j for j in range(outputs.shape[1]) if j != c]], dim=1)
                for c in range(outputs.shape[1])
            ]
            outputs = outputs - torch.stack(others, dim=1)
        found: NDArray[np.float64] = outputs.numpy()
        return found
    return model.predicted(outputs).astype(np.float64)


def _group_means(
    values: NDArray[np.float64], members: dict[str, NDArray[np.int64]], groups: list[str]
) -> NDArray[np.float64]:
    absent = np.full(values.shape[1], np.nan)
    return np.stack([values[members[name]].mean(axis=0) if name in members else absent for name in groups])


def _expected(
    expectation: Expectation,
    base: NDArray[np.float64],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    probabilities: bool,
) -> NDArray[np.float64]:
    """Return the change that both knockouts together are expected to make."""
    if expectation == "additive":
        return first + second - 2 * base
    with np.errstate(divide="ignore", invalid="ignore"):
        together = first * second / base
    if probabilities:
        together = np.where(together <= 1, together, np.nan)
    return together - base


def _pair(
    result: CrossValidation,
    expectation: Expectation,
    folds: NDArray[np.int64],
    base: NDArray[np.float64],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    both: NDArray[np.float64],
    expected: NDArray[np.float64],
    groups: list[str],
) -> pd.DataFrame:
    mean, low, high, n = over_networks(both - base - expected, folds, overlap_of(result.splits))
    parts = {
        "first_delta": first - base,
        "second_delta": second - base,
        "both_delta": both - base,
        "expected": expected,
    }
    known = np.isfinite(expected)  # what is compared is of the same networks
    columns = {name: over_networks(np.where(known, value, np.nan), folds)[0].ravel() for name, value in parts.items()}
    units = {"regression": "value", "survival": "log hazard"}
    unit = units.get(result.samples.task, "log odds" if expectation == "additive" else "probability")
    index = pd.MultiIndex.from_product([groups, result.outputs], names=["group", "target"])
    frame = pd.DataFrame(
        {**columns, "epistasis": mean.ravel(), "low": low.ravel(), "high": high.ravel(), "n": n.ravel()}, index=index
    )
    return frame.reset_index().assign(unit=unit)
