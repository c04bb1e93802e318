"""Networks that read a cell and a drug (DrugCell, Kuenzi et al. 2020): knockouts under drugs, and pairs of drugs.

The drug is a block of inputs beside the genes, the same for all samples that were given it. A network that was trained
on single drugs has never seen two at once: what a pair does is what the single predictions imply under a model of how
drugs combine, not a prediction of synergy, which is the deviation of a measured combination from such a model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kgreg.decode.intervals import overlap_of
from kgreg.decode.knockout.effects import Unchanged
from kgreg.decode.knockout.genes import nearest
from kgreg.decode.knockout.population import over_networks
from kgreg.decode.knockout.table import KnockoutOptions, unit_of
from kgreg.errors import DataError
from kgreg.fit.arms import Job
from kgreg.fit.crossval import CrossValidation
from kgreg.fit.fitted import FittedModel
from kgreg.fit.readings import Readings
from kgreg.fit.threads import limit_threads
from kgreg.progress import Progress, no_progress


def drug_knockouts(
    result: CrossValidation,
    knockouts: Mapping[str, Sequence[str]],
    drugs: Sequence[str],
    given: Sequence[str] | NDArray[np.str_],
    progress: Progress = no_progress,
    options: KnockoutOptions | None = None,
) -> pd.DataFrame:
    """Compare what a knockout does to cells under one drug and under another.

    Every different cell among the test samples of a network is given every drug of ``drugs``, whether it was measured
    with it or not.

    Parameters
    ----------
    drugs
        At least two, each against each.
    given
        The drug of every sample, in the order of ``result.samples.names``.
    options
        Of its doses the first is used.

    Returns
    -------
    DataFrame
        ``knockout, genes, first, second`` (drugs), ``target, first_delta, second_delta`` (effect of the knockout on
        the prediction under each, mean over the cells, then over the networks), ``difference`` (second - first) with
        ``low, high`` (95 % over the networks; NaN with one), ``n``, ``samples`` (different cells), ``unit, dose, how,
        seed``. A difference other than 0 says that the network lets gene and drug interact.

    Raises
    ------
    DataError
        If the network reads no drug, a drug was given to no sample, or a gene is not in the network.
    """
    options = options or KnockoutOptions()
    _check(result, drugs, given)
    if not knockouts:
        raise DataError("No knockout is named.", "List at least one gene.")
    genes = options.genes(result)
    positions = [genes.inputs_of(found) for found in genes.find_each(knockouts).values()]
    how = options.manipulations(result, genes)[0]
    found, folds, cells = [], [], set()
    for job, model, readings, rows in _cells(result, progress):
        cells.update(rows)
        with limit_threads(options.threads or result.settings.threads):
            per_drug = []
            for drug in drugs:
                unchanged = Unchanged.of(model, _given(result, readings, given, drug))
                per_drug.append(
                    [
                        (model.predicted(unchanged.outputs_after(changes)) - unchanged.predicted).mean(axis=0)
                        for changes in unchanged.changes(positions, how)
                    ]
                )
        found.append(np.array(per_drug, dtype=np.float64))
        folds.append(job.split.fold)
    effects, of = np.stack(found), np.array(folds, dtype=np.int64)  # [R, drug, knockout, output]
    frames = []
    for (a, first), (b, second) in combinations(enumerate(drugs), 2):
        for k, (name, names) in enumerate(knockouts.items()):
            mean, low, high, n = over_networks(effects[:, b, k] - effects[:, a, k], of, overlap_of(result.splits))
            frames.append(
                pd.DataFrame(
                    {
                        "knockout": name, "genes": ", ".join(names), "first": first, "second": second,
                        "target": result.outputs, "first_delta": effects[:, a, k].mean(axis=0),
                        "second_delta": effects[:, b, k].mean(axis=0), "difference": mean, "low": low, "high": high,
                        "n": n,
                    }
                )
            )  # fmt: skip
    table = pd.concat(frames, ignore_index=True)
    return table.assign(
        samples=len(cells), unit=unit_of(result), dose=how.dose, how=how.how, seed=result.seed
    )  # fmt: skip


def drug_pairs(
    result: CrossValidation,
    drugs: Sequence[str],
    given: Sequence[str] | NDArray[np.str_],
    progress: Progress = no_progress,
) -> pd.DataFrame:
    """Return what pairs of drugs would leave of every cell if they acted independently, from single predictions.

    Of a network whose value is a viability (1: untouched, 0: none left; an AUC of a dose response is one). "bliss": the
    shares that either drug leaves multiply (Bliss 1939). "hsa": the better of the two (highest single agent). ``gain``
    says how much more Bliss expects of the pair than of its better drug: it is largest where both do something. It is
    no synergy; a measured combination below ``bliss`` would be.

    Parameters
    ----------
    drugs
        At least two, each with each.
    given
        The drug of every sample, in the order of ``result.samples.names``.

    Returns
    -------
    DataFrame
        One row a cell (the first sample of its kind) and pair: ``sample, first, second, first_value, second_value``
        (predicted), ``bliss, hsa`` (of values cut to 0 to 1), ``gain`` (``hsa - bliss``) with ``low, high`` (95 % over
        the networks that did not see the cell; NaN with one), ``n``, ``seed``.

    Raises
    ------
    DataError
        If the network reads no drug, does not predict a value, or a drug was given to no sample.
    """
    _check(result, drugs, given)
    if result.samples.task != "regression":
        raise DataError("Pairs of drugs are judged by a predicted viability; this network predicts none.")
    rows = []
    for job, model, readings, cells in _cells(result, progress):
        with limit_threads(result.settings.threads):
            values = {drug: model.predict(_given(result, readings, given, drug))[:, 0] for drug in drugs}
        for first, second in combinations(drugs, 2):
            one, other = (np.clip(values[drug], 0.0, 1.0).astype(np.float64) for drug in (first, second))
            rows.append(
                pd.DataFrame(
                    {
                        "sample": cells, "first": first, "second": second, "first_value": values[first],
                        "second_value": values[second], "bliss": one * other, "hsa": np.minimum(one, other),
                        "fold": job.split.fold,
                    }
                )
            )  # fmt: skip
    table = pd.concat(rows, ignore_index=True)
    table["gain"] = table["hsa"] - table["bliss"]
    grouped = table.groupby(["first", "second", "sample"], sort=False)
    mean = grouped[["first_value", "second_value", "bliss", "hsa", "gain"]].mean()
    intervals = [over_networks(own["gain"].to_numpy(), own["fold"].to_numpy()) for _, own in grouped]
    low, high, n = (np.array([one[i] for one in intervals]) for i in (1, 2, 3))
    columns = ["sample", "first", "second", "first_value", "second_value", "bliss", "hsa", "gain"]
    return mean.reset_index()[columns].assign(low=low, high=high, n=n, seed=result.seed)


def _check(result: CrossValidation, drugs: Sequence[str], given: Sequence[str] | NDArray[np.str_]) -> None:
    if not result.samples.blocks:
        raise DataError("The network reads no drug: it has no blocks.", "Name them in [data] blocks.")
    if len(given) != len(result.samples):
        raise DataError(f"The drugs of {len(given)} samples are given, the run has {len(result.samples)}.")
    known = list(dict.fromkeys(str(drug) for drug in given))
    for drug in drugs:
        if drug not in known:
            near = nearest(drug, known)
            hint = f"Did you mean {' or '.join(near)}?" if near else f"The run has {len(known):,} drugs."
            raise DataError(f"No sample was given '{drug}'.", hint)
    if len(set(drugs)) < 2:
        raise DataError("A comparison needs two different drugs.", "Name another.")


def _cells(result: CrossValidation, progress: Progress) -> Iterator[tuple[Job, FittedModel, Readings, list[str]]]:
    """Yield every network with one sample of every different cell among its test samples, and the samples' names."""
    fits = list(result.fits("graph"))
    for r, (job, model) in enumerate(fits):
        progress("giving drugs to cells", r / len(fits))
        readings = result.inputs_of(job, job.split.test)
        tables = [readings.x]
        if readings.covariates is not None:
            tables.append(readings.covariates.apply(lambda column: pd.factorize(column)[0]).to_numpy(np.float32))
        _, first = np.unique(np.concatenate(tables, axis=1), axis=0, return_index=True)
        first = np.sort(first)
        yield job, model, readings.rows(first), [result.samples.names[i] for i in job.split.test[first]]


def _given(result: CrossValidation, readings: Readings, given: Sequence[str] | NDArray[np.str_], drug: str) -> Readings:
    """Return cells with another drug."""
    example = int(np.flatnonzero(np.asarray(given) == drug)[0])
    blocks = {name: np.repeat(block[example : example + 1], len(readings), axis=0)
              for name, block in result.samples.blocks.items()}  # fmt: skip
    return replace(readings, blocks=blocks)
