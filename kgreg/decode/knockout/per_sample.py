"""What a knockout does to every held-out sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kgreg.decode.knockout.effects import knock_out_each
from kgreg.decode.knockout.population import terms_table
from kgreg.decode.knockout.table import KnockoutOptions, dosed, unit_of
from kgreg.errors import DataError
from kgreg.fit.crossval import CrossValidation
from kgreg.fit.threads import limit_threads
from kgreg.progress import Progress, no_progress

if TYPE_CHECKING:
    from anndata import AnnData


def knockout_samples(
    result: CrossValidation,
    knockouts: Mapping[str, Sequence[str]],
    progress: Progress = no_progress,
    options: KnockoutOptions | None = None,
) -> AnnData:
    """Knock gene sets out, and keep the effect on every sample, by the networks that were not trained on it.

    Returns
    -------
    AnnData
        ``obs``: the samples that are in a test part, with ``n`` (networks that did not see it) and, of classes, the
        class as ``target``. ``var``: one row a knockout and target: ``knockout, genes, kind, target, label, unit,
        dose, how``. ``X`` is the change (see :class:`KnockoutEffect`), mean over the ``n`` networks (replicates of the
        fold); ``layers["sd"]`` its standard deviation over them (NaN with one).

    Raises
    ------
    DataError
        If no knockout is named, or a gene is not an input of the network.
    """
    from anndata import AnnData

    options = options or KnockoutOptions()
    if not knockouts:
        raise DataError("No knockout is named.", "List at least one gene.")
    genes = options.genes(result)
    positions = {name: genes.inputs_of(found) for name, found in genes.find_each(knockouts).items()}
    manipulations = options.manipulations(result, genes)
    fits = list(result.fits("graph"))
    terms = terms_table(result, [t for t in result.blueprint.terms["id"] if t in fits[0][1].network.term_ids])
    width = len(result.outputs) + len(terms)
    n = len(result.samples)
    shape = (n, len(manipulations) * len(positions) * width)
    total, squares, count = np.zeros(shape, np.float64), np.zeros(shape, np.float64), np.zeros(n, dtype=np.int64)
    for r, (job, model) in enumerate(fits):
        progress("knocking out, sample by sample", r / len(fits))
        place = {term: i for i, term in enumerate(model.network.term_ids)}
        rows = np.array([place[term] for term in terms["id"]], dtype=np.int64)
        count[job.split.test] += 1
        with limit_threads(options.threads or result.settings.threads):
            readings, at = result.inputs_of(job, job.split.test), 0
            for how in manipulations:
                for effect in knock_out_each(model, readings, list(positions.values()), how):
                    own = np.concatenate([effect.outputs, effect.subsystems[rows].T], axis=1)
                    total[job.split.test, at : at + width] += own
                    squares[job.split.test, at : at + width] += own.astype(np.float64) ** 2
                    at += width
    kept = np.flatnonzero(count)
    seen = count[kept, None]
    mean = total[kept] / seen
    with np.errstate(divide="ignore", invalid="ignore"):
        sd = np.sqrt(np.maximum(squares[kept] / seen - mean**2, 0.0) * seen / (seen - 1))
    targets = pd.concat(
        [
            pd.DataFrame(
                {"kind": "output", "target": result.outputs, "label": result.outputs, "unit": unit_of(result)}
            ),
            pd.DataFrame({"kind": "term", "target": terms["id"], "label": terms["label"], "unit": "sd"}),
        ],
        ignore_index=True,
    )
    var = pd.concat(
        [
            targets.assign(
                knockout=dosed(name, how, len(manipulations) > 1), genes=", ".join(knockouts[name]), dose=how.dose,
                how=how.how,
            )
            for how in manipulations
            for name in positions
        ],
        ignore_index=True,
    )  # fmt: skip
    var.index = pd.Index((var["knockout"] + " | " + var["kind"] + " | " + var["target"]).tolist(), dtype=str)
    obs = pd.DataFrame({"n": count[kept]}, index=pd.Index([result.samples.names[i] for i in kept], dtype=str))
    if result.samples.classes:
        obs["target"] = pd.Categorical([result.samples.classes[c] for c in result.samples.target[kept]])
    return AnnData(X=mean.astype(np.float32), obs=obs, var=var, layers={"sd": sd.astype(np.float32)})


def long_table(found: AnnData) -> pd.DataFrame:
    """Return the same as a table: ``sample, n, knockout, genes, kind, target, label, unit, dose, how, delta, sd``."""
    columns = ["knockout", "genes", "kind", "target", "label", "unit", "dose", "how"]
    n, m = found.shape
    table = pd.DataFrame({"sample": np.repeat(found.obs_names.to_numpy(), m), "n": np.repeat(found.obs["n"], m)})
    for name in columns:
        table[name] = np.tile(found.var[name].to_numpy(), n)
    return table.assign(delta=found.X.ravel(), sd=found.layers["sd"].ravel()).reset_index(drop=True)
